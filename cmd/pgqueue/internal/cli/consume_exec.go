package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lightpgq/pgqueue"
)

const (
	maxRetryDelay = time.Hour
	// What is read at once before commands are run for it.
	execEvents = 1000
	execBytes  = 8 << 20
	// killTime is what a command that was told to end has left.
	killTime = 5 * time.Second
)

// runner is a handler that runs a command for each event.
type runner struct {
	p          *program
	command    string
	retryAfter time.Duration
	log        *slog.Logger
}

// HandleBatch runs the command for each event of the batch, and parks events whose
// command fails. Commands may be slow, so they run between the reading: no cursor is
// open meanwhile, which would hold back the server's clean-up.
func (r *runner) HandleBatch(ctx context.Context, tx pgx.Tx, b *pgqueue.Batch) error {
	if _, err := tx.Exec(ctx, "set local idle_in_transaction_session_timeout = 0"); err != nil {
		return err
	}
	last := int64(-1)
	for {
		evs, whole, err := r.read(ctx, tx, b, last)
		if err != nil {
			return err
		}
		for _, ev := range evs {
			if err := r.handle(ctx, b, ev); err != nil {
				return err
			}
			last = ev.ID
		}
		if whole {
			return nil
		}
	}
}

// read returns the next events of the batch, those with ids above last. whole: there are
// no more.
func (r *runner) read(ctx context.Context, tx pgx.Tx, b *pgqueue.Batch, last int64) (evs []pgqueue.Event, whole bool, err error) {
	volume := 0
	for ev, err := range b.Events(ctx, tx) {
		if err != nil {
			return nil, false, err
		}
		if ev.ID <= last {
			continue
		}
		evs = append(evs, ev)
		if volume += len(ev.Data); len(evs) >= execEvents || volume >= execBytes {
			return evs, false, nil
		}
	}
	return evs, true, nil
}

// handle runs the command for one event.
func (r *runner) handle(ctx context.Context, b *pgqueue.Batch, ev pgqueue.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := r.run(ctx, b, ev)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("command for event %d was stopped: %w", ev.ID, ctx.Err())
	case errors.As(err, &exit), errors.Is(err, syscall.E2BIG): // E2BIG: its own fields are too long
		delay := min(min(r.retryAfter, maxRetryDelay)<<min(ev.Retry, 12), maxRetryDelay)
		r.log.WarnContext(ctx, "command failed, the event will be retried",
			"event", ev.ID, "retry", ev.Retry, "after", delay, "err", err)
		b.Retry(ev, delay)
		return nil
	}
	return fmt.Errorf("command for event %d: %w", ev.ID, err)
}

func (r *runner) run(ctx context.Context, b *pgqueue.Batch, ev pgqueue.Event) error {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", r.command)
	cmd.Stdin = bytes.NewReader(ev.Data)
	cmd.Stdout, cmd.Stderr = r.p.out, r.p.err
	cmd.Env = append(os.Environ(),
		"PGQUEUE_QUEUE="+b.Queue,
		"PGQUEUE_CONSUMER="+b.Consumer,
		"PGQUEUE_ID="+strconv.FormatInt(ev.ID, 10),
		"PGQUEUE_TIME="+ev.Time.UTC().Format(time.RFC3339Nano),
		"PGQUEUE_TXID="+strconv.FormatInt(ev.TxID, 10),
		"PGQUEUE_RETRY="+strconv.Itoa(ev.Retry),
		"PGQUEUE_TYPE="+ev.Type,
		"PGQUEUE_EXTRA1="+ev.Extra1,
		"PGQUEUE_EXTRA2="+ev.Extra2,
		"PGQUEUE_EXTRA3="+ev.Extra3,
		"PGQUEUE_EXTRA4="+ev.Extra4,
	)
	ownGroup(cmd)
	cmd.WaitDelay = killTime
	return cmd.Run()
}
