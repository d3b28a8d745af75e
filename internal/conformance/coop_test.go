package conformance

import "testing"

// Debian packages neither pgq_coop nor pgq_ext, so the cases about them run on our
// engine alone; what they expect of the reference is in the specification.

// runOurs runs cases on our engine.
func runOurs(t *testing.T, cases []testCase) {
	t.Helper()
	ours := engines[len(engines)-1]
	for _, tc := range cases {
		t.Run(tc.id+"/"+ours.name, func(t *testing.T) {
			t.Parallel()
			c := newCaseRun(t, tc.id, ours)
			if tc.run != nil {
				tc.run(c)
			} else {
				c.script(tc.script)
			}
			c.session("main").ok("reset role; create schema used") // nobody else gets this database: pgq_ext's rows stay in it
		})
	}
}

// TestCoop has section 8.10 of the specification. Each case begins with those before it, up to where it is itself.
func TestCoop(t *testing.T) { runOurs(t, coopCases) }

const threeEvents = `
	select pgq.insert_event('testqueue', 'ev1', 'd1'), pgq.insert_event('testqueue', 'ev2', 'd2'), pgq.insert_event('testqueue', 'ev3', 'd3');
`

const co1 = `
	select pgq.create_queue('testqueue');
	--> 1
	update pgq.queue set queue_ticker_max_count = 1;
	select pgq_coop.register_subconsumer('testqueue', 'maincons', 'sub1');
	--> 1
	select pgq_coop.register_subconsumer('testqueue', 'maincons', 'sub1');
	--> 0
	select pgq_coop.register_subconsumer('testqueue', 'maincons', 'sub1');
	--> 0
	select pgq_coop.register_subconsumer('testqueue', 'maincons', 'sub2');
	--> 1
	select c.co_name, s.sub_id, s.sub_last_tick from pgq.subscription s join pgq.consumer c on c.co_id = s.sub_consumer order by 1;
	--> maincons|1|1
	--> maincons.sub1|1|NULL
	--> maincons.sub2|1|NULL
`

const co3 = co1 + threeEvents + `
	select pgq_coop.next_batch('testqueue', 'maincons', 'sub1');
	--> NULL
	select pgq.ticker();
	--> 1
	select pgq_coop.next_batch('testqueue', 'maincons', 'sub1');
	--> 1
	select pgq_coop.next_batch('testqueue', 'maincons', 'sub1');
	--> 1
	select pgq_coop.next_batch('testqueue', 'maincons', 'sub2');
	--> NULL
`

const co4 = co3 + threeEvents + `
	select pgq.ticker();
	--> 1
	select pgq_coop.next_batch('testqueue', 'maincons', 'sub2');
	--> 2
	select ev_id from pgq.get_batch_events(2);
	--> 4
	--> 5
	--> 6
	select consumer_name, prev_tick_id, tick_id from pgq.get_batch_info(2);
	--> maincons.sub2|2|3
	select pgq_coop.finish_batch(2);
	--> 1
`

const co6 = co4 + `
	select pgq_coop.next_batch('testqueue', 'maincons', 'sub2', '1 hour');
	--> NULL
	update pgq.subscription set sub_active = '2005-01-01' where sub_batch is not null;
	select pgq_coop.next_batch('testqueue', 'maincons', 'sub2', '1 hour');
	--> 1
	select ev_id from pgq.get_batch_events(1);
	--> 1
	--> 2
	--> 3
`

const co7 = co6 + `
	select pgq_coop.unregister_subconsumer('testqueue', 'maincons', 'sub1', 0);
	--> 0
	select pgq_coop.unregister_subconsumer('testqueue', 'maincons', 'sub2', 0);
	--> E: subconsumer has active batch
	select pgq_coop.unregister_subconsumer('testqueue', 'maincons', 'sub2', 1);
	--> 1
	select pgq_coop.unregister_subconsumer('testqueue', 'maincons', 'sub2', 0);
	--> 0
`

const co8 = co7 + `
	select pgq_coop.next_batch('testqueue', 'cmain', 'sc1'), pgq_coop.next_batch('testqueue', 'cmain', 'sc2');
	--> NULL|NULL
	select consumer_name, last_tick, current_batch, next_tick, lag is null from pgq.get_consumer_info('testqueue');
	--> cmain|3|NULL|NULL|f
	--> cmain.sc1|NULL|NULL|NULL|t
	--> cmain.sc2|NULL|NULL|NULL|t
	--> maincons|3|NULL|NULL|f
`

// group is a queue with a group m of s1 and s2, and n batches to be had.
const group = `
	\fresh q
	select pgq_coop.register_subconsumer('q', 'm', 's1'), pgq_coop.register_subconsumer('q', 'm', 's2');
	--> 1|1
`

const oneBatch = `
	select pgq.insert_event('q', 't', 'd');
	select pgq.ticker('q') is not null;
	--> t
`

var coopCases = []testCase{
	{id: "co1", script: co1},
	{id: "co2", script: co1 + `
		select pgq_coop.next_batch('testqueue', 'maincons', 'sub1');
		--> NULL
	`},
	{id: "co3", script: co3},
	{id: "co4", script: co4},
	{id: "co5", script: co4 + `
		select pgq_coop.next_batch('testqueue', 'maincons', 'sub2', '1 hour');
		--> NULL
	`},
	{id: "co6", script: co6},
	{id: "co7", script: co7},
	{id: "co8", script: co8},
	{id: "co9", script: co8 + `
		select pgq.unregister_consumer('testqueue', 'cmain.sc2'), pgq.unregister_consumer('testqueue', 'cmain.sc2');
		--> 1|0
		select pgq.unregister_consumer('testqueue', 'cmain');
		--> 2
		select consumer_name from pgq.get_consumer_info('testqueue');
		--> maincons
	`},
	{id: "co10", script: group + oneBatch + `
		select pgq_coop.next_batch('q', 'm', 's1');
		--> 1
		select pgq_coop.finish_batch(1);
		--> 1
		select pgq_coop.finish_batch(1);
		--> W: coop_finish_batch: batch 1 not found
		--> 0
		select pgq_coop.finish_batch(null);
		--> W: coop_finish_batch: batch <NULL> not found
		--> 0
	`},
	{id: "co11", script: `
		select pgq.create_queue('coop'), pgq_coop.register_subconsumer('coop', 'm', 's1');
		--> 1|1
		select pgq.next_batch('coop', 'm.s1');
		--> E: PgQ corruption: Consumer m.s1 on queue coop does not see tick <NULL>
	`},
	{id: "co12", script: group + oneBatch + `
		select pgq.next_batch('q', 'm');
		--> 1
		select pgq_coop.next_batch('q', 'm', 's1');
		--> E: main consumer has batch open?
		select pgq.finish_batch(1);
		--> 1
		select pgq_coop.next_batch('q', 'm', 's1');
		--> NULL
	`},
	{id: "co13", script: group + oneBatch + `
		select pgq_coop.next_batch('q', 'm', 's1');
		--> 1
		select pgq.event_retry(1, 1, 0);
		--> 1
		select pgq_coop.finish_batch(1);
		--> 1
		select pgq.maint_retry_events();
		--> 1
		select pgq.ticker('q') is not null;
		--> t
		select pgq_coop.next_batch('q', 'm', 's3');
		--> 2
		select ev_id, ev_retry from pgq.get_batch_events(2);
		--> 1|1
	`},
	{id: "co14", script: group + `
		update pgq.subscription set sub_active = '2005-01-01' where sub_consumer = 2;
		select pgq_coop.next_batch('q', 'm', 's2', '1 hour');
		--> NULL
		select consumer_name from pgq.get_consumer_info('q');
		--> m
		--> m.s2
		select pgq_coop.next_batch('q', 'm', 's1');
		--> NULL
		update pgq.subscription set sub_active = '2005-01-01' where sub_consumer = 3;
	` + oneBatch + `
		select pgq_coop.next_batch('q', 'm', 's1', '1 hour');
		--> 1
		select consumer_name, current_batch from pgq.get_consumer_info('q');
		--> m|NULL
		--> m.s1|1
	`},
	{id: "co15", run: func(c *caseRun) {
		c.script(group + oneBatch + oneBatch)
		c.session("main").ok("begin")
		c.session("main").want("select pgq_coop.next_batch('q', 'm', 's1')", "1")
		second := c.start("other", "select pgq_coop.next_batch('q', 'm', 's2')")
		if !second.waits() {
			c.Error("two sub-consumers took a batch at the same time")
		}
		c.session("main").ok("commit")
		second.want("2")
		c.session("main").want("select consumer_name, last_tick, next_tick from pgq.get_consumer_info('q')",
			"m|3|NULL", "m.s1|1|2", "m.s2|2|3")
	}},
	{id: "co16", script: group + oneBatch + `
		select pgq_coop.next_batch('q', 'm', 's1');
		--> 1
		select pgq_coop.unregister_subconsumer('q', 'm', 's1', null);
		--> E: subconsumer has active batch
		select pgq_coop.unregister_subconsumer('q', 'm', 's1', 3);
		--> E: subconsumer has active batch
	`},
	{id: "co17", script: `
		select pgq_coop.next_batch('nosuch', 'm', 's1');
		--> E: Event queue not created yet
		select pgq.create_queue('q');
		--> 1
		select pgq_coop.next_batch('q', null, 's1');
		--> E 23502 co_name
		select pgq_coop.next_batch('q', 'm', null);
		--> E 23502 co_name
		select pgq_coop.register_subconsumer(null, 'm', 's1');
		--> E: Event queue not created yet
		select count(*) from pgq.consumer;
		--> 0
		select pgq_coop.unregister_subconsumer('nosuch', 'm', 's1', 0), pgq_coop.unregister_subconsumer('q', 'm', null, 0);
		--> 0|0
	`},
}
