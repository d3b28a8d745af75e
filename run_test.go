package pgqueue_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/lightpgq/pgqueue"
	"github.com/lightpgq/pgqueue/internal/devpg"
	"github.com/lightpgq/pgqueue/pgqueuetest"
	"github.com/lightpgq/pgqueue/schema"
)

// testLogger writes to the test's log, which shows only when it fails.
func testLogger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// background runs a Run function until the test ends, and checks that it stopped cleanly.
func background(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("Run did not return after its context ended")
		}
	})
}

func startTicker(t *testing.T, db *pgxpool.Pool, cfg pgqueue.TickerConfig) {
	t.Helper()
	cfg.Logger = testLogger(t)
	ticker, err := pgqueue.NewTicker(db, cfg)
	if err != nil {
		t.Fatal(err)
	}
	background(t, ticker.Run)
}

func startConsumer(t *testing.T, db *pgxpool.Pool, queue, name string, h pgqueue.Handler) {
	t.Helper()
	c, err := pgqueue.NewConsumer(db, pgqueue.ConsumerConfig{Queue: queue, Name: name, Handler: h, Logger: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	background(t, c.Run)
}

// eventually polls until ok is true, for a minute at most.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func count(t *testing.T, db *pgxpool.Pool, sql string) (n int) {
	t.Helper()
	if err := db.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func mustExec(t *testing.T, db *pgxpool.Pool, sql string) {
	t.Helper()
	if _, err := db.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// Producers that roll back, handlers that fail, two processes with the same consumer's
// name, tables rotating, and every session being killed now and then: each
// committed event has its effect once.
func TestExactlyOnceUnderKills(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewDB(t)
	q := pgqueuetest.NewQueue(t, db, "q")
	if err := q.Set(t.Context(), db, pgqueue.Settings{"rotation_period": "0"}); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Register(t.Context(), db, "c"); err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, `create table sent (n bigint); create table got (n bigint, failed_before boolean)`)

	for range 2 {
		startTicker(t, db, pgqueue.TickerConfig{MaintPeriod: 50 * time.Millisecond, RetryPeriod: 100 * time.Millisecond})
		startConsumer(t, db, "q", "c", pgqueue.HandlerFunc(record))
	}
	var group errgroup.Group
	for p := range 4 {
		group.Go(func() error { return produce(t.Context(), db, q, p, 150) })
	}
	group.Go(func() error { return killSessions(t.Context(), db, 40) })
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}

	db = freshPool(t, db) // the other one has connections that were killed
	eventually(t, "all events arrive", func() bool {
		return count(t, db, "select count(*) from sent") == count(t, db, "select count(distinct n) from got")
	})
	if n := count(t, db, "select count(*) from (select n from got group by n having count(*) > 1) twice"); n != 0 {
		t.Errorf("%d events had their effect more than once", n)
	}
	if n := count(t, db, "select count(*) from (select n from got except select n from sent) extra"); n != 0 {
		t.Errorf("%d events of rolled-back transactions arrived", n)
	}
	if n := count(t, db, "select count(*) from got where failed_before"); n == 0 {
		t.Error("no event was retried: the test shows nothing about retry")
	}
}

// freshPool returns another pool on the same database.
func freshPool(t *testing.T, db *pgxpool.Pool) *pgxpool.Pool {
	t.Helper()
	fresh, err := pgxpool.New(t.Context(), pgqueuetest.DSN(db))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fresh.Close)
	return fresh
}

// record writes what it is given in the batch's transaction, and fails now and then.
func record(ctx context.Context, tx pgx.Tx, b *pgqueue.Batch) error {
	for ev, err := range b.Events(ctx, tx) {
		if err != nil {
			return err
		}
		if rand.IntN(20) == 0 && ev.Retry == 0 {
			b.Retry(ev, 0)
			continue
		}
		if _, err := tx.Exec(ctx, "insert into got values ($1, $2)", string(ev.Data), ev.Retry > 0); err != nil {
			return err
		}
	}
	if rand.IntN(10) == 0 {
		return errors.New("this batch fails")
	}
	return nil
}

// produce commits n transactions of some events, each with the truth beside it.
func produce(ctx context.Context, db *pgxpool.Pool, q pgqueue.Queue, producer, n int) error {
	for i := 0; i < n; {
		level := []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable}[rand.IntN(3)]
		undone := errors.New("rolled back on purpose")
		err := pgx.BeginTxFunc(ctx, db, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error {
			for k := range 1 + rand.IntN(4) {
				number := fmt.Sprint(producer*1_000_000 + i*10 + k)
				if _, err := tx.Exec(ctx, "insert into sent values ($1)", number); err != nil {
					return err
				}
				if _, err := q.Insert(ctx, tx, pgqueue.Event{Data: []byte(number)}); err != nil {
					return err
				}
			}
			if rand.IntN(5) == 0 {
				return undone
			}
			return nil
		})
		switch {
		case err == nil:
			i++
		case ctx.Err() != nil:
			return err
		case !errors.Is(err, undone):
			i++ // killed or not serializable: its numbers may have been committed
		}
	}
	return nil
}

// killSessions ends n sessions of this database, one after the other, at random.
func killSessions(ctx context.Context, db *pgxpool.Pool, n int) error {
	for range n {
		_, err := db.Exec(ctx, `
			select pg_terminate_backend(pid) from pg_stat_activity
			 where datname = current_database() and pid <> pg_backend_pid() order by random() limit 1`)
		if err != nil && ctx.Err() != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond) // the pace of the killing, nothing waits for it
	}
	return nil
}

// ownServer starts a server for one test: one that is alone with its transaction ids, and
// on which inserts notify, as no transaction can be prepared.
func ownServer(t testing.TB) *pgxpool.Pool {
	t.Helper()
	server, err := devpg.Start(t.Context(), devpg.Config{Settings: map[string]string{
		"max_prepared_transactions": "0", "autovacuum": "off",
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	db, err := pgxpool.New(t.Context(), server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if _, err := schema.Install(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	return db
}

// With pauses of an hour only the wakes can bring an event through.
func TestWakesAreEnough(t *testing.T) {
	t.Parallel()
	db := ownServer(t)
	ctx := t.Context()
	q := pgqueuetest.NewQueue(t, db, "q")
	if _, err := q.Register(ctx, db, "c"); err != nil {
		t.Fatal(err)
	}
	startTicker(t, db, pgqueue.TickerConfig{LongestPause: time.Hour})
	got := make(chan string, 100)
	c, err := pgqueue.NewConsumer(db, pgqueue.ConsumerConfig{
		Queue: "q", Name: "c", PollInterval: time.Hour, Logger: testLogger(t),
		Handler: pgqueue.EachEvent(func(_ context.Context, _ pgx.Tx, ev pgqueue.Event) error {
			got <- ev.Type
			return nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	background(t, c.Run)
	arrives := func(want string) {
		t.Helper()
		select {
		case ev := <-got:
			if ev != want {
				t.Fatalf("got event %q, want %q", ev, want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("event %q did not wake anyone", want)
		}
	}
	insert := func(db pgqueue.DB, name string) {
		t.Helper()
		if _, err := q.Insert(ctx, db, pgqueue.Event{Type: name}); err != nil {
			t.Fatal(err)
		}
	}

	for i := range 50 { // the ticker falls asleep in between, or just does not
		name := fmt.Sprint("single ", i)
		insert(db, name)
		arrives(name)
	}
	// a transaction that ends long after its event id was counted by a tick
	long, err := db.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	insert(long, "long")
	insert(db, "short")
	arrives("short")
	insert(db, "another")
	arrives("another")
	if err := long.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	arrives("long")
}

// An idle database costs no transaction ids and no ticks.
func TestIdleTickerWritesNothing(t *testing.T) {
	t.Parallel()
	db := ownServer(t)
	q := pgqueuetest.NewQueue(t, db, "q")
	startTicker(t, db, pgqueue.TickerConfig{LongestPause: time.Millisecond})
	if _, err := q.Insert(t.Context(), db, pgqueue.Event{}); err != nil {
		t.Fatal(err)
	}
	const lastTick = "select max(tick_id) from pgq.tick"
	const looks = "select coalesce(max(xact_commit), 0) from pg_stat_database where datname = current_database()"
	// the first tick that counts the event may be older than its commit, the next is not
	const quiet = `
		select count(*) from (select * from pgq.tick order by tick_id desc limit 1) last
		 where tick_event_seq = 1 and txid_snapshot_xmin(tick_snapshot) >= tick_seq_txid`
	eventually(t, "the event is ticked", func() bool { return count(t, db, quiet) == 1 })
	tick := count(t, db, lastTick)
	xid := count(t, db, "select txid_snapshot_xmax(txid_current_snapshot())")
	before := count(t, db, looks)
	eventually(t, "the ticker has looked many times", func() bool { return count(t, db, looks) > before+200 })
	if now := count(t, db, "select txid_snapshot_xmax(txid_current_snapshot())"); now != xid {
		t.Errorf("%d transaction ids were taken while nothing happened", now-xid)
	}
	if now := count(t, db, lastTick); now != tick {
		t.Errorf("%d ticks while nothing happened", now-tick)
	}
}
