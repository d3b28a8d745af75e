package conformance

import "testing"

func TestInformation(t *testing.T) { runCases(t, infoCases) }

var infoCases = []testCase{
	{id: "qi1", script: `
		select pgq.create_queue('q');
		--> 1
		select queue_name, queue_ntables, queue_cur_table, queue_rotation_period, queue_switch_time <= now(),
			queue_external_ticker, queue_ticker_paused, queue_ticker_max_count, queue_ticker_max_lag,
			queue_ticker_idle_period, ticker_lag between '0' and '1 minute', ev_per_sec, ev_new, last_tick_id
			from pgq.get_queue_info('q');
		--> q|3|0|02:00:00|t|f|f|500|00:00:03|00:01:00|t|NULL|0|1
		select pgq.insert_event('q', 't', 'd');
		--> 1
		select ev_new from pgq.get_queue_info('q');
		--> $D5
	`},
	{id: "qi2", script: `
		select pgq.create_queue('q');
		--> 1
		delete from pgq.tick;
		insert into pgq.tick (tick_queue, tick_id, tick_time, tick_event_seq)
			select 1, i, now() + (i - 30) * interval '2 s', i * i from generate_series(1, 30) i;
		select ev_per_sec, last_tick_id, ev_new from pgq.get_queue_info('q');
		--> $D5
	`},
	{id: "qi3", script: `
		select pgq.create_queue('same'), pgq.create_queue('gap');
		--> 1|1
		delete from pgq.tick;
		insert into pgq.tick (tick_queue, tick_id, tick_time, tick_event_seq)
			select 1, i, now(), i * i from generate_series(1, 30) i;
		insert into pgq.tick (tick_queue, tick_id, tick_time, tick_event_seq)
			values (2, 1, now() - interval '1 minute', 1), (2, 22, now(), 100);
		select queue_name, ev_per_sec, last_tick_id from pgq.get_queue_info();
		--> gap|NULL|22
		--> same|NULL|30
	`},
	{id: "qi4", script: `
		select pgq.create_queue('q');
		--> 1
		delete from pgq.tick;
		select queue_name, ticker_lag, ev_per_sec, ev_new, last_tick_id from pgq.get_queue_info('q');
		--> q|NULL|NULL|NULL|NULL
	`},
	{id: "qi5", script: `
		select pgq.create_queue('b'), pgq.create_queue('a');
		--> 1|1
		select * from pgq.get_queue_info('nosuch');
		--> (none)
		select queue_name from pgq.get_queue_info(null);
		--> a
		--> b
		select queue_name from pgq.get_queue_info();
		--> a
		--> b
	`},
	{id: "ci1", script: opened + `
		select queue_name, consumer_name, lag between '0' and '1 minute', last_seen between '0' and '1 minute',
			last_tick, current_batch, next_tick from pgq.get_consumer_info('q', 'c');
		--> q|c|t|t|1|1|2
		select pending_events = (select max(tick_event_seq) - min(tick_event_seq) from pgq.tick)
			from pgq.get_consumer_info('q', 'c');
		--> t
		select pgq.finish_batch(1);
		--> 1
		select last_tick, current_batch, next_tick, pending_events from pgq.get_consumer_info('q', 'c');
		--> 2|NULL|NULL|0
	`},
	{id: "ci2", script: `
		select pgq.create_queue('g1'), pgq.create_queue('g2');
		--> 1|1
		select pgq.register_consumer('g2', 'x'), pgq.register_consumer('g1', 'y'), pgq.register_consumer('g1', 'x');
		--> 1|1|1
		select queue_name, consumer_name from pgq.get_consumer_info();
		--> g1|x
		--> g1|y
		--> g2|x
		select queue_name, consumer_name from pgq.get_consumer_info(null);
		--> g1|x
		--> g1|y
		--> g2|x
		select queue_name, consumer_name from pgq.get_consumer_info('g1');
		--> g1|x
		--> g1|y
		select queue_name, consumer_name from pgq.get_consumer_info('g1', null);
		--> g1|x
		--> g1|y
		select queue_name, consumer_name from pgq.get_consumer_info(null, 'x');
		--> g1|x
		--> g2|x
		select queue_name, consumer_name from pgq.get_consumer_info('g1', 'x');
		--> g1|x
		select queue_name, consumer_name from pgq.get_consumer_info('nosuch', 'x');
		--> (none)
	`},
	{id: "ci3", script: `
		\fresh q
		select pgq.register_consumer('q', 'c');
		--> 1
		select pgq.ticker('q');
		--> 2
		delete from pgq.tick where tick_id = 1;
		select queue_name, consumer_name, lag, last_tick, pending_events from pgq.get_consumer_info('q', 'c');
		--> q|c|NULL|1|NULL
	`},
	{id: "qf1", script: `
		select pgq.quote_fqname(n) from unnest(array['a.b.c', 'foo', 'Foo.Bar', '', '.x', 'x.', 'select.from', 'a b.c"d', null]) n;
		--> a."b.c"
		--> public.foo
		--> "Foo"."Bar"
		--> public.""
		--> "".x
		--> x.""
		--> "select"."from"
		--> "a b"."c""d"
		--> NULL
	`},
	{id: "sv1", script: `
		create sequence tmptest_seq;
		select pgq.seq_getval('tmptest_seq');
		--> 1
		select pgq.seq_setval('tmptest_seq', 10);
		--> 10
		select pgq.seq_setval('tmptest_seq', 5);
		--> 10
		select pgq.seq_setval('tmptest_seq', 15);
		--> 15
		select pgq.seq_getval('tmptest_seq');
		--> 15
	`},
	{id: "sv2", script: `
		select pgq.seq_getval('nosuch');
		--> E 42P01: relation "public.nosuch" does not exist
	`},
	{id: "sv3", script: `
		create sequence s;
		select pgq.seq_getval(null), pgq.seq_setval(null, 1), pgq.seq_setval('s', null);
		--> NULL|NULL|NULL
	`},
	{id: "ts1", script: `
		select pgq.create_queue('q');
		--> 1
		alter table pgq.event_1_0 set (fillfactor = 50);
		select pgq.tune_storage('nosuch'), pgq.tune_storage(null), pgq.tune_storage('q');
		--> 0|NULL|1
		select 'fillfactor=100' = any (reloptions) from pg_class where oid = 'pgq.event_1_0'::regclass;
		--> t
	`},
	{id: "gp1", script: `
		select pgq.grant_perms('nosuch');
		--> E: Queue not found
		select pgq.create_queue('q');
		--> 1
		grant select on pgq.event_template to conf_writer;
		select pgq.grant_perms('q');
		--> 1
		select has_table_privilege('conf_writer', 'pgq.event_1', 'select'),
			has_table_privilege('conf_writer', 'pgq.event_1_2', 'select'),
			has_table_privilege('conf_writer', 'pgq.event_1_2', 'insert');
		--> t|t|f
	`},
	{id: "up1", script: `
		select pgq.upgrade_schema();
		--> 0
	`},
	{id: "ve1", script: `
		select pgq.version() ~ '^3[.]5';
		--> t
	`},
	{id: "pm1", script: `
		set role conf_admin;
		select pgq.create_queue('q');
		--> 1
		set role conf_writer;
		select pgq.create_queue('other');
		--> E 42501: permission denied for function create_queue
		select pgq.insert_event('q', 't', 'd');
		--> 1
		select pgq.register_consumer('q', 'c');
		--> E 42501: permission denied for function register_consumer
		set role conf_reader;
		select pgq.create_queue('other');
		--> E 42501: permission denied for function create_queue
		select pgq.insert_event('q', 't', 'd');
		--> E 42501: permission denied for function insert_event
		select pgq.register_consumer('q', 'c');
		--> 1
		select pgq.next_batch('q', 'c');
		--> NULL
		set role conf_admin;
		select pgq.drop_queue('q', true);
		--> 1
	`},
}
