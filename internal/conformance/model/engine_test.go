package model

import (
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"
)

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

// tick ticks by our ticker's call or by PgQ's.
func (w *world) tick(*rapid.T) {
	sql := rapid.SampledFrom([]string{"select count(*) from pgqueue.tick()", "select pgq.ticker()"}).Draw(w.t, "ticker")
	w.exec(sql)
	w.ticked()
}

// cutGap ticks as after an outage, with gaps of very few events.
func (w *world) cutGap(*rapid.T) {
	size := rapid.IntRange(1, 4).Draw(w.t, "size")
	w.exec(`
		do $$
		declare
			q pgq.queue := (select k from pgq.queue k where queue_name = '` + w.queue + `');
			last pgq.tick := (select t from pgq.tick t where tick_queue = q.queue_id order by tick_id desc limit 1);
			seq int8 := pgq.seq_getval(q.queue_event_seq);
		begin
			perform pg_advisory_xact_lock(1885827444, q.queue_id);
			perform pgqueue.cut_gap(q, last, seq, ` + fmt.Sprint(size) + `);
			perform pgqueue.add_tick(q.queue_id, nextval(q.queue_tick_seq), now(), seq, null);
		end $$`)
	w.ticked()
}

// rotate runs step 1, and notes what it removed: nothing that a consumer has yet to get.
func (w *world) rotate(*rapid.T) {
	before := w.number("select queue_cur_table from pgq.queue where queue_id = $1", w.id)
	rows, err := w.admin.Query(w.ctx, fmt.Sprintf("select ev_id, coalesce(ev_retry, 0) from pgq.event_%d_%d", w.id, (before+1)%3))
	w.must(err, "next table")
	type row struct {
		ID    int64
		Retry int
	}
	next, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	w.must(err, "next table")
	w.exec("select pgq.maint_rotate_tables_step1($1)", w.queue)
	if w.number("select queue_cur_table from pgq.queue where queue_id = $1", w.id) == before {
		return
	}
	for _, e := range w.events {
		if !slices.Contains(next, row{e.id, e.retry}) || e.gone {
			continue
		}
		e.gone = true
		for _, c := range w.consumers {
			if (e.owner == "" || e.owner == c.name) && e.tick() > c.tick {
				w.t.Fatalf("rotation removed %s, which consumer %s has yet to get", e.name, c.name)
			}
		}
	}
}

func (w *world) rotateStep2(*rapid.T) { w.exec("select pgq.maint_rotate_tables_step2()") }

func (w *world) rotateWholly(t *rapid.T) {
	w.rotate(t)
	w.rotateStep2(t)
}

// giveBack runs the mover of parked events until it has no more.
func (w *world) giveBack(*rapid.T) {
	tx, err := w.admin.Begin(w.ctx)
	w.must(err, "begin")
	var txid int64
	for moved := int64(1); moved > 0; {
		w.must(tx.QueryRow(w.ctx, "select pgq.maint_retry_events(), txid_current()").Scan(&moved, &txid), "retry")
	}
	w.must(tx.Commit(w.ctx), "commit")
	for _, c := range w.consumers {
		for _, e := range c.parked {
			w.events = append(w.events, &event{name: e.name, id: e.id, txid: txid, owner: c.name, retry: e.retry})
		}
		c.parked = nil
	}
}

// thinTicks makes all ticks old and deletes what is too dense.
func (w *world) thinTicks(*rapid.T) {
	w.exec("update pgq.tick set tick_time = date_trunc('hour', now()) - interval '1 day' where tick_queue = $1", w.id)
	w.exec("select pgqueue.thin_ticks($1)", w.queue)
	w.oldSwept = true
}

// rotatePositions moves the position log on, as if it had grown.
func (w *world) rotatePositions(*rapid.T) {
	w.exec(`
		update pgqueue.position_log set log_cur_table = 1 - log_cur_table, log_moved_txid = null
		 where pg_relation_size('pgqueue.position_' || 1 - log_cur_table) = 0`)
	for range 2 {
		w.exec("select pgqueue.maint_positions()")
	}
	w.oldSwept = true
}

func (w *world) register(*rapid.T) {
	name := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(w.t, "name")
	if w.consumers[name] != nil {
		w.t.Skip("registered")
	}
	w.exec("select pgq.register_consumer($1, $2)", w.queue, name)
	w.consumers[name] = &consumer{name: name, tick: w.newest}
	w.moved(name)
}

func (w *world) unregister(*rapid.T) {
	c := w.anyConsumer()
	w.exec("select pgq.unregister_consumer($1, $2)", w.queue, c.name)
	delete(w.consumers, c.name)
	for _, e := range w.events {
		if e.owner == c.name {
			e.owner = "nobody any more"
		}
	}
	w.moved(c.name)
}

// seek moves a consumer to any tick that is still there. What was removed before is not
// promised to it; that it is nothing younger than two rotations is PgQ's rule.
func (w *world) seek(*rapid.T) {
	c := w.anyConsumer()
	rows, err := w.admin.Query(w.ctx, "select tick_id from pgq.tick where tick_queue = $1 order by 1", w.id)
	w.must(err, "ticks")
	ticks, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	w.must(err, "ticks")
	tick := rapid.SampledFrom(ticks).Draw(w.t, "tick")
	w.exec("select pgq.register_consumer_at($1, $2, $3)", w.queue, c.name, tick)
	c.tick, c.batch, c.next = tick, 0, 0
	w.moved(c.name)
}
