package conformance

import "testing"

// TestCoopDefects shows the defects of cooperative consumers that are mended: what
// the reference does instead is in the specification under the same number.
func TestCoopDefects(t *testing.T) { runOurs(t, coopDefectCases) }

// bothBusy gives each of s1 and s2 a batch.
const bothBusy = group + oneBatch + oneBatch + `
	select pgq_coop.next_batch('q', 'm', 's1'), pgq_coop.next_batch('q', 'm', 's2');
	--> 1|2
`

var coopDefectCases = []testCase{
	// Who is a member is written down, not guessed from positions.
	{id: "co-D11-main", script: group + oneBatch + `
		select pgq.next_batch('q', 'm');
		--> 1
		select pgq.unregister_consumer('q', 'm');
		--> 3
		select (select count(*) from pgq.subscription), (select count(*) from pgq.consumer);
		--> 0|0
	`},
	{id: "co-D11-sub", script: bothBusy + `
		select pgq.finish_batch(1);
		--> 1
		update pgq.subscription set sub_last_tick = 1 where sub_consumer = 2;
		select pgq.unregister_consumer('q', 'm.s1');
		--> 1
		select consumer_name from pgq.get_consumer_info('q');
		--> m
		--> m.s2
		select co_name from pgq.consumer order by 1;
		--> m
		--> m.s2
	`},
	{id: "co-D11-drop", script: bothBusy + `
		select pgq.drop_queue('q');
		--> E: cannot drop queue, consumers still attached
		select pgq.drop_queue('q', true);
		--> 1
		select (select count(*) from pgq.subscription), (select count(*) from pgq.consumer);
		--> 0|0
	`},
	// Each way to finish a batch does the right thing with either kind.
	{id: "co-D12", script: bothBusy + `
		select pgq.register_consumer_at('q', 'plain', 1), pgq.next_batch('q', 'plain');
		--> 1|3
		select pgq.finish_batch(1), pgqueue.finish_batch(2, array[2], array[0.0]);
		--> 1|1
		select consumer_name, last_tick from pgq.get_consumer_info('q');
		--> m|3
		--> m.s1|NULL
		--> m.s2|NULL
		--> plain|1
		select pgq_coop.finish_batch(3);
		--> 1
		select last_tick from pgq.get_consumer_info('q', 'plain');
		--> 2
		select pgq.next_batch('q', 'plain');
		--> 4
		select pgq.maint_retry_events(), ev_owner = (select min(sub_id) from pgq.subscription) from pgq.retry_queue;
		--> 1|t
	`},
	// Two names that are the same when joined, and a plain consumer of that name.
	{id: "co-D13", script: `
		\fresh q
		select pgq.register_consumer('q', 'm.s');
		--> 1
		select pgq_coop.register_subconsumer('q', 'm', 's');
		--> E: consumer m.s is registered, but not as a sub-consumer of this group
		select pgq_coop.next_batch('q', 'm', 's');
		--> E: consumer m.s is registered, but not as a sub-consumer of this group
		select consumer_name from pgq.get_consumer_info('q');
		--> m.s
		select pgq_coop.register_subconsumer('q', 'a', 'b.c'), pgq_coop.register_subconsumer('q', 'a', 'b');
		--> 1|1
		select pgq_coop.next_batch('q', 'a.b', 'c');
		--> E: a.b is a sub-consumer, so it cannot have sub-consumers
		select pgq.unregister_consumer('q', 'a.b'), pgq.register_consumer('q', 'a.b');
		--> 1|1
		select pgq_coop.next_batch('q', 'a.b', 'c');
		--> E: consumer a.b.c is registered, but not as a sub-consumer of this group
		select pgq_coop.unregister_subconsumer('q', 'a.b', 'c', 1);
		--> E: consumer a.b.c is registered, but not as a sub-consumer of this group
		select pgq_coop.unregister_subconsumer('q', 'm', 's', 1);
		--> 0
	`},
	// An empty call shows that its caller lives, once a second at most.
	{id: "co-D14-alive", script: group + `
		update pgq.subscription set sub_active = now() - interval '10 minutes' where sub_last_tick is null;
		select pgq_coop.next_batch('q', 'm', 's1');
		--> NULL
		select pgq_coop.next_batch('q', 'm', 's2', '5 minutes');
		--> NULL
		select consumer_name, last_seen < '5 minutes' from pgq.get_consumer_info('q') where last_tick is null;
		--> m.s1|t
		--> m.s2|t
		create table before as select count(*) from pgqueue.position;
		select pgq_coop.next_batch('q', 'm', 's1'), pgq_coop.next_batch('q', 'm', 's2', '5 minutes');
		--> NULL|NULL
		select (select * from before) = (select count(*) from pgqueue.position);
		--> t
	`},
	// Of two dead ones, the one with a batch is taken; a caller that asks for it gets a
	// new id, and the late owner finds no batch.
	{id: "co-D14-fence", script: group + `
		select pgq_coop.register_subconsumer('q', 'm', 's0');
		--> 1
	` + oneBatch + `
		select pgq_coop.next_batch('q', 'm', 's1');
		--> 1
		update pgq.subscription set sub_active = now() - interval '10 minutes' where sub_consumer <> 1;
		select batch_id, prev_tick_id, cur_tick_id from pgqueue.next_batch('q', 'm', 's2', null, '5 minutes');
		--> 2|1|2
		select pgq_coop.finish_batch(1);
		--> W: coop_finish_batch: batch 1 not found
		--> 0
		select pgq.event_retry(1, 1, 0);
		--> E: event not found
		select ev_id from pgq.get_batch_events(2);
		--> 1
		select pgq_coop.finish_batch(2);
		--> 1
		select consumer_name from pgq.get_consumer_info('q');
		--> m
		--> m.s0
		--> m.s2
	`},
	// Who is at work in an open transaction is not dead, however long ago he was seen.
	{id: "co-D14-busy", run: func(c *caseRun) {
		c.script(bothBusy + `
			update pgq.subscription set sub_active = now() - interval '10 minutes' where sub_batch is not null;
		`)
		busy := c.session("busy")
		busy.ok("begin")
		busy.want("select pgq_coop.finish_batch(1)", "1")
		c.session("main").want("select pgq_coop.next_batch('q', 'm', 's3', '5 minutes')", "2")
		c.session("main").want("select pgq_coop.next_batch('q', 'm', 's4', '5 minutes')", "NULL")
		busy.ok("commit")
		c.session("main").want("select consumer_name, current_batch from pgq.get_consumer_info('q')",
			"m|NULL", "m.s1|NULL", "m.s3|2", "m.s4|NULL")
	}},
	{id: "co-merged", script: group + oneBatch + oneBatch + oneBatch + `
		select batch_id, prev_tick_id, cur_tick_id, cur_tick_event_seq - prev_tick_event_seq from pgqueue.next_batch('q', 'm', 's1', 2, null);
		--> 1|1|3|2
		select batch_id, prev_tick_id, cur_tick_id from pgqueue.next_batch('q', 'm', 's2', 2, null);
		--> 2|3|4
		select * from pgqueue.next_batch('q', 'm', 's3', 2, null);
		--> NULL|NULL|NULL|NULL|NULL|NULL|NULL
	`},
	// A batch handed back holds rotation, and goes to the next member who asks.
	{id: "co-D31", script: bothBusy + `
		select pgq_coop.unregister_subconsumer('q', 'm', 's1', 2);
		--> 1
		select pgq.unregister_consumer('q', 'm.s2');
		--> 1
		select consumer_name, last_tick, current_batch from pgq.get_consumer_info('q');
		--> m|3|NULL
		--> m.(batch 1)|1|1
		--> m.(batch 2)|2|2
		select pgq_coop.next_batch('q', 'm', 's3'), pgq_coop.next_batch('q', 'm', 's4');
		--> 1|2
		select ev_id from pgq.get_batch_events(1);
		--> 1
		select consumer_name, current_batch from pgq.get_consumer_info('q');
		--> m|NULL
		--> m.s3|1
		--> m.s4|2
		select pgq_coop.unregister_subconsumer('q', 'm', 's3', 1), pgq_coop.unregister_subconsumer('q', 'm', 's4', 2);
		--> 1|1
		select pgq.unregister_consumer('q', 'm');
		--> 2
		select (select count(*) from pgq.subscription), (select count(*) from pgq.consumer);
		--> 0|0
	`},
	{id: "co-roles", script: `
		\fresh q
		set role conf_reader;
		select pgq_coop.register_subconsumer('q', 'm', 's');
		--> 1
		reset role;
	` + oneBatch + `
		set role conf_reader;
		select pgq_coop.next_batch('q', 'm', 's'), pgq_coop.next_batch_custom('q', 'm', 's', '1 day', 1, '1 day'),
			pgq_coop.next_batch('q', 'm', 's', '1 hour');
		--> 1|1|1
		select pgq_coop.finish_batch(1), pgq_coop.unregister_subconsumer('q', 'm', 's', 0), pgq_coop.version();
		--> 1|1|3.4
		select batch_id from pgqueue.next_batch('q', 'm', 's', 10, null);
		--> NULL
		set role conf_writer;
		select pgq_coop.version() is not null;
		--> t
		select pgq_coop.next_batch('q', 'm', 's');
		--> E 42501: permission denied for function next_batch
		select pgq_coop.finish_batch(1);
		--> E 42501: permission denied for function finish_batch
	`},
}
