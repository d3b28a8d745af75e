package conformance

import "testing"

func TestSubscriptions(t *testing.T) { runCases(t, subscribeCases) }

var subscribeCases = []testCase{
	{id: "rc1", script: `
		\fresh q
		select pgq.register_consumer('q', 'c');
		--> 1
		select pgq.register_consumer('q', 'c');
		--> 0
		select sub_id, sub_queue, sub_consumer, sub_last_tick, sub_batch, sub_next_tick, sub_active <= now()
			from pgq.subscription;
		--> 1|1|1|1|NULL|NULL|t
	`},
	{id: "rc2", script: `
		select pgq.register_consumer('nosuch', 'c');
		--> E: Event queue not created yet
		select pgq.register_consumer(null, 'c');
		--> E: Event queue not created yet
		select count(*) from pgq.consumer;
		--> 0
	`},
	{id: "rc3", script: `
		\fresh q
		select pgq.register_consumer('q', null);
		--> E 23502 co_name
	`},
	{id: "rc4", script: `
		\fresh q
		\settle
		select pgq.ticker('q');
		--> 2
		select pgq.insert_event('q', 't', 'e1');
		select pgq.register_consumer('q', 'c');
		--> 1
		select pgq.ticker('q');
		--> 3
		select pgq.next_batch('q', 'c');
		--> 1
		select ev_data from pgq.get_batch_events(1);
		--> e1
	`},
	{id: "rc5", script: `
		\fresh q
		select pgq.insert_event('q', 't', 'x1');
		\settle
		select pgq.ticker('q');
		--> 2
		select pgq.insert_event('q', 't', 'x2');
		select pgq.register_consumer('q', 'c');
		--> 1
		select pgq.ticker('q');
		--> 3
		select pgq.next_batch('q', 'c');
		--> 1
		select ev_data from pgq.get_batch_events(1);
		--> x2
	`},
	{id: "rc6", script: `
		\fresh q
		\c producer
		begin;
		select pgq.insert_event('q', 't', 'e');
		--> 1
		\c main
		select pgq.ticker('q');
		--> 2
		select pgq.register_consumer('q', 'c');
		--> 1
		\c producer
		commit;
		\c main
		select pgq.ticker('q');
		--> 3
		select pgq.next_batch('q', 'c');
		--> 1
		select ev_data from pgq.get_batch_events(1);
		--> e
	`},
	{id: "rc7", script: `
		\fresh q
		select pgq.register_consumer('q', 'old');
		--> 1
		delete from pgq.tick;
		select pgq.register_consumer('q', 'new');
		--> E: No ticks for this queue.  Please run ticker on database.
		select pgq.register_consumer('q', 'old');
		--> 0
		select co_name from pgq.consumer;
		--> old
	`},
	{id: "ra1", script: `
		\fresh q
		select pgq.register_consumer_at('q', 'new', 999);
		--> E: cannot reposition, tick not found: 999
		select (select count(*) from pgq.consumer), (select count(*) from pgq.subscription);
		--> 0|0
	`},
	{id: "ra2", script: `
		\fresh q
		select pgq.ticker('q');
		--> 2
		select pgq.register_consumer_at('q', 'new', 1);
		--> 1
		select pgq.register_consumer_at('q', 'new', 1);
		--> 0
		select sub_last_tick, sub_next_tick, sub_batch from pgq.subscription;
		--> 1|NULL|NULL
	`},
	{id: "ra3", script: `
		\fresh q
		select pgq.register_consumer('q', 'c');
		--> 1
		select pgq.ticker('q');
		--> 2
		select pgq.next_batch('q', 'c');
		--> 1
		select pgq.register_consumer_at('q', 'c', null);
		--> 0
		select sub_last_tick, sub_next_tick, sub_batch from pgq.subscription;
		--> 1|2|1
		select pgq.finish_batch(1);
		--> 1
	`},
	{id: "ra4", script: `
		\fresh q
		select pgq.register_consumer('q', 'c');
		--> 1
		select pgq.ticker('q');
		--> 2
		select pgq.next_batch('q', 'c');
		--> 1
		select pgq.finish_batch(1);
		--> 1
		select pgq.ticker('q');
		--> 3
		select pgq.next_batch('q', 'c');
		--> 2
		select pgq.register_consumer_at('q', 'c', 1);
		--> 0
		select sub_last_tick, sub_next_tick, sub_batch from pgq.subscription;
		--> 1|NULL|NULL
		select pgq.finish_batch(2);
		--> W: finish_batch: batch 2 not found
		--> 0
	`},
	{id: "uc1", script: `
		\fresh q
		select pgq.register_consumer('q', 'c');
		--> 1
		select pgq.unregister_consumer('q', 'c');
		--> 1
		select pgq.unregister_consumer('q', 'c');
		--> 0
	`},
	{id: "uc2", script: `
		\fresh q
		select pgq.unregister_consumer('nosuch', 'c');
		--> 0
		select pgq.unregister_consumer('q', 'nosuch');
		--> 0
		select pgq.unregister_consumer(null, null);
		--> 0
	`},
	{id: "uc3", script: `
		\fresh q
		select pgq.register_consumer('q', 'c'), pgq.register_consumer('q', 'other');
		--> 1|1
		select pgq.insert_event('q', 't', 'd') from generate_series(1, 3);
		select pgq.ticker('q');
		--> 2
		select pgq.next_batch('q', 'c'), pgq.next_batch('q', 'other');
		--> 1|2
		select pgq.batch_retry(1, 60), pgq.event_retry(2, 1, 60);
		--> 3|1
		select pgq.unregister_consumer('q', 'c');
		--> 1
		select count(*) from pgq.retry_queue;
		--> 1
		select co_name from pgq.consumer;
		--> other
		select pgq.get_batch_events(1);
		--> E: batch not found
	`},
	{id: "uc4", script: `
		select pgq.create_queue('q1'), pgq.create_queue('q2');
		--> 1|1
		select pgq.register_consumer('q1', 'c'), pgq.register_consumer('q2', 'c');
		--> 1|1
		select pgq.unregister_consumer('q1', 'c');
		--> 1
		select co_name from pgq.consumer;
		--> c
		select pgq.unregister_consumer('q2', 'c');
		--> 1
		select count(*) from pgq.consumer;
		--> 0
	`},
}
