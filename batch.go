package pgqueue

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// Batch is an open batch of a consumer: what became visible between two ticks. It
// stays the consumer's until it is finished: asking again, in this process or
// another, gives the same one. It is not safe for concurrent use.
type Batch struct {
	ID       int64
	Queue    string
	Consumer string

	Tick, PrevTick int64     // the batch ends at Tick and begins at PrevTick
	Time, PrevTime time.Time // when they were made
	Seq, PrevSeq   int64     // event sequence at them: at most Seq-PrevSeq fresh events, if ids have no gaps

	retries []retry
	read    bool // Events came to its end
	engine  Engine
	log     *slog.Logger // the consumer's, if one runs it
}

func (b *Batch) logger() *slog.Logger { return cmp.Or(b.log, slog.Default()) }

// retry is an event to be parked when the batch is finished.
type retry struct {
	id    int64
	after time.Duration
}

// cursors numbers the cursors of this process: a transaction may read several batches.
var cursors atomic.Int64

const (
	// firstFetch is the number of events of the first fetch: most batches have no more.
	firstFetch = 100
	// fetchBytes is about what later fetches bring: enough to hide the round trip, little
	// enough to keep memory flat, however large or small the events are.
	fetchBytes = 1 << 20
	// maxFetch bounds the events of a fetch.
	maxFetch = 2000
)

// batchSize is the number of event ids that a batch spans at most, if a single tick
// does not have more. A batch is one transaction; its events are not held in memory.
const batchSize = 10_000

// NextBatch opens the consumer's next batch, or returns the one that is open. ErrNoBatch:
// there is none before the next tick. ErrConsumerNotFound. A consumer that is
// behind gets as many ticks at once as have some ten thousand events together
// (pgqueue.next_batch); with the original extension each tick is a batch
// (pgq.next_batch_info).
func (q Queue) NextBatch(ctx context.Context, db DB, consumer string) (*Batch, error) {
	return q.nextBatch(ctx, db, consumer, false)
}

// nextBatch opens the next batch. With async it is a transaction of its own, whose
// commit is not waited for to reach the disk: should a crash undo it, the batch is
// handed out again, and what was made of it is undone too, as it was committed later.
func (q Queue) nextBatch(ctx context.Context, db DB, consumer string, async bool) (*Batch, error) {
	engine, err := q.engineOf(ctx, db)
	if err != nil {
		return nil, err
	}
	sql, args := sqlNextBatch, []any{q.name, consumer}
	if engine == EngineOurs {
		sql, args = sqlNextBatchMerged, append(args, batchSize)
	}
	b := &Batch{Queue: q.name, Consumer: consumer, engine: engine}
	var id, tick, prevTick, seq, prevSeq *int64
	var at, prevAt *time.Time
	calls := &pgx.Batch{}
	if async {
		calls.Queue(sqlAsyncCommit)
	}
	calls.Queue(sql, args...).QueryRow(func(row pgx.Row) error {
		return row.Scan(&id, &tick, &prevTick, &at, &prevAt, &seq, &prevSeq)
	})
	err = db.SendBatch(ctx, calls).Close()
	if err == nil && id != nil && (tick == nil || prevTick == nil) {
		err = ErrPositionLost // the original extension gives a batch without its ticks
	}
	if err == nil && id == nil {
		err = ErrNoBatch
	}
	if err != nil {
		return nil, opError("next batch of "+consumer+" on", q.name, err)
	}
	b.ID, b.Tick, b.PrevTick, b.Time, b.PrevTime, b.Seq, b.PrevSeq = *id, *tick, *prevTick, *at, *prevAt, *seq, *prevSeq
	return b, nil
}

// Events reads the batch, ordered by event id, through a cursor in tx, about a
// megabyte at a time whatever the batch's size. tx must stay open while it is
// read; its savepoints may be used meanwhile. An error ends the sequence. It may be
// read again, also when the first time ended early, and that begins anew: events given to
// Retry are forgotten.
func (b *Batch) Events(ctx context.Context, tx pgx.Tx) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		b.read, b.retries = false, nil
		cursor := fmt.Sprintf("pgqueue_batch_%d", cursors.Add(1)) // lives until tx ends
		asked := firstFetch
		rows, err := tx.Query(ctx, sqlBatchCursor, b.ID, cursor, asked)
		for {
			var evs []Event
			if err == nil {
				evs, err = pgx.CollectRows(rows, scanEvent)
			}
			if err != nil {
				yield(Event{}, opError("read batch of", b.Queue, err))
				return
			}
			bytes := 0
			for _, ev := range evs {
				bytes += len(ev.Data)
				if !yield(ev, nil) {
					return
				}
			}
			if len(evs) < asked {
				b.read = true
				return
			}
			asked = min(max(fetchBytes*len(evs)/(bytes+1), 1), maxFetch)
			// a text that never comes again: not to be prepared and remembered
			rows, err = tx.Query(ctx, fmt.Sprintf("fetch %d from %s", asked, cursor), pgx.QueryExecModeExec)
		}
	}
}

// Retry parks ev: it comes again to this consumer alone, in a later batch, with Retry
// one higher, not before the given time has passed. It is remembered here and written
// by Finish, unless Events is begun again before.
func (b *Batch) Retry(ev Event, after time.Duration) {
	b.retries = append(b.retries, retry{id: ev.ID, after: after})
}

// Finish parks the events given to Retry and closes the batch (pgq.finish_batch), so that the
// consumer's next batch begins behind it. In a transaction, that becomes true
// together with everything else in it. ErrBatchUnread when Events was not
// read to its end: what has not been read cannot be finished (see Discard).
// ErrBatchNotFound when the batch is not open any more; then nothing was done, and
// the transaction should be rolled back.
func (b *Batch) Finish(ctx context.Context, db DB) error {
	if !b.read {
		return opError("finish batch of", b.Queue, ErrBatchUnread)
	}
	return b.finish(ctx, db)
}

// Discard closes the batch without its events having been read: they are skipped
// for this consumer. Events given to Retry are parked.
func (b *Batch) Discard(ctx context.Context, db DB) error {
	return b.finish(ctx, db)
}

func (b *Batch) finish(ctx context.Context, db DB) error {
	var closed int
	var err error
	if b.engine == EngineOurs {
		ids, delays := make([]int64, len(b.retries)), make([]float64, len(b.retries))
		for i, r := range b.retries {
			ids[i], delays[i] = r.id, r.after.Seconds()
		}
		err = db.QueryRow(ctx, sqlFinishParking, b.ID, ids, delays).Scan(&closed)
	} else {
		err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
			calls := &pgx.Batch{}
			for _, r := range b.retries {
				calls.Queue(sqlEventRetry, b.ID, r.id, r.after.Seconds())
			}
			calls.Queue(sqlFinishBatch, b.ID).QueryRow(func(row pgx.Row) error { return row.Scan(&closed) })
			return tx.SendBatch(ctx, calls).Close()
		})
	}
	if err == nil && closed != 1 {
		err = ErrBatchNotFound
	}
	return opError("finish batch of", b.Queue, err)
}
