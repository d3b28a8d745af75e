package model

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"
)

// event is an event of a committed transaction, or of one still open.
type event struct {
	name  string
	id    int64
	txid  int64
	owner string // consumer that it was given back to, "" for all
	retry int
	seen  int64 // first tick that sees it; 0: none yet
	gone  bool  // its table was emptied
}

// unseen stands for the tick that is still to come.
const unseen = 1 << 62

func (e *event) tick() int64 {
	if e.seen == 0 {
		return unseen
	}
	return e.seen
}

// producer is a session with perhaps an open transaction and its events.
type producer struct {
	conn   *pgx.Conn
	open   bool
	level  string
	events []*event
}

// consumer is a position, and perhaps an open batch.
type consumer struct {
	name        string
	tick        int64
	batch, next int64 // 0: none
	parked      []*event
}

// world is a queue in the database and what the model knows of it.
type world struct {
	t         *rapid.T
	ctx       context.Context
	admin     *pgx.Conn
	queue     string
	id        int64
	names     int
	producers []*producer
	prepared  map[string][]*event
	consumers map[string]*consumer
	events    []*event // committed
	newest    int64    // tick
	old       *pgx.Conn
	oldOpen   bool
	oldMoved  map[string]bool // consumers that moved since the old snapshot
	oldSwept  bool            // maintenance has been at positions and ticks since: it may be refused
}

// code is the SQLSTATE of err, or its text.
func code(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return fmt.Sprint(err)
}

// must fails the history when err is not nil.
func (w *world) must(err error, what string) {
	if err != nil {
		w.t.Fatalf("%s: %v", what, err)
	}
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	_, err := w.admin.Exec(w.ctx, sql, args...)
	w.must(err, sql)
}

func (w *world) number(sql string, args ...any) (n int64) {
	w.t.Helper()
	w.must(w.admin.QueryRow(w.ctx, sql, args...).Scan(&n), sql)
	return n
}

// commit makes events of a transaction part of the log.
func (w *world) commit(events []*event) {
	w.events = append(w.events, events...)
}

// ticked records the ticks made since the last look, in their order. A tick X:X: that
// was put into a gap sees what is below X, every other all that is committed.
func (w *world) ticked() {
	rows, err := w.admin.Query(w.ctx, `
		select tick_id, txid_snapshot_xmax(tick_snapshot) from pgq.tick
		 where tick_queue = $1 and tick_id > $2 order by tick_id`, w.id, w.newest)
	w.must(err, "ticks")
	type tick struct{ ID, Xmax int64 }
	ticks, err := pgx.CollectRows(rows, pgx.RowToStructByPos[tick])
	w.must(err, "ticks")
	for i, tick := range ticks {
		for _, e := range w.events {
			if e.seen == 0 && (i == len(ticks)-1 || e.txid < tick.Xmax) {
				e.seen = tick.ID
			}
		}
		w.newest = tick.ID
	}
}

// batch is what a consumer must get between two ticks, by event id.
func (w *world) batch(consumer string, after, until int64) []string {
	var want []*event
	for _, e := range w.events {
		if e.seen > after && e.seen <= until && e.seen != 0 && !e.gone && (e.owner == "" || e.owner == consumer) {
			want = append(want, e)
		}
	}
	sort.SliceStable(want, func(i, k int) bool { return want[i].id < want[k].id })
	return describe(want)
}

func describe(events []*event) []string {
	list := make([]string, len(events))
	for i, e := range events {
		list[i] = fmt.Sprintf("%s/%d", e.name, e.retry)
	}
	slices.Sort(list)
	return list
}

// read returns the content of an open batch, described as the model does.
func (w *world) read(db *pgx.Conn, batch int64) ([]string, []*event, error) {
	rows, err := db.Query(w.ctx, "select ev_data, ev_id, coalesce(ev_retry, 0) from pgq.get_batch_events($1)", batch)
	if err != nil {
		return nil, nil, err
	}
	got, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*event, error) {
		e := &event{}
		return e, row.Scan(&e.name, &e.id, &e.retry)
	})
	if err != nil {
		return nil, nil, err
	}
	if !slices.IsSortedFunc(got, func(a, b *event) int { return int(a.id - b.id) }) {
		w.t.Fatalf("batch %d is not in the order of its ids", batch)
	}
	return describe(got), got, nil
}

// expect compares what a consumer got with the model.
func (w *world) expect(c *consumer, after, until int64, got []string) {
	w.t.Helper()
	if want := w.batch(c.name, after, until); !slices.Equal(want, got) {
		w.t.Fatalf("consumer %s, ticks %d to %d:\n got %s\nwant %s", c.name, after, until,
			strings.Join(got, " "), strings.Join(want, " "))
	}
}

// anyConsumer draws a consumer, in an order that does not depend on the map's.
func (w *world) anyConsumer() *consumer {
	names := make([]string, 0, len(w.consumers))
	for name := range w.consumers {
		names = append(names, name)
	}
	if len(names) == 0 {
		w.t.Skip("no consumer")
	}
	slices.Sort(names)
	return w.consumers[rapid.SampledFrom(names).Draw(w.t, "consumer")]
}

func (w *world) connect() *pgx.Conn {
	conn, err := pgx.ConnectConfig(w.ctx, w.admin.Config())
	w.must(err, "connect")
	return conn
}

// kill ends a session as an administrator would, and returns a new one.
func (w *world) kill(conn *pgx.Conn) *pgx.Conn {
	w.exec("select pg_terminate_backend($1, 5000)", conn.PgConn().PID())
	_ = conn.Close(w.ctx)
	return w.connect()
}
