package pgqueue_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/lightpgq/pgqueue"
	"github.com/lightpgq/pgqueue/pgqueuetest"
)

// After an outage of the ticker the gap is cut into batches of bounded size, each event
// in exactly one of them, also those of transactions that were open meanwhile.
func TestGapIsCutIntoBatches(t *testing.T) {
	t.Parallel()
	db := ownServer(t) // others' transactions would bound the cuts
	ctx := t.Context()
	q := pgqueuetest.NewQueue(t, db, "q")
	if _, err := q.Register(ctx, db, "c"); err != nil {
		t.Fatal(err)
	}
	var want []int64
	insert := func(db pgqueue.DB, n int) {
		t.Helper()
		ids, err := q.InsertMany(ctx, db, make([]pgqueue.Event, n))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, ids...)
	}
	open, err := db.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	insert(open, 10)
	for range 35 {
		insert(db, 1000)
	}
	if err := open.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	for range 35 {
		insert(db, 1000)
	}
	insert(db, 15_000) // one transaction stays whole
	late, err := db.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	insert(late, 10)
	insert(db, 1000)

	var ticked int
	tick := func() {
		t.Helper()
		if err := db.QueryRow(ctx, "select count(*) from pgqueue.tick()").Scan(&ticked); err != nil || ticked != 1 {
			t.Fatalf("%d queues ticked, %v", ticked, err)
		}
	}
	tick()
	if err := late.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	tick()

	checkCut(t, readAll(t, db, q, "c"), want)
}

// checkCut checks that the batches are many and not too large, and have each event once.
func checkCut(t *testing.T, batches [][]pgqueue.Event, want []int64) {
	t.Helper()
	var got []int64
	for _, evs := range batches {
		if len(evs) > 26_000 { // ten thousand, and the transaction that stays whole
			t.Errorf("a batch of %d events", len(evs))
		}
		for _, ev := range evs {
			got = append(got, ev.ID)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d events delivered, %d inserted, or not the same ones", len(got), len(want))
	}
	if len(batches) < 7 {
		t.Errorf("only %d batches", len(batches))
	}
}

// Thinning keeps the newest tick, those that positions stand on, and one for each second.
func TestThinTicks(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewDB(t)
	ctx := t.Context()
	q := pgqueuetest.NewQueue(t, db, "q")
	// 200 seconds of five ticks each, up to now
	mustExec(t, db, `
		insert into pgq.tick (tick_queue, tick_id, tick_time, tick_event_seq)
		select 1, n, date_trunc('second', now()) - interval '1 second' * (200 - n / 5), n from generate_series(5, 1004) n`)
	for consumer, tick := range map[string]int64{"behind": 108, "open": 109, "front": 1004} {
		if _, err := q.RegisterAt(ctx, db, consumer, tick); err != nil {
			t.Fatal(err)
		}
	}
	b, err := q.NextBatch(ctx, db, "open")
	if err != nil {
		t.Fatal(err)
	}
	const left = "select count(*) from pgq.tick where tick_id >= 5"
	held, err := db.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.NextBatch(ctx, held, "front"); !errors.Is(err, pgqueue.ErrNoBatch) {
		t.Fatal(err)
	}
	mustExec(t, db, "select pgqueue.thin_ticks('q')")
	if n := count(t, db, left); n != 1000 {
		t.Errorf("%d of 1000 ticks left, though a consumer was moving", n)
	}
	if err := held.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, "select pgqueue.thin_ticks('q')")
	const young = "tick_time > clock_timestamp() - interval '50 seconds'"
	if n := count(t, db, "select max(tick_id) - min(tick_id) + 1 - count(*) from pgq.tick where tick_id >= 5 and "+young); n != 0 {
		t.Errorf("%d young ticks are gone", n)
	}
	n := count(t, db, `
		select count(*) - count(distinct date_trunc('second', tick_time)) from pgq.tick
		 where tick_time < clock_timestamp() - interval '80 seconds' and tick_id >= 5`)
	if n > 3 {
		t.Errorf("of old ticks %d more than one for each second are left, want at most those 3 that positions stand on", n)
	}
	for _, tick := range []int64{108, 109, b.Tick, 1004} {
		if n := count(t, db, fmt.Sprintf("select count(*) from pgq.tick where tick_id = %d", tick)); n != 1 {
			t.Errorf("tick %d is gone", tick)
		}
	}
}
