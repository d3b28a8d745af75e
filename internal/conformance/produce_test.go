package conformance

import "testing"

func TestProducing(t *testing.T) { runCases(t, produceCases) }

// txLimit is the beginning of ie6, ie7 and ie8, which build on each other.
const txLimit = `
	select pgq.create_queue('queue_tx_limit');
	--> 1
	update pgq.queue set queue_per_tx_limit = 2;
	begin;
	select pgq.insert_event('queue_tx_limit', 't', 'd');
	--> 1
	select pgq.insert_event('queue_tx_limit', 't', 'd');
	--> 2
	select pgq.insert_event('queue_tx_limit', 't', 'd');
	--> E: Queue 'queue_tx_limit' allows max 2 events from one TX
	rollback;
`

const txLimitZero = txLimit + `
	update pgq.queue set queue_per_tx_limit = 0;
	select pgq.insert_event('queue_tx_limit', 't', 'd');
	--> E: Queue 'queue_tx_limit' allows max 0 events from one TX
`

var produceCases = []testCase{
	{id: "ie1", script: `
		select pgq.create_queue('q');
		--> 1
		select pgq.insert_event('q', 't', 'd');
		--> 1
		select pgq.insert_event('q', 't', 'd');
		--> 2
		select pgq.insert_event('q', 't', 'd', 'e1', 'e2', 'e3', 'e4');
		--> 3
		select tableoid::regclass, ev_id, ev_time <= now(), ev_txid < txid_current(), ev_owner, ev_retry,
			ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4 from pgq.event_template order by ev_id;
		--> pgq.event_1_0|1|t|t|NULL|NULL|t|d|NULL|NULL|NULL|NULL
		--> pgq.event_1_0|2|t|t|NULL|NULL|t|d|NULL|NULL|NULL|NULL
		--> pgq.event_1_0|3|t|t|NULL|NULL|t|d|e1|e2|e3|e4
	`},
	{id: "ie2", script: `
		select pgq.create_queue('q');
		--> 1
		select pgq.insert_event('q', null, null);
		--> 1
		select pgq.insert_event(queue_name => 'q', ev_type => 't', ev_data => 'd');
		--> 2
		select pgq.insert_event(queue_name => 'q', ev_type => 't', ev_data => 'd', ev_extra1 => null,
			ev_extra2 => 'x', ev_extra3 => null, ev_extra4 => null);
		--> 3
		select ev_id, ev_type, ev_data, ev_extra2 from pgq.event_1_0 order by 1;
		--> 1|NULL|NULL|NULL
		--> 2|t|d|NULL
		--> 3|t|d|x
	`},
	{id: "ie3", script: `
		select pgq.insert_event('nosuch', 't', 'd');
		--> E: No such queue
		select pgq.insert_event(null, 't', 'd');
		--> E: Queue name must not be NULL
		select pgq.insert_event_raw('nosuch', null, null, null, null, 't', 'd', null, null, null, null);
		--> E: No such queue
	`},
	{id: "ie4", script: `
		select pgq.create_queue('q');
		--> 1
		select pgq.insert_event('q', 't', 'd');
		--> 1
		update pgq.queue set queue_disable_insert = true;
		select pgq.insert_event('q', 't', 'd');
		--> E: Insert into queue disallowed
		update pgq.queue set queue_disable_insert = false;
		select pgq.insert_event('q', 't', 'd');
		--> 3
	`},
	{id: "ie5", script: `
		select pgq.create_queue('q');
		--> 1
		update pgq.queue set queue_disable_insert = true;
		select pgq.insert_event('q', 't', 'd');
		--> E: Insert into queue disallowed
		set session_replication_role = 'replica';
		select pgq.insert_event('q', 't', 'd');
		--> 2
		set session_replication_role = 'local';
		select pgq.insert_event('q', 't', 'd');
		--> E: Insert into queue disallowed
		set session_replication_role = 'origin';
		select pgq.insert_event('q', 't', 'd');
		--> E: Insert into queue disallowed

		select pgq.create_queue('enabled');
		--> 1
		select pgq.insert_event('enabled', 't', 'd');
		--> 1
		set session_replication_role = 'replica';
		select pgq.insert_event('enabled', 't', 'd');
		--> 2
		set session_replication_role = 'local';
		select pgq.insert_event('enabled', 't', 'd');
		--> 3
		set session_replication_role = 'origin';
		select pgq.insert_event('enabled', 't', 'd');
		--> 4
	`},
	{id: "ie6", script: txLimit},
	{id: "ie7", script: txLimitZero},
	{id: "ie8", script: txLimitZero + `
		update pgq.queue set queue_per_tx_limit = null;
		begin;
		select pgq.insert_event('queue_tx_limit', 't', 'd');
		--> 5
		select pgq.insert_event('queue_tx_limit', 't', 'd');
		--> 6
		select pgq.insert_event('queue_tx_limit', 't', 'd');
		--> 7
		commit;
	`},
	{id: "ie9", script: `
		select pgq.create_queue('q'), pgq.create_queue('other');
		--> 1|1
		update pgq.queue set queue_per_tx_limit = 2;
		select pgq.insert_event('q', 't', 'd'), pgq.insert_event('q', 't', 'd');
		--> 1|2
		select pgq.insert_event('q', 't', 'd'), pgq.insert_event('q', 't', 'd');
		--> 3|4
		begin;
		select pgq.insert_event('q', 't', 'd'), pgq.insert_event('other', 't', 'd');
		--> 5|1
		select pgq.insert_event('q', 't', 'd'), pgq.insert_event('other', 't', 'd');
		--> 6|2
		commit;
	`},
	{id: "ir1", script: `
		select pgq.create_queue('q');
		--> 1
		select pgq.insert_event_raw('q', 5, null, null, null, 't', 'd', null, null, null, null);
		--> 5
		select ev_id, ev_time <= now(), ev_txid < txid_current(), ev_owner, ev_retry from pgq.event_1_0;
		--> 5|t|t|NULL|NULL
		select pgq.insert_event_raw('q', null, '2001-02-03 04:05+00', 7, 8, 't', 'd', '1', '2', '3', '4');
		--> 2
		select ev_time, ev_owner, ev_retry, ev_extra1, ev_extra4 from pgq.event_1_0 where ev_id = 2;
		--> 2001-02-03 04:05:00+00|7|8|1|4
	`},
	{id: "ct1", script: `
		select pgq.create_queue('first'), pgq.create_queue('q');
		--> 1|1
		select pgq.current_event_table('q');
		--> pgq.event_2_0
		insert into pgq.event_2_0 (ev_time, ev_type, ev_data) values (now(), 't', 'd');
		select ev_id, ev_txid < txid_current() from pgq.event_2;
		--> 1|t
	`},
	{id: "ct2", script: `
		select pgq.current_event_table('nosuch');
		--> E: Event queue not found
		select pgq.current_event_table(null);
		--> E: Event queue not found
	`},
	{id: "ct3", script: `
		select pgq.create_queue('q');
		--> 1
		update pgq.queue set queue_disable_insert = true;
		select pgq.current_event_table('q');
		--> E: Writing to queue disabled
		set session_replication_role = 'local';
		select pgq.current_event_table('q');
		--> E: Writing to queue disabled
		set session_replication_role = 'replica';
		select pgq.current_event_table('q');
		--> pgq.event_1_0
	`},
}
