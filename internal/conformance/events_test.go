package conformance

import "testing"

func TestEvents(t *testing.T) { runCases(t, eventCases) }

var eventCases = []testCase{
	{id: "ge1", script: `
		\fresh q
		select pgq.register_consumer('q', 'c');
		--> 1
		select pgq.ticker('q');
		--> 2
		select pgq.next_batch('q', 'c');
		--> 1
		select * from pgq.get_batch_events(1);
		--> (none)
	`},
	{id: "ge2", script: opened + `
		select ev_id, ev_time <= now(), ev_txid < txid_current(), ev_retry, ev_type, ev_data,
			ev_extra1, ev_extra2, ev_extra3, ev_extra4 from pgq.get_batch_events(1);
		--> 1|t|t|NULL|t|d1|NULL|NULL|NULL|NULL
		--> 2|t|t|NULL|t|d2|x1|x2|x3|x4
		--> 3|t|t|NULL|t|d3|NULL|NULL|NULL|NULL
	`},
	{id: "ge3", script: `
		select * from pgq.get_batch_events(99999);
		--> E: batch not found
		select * from pgq.get_batch_events(null);
		--> E: batch not found
	`},
	{id: "ge4", script: `
		\fresh q
		select pgq.register_consumer('q', 'c');
		--> 1
		\c slow
		begin;
		select pgq.insert_event('q', 't', 'late');
		--> 1
		\c main
		select pgq.insert_event('q', 't', 'early');
		--> 2
		select pgq.ticker('q');
		--> 2
		select pgq.next_batch('q', 'c');
		--> 1
		select ev_id, ev_data from pgq.get_batch_events(1);
		--> 2|early
		select pgq.finish_batch(1);
		--> 1
		\c slow
		commit;
		\c main
		select pgq.ticker('q');
		--> 3
		select pgq.next_batch('q', 'c');
		--> 2
		select ev_id, ev_data from pgq.get_batch_events(2);
		--> 1|late
	`},
	{id: "ge5", alone: true, script: `
		\fresh q
		select pgq.register_consumer('q', 'c');
		--> 1
		begin;
		select pgq.insert_event('q', 't', 'prepared');
		--> 1
		prepare transaction 'ge5';
		select pgq.ticker('q');
		--> 2
		select pgq.next_batch('q', 'c');
		--> 1
		select ev_id from pgq.get_batch_events(1);
		--> (none)
		select pgq.finish_batch(1);
		--> 1
		select pgq.ticker('q');
		--> 3
		commit prepared 'ge5';
		select pgq.ticker('q');
		--> 4
		select pgq.next_batch('q', 'c');
		--> 2
		select ev_id from pgq.get_batch_events(2);
		--> (none)
		select pgq.finish_batch(2);
		--> 1
		select pgq.next_batch('q', 'c');
		--> 3
		select ev_id, ev_data from pgq.get_batch_events(3);
		--> 1|prepared
	`},
	// The transaction stays open while more than the hundred ids pass below
	// which the range form takes it into its lower bound.
	{id: "ge6", script: `
		\fresh q
		select pgq.register_consumer('q', 'c');
		--> 1
		\c slow
		begin;
		select pgq.insert_event('q', 't', 'slow');
		--> 1
		\c main
		do $$ begin
			for i in 1..150 loop
				perform pgq.insert_event('q', 't', 'quick');
				commit;
			end loop;
		end $$;
		select pgq.ticker('q');
		--> 2
		select pgq.next_batch('q', 'c');
		--> 1
		select count(*), min(ev_data), max(ev_data) from pgq.get_batch_events(1);
		--> 150|quick|quick
		select pgq.finish_batch(1);
		--> 1
		\c slow
		commit;
		\c main
		select pgq.insert_event('q', 't', 'after');
		select pgq.ticker('q');
		--> 3
		select pgq.next_batch('q', 'c');
		--> 2
		select ev_data from pgq.get_batch_events(2);
		--> slow
		--> after
	`},
	{id: "ge7", script: `
		\fresh q
		select pgq.register_consumer('q', 'c');
		--> 1
		select pgq.insert_event('q', 't', 'd1');
		--> 1
		begin;
		select pgq.insert_event('q', 't', 'gone');
		--> 2
		rollback;
		select pgq.insert_event('q', 't', 'd3');
		--> 3
		select pgq.ticker('q');
		--> 2
		select pgq.next_batch('q', 'c');
		--> 1
		select ev_id, ev_data from pgq.get_batch_events(1);
		--> 1|d1
		--> 3|d3
	`},
	{id: "gc1", script: opened + `
		begin;
		select ev_id, ev_data from pgq.get_batch_cursor(1, 'acurs', 10);
		--> 1|d1
		--> 2|d2
		--> 3|d3
		close acurs;
		select ev_id, ev_data from pgq.get_batch_cursor(1, 'acurs', 2);
		--> 1|d1
		--> 2|d2
		fetch next from acurs;
		--> 3|<...>|<n>|NULL|t|d3|NULL|NULL|NULL|NULL
		close acurs;
		select ev_id, ev_data from pgq.get_batch_cursor(1, 'acurs', 2, 'ev_id = 1');
		--> 1|d1
		close acurs;
		commit;
	`},
	{id: "gc2", script: opened + `
		begin;
		select ev_id from pgq.get_batch_cursor(1, 'My Curs"or', 0);
		--> (none)
		fetch all from "My Curs""or";
		--> 1|<...>|<n>|NULL|t|d1|NULL|NULL|NULL|NULL
		--> 2|<...>|<n>|NULL|t|d2|x1|x2|x3|x4
		--> 3|<...>|<n>|NULL|t|d3|NULL|NULL|NULL|NULL
		commit;
	`},
	{id: "gc3", script: opened + `
		begin;
		select ev_id from pgq.get_batch_cursor(1, 'acurs', 1);
		--> 1
		select ev_id from pgq.get_batch_cursor(1, 'acurs', 1);
		--> E 42P03
		rollback;
	`},
	{id: "gc4", script: opened + `
		begin;
		select * from pgq.get_batch_cursor(null, 'acurs', 1);
		--> (none)
		select * from pgq.get_batch_cursor(1, null, 1);
		--> (none)
		select * from pgq.get_batch_cursor(1, 'acurs', null);
		--> (none)
		select * from pgq.get_batch_cursor(1, 'acurs', null, 'true');
		--> (none)
		select name from pg_cursors where name = 'acurs';
		--> (none)
		commit;
	`},
	{id: "gc5", script: `
		select * from pgq.get_batch_cursor(99999, 'c', 1);
		--> E: batch not found
	`},
	{id: "gc6", script: opened + `
		select * from pgq.get_batch_cursor(1, 'c', 1, '');
		--> E 42601
		select ev_id from pgq.get_batch_cursor(1, 'c', 1, null);
		--> 1
	`},
	{id: "gc7", script: opened + `
		begin;
		select ev_id from pgq.get_batch_cursor(1, 'acurs', -1);
		--> (none)
		select name, is_holdable, is_scrollable from pg_cursors where name = 'acurs';
		--> acurs|f|f
		fetch next from acurs;
		--> 1|<...>|<n>|NULL|t|d1|NULL|NULL|NULL|NULL
		commit;
	`},
}
