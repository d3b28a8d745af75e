package cli

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/lightpgq/pgqueue"
)

const insertHelp = `Insert events into a queue: one, whose data is the argument DATA, or one for each line of
standard input.

Lines (--format):
  json   a JSON object with any of "type", "data" and "extra1" to "extra4", all text. Data that
         is an object, an array, a number or a boolean is stored as its JSON text. What
         "consume" prints can be inserted again: "id", "time", "txid" and "retry" are
         accepted, and given anew by the server. Empty lines are skipped.
  lines  each line is an event's data, byte by byte, without its newline.
  auto   looks at the first line: json when it begins with "{", unless it is a JSON object
         with none of the fields above; else lines.
The flags --type and --extra1 to --extra4 hold for lines that do not say it themselves.

Events go in by transactions of --batch-size events, or fewer when no more input is at hand.
When a line is broken, the database fails, or the program is interrupted, the error says which
lines are in: all up to one, and nothing of the rest. With --atomic there is one transaction:
all are in, or nothing.`

// insertFlags are the flags of insert.
type insertFlags struct {
	event  pgqueue.Event // what lines do not say
	format string
	size   int
	atomic bool
}

func newInsertCommand(p *program) *cobra.Command {
	var f insertFlags
	cmd := &cobra.Command{
		Use:   use("insert", "QUEUE", "[DATA]"),
		Short: "Insert one event, or one for each line of standard input",
		Long:  insertHelp,
		Example: `  pgqueue insert orders '{"order": 17}' --type paid
  pgqueue insert orders --format lines --type raw < orders.jsonl`,
		Args:              takes("QUEUE", "[DATA]"),
		ValidArgsFunction: p.completeQueue,
		RunE: run(func(ctx context.Context, args []string) error {
			if len(args) > 1 {
				f.event.Data = []byte(args[1])
				return p.insertOne(ctx, args[0], f.event)
			}
			return p.insertLines(ctx, args[0], f)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.event.Type, "type", "", "type of the events")
	for i, extra := range []*string{&f.event.Extra1, &f.event.Extra2, &f.event.Extra3, &f.event.Extra4} {
		flags.StringVar(extra, fmt.Sprintf("extra%d", i+1), "", fmt.Sprintf("extra field %d of the events", i+1))
	}
	flags.StringVar(&f.format, "format", formatAuto, "format of the lines: json, lines or auto")
	flags.IntVar(&f.size, "batch-size", 1000, "most events of one transaction")
	flags.BoolVar(&f.atomic, "atomic", false, "insert all lines in one transaction")
	return cmd
}

func (p *program) insertOne(ctx context.Context, queue string, ev pgqueue.Event) error {
	pool, err := p.open(ctx)
	if err != nil {
		return err
	}
	id, err := pgqueue.NewQueue(queue).Insert(ctx, pool, ev)
	if err != nil {
		return err
	}
	return p.say(map[string]any{"queue": queue, "id": id}, "%d", id)
}

func (p *program) insertLines(ctx context.Context, queue string, f insertFlags) error {
	switch {
	case f.size < 1 || f.size > maxBatchSize:
		return usage(fmt.Sprintf("--batch-size %d is not between 1 and %d", f.size, maxBatchSize), "--batch-size 1000")
	case f.format != formatAuto && f.format != formatJSON && f.format != formatLines:
		return usage(fmt.Sprintf("--format %q is not json, lines or auto", f.format), "--format lines")
	}
	pool, err := p.open(ctx)
	if err != nil {
		return err
	}
	q := pgqueue.NewQueue(queue)
	if _, err := q.Info(ctx, pool); err != nil { // before waiting for input
		return err
	}
	if isTerminal(p.in) {
		fmt.Fprintln(p.err, "pgqueue: reading events from the terminal, one for each line; end with Ctrl-D")
	}
	src := newSource(p.in, f.format, f.event)
	l := &loader{p: p, pool: pool, queue: q, atomic: f.atomic, format: f.format}
	bar := p.startProgress(src, l)
	err = l.load(ctx, src.chunks(ctx, f.size))
	bar.stop()
	if err != nil {
		return l.failure(ctx, err)
	}
	done := map[string]any{"queue": queue, "events": l.events.Load(), "lines": l.lines, "format": l.format}
	return p.say(done, "inserted %s into %q (%s, format %s)", count(l.events.Load(), "event"), queue, count(l.lines, "line"), l.format)
}

// isTerminal reports whether a stream is one that somebody sits at.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
