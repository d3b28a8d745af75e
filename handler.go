package pgqueue

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5"
)

// Handler works a batch inside the transaction that will finish it: what it writes
// through tx and the consumer's new position become true together, or not at
// all. An error rolls both back, and the batch comes again. It reads b.Events to the
// end. It cannot commit or roll back tx.
type Handler interface {
	HandleBatch(ctx context.Context, tx pgx.Tx, b *Batch) error
}

// HandlerFunc is a function as a Handler.
type HandlerFunc func(ctx context.Context, tx pgx.Tx, b *Batch) error

// HandleBatch calls f.
func (f HandlerFunc) HandleBatch(ctx context.Context, tx pgx.Tx, b *Batch) error {
	return f(ctx, tx, b)
}

// EachEvent is a Handler that calls fn for every event, each in a savepoint of its
// own. When fn fails, what it wrote is undone and that event alone comes again
// later: after a second, and twice as long each further time, up to an hour. The
// other events of the batch are not held up; so an event that is retried is
// worked after later ones.
func EachEvent(fn func(ctx context.Context, tx pgx.Tx, ev Event) error) Handler {
	return HandlerFunc(func(ctx context.Context, tx pgx.Tx, b *Batch) error {
		for ev, err := range b.Events(ctx, tx) {
			if err != nil {
				return err
			}
			err = pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error {
				err := recovered(func() error { return fn(ctx, savepoint, ev) })
				if err == nil && savepoint.Conn().PgConn().TxStatus() == 'E' {
					err = errSwallowed
				}
				return err
			})
			switch {
			case err == nil:
			case ctx.Err() != nil || tx.Conn().IsClosed():
				return err
			default:
				delay := retryDelay(ev.Retry)
				b.logger().WarnContext(ctx, "event failed, will be retried",
					"event", ev.ID, "retry", ev.Retry, "after", delay, "err", err)
				b.Retry(ev, delay)
			}
		}
		return nil
	})
}

// errSwallowed: after an SQL error nothing can be committed, whatever the handler says.
var errSwallowed = errors.New("a statement failed, and the handler returned no error; use a savepoint (tx.Begin) around what may fail")

// errNotYours: the batch and what is written for it are committed together, by the consumer.
var errNotYours = errors.New("a handler must not end the batch's transaction")

// handlerTx is the batch's transaction as a handler gets it: it can do everything but end it.
type handlerTx struct{ pgx.Tx }

// Commit does nothing but fail.
func (handlerTx) Commit(context.Context) error { return errNotYours }

// Rollback does nothing but fail.
func (handlerTx) Rollback(context.Context) error { return errNotYours }

// recovered calls fn; a panic in it is an error with its stack.
func recovered(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return fn()
}

// retryDelay is the wait after an event's n-th failure, n from 0.
func retryDelay(n int) time.Duration {
	return min(time.Second<<min(n, 12), time.Hour)
}
