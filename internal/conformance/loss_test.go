package conformance

import (
	"fmt"
	"strings"
	"testing"
)

// TestLoss plays the scenarios in which the reference loses events, repeats
// them or breaks a consumer. All of them run alone: what they show depends on
// which transaction is older than which.
func TestLoss(t *testing.T) { runCases(t, lossCases) }

var lossCases = []testCase{
	{id: "D1", alone: true, run: func(c *caseRun) {
		c.produceAcrossRotation("repeatable read", insertByCall)
	}},
	{id: "D1-serializable", alone: true, run: func(c *caseRun) {
		c.produceAcrossRotation("serializable", insertByCall)
	}},
	{id: "D1-raw", alone: true, run: func(c *caseRun) {
		c.produceAcrossRotation("repeatable read", func(p *session) string {
			return outcome(p.do("select pgq.insert_event_raw('q', null, null, null, null, 't', 'e', null, null, null, null)"))
		})
	}},
	{id: "D1-table", alone: true, run: func(c *caseRun) {
		c.produceAcrossRotation("repeatable read", func(p *session) string {
			return insertIntoTable(p, p.do("select pgq.current_event_table('q')"))
		})
	}},
	{id: "D1-early", alone: true, run: earlyProducer},
	{id: "D1b", alone: true, run: tableAcrossRotation},
	{id: "D2", alone: true, run: registerAndInsert},
	{id: "D2-insert-tick", alone: true, run: func(c *caseRun) {
		c.tickOwnEvent("select pgq.insert_event('q', 't', 'own')", "select pgq.ticker('q')")
	}},
	{id: "D2-tick-insert", alone: true, run: func(c *caseRun) {
		c.tickOwnEvent("select pgq.ticker('q')", "select pgq.insert_event('q', 't', 'own')")
	}},
	{id: "D10", alone: true, run: restoredFromAhead},
	{id: "D17", alone: true, run: stepsInOneTransaction},
	{id: "D17-early", alone: true, run: stepWithAnOldID},
	{id: "D18", alone: true, run: func(c *caseRun) { c.placeDuringRotation("new") }},
	{id: "D18-move", alone: true, run: func(c *caseRun) { c.placeDuringRotation("d") }},
	{id: "D18-first", alone: true, run: rotateDuringMove},
}

// deliver reads and finishes batches of queue q until there is none, and
// returns the data of all events that came.
func (c *caseRun) deliver(consumer string) string {
	c.Helper()
	s := c.session("main")
	var all []string
	for {
		batch := s.one("select pgq.next_batch('q', " + quote(consumer) + ")")
		if batch == "NULL" {
			return strings.Join(all, " ")
		}
		all = append(all, s.do("select ev_data from pgq.get_batch_events("+batch+")")...)
		s.want("select pgq.finish_batch("+batch+")", "1")
	}
}

// rotate runs both steps of a rotation, which must go on.
func (c *caseRun) rotate() {
	c.Helper()
	s := c.session("main")
	before := s.one("select queue_cur_table from pgq.queue")
	s.want("select pgq.maint_rotate_tables_step1('q')", "0")
	s.want("select pgq.maint_rotate_tables_step2()", "0")
	s.want("select queue_cur_table <> "+before+" from pgq.queue", "t")
}

func (c *caseRun) tick() string {
	c.Helper()
	return c.session("main").one("select pgq.ticker('q')")
}

// expect compares what happened with what the table says for this engine.
func (c *caseRun) expect(key, got string) {
	c.Helper()
	if want := c.differs(key); !lineMatches(want, got) {
		c.Errorf("%s: got %q, want %q", key, got, want)
	}
}

// outcome shortens a transcript to "done" or its error without the text.
func outcome(lines []string) string {
	for _, line := range lines {
		if code := errorCode.FindString(line); code != "" {
			return code
		}
		if strings.HasPrefix(line, "E: ") {
			return line
		}
	}
	return "done"
}

func insertByCall(p *session) string {
	return outcome(p.do("select pgq.insert_event('q', 't', 'e')"))
}

// insertIntoTable does what bulk loaders do with the answer of
// current_event_table.
func insertIntoTable(p *session, answer []string) string {
	if got := outcome(answer); got != "done" {
		return got
	}
	return outcome(p.do("insert into " + answer[0] + " (ev_time, ev_type, ev_data) values (now(), 't', 'e')"))
}

// produceAcrossRotation has a producer with a snapshot of its own, taken
// before a rotation, insert after it. The event must come, or the producer must
// be told to run its transaction again.
func (c *caseRun) produceAcrossRotation(level string, insert func(p *session) string) {
	c.script(upToDate)
	p := c.session("producer")
	p.ok("begin isolation level " + level)
	p.ok("select queue_cur_table from pgq.queue")
	c.rotate()
	c.tick()
	c.deliver("c")

	got := insert(p)
	if got != "done" {
		p.ok("rollback")
		p.ok("begin isolation level " + level)
		got += ", then " + insert(p)
	}
	p.ok("commit")
	c.tick()
	c.expect("D1", got+", delivered: "+c.deliver("c"))
}

// earlyProducer inserts with a snapshot of its own before the rotation and again
// after it. Nothing is lost, and the rotation does not wait for it.
func earlyProducer(c *caseRun) {
	c.script(upToDate)
	p := c.session("producer")
	p.ok("begin isolation level repeatable read")
	p.ok("select pgq.insert_event('q', 't', 'first')")
	step1 := c.start("main", "select pgq.maint_rotate_tables_step1('q')")
	if step1.waits() {
		c.Fatal("the rotation waits for a producer")
	}
	step1.want("0")
	main := c.session("main")
	main.want("select queue_cur_table from pgq.queue", "1")
	main.want("select pgq.maint_rotate_tables_step2()", "0")
	c.tick()
	c.deliver("c")
	second := outcome(p.do("select pgq.insert_event('q', 't', 'second')"))
	c.expect("D1-early", second)
	if second != "done" {
		p.ok("rollback")
		p.ok("begin isolation level repeatable read")
		p.ok("select pgq.insert_event('q', 't', 'first')")
		p.ok("select pgq.insert_event('q', 't', 'second')")
	}
	p.ok("commit")
	c.tick()
	if got := c.deliver("c"); got != "first second" {
		c.Errorf("delivered %q", got)
	}
}

// tableAcrossRotation has a bulk loader ask for the table before a rotation and
// write to it after, in READ COMMITTED.
func tableAcrossRotation(c *caseRun) {
	c.script(upToDate)
	p, main := c.session("producer"), c.session("main")
	p.ok("begin")
	table := p.do("select pgq.current_event_table('q')")
	main.want("select pgq.maint_rotate_tables_step1('q')", "0")
	main.want("select pgq.maint_rotate_tables_step2()", "0")
	c.tick()
	c.deliver("c")
	if got := insertIntoTable(p, table); got != "done" {
		c.Fatal(got)
	}
	p.ok("commit")
	c.tick()
	c.expect("D1b", "delivered: "+c.deliver("c"))
}

// registerAndInsert makes queue, subscription and event in one transaction,
// while a younger transaction ends.
func registerAndInsert(c *caseRun) {
	a := c.session("a")
	a.ok("begin")
	a.ok("select txid_current()")
	c.session("younger").ok("select txid_current()")
	a.want("select pgq.create_queue('q')", "1")
	a.want("select pgq.register_consumer('q', 'c')", "1")
	a.want("select pgq.insert_event('q', 't', 'own')", "1")
	a.ok("update pgq.queue set queue_ticker_max_lag = '0', queue_ticker_idle_period = '0'")
	a.ok("commit")
	c.tick()
	c.expect("D2", "delivered: "+c.deliver("c"))
}

// tickOwnEvent inserts and ticks in one transaction, while a younger one ends.
// The event comes once; in which batch depends on the engine.
func (c *caseRun) tickOwnEvent(first, second string) {
	c.fresh("q")
	c.session("main").want("select pgq.register_consumer('q', 'c')", "1")
	a := c.session("a")
	a.ok("begin")
	a.ok("select txid_current()")
	c.session("younger").ok("select txid_current()")
	a.ok(first)
	a.ok(second)
	a.ok("commit")
	c.expect("D2", "delivered: "+c.deliver("c"))
	c.tick()
	c.expect("D2/next", "delivered: "+c.deliver("c"))
}

// restoredFromAhead has a queue come from a server whose transaction ids were
// ahead. An event is inserted, the ids catch up, and ticking goes on.
func restoredFromAhead(c *caseRun) {
	c.script(subscribed)
	main := c.session("main")
	ahead := main.one("select txid_current() + 50")
	main.ok(fmt.Sprintf("update pgq.tick set tick_snapshot = '%[1]s:%[1]s:'", ahead))
	if !c.engine.reference {
		main.ok("update pgqueue.cluster set cluster_id = cluster_id - 1")
	}
	main.want("select pgq.insert_event('q', 't', 'e')", "1")
	c.until("the ids to catch up", func() bool { return main.one("select txid_current() > "+ahead) == "t" })

	c.expect("D10", outcome(main.do("select pgq.ticker('q')")))
	if !c.engine.reference {
		main.want("select pgqueue.rebase_queue('q')", "1")
		c.tick()
	}
	c.expect("D10/delivered", "delivered: "+c.deliver("c"))
}

// stepsInOneTransaction runs both steps in one transaction, as callers do that
// batch their maintenance.
func stepsInOneTransaction(c *caseRun) {
	c.script(upToDate)
	main := c.session("main")
	main.ok("begin")
	main.want("select pgq.maint_rotate_tables_step1('q')", "0")
	main.want("select pgq.maint_rotate_tables_step2()", "0")
	main.ok("commit")
	c.expect("D17", main.one("select coalesce((queue_switch_step2 = queue_switch_step1)::text, 'open') from pgq.queue"))
	main.want("select pgq.maint_rotate_tables_step2()", "0")
	c.expect("D17/again", main.one("select queue_switch_step2 > queue_switch_step1 from pgq.queue"))
}

// stepWithAnOldID runs step 2 in a transaction that had its id before step 1,
// while a producer of an id in between still writes to the old table.
func stepWithAnOldID(c *caseRun) {
	c.script(upToDate)
	op, p, main := c.session("op"), c.session("producer"), c.session("main")
	op.ok("begin")
	op.ok("select txid_current()")
	p.ok("begin")
	p.want("select pgq.insert_event('q', 't', 'e')", "1")
	main.want("select pgq.maint_rotate_tables_step1('q')", "0")
	main.want("select queue_cur_table from pgq.queue", "1")
	op.want("select pgq.maint_rotate_tables_step2()", "0")
	op.ok("commit")
	c.tick()
	c.deliver("c")
	p.ok("commit")
	c.tick()
	c.expect("D17", "delivered: "+c.deliver("c"))
}

// oldTick makes queue q with consumers c and d on a young tick, and leaves
// tick 2, which the next rotation removes.
func (c *caseRun) oldTick() {
	c.script(upToDate)
	c.session("main").want("select pgq.register_consumer('q', 'd')", "1")
	c.rotate()
	c.tick()
	c.deliver("c")
	c.deliver("d")
	c.session("main").want("select count(*) from pgq.tick where tick_id = 2", "1")
}

// placeDuringRotation puts a consumer on tick 2 while a rotation that removes
// it is under way.
func (c *caseRun) placeDuringRotation(consumer string) {
	c.oldTick()
	op, main := c.session("op"), c.session("main")
	op.ok("begin")
	op.want("select pgq.maint_rotate_tables_step1('q')", "0")
	placing := c.start("consumer", "select pgq.register_consumer_at('q', "+quote(consumer)+", 2)")
	placing.waits() // or not: what it leads to is what counts
	op.ok("commit")
	c.expect("D18", strings.Join(placing.result(), "\n"))
	main.want("select count(*) from pgq.tick where tick_id = 2", "0")
	c.expect("D18/next", strings.Join(main.do("select pgq.next_batch('q', "+quote(consumer)+")"), "\n"))
}

// rotateDuringMove rotates while the moving of a consumer is under way.
func rotateDuringMove(c *caseRun) {
	c.oldTick()
	p, main := c.session("consumer"), c.session("main")
	p.ok("begin")
	p.want("select pgq.register_consumer_at('q', 'd', 2)", "0")
	step1 := c.start("op", "select pgq.maint_rotate_tables_step1('q')")
	step1.waits()
	p.ok("commit")
	step1.want("0")
	c.expect("D18", strings.Join(main.do("select pgq.next_batch('q', 'd') is not null"), "\n"))
}
