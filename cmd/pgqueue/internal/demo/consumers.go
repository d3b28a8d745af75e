package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lightpgq/pgqueue"
)

// recorder writes down what a consumer is given, in the batch's transaction, in the
// consumer's own table.
type recorder struct {
	name string
	got  func(transfer int64, at time.Time) // told of each event when the handler gets it
}

// given is an event as a handler got it.
type given struct {
	event    pgqueue.Event
	transfer transfer
}

// read reads the whole batch.
func (r recorder) read(ctx context.Context, tx pgx.Tx, b *pgqueue.Batch) (evs []given, err error) {
	for ev, err := range b.Events(ctx, tx) {
		at := time.Now()
		if err != nil {
			return nil, err
		}
		g := given{event: ev}
		if err := json.Unmarshal(ev.Data, &g.transfer); err != nil {
			return nil, fmt.Errorf("event %d: %w", ev.ID, err)
		}
		r.got(g.transfer.ID, at)
		evs = append(evs, g)
	}
	return evs, nil
}

// record writes evs down.
func (r recorder) record(ctx context.Context, tx pgx.Tx, evs []given) error {
	events, transfers, retries := make([]int64, len(evs)), make([]int64, len(evs)), make([]int32, len(evs))
	for i, g := range evs {
		events[i], transfers[i], retries[i] = g.event.ID, g.transfer.ID, int32(g.event.Retry)
	}
	_, err := tx.Exec(ctx, "insert into seen_"+r.name+" select * from unnest($1::int8[], $2::int8[], $3::int4[])",
		events, transfers, retries)
	return err
}

// books rebuilds the balances.
type books struct{ recorder }

func (c *books) HandleBatch(ctx context.Context, tx pgx.Tx, b *pgqueue.Batch) error {
	evs, err := c.read(ctx, tx, b)
	if err != nil || len(evs) == 0 {
		return err
	}
	moved := make([]transfer, len(evs))
	for i, g := range evs {
		moved[i] = g.transfer
	}
	accounts, changes := sums(moved)
	_, err = tx.Exec(ctx, `
update book set balance = balance + c.change from unnest($1::int4[], $2::int8[]) c (account, change)
 where book.account = c.account`, accounts, changes)
	if err != nil {
		return err
	}
	return c.record(ctx, tx, evs)
}

// counter counts.
type counter struct{ recorder }

func (c *counter) HandleBatch(ctx context.Context, tx pgx.Tx, b *pgqueue.Batch) error {
	evs, err := c.read(ctx, tx, b)
	if err != nil || len(evs) == 0 {
		return err
	}
	if _, err := tx.Exec(ctx, "update counted set events = events + $1", len(evs)); err != nil {
		return err
	}
	return c.record(ctx, tx, evs)
}

// flaky fails with one event in twenty, once or twice, and with one batch in forty.
type flaky struct {
	recorder
	events, batches atomic.Int64 // failures
}

var errOnPurpose = errors.New("on purpose")

func (c *flaky) HandleBatch(ctx context.Context, tx pgx.Tx, b *pgqueue.Batch) error {
	evs, err := c.read(ctx, tx, b)
	if err != nil {
		return err
	}
	var good []given
	for _, g := range evs {
		if !fails(g) {
			good = append(good, g)
			continue
		}
		// What was written for this event must go, and only that.
		err := pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error {
			if err := c.record(ctx, savepoint, []given{g}); err != nil {
				return err
			}
			return errOnPurpose
		})
		if !errors.Is(err, errOnPurpose) {
			return err
		}
		c.events.Add(1)
		b.Retry(g.event, time.Duration(100+rand.IntN(400))*time.Millisecond)
	}
	if err := c.record(ctx, tx, good); err != nil {
		return err
	}
	if len(evs) > 0 && rand.IntN(40) == 0 {
		c.batches.Add(1)
		return errOnPurpose // after all is written: the transaction has to undo it
	}
	return nil
}

// fails decides by the transfer, so that an event comes through in the end.
func fails(g given) bool {
	return g.transfer.ID%20 == 0 && g.event.Retry == 0 || g.transfer.ID%100 == 0 && g.event.Retry == 1
}

// killed does nothing special. It runs in a process of its own that is killed again and
// again. When it is told to, it dawdles in the middle of its next batch, to be hit there.
type killed struct {
	recorder
	out    *bufio.Writer // what the parent process is told, see meter.parse
	dawdle *atomic.Bool
}

func (c *killed) HandleBatch(ctx context.Context, tx pgx.Tx, b *pgqueue.Batch) error {
	if _, err := fmt.Fprintln(c.out, "batch", b.ID); err != nil {
		return err
	}
	evs, err := c.read(ctx, tx, b)
	if err != nil {
		return err
	}
	half := len(evs) / 2
	err = c.record(ctx, tx, evs[:half])
	dawdle := c.dawdle.CompareAndSwap(true, false)
	if err == nil && dawdle {
		_, err = fmt.Fprintln(c.out, "half", b.ID)
	}
	if err := errors.Join(err, c.out.Flush()); err != nil {
		return err
	}
	if dawdle {
		sleep(ctx, childDrain)
	}
	return c.record(ctx, tx, evs[half:])
}

// runKilled is the consumer "killed" in its own process.
func runKilled(
	ctx context.Context, pool *pgxpool.Pool, queue string, dawdle *atomic.Bool, out io.Writer, log *slog.Logger,
) error {
	c := &killed{out: bufio.NewWriter(out), dawdle: dawdle}
	c.recorder = recorder{name: nameKilled, got: func(id int64, at time.Time) {
		_, _ = fmt.Fprintln(c.out, "got", id, at.UnixNano()) // an error stays, and Flush returns it
	}}
	consumer, err := pgqueue.NewConsumer(pool, pgqueue.ConsumerConfig{
		Queue: queue, Name: nameKilled, Handler: c, DrainTimeout: consumerDrain, Logger: log,
	})
	if err != nil {
		return err
	}
	return consumer.Run(ctx)
}

// runTicker is a ticker in its own process. Parked events and rotation come round
// quickly, for there is not much time to see them.
func runTicker(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) error {
	ticker, err := pgqueue.NewTicker(pool, pgqueue.TickerConfig{
		RetryPeriod: 200 * time.Millisecond, MaintPeriod: 500 * time.Millisecond, Logger: log,
	})
	if err != nil {
		return err
	}
	return ticker.Run(ctx)
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
