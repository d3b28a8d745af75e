// Package cli is the program's commands, a file for each. It stands on the public
// API alone, writes to the streams it is given and never exits the process.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

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
}

// Main runs the program and returns its exit code. When ctx ends, what is in hand is
// brought to an end that can be named.
func Main(ctx context.Context, version string, args []string, in io.Reader, out, errs io.Writer) int {
	p := &program{version: version, in: in, out: out, err: errs}
	root := newRoot(p)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var f *failure
	if !errors.As(err, &f) {
		// cobra's own errors: unknown commands and flags
		f = usage(oneLine(err.Error()), "pgqueue --help")
	}
	fmt.Fprintf(errs, "pgqueue: %s\n", f.Error())
	return f.code
}

func newRoot(p *program) *cobra.Command {
	root := &cobra.Command{
		Use:   "pgqueue",
		Short: "Queues inside PostgreSQL: PgQ for every server",
		Long: `Queues inside PostgreSQL: PgQ for every server.

The database is the one of --dsn, of DATABASE_URL, or of the PG* variables that psql
uses (PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD, PGSERVICE, ...), in this order.

Exit codes: 0 done, 1 failed, 2 wrong usage.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentFlags().StringVar(&p.dsnFlag, "dsn", "", "address of the database: postgres://user:password@host:port/database, or key=value words")
	root.PersistentFlags().BoolVar(&p.json, "json", false, "print JSON")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(oneLine(err.Error()), cmd.CommandPath()+" --help")
	})
	return group(root,
		newDemoCommand(p),
		newVersionCommand(p),
	)
}

// group makes parent a command that is only there for others.
func group(parent *cobra.Command, children ...*cobra.Command) *cobra.Command {
	parent.AddCommand(children...)
	parent.Args = cobra.ArbitraryArgs
	parent.RunE = func(cmd *cobra.Command, args []string) error {
		try := cmd.CommandPath() + " --help"
		switch {
		case len(args) > 0:
			what := fmt.Sprintf("unknown command %q", args[0])
			if names := cmd.SuggestionsFor(args[0]); len(names) > 0 {
				try = cmd.CommandPath() + " " + names[0]
			}
			return usage(what, try)
		case cmd.HasParent():
			return usage(cmd.CommandPath()+" needs a command", try)
		}
		return cmd.Help()
	}
	return parent
}

// printJSON prints v as indented JSON.
func (p *program) printJSON(v any) error {
	enc := json.NewEncoder(p.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
