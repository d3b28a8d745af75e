// Package cli is the program's commands, a file for each. It stands on the public
// API alone, writes to the streams it is given and never exits the process.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
)

// The program's exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // what was asked for could not be done
	exitUsage  = 2 // what was asked for makes no sense
)

// program is what the commands of one run share.
type program struct {
	version string
	in      io.Reader
	out     io.Writer
	err     io.Writer

	dsnFlag string // --dsn
	json    bool   // --json

	pool *pgxpool.Pool // of the database, once a command has connected
}

// Main runs the program and returns its exit code. When ctx ends, what is in hand is
// brought to an end that can be named.
func Main(ctx context.Context, version string, args []string, in io.Reader, out, errs io.Writer) int {
	p := &program{version: version, in: in, out: out, err: errs}
	defer func() {
		if p.pool != nil {
			p.pool.Close()
		}
	}()
	root := newRoot(p)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	f := p.explain(ctx, err)
	fmt.Fprintf(errs, "pgqueue: %s\n", oneLine(f.Error()))
	return f.code
}

const rootHelp = `Queues inside PostgreSQL: PgQ for every server.

The database is the one of --dsn, of DATABASE_URL, or of the PG* variables that psql
uses (PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD, PGSERVICE, ...), in this order.

Exit codes: 0 done, 1 failed, 2 wrong usage.`

func newRoot(p *program) *cobra.Command {
	root := &cobra.Command{
		Use:           "pgqueue",
		Short:         "Queues inside PostgreSQL: PgQ for every server",
		Long:          rootHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&p.dsnFlag, "dsn", "", "address of the database: postgres://user:password@host:port/database, or key=value words")
	flags.BoolVar(&p.json, "json", false, "print JSON")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(err.Error(), cmd.CommandPath()+" --help")
	})
	return group(root,
		newInstallCommand(p),
		newUninstallCommand(p),
		newSQLCommand(p),
		newQueueCommand(p),
		newConsumerCommand(p),
		newInsertCommand(p),
		newConsumeCommand(p),
		newTickerCommand(p),
		newDoctorCommand(p),
		newDemoCommand(p),
		newVersionCommand(p),
		newManCommand(),
	)
}

// group makes parent a command that is only there for others.
func group(parent *cobra.Command, children ...*cobra.Command) *cobra.Command {
	parent.AddCommand(children...)
	parent.Args = cobra.ArbitraryArgs
	parent.SuggestionsMinimumDistance = 2
	parent.RunE = func(cmd *cobra.Command, args []string) error {
		try := cmd.CommandPath() + " --help"
		switch {
		case len(args) > 0:
			if names := cmd.SuggestionsFor(args[0]); len(names) > 0 {
				try = cmd.CommandPath() + " " + names[0]
			}
			return usage(fmt.Sprintf("unknown command %q", args[0]), try)
		case cmd.HasParent():
			return usage(commandName(cmd)+" needs a command", try)
		}
		return cmd.Help()
	}
	return parent
}

// action is what a command does.
type action func(ctx context.Context, args []string) error

// run makes do a cobra function. Its errors are failures of what was asked for, where
// cobra's own are wrong usage.
func run(do action) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := do(cmd.Context(), args)
		if err == nil {
			return nil
		}
		return &actionError{err}
	}
}

// actionError is an error of an action.
type actionError struct{ error }

func (e *actionError) Unwrap() error { return e.error }

// explain turns any error into the failure that is shown.
func (p *program) explain(ctx context.Context, err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	if acted := (*actionError)(nil); !errors.As(err, &acted) {
		return usage(err.Error(), "pgqueue --help")
	}
	return p.explainAction(ctx, err)
}

// commandName is a command's name without the program's.
func commandName(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}
