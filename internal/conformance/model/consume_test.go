package model

import (
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"
)

// moved notes that an old snapshot does not know the consumer's position any more.
func (w *world) moved(consumer string) {
	if w.oldOpen {
		w.oldMoved[consumer] = true
	}
}

// take opens the consumer's next batch, or gets the open one, and compares.
// id is 0 when there is none.
func (w *world) take(db *pgx.Conn, c *consumer) (id, next int64, err error) {
	sql := rapid.SampledFrom([]string{
		"select batch_id, cur_tick_id, prev_tick_id from pgq.next_batch_info($1, $2)",
		"select batch_id, cur_tick_id, prev_tick_id from pgqueue.next_batch($1, $2, 3)",
		"select batch_id, cur_tick_id, prev_tick_id from pgqueue.next_batch($1, $2, 1000)",
	}).Draw(w.t, "call")
	var gotID, gotNext, gotPrev *int64
	if err := db.QueryRow(w.ctx, sql, w.queue, c.name).Scan(&gotID, &gotNext, &gotPrev); err != nil {
		return 0, 0, err
	}
	switch {
	case gotID == nil:
		if c.batch != 0 {
			w.t.Fatalf("consumer %s has batch %d open and gets none", c.name, c.batch)
		}
		return 0, 0, nil
	case *gotPrev != c.tick:
		w.t.Fatalf("consumer %s stands at tick %d, its batch begins at %d", c.name, c.tick, *gotPrev)
	case c.batch != 0 && (*gotID != c.batch || *gotNext != c.next):
		w.t.Fatalf("consumer %s: batch %d to %d is open, got %d to %d", c.name, c.batch, c.next, *gotID, *gotNext)
	}
	return *gotID, *gotNext, nil
}

// consume works one batch in one transaction, or in one for each step, and
// perhaps breaks off: by rolling back, or by being killed.
func (w *world) consume(*rapid.T) {
	c := w.anyConsumer()
	db := w.connect()
	defer func() { _ = db.Close(w.ctx) }()
	whole := rapid.Bool().Draw(w.t, "one transaction")
	if whole {
		// not serializable: that may fail anywhere because of producers that are
		level := rapid.SampledFrom([]string{"read committed", "repeatable read"}).Draw(w.t, "level")
		_, err := db.Exec(w.ctx, "begin isolation level "+level)
		w.must(err, "begin")
	}
	id, next, err := w.take(db, c)
	w.must(err, "next batch")
	if id == 0 {
		if whole { // an empty-handed call leaves nothing behind
			_, err = db.Exec(w.ctx, "commit")
			w.must(err, "commit")
		}
		return
	}
	if !whole && c.batch == 0 {
		c.batch, c.next = id, next
		w.moved(c.name)
	}
	described, got, err := w.read(db, id)
	w.must(err, "read")
	w.expect(c, c.tick, next, described)

	parked := w.park(db, id, got)
	how := rapid.SampledFrom([]string{"finish", "finish", "finish", "leave", "kill"}).Draw(w.t, "end")
	if how == "finish" {
		var closed int
		w.must(db.QueryRow(w.ctx, "select pgq.finish_batch($1)", id).Scan(&closed), "finish")
		if closed != 1 {
			w.t.Fatalf("batch %d could not be finished", id)
		}
	}
	switch {
	case how == "kill":
		w.exec("select pg_terminate_backend($1, 5000)", db.PgConn().PID())
	case whole && how == "leave":
		_, err = db.Exec(w.ctx, "rollback")
		w.must(err, "rollback")
	case whole:
		_, err = db.Exec(w.ctx, "commit")
		w.must(err, "commit")
	}
	if whole && how != "finish" {
		return // nothing happened
	}
	w.remember(c, parked)
	if how == "finish" {
		c.tick, c.batch, c.next = next, 0, 0
		w.moved(c.name)
	}
}

// park gives some events of a batch to retry, all at once or one by one.
func (w *world) park(db *pgx.Conn, batch int64, events []*event) (parked []*event) {
	for _, e := range events {
		if rapid.IntRange(0, 5).Draw(w.t, "retry") == 0 {
			parked = append(parked, &event{name: e.name, id: e.id, retry: e.retry + 1})
		}
	}
	if len(parked) == 0 {
		return nil
	}
	ids := make([]int64, len(parked))
	for i, e := range parked {
		ids[i] = e.id
	}
	sql := "select pgq.event_retry($1, i, 0) from unnest($2::int8[]) i"
	if rapid.Bool().Draw(w.t, "at once") {
		sql = "select pgqueue.event_retry($1, $2, array(select now() from unnest($2::int8[])))"
	}
	_, err := db.Exec(w.ctx, sql, batch, ids)
	w.must(err, "retry")
	return parked
}

// remember adds parked events to the consumer's; those parked already stay as they are.
func (w *world) remember(c *consumer, parked []*event) {
	for _, e := range parked {
		known := false
		for _, p := range c.parked {
			known = known || p.id == e.id
		}
		if !known {
			c.parked = append(c.parked, e)
		}
	}
}

// oldSnapshot opens a transaction whose snapshot will be out of date, or uses the one there is.
// With it, a consumer that has moved since can see its batch of then, but not finish it,
// nor begin another.
func (w *world) oldSnapshot(*rapid.T) {
	if !w.oldOpen {
		_, err := w.old.Exec(w.ctx, "begin isolation level repeatable read; select from pgq.queue")
		w.must(err, "begin")
		w.oldOpen, w.oldMoved, w.oldSwept = true, map[string]bool{}, false
		return
	}
	defer w.closeOld()
	c := w.anyConsumer()
	if !w.oldMoved[c.name] {
		_, _, err := w.take(w.old, c)
		if !w.oldSwept || code(err) != "40001" {
			w.must(err, "next batch with an old snapshot")
		}
		return
	}
	var id *int64
	err := w.old.QueryRow(w.ctx, "select pgq.next_batch($1, $2)", w.queue, c.name).Scan(&id)
	if err == nil && id != nil {
		_, err = w.old.Exec(w.ctx, "select pgq.finish_batch($1)", *id)
		if err == nil {
			w.t.Fatalf("an old snapshot finished batch %d of consumer %s, which has moved", *id, c.name)
		}
	}
	if err != nil && code(err) != "40001" && code(err) != "PQ002" { // registered since
		w.t.Fatalf("old snapshot: %v", err)
	}
}

// stale has consumers move between the two halves of oldSnapshot.
func (w *world) stale(t *rapid.T) {
	w.closeOld()
	w.oldSnapshot(t)
	w.tick(t)
	defer w.closeOld()
	if len(w.consumers) > 0 {
		w.consume(t)
		w.oldSnapshot(t)
	}
}

func (w *world) closeOld() {
	if w.oldOpen {
		_, err := w.old.Exec(w.ctx, "rollback")
		w.must(err, "rollback")
		w.oldOpen = false
	}
}

// drain ends everything that is open, and lets every consumer get the rest.
func (w *world) drain() {
	w.closeOld()
	for _, p := range w.producers {
		if p.open {
			w.finishProducer(p, "commit")
		}
	}
	for gid := range w.prepared {
		w.resolve(gid, true)
	}
	w.giveBack(nil)
	w.exec("select count(*) from pgqueue.tick()")
	w.ticked()
	for _, c := range w.consumers {
		for {
			id, next, err := w.take(w.admin, c)
			w.must(err, "next batch")
			if id == 0 {
				break
			}
			described, _, err := w.read(w.admin, id)
			w.must(err, "read")
			w.expect(c, c.tick, next, described)
			w.exec("select pgq.finish_batch($1)", id)
			c.tick, c.batch, c.next = next, 0, 0
		}
		if c.tick != w.newest {
			w.t.Fatalf("consumer %s stands at tick %d, the newest is %d", c.name, c.tick, w.newest)
		}
	}
}
