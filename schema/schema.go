// Package schema installs, checks and removes pgqueue's database schema: PgQ's
// schema pgq in plain SQL and PL/pgSQL, and pgqueue for what PgQ has no room for.
//
// The schema is one SQL script (see Script), the same for psql, for other
// migration tools and for Install. It runs in one transaction, takes a lock,
// refuses a newer schema, applies the migrations that are missing, re-creates
// every function, makes the grants and stores its version. Running it again
// changes nothing.
package schema

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Version is the version of the schema in this build. It rises with each
// release that changes anything in it.
const Version = 1

//go:embed adopt.sql begin.sql end.sql uninstall.sql migrations functions
var files embed.FS

var (
	// ErrMissing means that pgqueue's schema is not in this database.
	ErrMissing = errors.New("schema not installed")
	// ErrOld means that the installed schema is older than this build: run pgqueue install.
	ErrOld = errors.New("schema too old")
	// ErrNew means that the installed schema is newer than this build: use a newer program.
	ErrNew = errors.New("schema too new")
	// ErrForeign means that the database has a schema pgq which is not ours, such
	// as the original extension.
	ErrForeign = errors.New("a pgq that is not pgqueue's is installed")
	// ErrQueuesExist means that Uninstall found queues, and removed nothing.
	ErrQueuesExist = errors.New("queues exist")
)

// codes maps SQLSTATEs that the scripts raise to sentinels.
var codes = map[string]error{
	"PQ014": ErrNew,
	"PQ015": ErrForeign,
	"PQ016": ErrQueuesExist,
	"PQ017": ErrMissing,
}

// DB is what this package needs of pgx; *pgxpool.Pool, *pgx.Conn and pgx.Tx have it.
type DB interface {
	Begin(ctx context.Context) (pgx.Tx, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Report says what Install could not do.
type Report struct {
	// GrantsLeft are SQL statements for a role with the right to create roles, to be
	// run before Install is run again. Until then only the owner can use
	// the schema. Empty when all is done.
	GrantsLeft []string
}

// Script returns the whole schema as plain SQL in one transaction, for psql and
// other migration tools.
func Script() string {
	return "begin;\n\n" + body() + "\ncommit;\n"
}

// Install creates the schema or brings it up to date, in one transaction (a
// savepoint when db is a transaction). It needs a role that may create schemas in the
// database, no superuser. It fails with ErrNew or ErrForeign, having
// changed nothing.
func Install(ctx context.Context, db DB) (Report, error) {
	return install(ctx, db, body())
}

// Adopt installs the schema in a database that has the original extension pgq (3.2 and later),
// in its place, in one transaction: queues, positions, open batches, parked events,
// events, triggers and grants are kept, no event is lost. The extensions pgq,
// and those that need it, are dissolved; what belonged to them stays as
// ordinary objects. It needs the extensions' owner, usually a superuser, and
// waits for transactions that use the queues. ErrMissing: there is no such extension.
func Adopt(ctx context.Context, db DB) (Report, error) {
	return install(ctx, db, read("adopt.sql")+body())
}

// AdoptPlan says what Adopt would do in this database, one line for each step,
// and changes nothing. ErrMissing: there is no original extension.
func AdoptPlan(ctx context.Context, db DB) ([]string, error) {
	var plan []string
	err := db.QueryRow(ctx, sqlAdoptPlan).Scan(&plan)
	if err == nil && len(plan) == 0 {
		err = fmt.Errorf("%w: this database does not have the original pgq extension", ErrMissing)
	}
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	return plan, nil
}

// sqlAdoptPlan is empty without the extension.
const sqlAdoptPlan = `
select array_agg(line order by pos, line) from (
	select 1 as pos, format('dissolve extension %s %s; its objects stay', extname, extversion) as line
	  from pg_extension where extname in ('pgq', 'pgq_node', 'pgq_coop', 'pgq_ext', 'londiste')
	union all
	select 2, format('re-create %s functions in place', count(*)) from pg_proc where pronamespace = to_regnamespace('pgq')
	union all
	select 3, 'add schema pgqueue; pgq.subscription becomes a view over it'
	union all
	select 4, format('take over %s', s) from (select
		(xpath('/row/n/text()', query_to_xml('select count(*) as n from pgq.' || r, true, true, '')))[1]::text || ' rows of pgq.' || r as s
		  from unnest(array['queue', 'consumer', 'subscription', 'tick', 'retry_queue']) r
		 where exists (select from pg_extension where extname = 'pgq')) rows) steps
 where exists (select from pg_extension where extname = 'pgq')`

func install(ctx context.Context, db DB, script string) (Report, error) {
	var report Report
	err := run(ctx, db, script, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select pgqueue.apply_grants()")
		if err != nil {
			return err
		}
		report.GrantsLeft, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return report, err
}

// Uninstall removes the schema, in one transaction. It fails with ErrMissing, or
// with ErrQueuesExist as long as there is a queue. Roles stay.
func Uninstall(ctx context.Context, db DB) error {
	return run(ctx, db, read("uninstall.sql"), func(pgx.Tx) error { return nil })
}

// Check compares the installed schema with this build: nil when they are the
// same, else an error that is ErrMissing, ErrOld, ErrNew or ErrForeign.
func Check(ctx context.Context, db DB) error {
	var ours, foreign bool
	err := db.QueryRow(ctx,
		"select to_regprocedure('pgqueue.version()') is not null, to_regnamespace('pgq') is not null").Scan(&ours, &foreign)
	switch {
	case err != nil:
		return fmt.Errorf("schema: check: %w", err)
	case !ours && foreign:
		return fmt.Errorf("schema: %w", ErrForeign)
	case !ours:
		return fmt.Errorf("schema: %w; run: pgqueue install", ErrMissing)
	}
	var installed int
	if err := db.QueryRow(ctx, "select pgqueue.version()").Scan(&installed); err != nil {
		return fmt.Errorf("schema: check: %w", err)
	}
	switch {
	case installed < Version:
		return fmt.Errorf("schema: %w: version %d, this build needs %d; run: pgqueue install", ErrOld, installed, Version)
	case installed > Version:
		return fmt.Errorf("schema: %w: version %d, this build knows %d; use a newer pgqueue", ErrNew, installed, Version)
	}
	return nil
}

// run executes a script of many statements, then after, in one transaction.
func run(ctx context.Context, db DB, script string, after func(pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		if _, err := tx.Conn().PgConn().Exec(ctx, script).ReadAll(); err != nil {
			return err
		}
		return after(tx)
	})
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		if kind, ok := codes[pgErr.Code]; ok {
			return fmt.Errorf("schema: %w: %w (%s)", kind, err, pgErr.Hint)
		}
	}
	if err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	return nil
}

// body is the script without begin and commit.
func body() string {
	var b strings.Builder
	b.WriteString(read("begin.sql"))
	for _, name := range list("migrations/*.sql") {
		id := strings.TrimSuffix(strings.TrimPrefix(name, "migrations/"), ".sql")
		fmt.Fprintf(&b, `
do $pgqueue_do$
begin
    if exists (select from pgqueue.migration where migration_name = '%[1]s') then
        return;
    end if;
    execute $pgqueue_migration$
%[2]s$pgqueue_migration$;
    insert into pgqueue.migration (migration_name) values ('%[1]s');
end $pgqueue_do$;
`, id, read(name))
	}
	for _, name := range list("functions/*/*.sql") {
		fmt.Fprintf(&b, "\n-- %s\n%s", name, read(name))
	}
	b.WriteString("\n" + read("end.sql"))
	return strings.ReplaceAll(b.String(), "{{version}}", strconv.Itoa(Version))
}

func list(pattern string) []string {
	names, err := fs.Glob(files, pattern)
	if err != nil {
		panic(err) // the pattern is a constant
	}
	return names
}

func read(name string) string {
	text, err := files.ReadFile(name)
	if err != nil {
		panic(err) // embedded at build time
	}
	return string(text)
}
