package conformance

import (
	"strings"
	"testing"
)

// TestDropIn holds what §9.5 of the specification asks for besides the cases:
// tables that tools and tests of others change directly.
func TestDropIn(t *testing.T) { runCases(t, dropInCases) }

var dropInCases = []testCase{
	{id: "update-subscription", script: opened + `
		set role conf_admin;
		update pgq.subscription set sub_active = '2005-01-01 00:00+00' where sub_batch = 1;
		select last_seen > '10 years', current_batch from pgq.get_consumer_info('q', 'c');
		--> t|1
		update pgq.subscription set sub_last_tick = sub_next_tick, sub_next_tick = null, sub_batch = null;
		select sub_last_tick, sub_next_tick, sub_batch, sub_active from pgq.subscription;
		--> 2|NULL|NULL|2005-01-01 00:00:00+00
		reset role;
		select pgq.ticker('q');
		--> 3
		select pgq.next_batch('q', 'c');
		--> 2
		select prev_tick_id, tick_id from pgq.get_batch_info(2);
		--> 2|3
	`},
	{id: "insert-subscription", script: opened + `
		insert into pgq.consumer (co_name) values ('hand');
		insert into pgq.subscription (sub_queue, sub_consumer, sub_last_tick) values (1, 2, 1);
		select sub_id, sub_queue, sub_consumer, sub_last_tick, sub_next_tick, sub_batch, sub_active <= now()
			from pgq.subscription order by sub_consumer;
		--> 1|1|1|1|2|1|t
		--> 2|1|2|1|NULL|NULL|t
		select pgq.next_batch('q', 'hand');
		--> 2
		select count(*) from pgq.get_batch_events(2);
		--> 3
		insert into pgq.subscription (sub_queue, sub_consumer, sub_last_tick) values (1, 2, 1);
		--> E 23505
		insert into pgq.subscription (sub_queue, sub_consumer, sub_last_tick) values (1, 99, 1);
		--> E 23503 sub_consumer_fkey
		insert into pgq.subscription (sub_queue, sub_consumer, sub_last_tick) values (99, 2, 1);
		--> E 23503 sub_queue_fkey
	`},
	{id: "delete-subscription", script: opened + `
		set role conf_admin;
		delete from pgq.subscription where sub_consumer = 1;
		reset role;
		select count(*) from pgq.subscription;
		--> 0
		select pgq.next_batch('q', 'c');
		--> E: Not subscriber to queue: q/c
		select pgq.register_consumer('q', 'c');
		--> 1
	`},
	{id: "batch-sql", run: func(c *caseRun) {
		c.script(opened)
		main := c.session("main")
		sql := strings.Join(main.do("select pgq.batch_event_sql(1)"), "\n")
		want := main.do("select * from pgq.get_batch_events(1)")
		if len(want) != 3 {
			c.Fatalf("the batch has %d events", len(want))
		}
		main.want(sql, want...)
	}},
	{id: "rollback-position", script: opened + `
		begin;
		select pgq.finish_batch(1);
		--> 1
		rollback;
		select pgq.next_batch('q', 'c');
		--> 1
		begin;
		select pgq.finish_batch(1);
		--> 1
		savepoint s;
		select pgq.next_batch('q', 'c');
		--> NULL
		rollback to s;
		commit;
		select sub_last_tick, sub_batch from pgq.subscription;
		--> 2|NULL
	`},
	// A consumer with an old snapshot cannot take or finish what another session
	// has moved on from.
	{id: "old-snapshot-next", script: subscribed + `
		select pgq.ticker('q');
		--> 2
		\c old
		begin isolation level repeatable read;
		select count(*) from pgq.subscription;
		--> 1
		\c main
		select pgq.next_batch('q', 'c');
		--> 1
		\c old
		select pgq.next_batch('q', 'c');
		--> E 40001
		rollback;
		select pgq.next_batch('q', 'c');
		--> 1
	`},
	{id: "old-snapshot-finish", script: opened + `
		\c old
		begin isolation level repeatable read;
		select count(*) from pgq.subscription;
		--> 1
		\c main
		select pgq.finish_batch(1);
		--> 1
		select pgq.ticker('q');
		--> 3
		select pgq.next_batch('q', 'c');
		--> 2
		\c old
		select pgq.finish_batch(1);
		--> E 40001
		rollback;
		select pgq.finish_batch(1);
		--> W: finish_batch: batch 1 not found
		--> 0
		select sub_last_tick, sub_next_tick, sub_batch from pgq.subscription;
		--> 2|3|2
	`},
	{id: "old-snapshot-register", script: subscribed + `
		\c old
		begin isolation level repeatable read;
		select count(*) from pgq.subscription;
		--> 1
		\c main
		select pgq.register_consumer('q', 'new');
		--> 1
		\c old
		select pgq.register_consumer('q', 'new');
		--> $D30
		rollback;
		select pgq.register_consumer('q', 'new');
		--> 0
	`},
	{id: "update-queue", script: `
		select pgq.create_queue('q');
		--> 1
		set role conf_admin;
		update pgq.queue set queue_ticker_max_lag = '0', queue_ticker_idle_period = '0', queue_rotation_period = '0',
			queue_disable_insert = true, queue_per_tx_limit = 0, queue_extra_maint = '{a}';
		select pgq.ticker('q');
		--> 2
		update pgq.tick set tick_time = '2005-01-01 00:00+00' where tick_id = 1;
		insert into pgq.tick (tick_queue, tick_id, tick_event_seq) values (1, 9, 0);
		delete from pgq.tick where tick_id = 2;
		select tick_id from pgq.tick order by 1;
		--> 1
		--> 9
	`},
	// Without rotation of the other queue, and with retries counted per queue.
	{id: "two-queues", script: `
		\fresh q
		\fresh other
		select pgq.register_consumer('q', 'c'), pgq.register_consumer('other', 'c');
		--> 1|1
		select pgq.insert_event('q', 't', 'of q'), pgq.insert_event('other', 't', 'of other');
		--> 1|1
		select pgq.ticker();
		--> 2
		select pgq.next_batch('other', 'c'), pgq.next_batch('q', 'c');
		--> 1|2
		select ev_data from pgq.get_batch_events(1);
		--> of other
		select pgq.event_retry(1, 1, 0), pgq.event_retry(2, 1, 0);
		--> 1|1
		select pgq.finish_batch(1), pgq.finish_batch(2);
		--> 1|1
		select pgq.maint_retry_events();
		--> 2
		select pgq.ticker();
		--> 2
		select pgq.next_batch('other', 'c'), pgq.next_batch('q', 'c');
		--> 3|4
		select ev_data, ev_retry from pgq.get_batch_events(3);
		--> of other|1
		select ev_data, ev_retry from pgq.get_batch_events(4);
		--> of q|1
	`},
	{id: "admin", script: `
		set role conf_admin;
		select pgq.create_queue('q'), pgq.set_queue_config('q', 'ticker_max_lag', '0'),
			pgq.set_queue_config('q', 'ticker_idle_period', '0'), pgq.set_queue_config('q', 'rotation_period', '0');
		--> 1|1|1|1
		select pgq.insert_event('q', 't', 'd');
		--> 1
		select pgq.force_tick('q'), pgq.ticker('q'), pgq.ticker();
		--> 1|2|1
		select count(*) from pgq.maint_operations();
		--> 2
		select pgq.maint_rotate_tables_step1('q');
		--> 0
		select pgq.maint_rotate_tables_step2();
		--> 0
		select pgq.maint_retry_events();
		--> 0
		insert into pgq.event_1_1 (ev_time, ev_type) values (now(), 'bulk');
		select count(*) from pgq.event_1;
		--> 2
		select nextval('pgq.batch_id_seq');
		--> E 42501
		select pgq.tune_storage('q');
		--> E 42501
	`},
	{id: "nobody", script: `
		\fresh q
		set role conf_nobody;
		select pgq.version() is not null, (select count(*) from pgq.get_queue_info()), (select count(*) from pgq.get_consumer_info());
		--> t|1|0
		select count(*) from pgq.queue;
		--> 1
		select pgq.insert_event('q', 't', 'd');
		--> E 42501: permission denied for function insert_event
		select pgq.next_batch('q', 'c');
		--> E 42501: permission denied for function next_batch
		select * from pgq.event_1;
		--> E 42501: permission denied for table event_1
	`},
}
