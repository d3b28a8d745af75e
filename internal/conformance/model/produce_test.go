package model

import (
	"fmt"

	"pgregory.net/rapid"
)

func (w *world) anyProducer() *producer {
	return w.producers[rapid.IntRange(0, len(w.producers)-1).Draw(w.t, "producer")]
}

func (w *world) openProducer() *producer {
	p := w.anyProducer()
	if !p.open {
		w.t.Skip("no transaction")
	}
	return p
}

func (w *world) begin(*rapid.T) {
	p := w.anyProducer()
	if p.open {
		w.t.Skip("open already")
	}
	p.level = rapid.SampledFrom([]string{"read committed", "repeatable read", "serializable"}).Draw(w.t, "level")
	_, err := p.conn.Exec(w.ctx, "begin isolation level "+p.level)
	w.must(err, "begin")
	p.open = true
	if rapid.Bool().Draw(w.t, "snapshot at once") {
		_, err = p.conn.Exec(w.ctx, "select from pgq.queue")
		w.must(err, "snapshot")
	}
}

// insert adds one or more events, by one of the ways there are. An old
// snapshot may be refused after a rotation; then the transaction is over.
func (w *world) insert(*rapid.T) { w.insertBy(w.anyProducer()) }

func (w *world) insertBy(p *producer) {
	n := rapid.IntRange(1, 3).Draw(w.t, "events")
	names := make([]string, n)
	for i := range names {
		w.names++
		names[i] = fmt.Sprint("e", w.names)
	}
	sql := `select pgq.insert_event($1, 't', d) from unnest($2::text[]) d`
	if rapid.Bool().Draw(w.t, "array") {
		sql = `select unnest(pgqueue.insert_events($1, null, $2, null, null, null, null))`
	}
	rows, err := p.conn.Query(w.ctx, `select i, txid_current() from (`+sql+`) x (i)`, w.queue, names)
	var events []*event
	if err == nil {
		for rows.Next() {
			e := &event{name: names[len(events)]}
			w.must(rows.Scan(&e.id, &e.txid), "insert")
			events = append(events, e)
		}
		err = rows.Err()
	}
	switch {
	case err == nil && p.open:
		p.events = append(p.events, events...)
	case err == nil:
		w.commit(events)
	case code(err) == "40001" && p.open && p.level != "read committed":
		w.finishProducer(p, "rollback")
	default:
		w.t.Fatalf("insert (%s): %v", p.level, err)
	}
}

// overtaken has a producer take its snapshot, and insert after a rotation and a tick.
func (w *world) overtaken(t *rapid.T) {
	p := w.anyProducer()
	if p.open {
		w.t.Skip("open already")
	}
	p.open, p.level = true, "repeatable read"
	_, err := p.conn.Exec(w.ctx, "begin isolation level repeatable read; select from pgq.queue")
	w.must(err, "begin")
	w.rotate(t)
	if rapid.Bool().Draw(w.t, "wholly") {
		w.rotateStep2(t)
	}
	w.tick(t)
	if len(w.consumers) > 0 {
		w.consume(t)
	}
	w.insertBy(p)
	if p.open {
		w.finishProducer(p, "commit")
	}
}

// insertUndone inserts in a savepoint and rolls back to it.
func (w *world) insertUndone(*rapid.T) {
	p := w.openProducer()
	_, err := p.conn.Exec(w.ctx, "savepoint s")
	w.must(err, "savepoint")
	_, err = p.conn.Exec(w.ctx, "select pgq.insert_event($1, 't', 'undone')", w.queue)
	if err != nil && code(err) != "40001" {
		w.t.Fatalf("insert in a savepoint: %v", err)
	}
	_, err = p.conn.Exec(w.ctx, "rollback to s")
	w.must(err, "rollback to savepoint")
}

// finishProducer ends an open transaction. A serializable one may fail at its commit.
func (w *world) finishProducer(p *producer, how string) {
	events := p.events
	p.open, p.events = false, nil
	_, err := p.conn.Exec(w.ctx, how)
	switch {
	case err == nil && how == "commit":
		w.commit(events)
	case err != nil && !(code(err) == "40001" && p.level == "serializable"):
		w.t.Fatalf("%s: %v", how, err)
	}
}

func (w *world) commitOne(*rapid.T)   { w.finishProducer(w.openProducer(), "commit") }
func (w *world) rollbackOne(*rapid.T) { w.finishProducer(w.openProducer(), "rollback") }

func (w *world) killProducer(*rapid.T) {
	p := w.anyProducer()
	p.conn = w.kill(p.conn)
	p.open, p.events = false, nil
}

func (w *world) prepare(*rapid.T) {
	p := w.openProducer()
	w.names++
	gid := fmt.Sprintf("%s-%d", w.queue, w.names)
	events := p.events
	p.open, p.events = false, nil
	_, err := p.conn.Exec(w.ctx, "prepare transaction '"+gid+"'")
	if err != nil && code(err) == "40001" && p.level == "serializable" {
		return
	}
	w.must(err, "prepare")
	w.prepared[gid] = events
}

func (w *world) endPrepared(*rapid.T) {
	if len(w.prepared) == 0 {
		w.t.Skip("none prepared")
	}
	gids := make([]string, 0, len(w.prepared))
	for gid := range w.prepared {
		gids = append(gids, gid)
	}
	w.resolve(rapid.SampledFrom(sorted(gids)).Draw(w.t, "gid"), rapid.Bool().Draw(w.t, "commit"))
}

func (w *world) resolve(gid string, commit bool) {
	events := w.prepared[gid]
	delete(w.prepared, gid)
	if commit {
		w.exec("commit prepared '" + gid + "'")
		w.commit(events)
	} else {
		w.exec("rollback prepared '" + gid + "'")
	}
}
