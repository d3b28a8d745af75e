package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lightpgq/pgqueue"
)

// drainTime is how long a transaction in hand may go on after an interrupt.
const drainTime = 10 * time.Second

var errInterrupted = errors.New("interrupted")

// loader inserts events and keeps account of what is in.
type loader struct {
	p      *program
	pool   *pgxpool.Pool
	queue  pgqueue.Queue
	atomic bool
	format string // of the lines, as far as it is known

	events atomic.Int64 // in for sure
	lines  int64        // all up to this one are in

	tx      pgx.Tx // nil: none is open
	txid    int64
	pending int64 // events in tx
	from    int64 // the line before tx's first
	to      int64 // the last line in tx
	unsure  bool  // whether tx was committed is not known
}

// load inserts chunks up to the end of the input, each in a transaction or all in one.
// When ctx ends it stops behind the transaction in hand: which lines are in is known
// at any time.
func (l *loader) load(ctx context.Context, chunks <-chan chunk) error {
	work, cancel := afterwards(ctx, drainTime)
	defer cancel()
	defer func() {
		if l.tx != nil {
			_ = l.tx.Rollback(work) // after an error, which says more
		}
	}()
	for {
		var c chunk
		select {
		case <-ctx.Done():
			return errInterrupted
		case c = <-chunks:
			l.format = c.format
		}
		if err := l.add(work, c); err != nil {
			return err
		}
		end := errors.Is(c.err, io.EOF)
		if !l.atomic || end {
			if err := l.commit(work); err != nil {
				return err
			}
		}
		switch {
		case end:
			return nil
		case c.err != nil:
			return c.err
		}
	}
}

// add inserts a chunk into the transaction, which it begins if there is none.
func (l *loader) add(ctx context.Context, c chunk) (err error) {
	if l.tx == nil {
		l.from = l.lines
	}
	l.to = c.line
	if len(c.events) == 0 {
		return nil
	}
	if l.tx == nil {
		if l.tx, err = l.pool.Begin(ctx); err != nil {
			return err
		}
		if err := l.tx.QueryRow(ctx, "select txid_current()").Scan(&l.txid); err != nil {
			return err
		}
	}
	if _, err := l.queue.InsertMany(ctx, l.tx, c.events); err != nil {
		return err
	}
	l.pending += int64(len(c.events))
	return nil
}

// commit ends the transaction, if there is one, and takes its events to account.
func (l *loader) commit(ctx context.Context) error {
	if l.tx != nil {
		err := l.tx.Commit(ctx)
		if err != nil && !refused(err) {
			err = l.outcome(ctx, err)
		}
		if err != nil {
			return err
		}
	}
	l.events.Add(l.pending)
	l.lines, l.pending, l.tx = l.to, 0, nil
	return nil
}

// refused reports whether the server said that it did not commit.
func refused(err error) bool {
	var pgErr *pgconn.PgError
	return errors.Is(err, pgx.ErrTxCommitRollback) || errors.As(err, &pgErr) && pgErr.Severity == "ERROR"
}

// outcome finds out, on another connection, what became of a transaction whose commit was
// not answered. lost is why there was no answer.
func (l *loader) outcome(ctx context.Context, lost error) error {
	lost = fmt.Errorf("no answer to a commit: %w", lost)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	for {
		var status *string
		err := l.pool.QueryRow(ctx, "select txid_status($1)", l.txid).Scan(&status)
		switch {
		case err == nil && status != nil && *status == "committed":
			return nil
		case err == nil && status != nil && *status == "aborted":
			return lost
		}
		// The server is away, or the session there has not noticed yet.
		select {
		case <-ctx.Done():
			l.unsure = true
			return lost
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// failure says what went wrong and exactly what is in.
func (l *loader) failure(ctx context.Context, err error) *failure {
	f := &failure{code: exitFailed, what: err.Error()}
	var broken *lineError
	switch {
	case errors.As(err, &broken):
	case errors.Is(err, errInterrupted):
	default:
		f = l.p.explainAction(ctx, err)
	}
	var b strings.Builder
	switch in := l.events.Load(); {
	case in == 0 && !l.unsure:
		b.WriteString("; nothing was inserted")
	case in == 0:
	case l.lines == 1:
		b.WriteString("; 1 event (line 1) is in, nothing of the rest")
	default:
		fmt.Fprintf(&b, "; %d events (lines 1 to %d) are in, nothing of the rest", in, l.lines)
	}
	if l.unsure {
		fmt.Fprintf(&b, "; not known for lines %d to %d, whose commit the server did not answer", l.from+1, l.to)
	}
	f.what += b.String()
	if f.try == "" || l.lines > 0 {
		f.try = l.goOn(broken)
	}
	return f
}

// goOn is what to try next.
func (l *loader) goOn(broken *lineError) string {
	try := l.p.command("insert", l.queue.Name()) + " --format " + l.format
	switch {
	case broken != nil && broken.line == 1 && l.format == formatJSON:
		return l.p.command("insert", l.queue.Name()) + " --format lines, if each line as a whole is an event's data"
	case l.lines > 0:
		try = fmt.Sprintf("tail -n +%d FILE | %s", l.lines+1, try)
	}
	if broken != nil {
		try = fmt.Sprintf("mend line %d, then: %s", broken.line, try)
	}
	return try
}

// afterwards returns a context that lives for drain longer than ctx.
func afterwards(ctx context.Context, drain time.Duration) (context.Context, context.CancelFunc) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(drain, cancel)
		context.AfterFunc(work, func() { timer.Stop() })
	})
	return work, func() { stop(); cancel() }
}
