package conformance

import (
	"strings"
	"testing"
)

// TestDefects shows the reference's other defects that are mended: repeated
// events, late ticks, needless errors and rights that leak. Those that other
// cases show are found there by their number.
func TestDefects(t *testing.T) { runCases(t, defectCases) }

var defectCases = []testCase{
	{id: "D3", alone: true, run: func(c *caseRun) { c.tickWithOldSnapshot("repeatable read") }},
	{id: "D3-serializable", alone: true, run: func(c *caseRun) { c.tickWithOldSnapshot("serializable") }},
	{id: "D3-parallel", alone: true, run: parallelTickers},
	{id: "D3-external", alone: true, script: `
		\fresh q
		select pgq.register_consumer('q', 'c');
		--> 1
		update pgq.queue set queue_external_ticker = true;
		select pgq.insert_event('q', 't', 'e1');
		select pgq.ticker('q', 10, now(), 10);
		--> 10
		select pgq.insert_event('q', 't', 'e2');
		select pgq.ticker('q', 5, now(), 5);
		--> 5
		select pgq.insert_event('q', 't', 'e3');
		select pgq.ticker('q', 11, now(), 11);
		--> 11
		select pgq.next_batch('q', 'c');
		--> 1
		select ev_data from pgq.get_batch_events(1);
		--> $D3/1-5
		select pgq.finish_batch(1), pgq.next_batch('q', 'c');
		--> 1|2
		select ev_data from pgq.get_batch_events(2);
		--> $D3/5-10
		select pgq.finish_batch(2), pgq.next_batch('q', 'c');
		--> 1|3
		select ev_data from pgq.get_batch_events(3);
		--> e2
		--> e3
	`},
	// Tick 2 follows tick 1 after an hour, so the idle rule would wait a minute.
	{id: "D5", alone: true, script: `
		select pgq.create_queue('q');
		--> 1
		update pgq.tick set tick_time = now() - interval '1 hour';
		select pgq.ticker('q');
		--> 2
		select pgq.insert_event('q', 't', 'first');
		--> 1
		update pgq.tick set tick_time = now() - interval '4 s' where tick_id = 2;
		select pgq.ticker('q');
		--> $D5
	`},
	// Tick 3 counts the id of an event that is not committed yet.
	{id: "D6", alone: true, script: aged + `
		\c producer
		begin;
		select pgq.insert_event('q', 't', 'late');
		--> 2
		\c main
		update pgq.tick set tick_time = now() - interval '1 hour' where tick_id = 2;
		select pgq.ticker('q');
		--> 3
		update pgq.tick set tick_time = now() - interval '4 s' where tick_id = 3;
		select pgq.ticker('q');
		--> NULL
		\c producer
		commit;
		\c main
		begin;
		update pgq.tick set tick_time = now() - interval '2.9 s' where tick_id = 3;
		select pgq.ticker('q');
		--> NULL
		update pgq.tick set tick_time = now() - interval '4 s' where tick_id = 3;
		commit;
		select pgq.ticker('q');
		--> $D6
	`},
	{id: "D9", script: `
		\fresh q
		select pgq.register_consumer('q', 'c'), pgq.ticker('q'), pgq.next_batch('q', 'c');
		--> 1|2|1
		create schema evil;
		grant usage on schema evil to public;
		create function evil.now() returns timestamptz language plpgsql as
			$$ begin raise exception 'somebody else runs as %', current_user; end $$;
		create function evil.same(text, text) returns boolean language plpgsql as
			$$ begin raise exception 'somebody else runs as %', current_user; end $$;
		create operator evil.= (function = evil.same, leftarg = text, rightarg = text);
		set role conf_reader;
		set search_path = evil, pg_catalog;
		select pgq.finish_batch(1);
		--> $D9/finish_batch
		select pgq.register_consumer('q', 'other');
		--> $D9/register_consumer
		reset role;
		set role conf_writer;
		select pgq.insert_event('q', 't', 'd', null, null, null, null);
		--> $D9/insert_event
	`},
	{id: "D15", alone: true, script: aged + `
		update pgq.queue set queue_ticker_max_lag = '1 year', queue_ticker_idle_period = '1 year';
		begin;
		select pgq.ticker('q');
		--> NULL
		select txid_current_if_assigned() is null;
		--> $D15
		commit;
	`},
	{id: "D30-consumer", run: func(c *caseRun) { c.registerTwice("commit", "D30") }},
	{id: "D30-rollback", run: func(c *caseRun) { c.registerTwice("rollback", "") }},
}

// tickWithOldSnapshot ticks in a transaction whose snapshot is older than the
// newest tick.
func (c *caseRun) tickWithOldSnapshot(level string) {
	c.fresh("q")
	main, old := c.session("main"), c.session("old")
	main.want("select pgq.register_consumer('q', 'c')", "1")
	old.ok("begin isolation level " + level)
	old.ok("select queue_id from pgq.queue")
	main.want("select pgq.insert_event('q', 't', 'e1')", "1")
	main.want("select pgq.ticker('q')", "2")
	c.expect("D3", strings.Join(old.do("select pgq.ticker('q')"), "\n"))
	old.ok("commit")
	main.want("select pgq.insert_event('q', 't', 'e2')", "2")
	c.tick()
	c.expect("D3/delivered", c.deliver("c"))
	c.expect("D3/fell", c.ticksThatFell())
}

// parallelTickers has two sessions tick at once. Ours take turns.
func parallelTickers(c *caseRun) {
	c.fresh("q")
	main, a := c.session("main"), c.session("a")
	main.want("select pgq.register_consumer('q', 'c')", "1")
	main.want("select pgq.insert_event('q', 't', 'e1')", "1")
	a.ok("begin")
	a.want("select pgq.ticker('q')", "2")
	main.want("select pgq.insert_event('q', 't', 'e2')", "2")
	second := c.start("b", "select pgq.ticker('q')")
	got := "at once"
	if second.waits() {
		got = "waits"
	}
	c.expect("D3", got)
	a.ok("commit")
	second.want("3")
	if got := c.deliver("c"); got != "e1 e2" {
		c.Errorf("delivered %q", got)
	}
	if fell := c.ticksThatFell(); fell != "0" {
		c.Errorf("%s ticks are older than the one before", fell)
	}
}

// ticksThatFell counts ticks that do not see what the tick before them saw.
func (c *caseRun) ticksThatFell() string {
	return c.session("main").one(`
		select count(*) from (
			select tick_snapshot as this, lag(tick_snapshot) over (order by tick_id) as last from pgq.tick) t
		where exists (
			select from generate_series(txid_snapshot_xmin(this), txid_snapshot_xmax(last)) x
			where txid_visible_in_snapshot(x, last) and not txid_visible_in_snapshot(x, this))`)
}

// registerTwice has two sessions register one consumer at once; the first one
// then ends its transaction that way.
func (c *caseRun) registerTwice(end, key string) {
	c.fresh("q")
	a := c.session("a")
	a.ok("begin")
	a.want("select pgq.register_consumer('q', 'c')", "1")
	second := c.start("b", "select pgq.register_consumer('q', 'c')")
	if !second.waits() {
		c.Error("the second registration did not wait for the first")
	}
	a.ok(end)
	if key == "" {
		second.want("1")
		return
	}
	second.want(c.differs(key))
	a.want("select count(*) from pgq.subscription", "1")
}
