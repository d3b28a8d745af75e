package pgqueue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lightpgq/pgqueue"
	"github.com/lightpgq/pgqueue/pgqueuetest"
)

func sqlState(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}

// inTx begins a transaction that is rolled back at the end of the test, if it still lives.
func inTx(t *testing.T, db *pgxpool.Pool, level pgx.TxIsoLevel) pgx.Tx {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: level})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	if _, err := tx.Exec(t.Context(), "select from pgq.queue"); err != nil { // the snapshot
		t.Fatal(err)
	}
	return tx
}

// A producer's search_path must not decide what runs with the owner's rights.
func TestNoOperatorOfTheCaller(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewDB(t)
	q := pgqueuetest.NewQueue(t, db, "q")
	mustExec(t, db, "create schema evil")
	for _, typ := range []string{"boolean", "integer", "bigint", "text", "name"} {
		mustExec(t, db, fmt.Sprintf(`create function evil.f(%[1]s, %[1]s) returns boolean language plpgsql as
			$$ begin raise exception 'the caller''s operator was called'; end $$`, typ))
		for _, op := range []string{"=", "<>", "<", ">", "&", "||"} {
			mustExec(t, db, fmt.Sprintf("create operator evil.%[2]s (function = evil.f, leftarg = %[1]s, rightarg = %[1]s)", typ, op))
		}
	}
	tx := inTx(t, db, pgx.ReadCommitted)
	if _, err := tx.Exec(t.Context(), "set local search_path = evil, pg_catalog"); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Insert(t.Context(), tx, pgqueue.Event{}); err != nil {
		t.Error(err)
	}
	if _, err := q.InsertMany(t.Context(), tx, make([]pgqueue.Event, 2)); err != nil {
		t.Error(err)
	}
	if _, err := tx.Exec(t.Context(), "select pgq.insert_event_raw('q', null, null, 1, 1, 't', 'd', null, null, null, null)"); err != nil {
		t.Error(err)
	}
}

// An insert that finds no table fails; it does not answer nothing.
func TestInsertWithoutATable(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewDB(t)
	q := pgqueuetest.NewQueue(t, db, "q")
	mustExec(t, db, "update pgq.queue set queue_cur_table = 7")
	_, err := q.Insert(t.Context(), db, pgqueue.Event{})
	if _, many := q.InsertMany(t.Context(), db, make([]pgqueue.Event, 2)); sqlState(err) != "40001" || sqlState(many) != "40001" {
		t.Errorf("got %v and %v, want serialization failures", err, many)
	}
}

// A tool that touches pgq.subscription while a consumer moves must not move it back.
func TestSubscriptionUpdatedWhileMoving(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewDB(t)
	q := pgqueuetest.NewQueue(t, db, "q")
	if _, err := q.Register(t.Context(), db, "c"); err != nil {
		t.Fatal(err)
	}
	insertNamed(t, db, q, "once")
	pgqueuetest.Tick(t, db, q)
	finishing := inTx(t, db, pgx.ReadCommitted)
	if _, err := finishing.Exec(t.Context(), "select pgq.finish_batch(pgq.next_batch('q', 'c'))"); err != nil {
		t.Fatal(err)
	}
	updated := make(chan error, 1)
	go func() {
		_, err := db.Exec(context.Background(), "update pgq.subscription set sub_active = now()")
		updated <- err
	}()
	eventually(t, "the update waits", func() bool {
		return count(t, db, "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()") == 1
	})
	if err := finishing.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-updated; err != nil {
		t.Error(err)
	}
	if got := readNames(t, db, q, "c"); len(got) != 0 {
		t.Errorf("delivered again: %q", got)
	}
}

// Without consumers tables rotate too, but not away from a transaction still open.
func TestRotationWithoutConsumersWaits(t *testing.T) {
	t.Parallel()
	db := ownServer(t)
	q := pgqueuetest.NewQueue(t, db, "q")
	mustExec(t, db, "update pgq.queue set queue_rotation_period = '0'")
	open := inTx(t, db, pgx.ReadCommitted)
	insertNamed(t, open, q, "late")
	for range 3 {
		mustExec(t, db, "select pgq.maint_rotate_tables_step1('q')")
		mustExec(t, db, "select pgq.maint_rotate_tables_step2()")
	}
	pgqueuetest.Tick(t, db, q)
	if _, err := q.Register(t.Context(), db, "c"); err != nil {
		t.Fatal(err)
	}
	if err := open.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	pgqueuetest.Tick(t, db, q)
	if got := readNames(t, db, q, "c"); !slices.Equal(got, []string{"late"}) {
		t.Errorf("got %q, want the late event", got)
	}
}

// A consumer with an old snapshot must not step onto a tick that was thinned away.
func TestOldSnapshotAndThinnedTick(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewDB(t)
	q := pgqueuetest.NewQueue(t, db, "q")
	if _, err := q.Register(t.Context(), db, "c"); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		pgqueuetest.Tick(t, db, q)
	}
	old := inTx(t, db, pgx.RepeatableRead)
	mustExec(t, db, "update pgq.tick set tick_time = date_trunc('hour', now()) - interval '1 day'")
	mustExec(t, db, "select pgqueue.thin_ticks('q')")
	if _, err := old.Exec(t.Context(), "select pgq.next_batch('q', 'c')"); sqlState(err) != "40001" {
		t.Errorf("next_batch: %v, want a serialization failure", err)
	}
	if _, err := q.NextBatch(t.Context(), db, "c"); err != nil {
		t.Error(err)
	}
}

// A broken queue, and one that is being dropped, do not keep the others from being ticked.
func TestTicksGoRoundABrokenQueue(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewDB(t)
	for _, name := range []string{"broken", "dropped", "healthy"} {
		q := pgqueuetest.NewQueue(t, db, name)
		if _, err := q.Register(t.Context(), db, "c"); err != nil {
			t.Fatal(err)
		}
	}
	mustExec(t, db, "update pgq.queue set queue_event_seq = 'pgq.nosuch' where queue_name = 'broken'")
	dropping := inTx(t, db, pgx.ReadCommitted)
	if err := pgqueue.NewQueue("dropped").Drop(t.Context(), dropping, true); err != nil {
		t.Fatal(err)
	}
	startTicker(t, db, pgqueue.TickerConfig{LongestPause: 50 * time.Millisecond})
	healthy := pgqueue.NewQueue("healthy")
	if _, err := healthy.Insert(t.Context(), db, pgqueue.Event{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the healthy queue is ticked", func() bool {
		_, err := healthy.NextBatch(t.Context(), db, "c")
		return err == nil
	})
}

// Parked events come back whatever the queue's limit.
func TestRetryAndTheLimit(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewDB(t)
	q := pgqueuetest.NewQueue(t, db, "q")
	if _, err := q.Register(t.Context(), db, "c"); err != nil {
		t.Fatal(err)
	}
	insertNamed(t, db, q, "1", "2", "3", "4")
	pgqueuetest.Tick(t, db, q)
	mustExec(t, db, "select pgq.batch_retry(pgq.next_batch('q', 'c'), 0)")
	mustExec(t, db, "update pgq.queue set queue_per_tx_limit = 2")
	if n := count(t, db, "select pgq.maint_retry_events()"); n != 4 {
		t.Errorf("%d events came back, want 4", n)
	}
}

// Handlers that misbehave: each event still gets its effect once.
func TestHandlersThatMisbehave(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewDB(t)
	q := pgqueuetest.NewQueue(t, db, "q")
	if _, err := q.Register(t.Context(), db, "c"); err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, "create table done (name text primary key)")
	insertNamed(t, db, q, "commits", "panics", "swallows", "works")
	startTicker(t, db, pgqueue.TickerConfig{RetryPeriod: 50 * time.Millisecond})
	startConsumer(t, db, "q", "c", pgqueue.EachEvent(func(ctx context.Context, tx pgx.Tx, ev pgqueue.Event) error {
		_, err := tx.Exec(ctx, "insert into done values ($1)", ev.Type)
		if err != nil || ev.Retry > 0 {
			return err
		}
		switch ev.Type {
		case "panics":
			panic("oh")
		case "swallows":
			_, _ = tx.Exec(ctx, "insert into nosuch values (1)")
		}
		return nil
	}))
	eventually(t, "all events have their effect", func() bool { return count(t, db, "select count(*) from done") == 4 })
}

// A handler cannot commit its effects without the consumer's position.
func TestHandlerCannotEndTheTransaction(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewDB(t)
	q := pgqueuetest.NewQueue(t, db, "q")
	if _, err := q.Register(t.Context(), db, "c"); err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, "create table done (name text)")
	insertNamed(t, db, q, "once")
	startTicker(t, db, pgqueue.TickerConfig{})
	commits := make(chan error, 10)
	startConsumer(t, db, "q", "c", pgqueue.HandlerFunc(func(ctx context.Context, tx pgx.Tx, b *pgqueue.Batch) error {
		for ev, err := range b.Events(ctx, tx) {
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "insert into done values ($1)", ev.Type); err != nil {
				return err
			}
			commits <- tx.Commit(ctx)
		}
		return nil
	}))
	if err := <-commits; err == nil {
		t.Error("the handler committed")
	}
	eventually(t, "the batch is finished", func() bool {
		return count(t, db, "select count(*) from done") == 1 && count(t, db, "select count(*) from pgq.get_consumer_info() where current_batch is null and pending_events = 0") == 1
	})
}

// A batch that is read again, after a rollback, begins anew.
func TestBatchReadAgain(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewDB(t)
	q := pgqueuetest.NewQueue(t, db, "q")
	if _, err := q.Register(t.Context(), db, "c"); err != nil {
		t.Fatal(err)
	}
	insertNamed(t, db, q, "1", "2")
	pgqueuetest.Tick(t, db, q)
	b, err := q.NextBatch(t.Context(), db, "c")
	if err != nil {
		t.Fatal(err)
	}
	tx := inTx(t, db, pgx.ReadCommitted)
	for ev, err := range b.Events(t.Context(), tx) {
		if err != nil {
			t.Fatal(err)
		}
		b.Retry(ev, 0)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	tx = inTx(t, db, pgx.ReadCommitted)
	for _, err := range b.Events(t.Context(), tx) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	if err := b.Finish(t.Context(), tx); !errors.Is(err, pgqueue.ErrBatchUnread) {
		t.Errorf("read to the end before, not now: %v, want ErrBatchUnread", err)
	}
	for _, err := range b.Events(t.Context(), tx) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Finish(t.Context(), tx); err != nil {
		t.Error(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db, "select count(*) from pgq.retry_queue"); n != 0 {
		t.Errorf("%d events are parked that were given to Retry before the rollback", n)
	}
}
