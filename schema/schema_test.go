package schema_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/lightpgq/pgqueue/internal/devpg"
	"github.com/lightpgq/pgqueue/pgqueuetest"
	"github.com/lightpgq/pgqueue/schema"
)

func mustExec(t *testing.T, db *pgxpool.Pool, sql string) {
	t.Helper()
	if _, err := db.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// inventory lists what is in the schemas, so that two states can be compared.
func inventory(t *testing.T, db *pgxpool.Pool) []string {
	t.Helper()
	rows, err := db.Query(t.Context(), `
		select format('%s %s %s', c.relkind, c.oid::regclass, c.relacl) from pg_class c where relnamespace::regnamespace::text in ('pgq', 'pgq_coop', 'pgq_ext', 'pgqueue')
		union all
		select format('%s %s %s', p.oid::regprocedure, md5(p.prosrc), p.proacl) from pg_proc p where pronamespace::regnamespace::text in ('pgq', 'pgq_coop', 'pgq_ext', 'pgqueue')
		order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestInstallTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewEmptyDB(t)
	if err := schema.Check(t.Context(), db); !errors.Is(err, schema.ErrMissing) {
		t.Errorf("before: %v, want ErrMissing", err)
	}
	for range 2 {
		report, err := schema.Install(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		if len(report.GrantsLeft) != 0 {
			t.Errorf("a superuser has grants left to do: %q", report.GrantsLeft)
		}
	}
	mustExec(t, db, "select pgq.create_queue('q'), pgq.insert_event('q', 't', 'd')")
	before := inventory(t, db)
	if _, err := schema.Install(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, inventory(t, db)); diff != "" {
		t.Errorf("installing again with a queue: %s", diff)
	}
	if err := schema.Check(t.Context(), db); err != nil {
		t.Error(err)
	}
	mustExec(t, db, "select pgq.insert_event('q', 't', 'd')")
}

func TestInstallAtOnce(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewEmptyDB(t)
	var group errgroup.Group
	for range 4 {
		group.Go(func() error { _, err := schema.Install(t.Context(), db); return err })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare        string
		install, check error
	}{
		"newer":     {fmt.Sprintf("insert into pgqueue.schema_version values (%d)", schema.Version+1), schema.ErrNew, schema.ErrNew},
		"older":     {fmt.Sprintf("update pgqueue.schema_version set version_id = %d", schema.Version-1), nil, schema.ErrOld},
		"extension": {"drop schema pgq cascade; drop schema pgqueue cascade; create extension pgq", schema.ErrForeign, schema.ErrForeign},
		"foreign":   {"drop schema pgq cascade; drop schema pgqueue cascade; create schema pgq", schema.ErrForeign, schema.ErrForeign},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if strings.Contains(c.prepare, "extension") {
				needsReference(t)
			}
			db := pgqueuetest.NewDB(t)
			mustExec(t, db, c.prepare)
			before := inventory(t, db)
			if err := schema.Check(t.Context(), db); !errors.Is(err, c.check) {
				t.Errorf("Check: %v, want %v", err, c.check)
			}
			if _, err := schema.Install(t.Context(), db); !errors.Is(err, c.install) {
				t.Errorf("Install: %v, want %v", err, c.install)
			}
			if diff := cmp.Diff(before, inventory(t, db)); diff != "" {
				t.Errorf("a refused install changed something: %s", diff)
			}
		})
	}
}

func TestUninstall(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewDB(t)
	mustExec(t, db, "select pgq.create_queue('q')")
	if err := schema.Uninstall(t.Context(), db); !errors.Is(err, schema.ErrQueuesExist) {
		t.Errorf("with a queue: %v, want ErrQueuesExist", err)
	}
	mustExec(t, db, "select pgq.drop_queue('q')")
	if err := schema.Uninstall(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if left := inventory(t, db); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
	if err := schema.Uninstall(t.Context(), db); !errors.Is(err, schema.ErrMissing) {
		t.Errorf("again: %v, want ErrMissing", err)
	}
	if _, err := schema.Install(t.Context(), db); err != nil {
		t.Errorf("install after uninstall: %v", err)
	}
}

// A role that owns the database, on a server where PgQ's roles are missing and that
// it may not create: everything works for the owner, and what is left is said.
func TestOrdinaryOwner(t *testing.T) {
	t.Parallel()
	server, err := devpg.Start(t.Context(), devpg.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	super, err := pgxpool.New(t.Context(), server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer super.Close()
	mustExec(t, super, "create role plain login password 'secret'")
	mustExec(t, super, "create database owned owner plain")

	cfg, err := pgxpool.ParseConfig(server.DSN("owned"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.ConnConfig.User, cfg.ConnConfig.Password = "plain", "secret"
	db, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()

	report, err := schema.Install(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"pgq_reader", "pgq_writer", "pgq_admin"} {
		if !strings.Contains(strings.Join(report.GrantsLeft, "\n"), "create role "+role+";") {
			t.Errorf("nothing said about role %s: %q", role, report.GrantsLeft)
		}
	}
	mustExec(t, db, "select pgq.create_queue('q'), pgq.register_consumer('q', 'c')")
	mustExec(t, db, "select pgq.insert_event('q', 't', 'd'), pgq.force_tick('q'), pgq.ticker('q')")
	mustExec(t, db, "select pgq.finish_batch(pgq.next_batch('q', 'c'))")

	for _, sql := range report.GrantsLeft {
		mustExec(t, super, sql)
	}
	if report, err = schema.Install(t.Context(), db); err != nil || len(report.GrantsLeft) != 0 {
		t.Errorf("after the roles were created: %q, %v", report.GrantsLeft, err)
	}
}

// The script is plain ASCII: it can be installed whatever the encodings of database and client.
func TestScriptIsASCII(t *testing.T) {
	t.Parallel()
	for n, line := range strings.Split(schema.Script(), "\n") {
		if i := strings.IndexFunc(line, func(r rune) bool { return r > 0x7f }); i >= 0 {
			t.Errorf("line %d: %q", n+1, line)
		}
	}
	db := pgqueuetest.NewEmptyDB(t)
	name := pgx.Identifier{db.Config().ConnConfig.Database + "_latin1"}.Sanitize()
	mustExec(t, db, "create database "+name+" encoding latin1 lc_collate 'C' lc_ctype 'C' template template0")
	t.Cleanup(func() {
		if _, err := db.Exec(context.Background(), "drop database "+name+" with (force)"); err != nil {
			t.Error(err)
		}
	})
	cfg := db.Config()
	cfg.ConnConfig.Database += "_latin1"
	latin, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer latin.Close()
	if _, err := schema.Install(t.Context(), latin); err != nil {
		t.Error(err)
	}
}

// The script is what psql runs; what it installs is what Install installs.
func TestScriptWithPsql(t *testing.T) {
	t.Parallel()
	db, other := pgqueuetest.NewEmptyDB(t), pgqueuetest.NewDB(t)
	cmd := exec.Command("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", pgqueuetest.DSN(db))
	cmd.Stdin = strings.NewReader(schema.Script())
	if out, err := cmd.CombinedOutput(); err != nil || len(out) != 0 {
		t.Fatalf("psql: %v\n%s", err, out)
	}
	if diff := cmp.Diff(inventory(t, other), inventory(t, db)); diff != "" {
		t.Error(diff)
	}
}
