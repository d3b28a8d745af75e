package pgqueue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lightpgq/pgqueue"
	"github.com/lightpgq/pgqueue/internal/devpg"
	"github.com/lightpgq/pgqueue/pgqueuetest"
)

// onBothEngines runs a test on our schema and on the original extension.
func onBothEngines(t *testing.T, test func(t *testing.T, db *pgxpool.Pool)) {
	t.Helper()
	t.Run("ours", func(t *testing.T) {
		t.Parallel()
		test(t, pgqueuetest.NewDB(t))
	})
	t.Run("original", func(t *testing.T) {
		t.Parallel()
		test(t, originalDB(t))
	})
}

func originalDB(t *testing.T) *pgxpool.Pool {
	t.Helper()
	if devpg.WithoutReference() {
		t.Skip("no original extension on this server")
	}
	pgqueuetest.NewDB(t) // so the server has PgQ's roles, which the extension creates otherwise
	db := pgqueuetest.NewEmptyDB(t)
	if _, err := db.Exec(t.Context(), "create extension pgq"); err != nil {
		t.Fatalf("the original extension is needed, see scripts/setup-test: %v", err)
	}
	return db
}

// workBatch reads the consumer's next batch, calls each for every event, and finishes it.
func workBatch(t *testing.T, db pgqueue.DB, q pgqueue.Queue, consumer string, each func(*pgqueue.Batch, pgqueue.Event)) error {
	t.Helper()
	return pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error {
		b, err := q.NextBatch(t.Context(), tx, consumer)
		if err != nil {
			return err
		}
		for ev, err := range b.Events(t.Context(), tx) {
			if err != nil {
				return err
			}
			each(b, ev)
		}
		return b.Finish(t.Context(), tx)
	})
}

// readAll works batches until there is none, and returns the events of each.
func readAll(t *testing.T, db pgqueue.DB, q pgqueue.Queue, consumer string) (batches [][]pgqueue.Event) {
	t.Helper()
	for {
		var evs []pgqueue.Event
		err := workBatch(t, db, q, consumer, func(_ *pgqueue.Batch, ev pgqueue.Event) { evs = append(evs, ev) })
		if errors.Is(err, pgqueue.ErrNoBatch) {
			return batches
		}
		if err != nil {
			t.Fatal(err)
		}
		batches = append(batches, evs)
	}
}

var producerFields = cmpopts.IgnoreFields(pgqueue.Event{}, "ID", "Time", "TxID")

func TestInsertAndRead(t *testing.T) {
	t.Parallel()
	onBothEngines(t, func(t *testing.T, db *pgxpool.Pool) {
		ctx := t.Context()
		q := pgqueuetest.NewQueue(t, db, `Odd."name''s ü 漢字; drop table x`)
		if _, err := q.Register(ctx, db, "c"); err != nil {
			t.Fatal(err)
		}
		want := []pgqueue.Event{
			{Type: "t", Data: []byte("d")},
			{},
			{Data: []byte{}},
			{Type: "a", Data: []byte("ü\n\t\\\""), Extra1: "1", Extra2: "2", Extra3: "3", Extra4: "4"},
		}
		first, err := q.Insert(ctx, db, want[0])
		if err != nil {
			t.Fatal(err)
		}
		ids, err := q.InsertMany(ctx, db, want[1:])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int64{first + 1, first + 2, first + 3}, ids); diff != "" {
			t.Errorf("ids: %s", diff)
		}
		n, err := q.Copy(ctx, db, func(yield func(pgqueue.Event, error) bool) { yield(want[3], nil) })
		if err != nil || n != 1 {
			t.Fatalf("Copy: %d, %v", n, err)
		}
		pgqueuetest.Tick(t, db, q)
		got := slices.Concat(readAll(t, db, q, "c")...)
		if diff := cmp.Diff(append(want, want[3]), got, producerFields); diff != "" {
			t.Error(diff)
		}
		if _, err := q.NextBatch(ctx, db, "c"); !errors.Is(err, pgqueue.ErrNoBatch) {
			t.Errorf("after the last batch: %v, want ErrNoBatch", err)
		}
	})
}

func TestRollbackInsertsNothing(t *testing.T) {
	t.Parallel()
	onBothEngines(t, func(t *testing.T, db *pgxpool.Pool) {
		ctx := t.Context()
		q := pgqueuetest.NewQueue(t, db, "q")
		if _, err := q.Register(ctx, db, "c"); err != nil {
			t.Fatal(err)
		}
		broken := errors.New("broken off")
		err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
			if _, err := q.InsertMany(ctx, tx, make([]pgqueue.Event, 1000)); err != nil {
				return err
			}
			return broken
		})
		if !errors.Is(err, broken) {
			t.Fatal(err)
		}
		_, err = q.Copy(ctx, db, func(yield func(pgqueue.Event, error) bool) {
			_ = yield(pgqueue.Event{Type: "1"}, nil) && yield(pgqueue.Event{}, broken)
		})
		if !errors.Is(err, broken) {
			t.Fatalf("Copy: %v", err)
		}
		pgqueuetest.Tick(t, db, q)
		if got := slices.Concat(readAll(t, db, q, "c")...); len(got) != 0 {
			t.Errorf("%d events of rolled-back transactions", len(got))
		}
	})
}

func TestRetryComesBackToItsConsumerAlone(t *testing.T) {
	t.Parallel()
	onBothEngines(t, func(t *testing.T, db *pgxpool.Pool) {
		ctx := t.Context()
		q := pgqueuetest.NewQueue(t, db, "q")
		for _, c := range []string{"c", "other"} {
			if _, err := q.Register(ctx, db, c); err != nil {
				t.Fatal(err)
			}
		}
		evs := make([]pgqueue.Event, 700) // more than one fetch
		for i := range evs {
			evs[i].Type = fmt.Sprint(i)
		}
		if _, err := q.InsertMany(ctx, db, evs); err != nil {
			t.Fatal(err)
		}
		pgqueuetest.Tick(t, db, q)
		var parked []pgqueue.Event
		err := workBatch(t, db, q, "c", func(b *pgqueue.Batch, ev pgqueue.Event) {
			if strings.HasSuffix(ev.Type, "9") {
				b.Retry(ev, 0)
				ev.Retry = 1
				parked = append(parked, ev)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		for moved := 1; moved > 0; {
			if err := db.QueryRow(ctx, "select pgq.maint_retry_events()").Scan(&moved); err != nil {
				t.Fatal(err)
			}
		}
		pgqueuetest.Tick(t, db, q)
		got := slices.Concat(readAll(t, db, q, "c")...)
		if diff := cmp.Diff(parked, got, cmpopts.IgnoreFields(pgqueue.Event{}, "TxID")); diff != "" {
			t.Errorf("given back: %s", diff)
		}
		if n := len(slices.Concat(readAll(t, db, q, "other")...)); n != len(evs) {
			t.Errorf("the other consumer got %d events, want %d", n, len(evs))
		}
	})
}

func TestFinishNeedsTheWholeBatch(t *testing.T) {
	t.Parallel()
	onBothEngines(t, func(t *testing.T, db *pgxpool.Pool) {
		ctx := t.Context()
		q := pgqueuetest.NewQueue(t, db, "q")
		if _, err := q.Register(ctx, db, "c"); err != nil {
			t.Fatal(err)
		}
		if _, err := q.InsertMany(ctx, db, make([]pgqueue.Event, 2)); err != nil {
			t.Fatal(err)
		}
		pgqueuetest.Tick(t, db, q)
		b, err := q.NextBatch(ctx, db, "c")
		if err != nil {
			t.Fatal(err)
		}
		read := func(stopAfter int) {
			err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
				n := 0
				for _, err := range b.Events(ctx, tx) {
					if n++; err != nil || n == stopAfter {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		read(1)
		if err := b.Finish(ctx, db); !errors.Is(err, pgqueue.ErrBatchUnread) {
			t.Errorf("after one of two events: %v, want ErrBatchUnread", err)
		}
		read(0)
		if err := b.Finish(ctx, db); err != nil {
			t.Error(err)
		}
		if err := b.Finish(ctx, db); !errors.Is(err, pgqueue.ErrBatchNotFound) {
			t.Errorf("second finish: %v, want ErrBatchNotFound", err)
		}
	})
}

func TestSettings(t *testing.T) {
	t.Parallel()
	onBothEngines(t, func(t *testing.T, db *pgxpool.Pool) {
		ctx := t.Context()
		q := pgqueue.NewQueue("q")
		created, err := q.Create(ctx, db, pgqueue.Settings{"ticker_max_lag": "7 seconds", "rotation_period": "5 minutes"})
		if err != nil || !created {
			t.Fatal(created, err)
		}
		// all or nothing, in the order of the names
		err = q.Set(ctx, db, pgqueue.Settings{"rotation_period": "1 hour", "ticker_max_count": "many"})
		if err == nil || !strings.Contains(err.Error(), `ticker_max_count = "many"`) {
			t.Errorf("wrong value: %v", err)
		}
		if err := q.Set(ctx, db, pgqueue.Settings{"rotation": "1 hour"}); !errors.Is(err, pgqueue.ErrInvalid) {
			t.Errorf("wrong name: %v", err)
		}
		info, err := q.Info(ctx, db)
		if err != nil || info.TickerMaxLag != 7*time.Second || info.RotationPeriod != 5*time.Minute {
			t.Errorf("info %+v, %v", info, err)
		}
		if created, err := q.Create(ctx, db, pgqueue.Settings{"ticker_max_lag": "1 second"}); created || err != nil {
			t.Error("second create:", created, err)
		}
		if _, err := pgqueue.NewQueue("nosuch").Info(ctx, db); !errors.Is(err, pgqueue.ErrQueueNotFound) {
			t.Errorf("unknown queue: %v", err)
		}
		if _, err := q.Register(ctx, db, "c"); err != nil {
			t.Fatal(err)
		}
		infos, err := q.Consumers(ctx, db)
		if err != nil || len(infos) != 1 || infos[0].Name != "c" || infos[0].LastTick == 0 {
			t.Errorf("consumers %+v, %v", infos, err)
		}
		if err := q.Drop(ctx, db, false); err == nil {
			t.Error("dropped a queue with a consumer")
		}
		if err := q.Drop(ctx, db, true); err != nil {
			t.Error(err)
		}
	})
}

// Our schema has codes for what went wrong; nothing is read from texts.
func TestErrorKinds(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewDB(t)
	q, nosuch := pgqueuetest.NewQueue(t, db, "q"), pgqueue.NewQueue("nosuch")
	for what, c := range map[string]struct {
		call func(ctx context.Context) error
		want error
	}{
		"insert": {func(ctx context.Context) error { _, err := nosuch.Insert(ctx, db, pgqueue.Event{}); return err }, pgqueue.ErrQueueNotFound},
		"many": {func(ctx context.Context) error {
			_, err := nosuch.InsertMany(ctx, db, make([]pgqueue.Event, 2))
			return err
		}, pgqueue.ErrQueueNotFound},
		"register": {func(ctx context.Context) error { _, err := nosuch.Register(ctx, db, "c"); return err }, pgqueue.ErrQueueNotFound},
		"next":     {func(ctx context.Context) error { _, err := q.NextBatch(ctx, db, "c"); return err }, pgqueue.ErrConsumerNotFound},
		"at":       {func(ctx context.Context) error { _, err := q.RegisterAt(ctx, db, "c", 99); return err }, pgqueue.ErrTickNotFound},
		"drop":     {func(ctx context.Context) error { return nosuch.Drop(ctx, db, true) }, pgqueue.ErrQueueNotFound},
		"tick":     {func(ctx context.Context) error { _, err := nosuch.Tick(ctx, db); return err }, pgqueue.ErrQueueNotFound},
		"no name":  {func(ctx context.Context) error { _, err := q.Register(ctx, db, ""); return err }, pgqueue.ErrInvalid},
		"not there": {func(ctx context.Context) error {
			_, err := nosuch.Insert(ctx, pgqueuetest.NewEmptyDB(t), pgqueue.Event{})
			return err
		}, pgqueue.ErrNotInstalled},
		"no attach":  {func(ctx context.Context) error { _, err := nosuch.Consumers(ctx, db); return err }, pgqueue.ErrQueueNotFound},
		"isolation":  {func(ctx context.Context) error { return tickInSnapshot(ctx, db, q) }, pgqueue.ErrIsolation},
		"tick limit": {func(ctx context.Context) error { return overLimit(ctx, db, q) }, pgqueue.ErrTxLimit},
	} {
		err := c.call(t.Context())
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
		var full *pgqueue.Error
		if !errors.As(err, &full) {
			t.Errorf("%s: %T is no *Error", what, err)
		}
	}
}

func tickInSnapshot(ctx context.Context, db *pgxpool.Pool, q pgqueue.Queue) error {
	return pgx.BeginTxFunc(ctx, db, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		_, err := q.Tick(ctx, tx)
		return err
	})
}

func overLimit(ctx context.Context, db *pgxpool.Pool, q pgqueue.Queue) error {
	if _, err := db.Exec(ctx, "update pgq.queue set queue_per_tx_limit = 5 where queue_name = $1", q.Name()); err != nil {
		return err
	}
	if _, err := q.InsertMany(ctx, db, make([]pgqueue.Event, 5)); err != nil {
		return err
	}
	_, err := q.InsertMany(ctx, db, make([]pgqueue.Event, 6))
	return err
}
