package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lightpgq/pgqueue"
	"github.com/lightpgq/pgqueue/schema"
)

// failure is how the program ends when it does not end well.
type failure struct {
	code int
	what string // what was wrong
	try  string // a command that would help, "" when there is none
}

// Error says what was wrong and what to try.
func (f *failure) Error() string {
	if f.try == "" {
		return f.what
	}
	return f.what + ". Try: " + f.try
}

// failed is the failure of a sensible request.
func failed(what, try string) *failure { return &failure{code: exitFailed, what: what, try: try} }

// usage is the failure of a request that makes no sense.
func usage(what, try string) *failure { return &failure{code: exitUsage, what: what, try: try} }

// oneLine joins the lines of s: an error is one line.
func oneLine(s string) string {
	lines := strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' })
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "; ")
}

// explainAction says in the program's words what went wrong in an action.
func (p *program) explainAction(ctx context.Context, err error) *failure {
	var connect *pgconn.ConnectError
	var pgErr *pgconn.PgError
	var e *pgqueue.Error
	if !errors.As(err, &e) {
		e = &pgqueue.Error{}
	}
	switch {
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return failed("interrupted", "")
	case errors.As(err, &connect):
		return p.explainConnect(connect)
	case errors.Is(err, pgqueue.ErrNotInstalled), errors.Is(err, schema.ErrMissing):
		return failed("pgqueue is not installed in database "+p.database(), p.command("install"))
	case errors.Is(err, schema.ErrOld):
		return failed(plain(err), p.command("install"))
	case errors.Is(err, schema.ErrNew):
		return failed(plain(err), "pgqueue version")
	case errors.Is(err, schema.ErrForeign):
		return failed(fmt.Sprintf("database %s has a pgq that is not pgqueue's own, such as the original extension", p.database()),
			p.command("install --adopt --dry-run")+", or another database")
	case errors.Is(err, pgqueue.ErrQueueNotFound):
		return p.noQueue(ctx, e.Queue)
	case errors.Is(err, pgqueue.ErrConsumersAttached):
		return failed(fmt.Sprintf("queue %q still has consumers%s", e.Queue, p.consumersOf(ctx, e.Queue)),
			p.command("queue drop --force", e.Queue))
	case !errors.As(err, &pgErr):
		return failed(plain(err), "")
	}
	return p.explainServer(e, pgErr)
}

// explainServer gives the server's own words, without what pgx puts around them.
func (p *program) explainServer(e *pgqueue.Error, pgErr *pgconn.PgError) *failure {
	what := pgErr.Message
	if e.Queue != "" {
		what = fmt.Sprintf("%s %q: %s", e.Op, e.Queue, what)
	}
	if pgErr.Detail != "" {
		what += " (" + pgErr.Detail + ")"
	}
	if pgErr.Code != "42501" { // insufficient_privilege
		return failed(what, inSentence(pgErr.Hint))
	}
	try := "grant pgq_admin, or only pgq_reader to consume or pgq_writer to insert, to " + p.pool.Config().ConnConfig.User
	if e.Op == "" {
		try = "as the owner of the database"
	}
	return failed(what, try)
}

// inSentence makes a server's hint fit into a sentence.
func inSentence(hint string) string {
	hint = strings.TrimSuffix(hint, ".")
	if hint == "" {
		return ""
	}
	return strings.ToLower(hint[:1]) + hint[1:]
}

// plain is the text of an error of the library without the name that ours begin with.
func plain(err error) string {
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "pgqueue: "), "schema: ")
}

// database names the database for people.
func (p *program) database() string {
	return fmt.Sprintf("%q", p.pool.Config().ConnConfig.Database)
}

// explainConnect says why there is no connection.
func (p *program) explainConnect(err *pgconn.ConnectError) *failure {
	c := err.Config
	place := fmt.Sprintf("%s:%d", c.Host, c.Port)
	if strings.HasPrefix(c.Host, "/") {
		place = c.Host
	}
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		what := fmt.Sprintf("no connection to a server at %s", place)
		if cause := rootCause(err); cause != "" {
			what += ": " + cause
		}
		return failed(what, "start PostgreSQL there, or name another: --dsn postgres://user:password@host:5432/database")
	}
	what := fmt.Sprintf("the server at %s says: %s", place, pgErr.Message)
	switch pgErr.Code {
	case "28P01":
		return failed(what, "give the right password for "+c.User+" in --dsn, PGPASSWORD or ~/.pgpass")
	case "28000":
		return failed(what, "another user in --dsn or PGUSER, or allow this one in the server's pg_hba.conf")
	case "3D000":
		return failed(what, "createdb "+shellQuote(c.Database)+", or name another database in --dsn or PGDATABASE")
	}
	return failed(what, "")
}

// rootCause is the innermost text of an error that may have several branches.
func rootCause(err error) string {
	for {
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			errs := many.Unwrap()
			if len(errs) == 0 {
				return err.Error()
			}
			err = errs[len(errs)-1]
			continue
		}
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// lookUpTimeout is for what makes an error more helpful.
const lookUpTimeout = 3 * time.Second

// noQueue says that there is no such queue, and which are similar.
func (p *program) noQueue(ctx context.Context, name string) *failure {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookUpTimeout)
	defer cancel()
	var names []string
	infos, _ := pgqueue.Queues(ctx, p.pool) // without it, the error is still right
	for _, info := range infos {
		names = append(names, info.Name)
	}
	what := fmt.Sprintf("there is no queue %q in database %s", name, p.database())
	if close := similar(name, names); len(close) > 0 {
		return failed(what+"; similar: "+quoteAll(close), p.command("queue list"))
	}
	if len(names) == 0 {
		return failed(what+", nor any other", p.command("queue create", name))
	}
	return failed(what, p.command("queue list"))
}

// noConsumer says that a consumer is not registered, and which are.
func (p *program) noConsumer(ctx context.Context, queue, name string) *failure {
	what := fmt.Sprintf("consumer %q is not registered on queue %q%s", name, queue, p.consumersOf(ctx, queue))
	return failed(what, p.command("consumer register", queue, name))
}

// consumersOf lists a queue's consumers for the middle of a sentence.
func (p *program) consumersOf(ctx context.Context, queue string) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookUpTimeout)
	defer cancel()
	infos, err := pgqueue.NewQueue(queue).Consumers(ctx, p.pool)
	if err != nil || len(infos) == 0 {
		return ""
	}
	var names []string
	for _, info := range infos {
		names = append(names, info.Name)
	}
	return " (registered: " + quoteAll(names) + ")"
}

// quoteAll lists names; of many, the first.
func quoteAll(names []string) string {
	const shown = 5
	var b strings.Builder
	for i, name := range names {
		switch {
		case i == shown:
			fmt.Fprintf(&b, " and %d more", len(names)-shown)
			return b.String()
		case i > 0:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", name)
	}
	return b.String()
}

// similar returns those of names that somebody who wrote name may have meant, the
// closest first.
func similar(name string, names []string) []string {
	limit := max(1, len([]rune(name))/3)
	distances := map[string]int{}
	var close []string
	for _, other := range names {
		d := editDistance(strings.ToLower(name), strings.ToLower(other))
		if d <= limit || strings.Contains(other, name) {
			close = append(close, other)
			distances[other] = d
		}
	}
	slices.SortStableFunc(close, func(a, b string) int { return distances[a] - distances[b] })
	return close
}

// editDistance is the number of letters to insert, delete or replace to get from a to b.
func editDistance(a, b string) int {
	from, to := []rune(a), []rune(b)
	const longest = 100 // quadratic, and nobody mistypes more than that
	if len(from) > longest || len(to) > longest {
		return max(len(from), len(to))
	}
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i, r := range from {
		diagonal := row[0]
		row[0] = i + 1
		for j, s := range to {
			replace := diagonal
			if r != s {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, diagonal+1)
		}
	}
	return row[len(to)]
}
