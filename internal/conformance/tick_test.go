package conformance

import "testing"

func TestTicks(t *testing.T) { runCases(t, tickCases) }

// aged makes queue q with default settings and three ticks: an hour before
// the last one, so that the idle rule keeps quiet. Event 1 is in the past.
const aged = `
	select pgq.create_queue('q');
	--> 1
	select pgq.insert_event('q', 't', 'd');
	--> 1
	update pgq.tick set tick_time = now() - interval '1 hour';
	select pgq.ticker('q');
	--> 2
`

var tickCases = []testCase{
	{id: "tk1", script: `
		select pgq.create_queue('q');
		--> 1
		select pgq.ticker('q');
		--> 2
	`},
	// One transaction is one moment, so nothing here depends on the machine.
	{id: "tk2", script: `
		select pgq.create_queue('q');
		--> 1
		select pgq.ticker('q');
		--> 2
		begin;
		update pgq.tick set tick_time = now();
		select pgq.ticker('q');
		--> NULL
		commit;
	`},
	{id: "tk3", script: aged + `
		select pgq.insert_event('q', 't', 'd');
		--> 2
		begin;
		update pgq.tick set tick_time = now() - interval '2.9 s' where tick_id = 2;
		select pgq.ticker('q');
		--> NULL
		update pgq.tick set tick_time = now() - interval '4 s' where tick_id = 2;
		select pgq.ticker('q');
		--> 3
		commit;
	`},
	{id: "tk4", script: aged + `
		select pgq.set_queue_config('q', 'ticker_max_count', '3'), pgq.set_queue_config('q', 'ticker_max_lag', '1 day');
		--> 1|1
		select pgq.insert_event('q', 't', 'd'), pgq.insert_event('q', 't', 'd');
		--> 2|3
		select pgq.ticker('q');
		--> NULL
		select pgq.insert_event('q', 't', 'd');
		--> 4
		select pgq.ticker('q');
		--> 3
		select tick_event_seq from pgq.tick where tick_id = 3;
		--> 4
	`},
	// The clock is turned by moving the ticks into the past, all in one
	// transaction. A tick is made when the last is twice as old as its
	// distance to the one before, at half of max_lag soonest.
	{id: "tk5", alone: true, script: `
		select pgq.create_queue('q');
		--> 1
		create table polled (second int, made int8);
		begin;
		update pgq.tick set tick_time = now() - interval '1 s';
		do $$ begin
			for s in 1..250 loop
				insert into polled values (s, pgq.ticker('q'));
				update pgq.tick set tick_time = tick_time - interval '1 s';
			end loop;
		end $$;
		commit;
		select made, second - lag(second) over (order by second) from polled where made is not null order by second;
		--> 2|NULL
		--> 3|2
		--> 4|4
		--> 5|8
		--> 6|16
		--> 7|32
		--> 8|60
		--> 9|60
		--> 10|60
	`},
	{id: "tk6", script: `
		select pgq.ticker('nosuch');
		--> E: no such queue
		select pgq.ticker(null);
		--> E: no such queue
	`},
	{id: "tk7", script: `
		\fresh q
		update pgq.queue set queue_ticker_paused = true;
		select pgq.ticker('q');
		--> E: Ticker has been paused for this queue
		update pgq.queue set queue_external_ticker = true;
		select pgq.ticker('q');
		--> E: This queue has external tick source.
		update pgq.queue set queue_ticker_paused = false;
		select pgq.ticker('q');
		--> E: This queue has external tick source.
	`},
	{id: "tk8", script: `
		select pgq.ticker();
		--> 0
		\fresh q1
		\fresh q2
		\fresh paused
		\fresh external
		update pgq.queue set queue_ticker_paused = true where queue_name = 'paused';
		update pgq.queue set queue_external_ticker = true where queue_name = 'external';
		select pgq.ticker();
		--> 2
		select queue_name, max(tick_id) from pgq.queue join pgq.tick on tick_queue = queue_id group by 1 order by 1;
		--> external|1
		--> paused|1
		--> q1|2
		--> q2|2
		update pgq.queue set queue_ticker_idle_period = '1 hour', queue_ticker_max_lag = '1 hour' where queue_name = 'q1';
		select pgq.ticker();
		--> 1
	`},
	{id: "tk9", script: `
		\fresh a
		\fresh b
		\fresh c
		update pgq.tick set tick_snapshot = '99999999:99999999:' where tick_queue = 2;
		select pgq.ticker('b');
		--> E: Invalid PgQ state: old xmin=99999999, old xmax=99999999, cur txid=<n>
		select pgq.ticker();
		--> $D7
		select queue_name, max(tick_id) from pgq.queue join pgq.tick on tick_queue = queue_id group by 1 order by 1;
		--> $D7/ticks
	`},
	{id: "tk10", script: `
		\fresh q
		update pgq.tick set tick_snapshot = '1:99999999:';
		select pgq.ticker('q');
		--> $D3
	`},
	{id: "tk11", script: `
		\fresh q
		select pgq.insert_event('q', 't', 'd'), pgq.insert_event('q', 't', 'd');
		--> 1|2
		select pgq.ticker('q');
		--> 2
		select setval('pgq.event_1_id_seq', 1);
		select pgq.ticker('q');
		--> W: Negative new_events?  old=2 cur=1
		--> 3
		select tick_event_seq from pgq.tick where tick_id = 3;
		--> 1
	`},
	{id: "tx1", script: `
		\fresh q
		select pgq.ticker('q', 10, now(), 100);
		--> E: queue not found or ticker disabled: q
		update pgq.queue set queue_external_ticker = true, queue_ticker_paused = true;
		select pgq.ticker('q', 10, now(), 100);
		--> E: queue not found or ticker disabled: q
		select pgq.ticker('nosuch', 10, now(), 100);
		--> E: queue not found or ticker disabled: nosuch
		select pgq.ticker(null, 10, now(), 100);
		--> E: queue not found or ticker disabled: <NULL>
	`},
	{id: "tx2", script: external + `
		select tick_time, tick_event_seq, txid_snapshot_xmax(tick_snapshot) > (select txid_snapshot_xmax(tick_snapshot) from pgq.tick where tick_id = 1)
			from pgq.tick where tick_id = 10;
		--> 2020-01-01 00:00:00+00|100|t
	`},
	{id: "tx3", script: external + `
		select pgq.ticker('q', 10, now(), 100);
		--> E 23505 tick_pkey
		select pgq.ticker('q', 5, now(), 50);
		--> 5
		select (select last_value from pgq.event_1_tick_seq), (select last_value from pgq.event_1_id_seq);
		--> 10|100
	`},
	{id: "tx4", script: external + `
		select pgq.ticker('q', null, now(), 101);
		--> E 23502 tick_id
		select pgq.ticker('q', 11, null, 101);
		--> E 23502 tick_time
		select pgq.ticker('q', 11, now(), null);
		--> E 23502 tick_event_seq
	`},
	{id: "fo1", script: `
		select pgq.create_queue('q');
		--> 1
		select pgq.insert_event('q', 't', 'd') from generate_series(1, 3);
		select nextval('pgq.event_1_id_seq');
		--> 4
		select pgq.force_tick('q');
		--> 1
		select nextval('pgq.event_1_id_seq');
		--> 2006
	`},
	{id: "fo2", script: aged + `
		update pgq.queue set queue_ticker_max_lag = '1 year', queue_ticker_idle_period = '1 year';
		select pgq.ticker('q');
		--> NULL
		select pgq.force_tick('q');
		--> 2
		select pgq.ticker('q');
		--> 3
		select pgq.ticker('q');
		--> NULL
	`},
	{id: "fo3", script: `
		select pgq.force_tick('nosuch');
		--> NULL
		select pgq.force_tick(null);
		--> NULL
		\fresh q
		delete from pgq.tick;
		select pgq.force_tick('q');
		--> NULL
	`},
	{id: "fo4", script: `
		\fresh q
		select pgq.insert_event('q', 't', 'd');
		--> 1
		update pgq.queue set queue_external_ticker = true;
		select pgq.force_tick('q');
		--> 1
		update pgq.queue set queue_external_ticker = false, queue_ticker_paused = true;
		select pgq.force_tick('q');
		--> 1
		select last_value from pgq.event_1_id_seq;
		--> 1
	`},
}

// external makes queue q with an external ticker that has made tick 10.
const external = `
	\fresh q
	update pgq.queue set queue_external_ticker = true;
	select pgq.ticker('q', 10, '2020-01-01 00:00+00', 100);
	--> 10
	select (select last_value from pgq.event_1_tick_seq), (select last_value from pgq.event_1_id_seq);
	--> 10|100
`
