package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/lightpgq/pgqueue"
)

const consumeHelp = `Read the events of a queue as one of its consumers, batch by batch, until it is stopped
by SIGINT or SIGTERM; with --once, only what is pending now.

Each event is one line of standard output (--format):
  json   an object with "id", "time", "txid", "retry", "type", "data" (text, null for NULL), and
         "extra1" to "extra4" where they are not empty
  lines  the event's data, byte by byte, and a newline; NULL is an empty line

A batch is finished after all of it has been written. When writing fails, or the program is
killed before, the whole batch comes again: at least once.

With --exec CMD nothing is printed. CMD is run by "sh -c" for each event, one after the other,
with the data on its standard input and PGQUEUE_QUEUE, PGQUEUE_CONSUMER, PGQUEUE_ID,
PGQUEUE_TIME, PGQUEUE_TXID, PGQUEUE_RETRY, PGQUEUE_TYPE and PGQUEUE_EXTRA1 to PGQUEUE_EXTRA4
in its environment. When it fails, that event comes again after --retry-after, and twice as
long each further time, up to an hour; the others are not held up.`

// consumeFlags are the flags of consume.
type consumeFlags struct {
	once, register bool
	format         string
	exec           string
	retryAfter     time.Duration
	drain          time.Duration
}

func newConsumeCommand(p *program) *cobra.Command {
	var f consumeFlags
	cmd := &cobra.Command{
		Use:   use("consume", "QUEUE", "CONSUMER"),
		Short: "Print the events of a queue, or run a command for each",
		Long:  consumeHelp,
		Example: `  pgqueue consume orders audit --register
  pgqueue consume orders mailer --exec 'mail -s "order $PGQUEUE_ID" sales@example.com'`,
		Args:              takes("QUEUE", "CONSUMER"),
		ValidArgsFunction: p.completeQueue,
		RunE:              run(func(ctx context.Context, args []string) error { return p.consume(ctx, args[0], args[1], f) }),
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.once, "once", false, "stop when all that was pending is done")
	flags.BoolVar(&f.register, "register", false, "register the consumer first, if it is not")
	flags.StringVar(&f.format, "format", formatJSON, "format of the output: json or lines")
	flags.StringVar(&f.exec, "exec", "", "run this command for each event instead of printing it")
	flags.DurationVar(&f.retryAfter, "retry-after", time.Second, "with --exec: when an event whose command failed comes again")
	flags.DurationVar(&f.drain, "drain", drainTime, "how long the batch in hand may go on after a signal to stop")
	return cmd
}

// check refuses flags that make no sense.
func (f consumeFlags) check() error {
	switch {
	case f.format != formatJSON && f.format != formatLines:
		return usage(fmt.Sprintf("--format %q is not json or lines", f.format), "--format lines")
	case f.retryAfter <= 0 || f.drain <= 0:
		return usage("--retry-after and --drain must be longer than 0", "--retry-after 1s")
	}
	return nil
}

func (p *program) consume(ctx context.Context, queue, consumer string, f consumeFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	pool, err := p.open(ctx)
	if err != nil {
		return err
	}
	q := pgqueue.NewQueue(queue)
	if f.register {
		if _, err := q.Register(ctx, pool, consumer); err != nil {
			return err
		}
	}
	infos, err := q.Consumers(ctx, pool)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(infos, func(i pgqueue.ConsumerInfo) bool { return i.Name == consumer }) {
		return p.noConsumer(ctx, queue, consumer)
	}

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	log := slog.New(untilOutputFails{p.logger(slog.LevelWarn).Handler()})
	handler := p.newHandler(f, log.With("queue", queue, "consumer", consumer), stop)
	if f.once {
		err = p.consumeOnce(ctx, pool, q, consumer, f, handler)
	} else {
		err = p.consumeOn(ctx, pool, pgqueue.ConsumerConfig{
			Queue: queue, Name: consumer, Handler: handler, DrainTimeout: f.drain, Logger: log,
		})
	}
	if lost := (*outputError)(nil); errors.As(context.Cause(ctx), &lost) {
		return failed(lost.Error(), "consume again with a reader that stays")
	}
	if errors.Is(err, pgqueue.ErrConsumerNotFound) { // somebody has unregistered it meanwhile
		return p.noConsumer(ctx, queue, consumer)
	}
	return err
}

// newHandler works a batch as the flags say. stop ends the program when there is no way on.
func (p *program) newHandler(f consumeFlags, log *slog.Logger, stop context.CancelCauseFunc) pgqueue.Handler {
	if f.exec != "" {
		return &runner{p: p, command: f.exec, retryAfter: f.retryAfter, log: log}
	}
	return newPrinter(p.out, f.format, stop)
}

// consumeOn works batches until ctx is done.
func (p *program) consumeOn(ctx context.Context, pool *pgxpool.Pool, cfg pgqueue.ConsumerConfig) error {
	c, err := pgqueue.NewConsumer(pool, cfg)
	if err != nil {
		return err
	}
	return c.Run(ctx)
}

// consumeOnce works the batches that are pending now. What producers add meanwhile is
// left, so it comes to an end.
func (p *program) consumeOnce(ctx context.Context, pool *pgxpool.Pool, q pgqueue.Queue, consumer string, f consumeFlags, h pgqueue.Handler) error {
	info, err := awaitTick(ctx, pool, q)
	if err != nil {
		return err
	}
	work, cancel := afterwards(ctx, f.drain)
	defer cancel()
	for {
		if ctx.Err() != nil {
			return errInterrupted
		}
		b, err := q.NextBatch(work, pool, consumer)
		if errors.Is(err, pgqueue.ErrNoBatch) {
			break
		}
		if err != nil {
			return err
		}
		err = pgx.BeginFunc(work, pool, func(tx pgx.Tx) error {
			if err := h.HandleBatch(work, tx, b); err != nil {
				return err
			}
			return b.Finish(work, tx)
		})
		if err != nil {
			return err
		}
		if b.Tick >= info.LastTick {
			break
		}
	}
	if info.NewEvents > 0 {
		fmt.Fprintf(p.err, "pgqueue: about %s of queue %q had no tick yet; a ticker makes them. Try: %s\n",
			count(info.NewEvents, "event"), q.Name(), p.command("ticker"))
	}
	return nil
}

// tickTime is how long consume --once waits for the tick that makes a batch of what was
// inserted just before: a running ticker needs a few milliseconds.
const tickTime = time.Second

// awaitTick returns the queue's state when all its events are ticked, or when the ticker
// had the time to do so.
func awaitTick(ctx context.Context, pool *pgxpool.Pool, q pgqueue.Queue) (pgqueue.QueueInfo, error) {
	deadline := time.After(tickTime)
	for {
		info, err := q.Info(ctx, pool)
		if err != nil || info.NewEvents == 0 {
			return info, err
		}
		select {
		case <-ctx.Done():
			return info, errInterrupted
		case <-deadline:
			return info, nil
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// untilOutputFails logs nothing about a batch that could not be written: that is the
// error the program ends with.
type untilOutputFails struct{ slog.Handler }

func (h untilOutputFails) Enabled(ctx context.Context, level slog.Level) bool {
	lost := (*outputError)(nil)
	return !errors.As(context.Cause(ctx), &lost) && h.Handler.Enabled(ctx, level)
}

func (h untilOutputFails) WithAttrs(attrs []slog.Attr) slog.Handler {
	return untilOutputFails{h.Handler.WithAttrs(attrs)}
}

func (h untilOutputFails) WithGroup(name string) slog.Handler {
	return untilOutputFails{h.Handler.WithGroup(name)}
}
