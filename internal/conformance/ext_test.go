package conformance

import "testing"

// TestExt has section 8.11 of the specification, and what it says of pgq_ext besides.
func TestExt(t *testing.T) { runOurs(t, extCases) }

var extCases = []testCase{
	{id: "ex1", script: `
		select pgq_ext.is_batch_done('c', 1);
		--> f
		select pgq_ext.set_batch_done('c', 1);
		--> t
		select pgq_ext.is_batch_done('c', 1);
		--> t
		select pgq_ext.set_batch_done('c', 1);
		--> f
	`},
	{id: "ex2", script: `
		select pgq_ext.set_batch_done('c', 1);
		select pgq_ext.is_batch_done('c', 2);
		--> f
		select pgq_ext.set_batch_done('c', 2);
		--> t
		select pgq_ext.set_batch_done('c', 1);
		--> t
		select pgq_ext.is_batch_done('c', 2);
		--> f
	`},
	{id: "ex3", script: `
		select pgq_ext.is_event_done('c', 3, 101);
		--> f
		select pgq_ext.set_event_done('c', 3, 101);
		--> t
		select pgq_ext.is_event_done('c', 3, 101);
		--> t
		select pgq_ext.set_event_done('c', 3, 101);
		--> f
		select pgq_ext.set_batch_done('c', 3);
		--> t
		select * from pgq_ext.completed_event;
		--> c||3|101
	`},
	{id: "ex4", script: `
		select pgq_ext.set_event_done('x', 10, 1);
		--> t
		select pgq_ext.set_event_done('x', 10, 2);
		--> t
		select pgq_ext.set_event_done('x', 'sub', 10, 2);
		--> t
		select pgq_ext.set_event_done('x', 11, 1);
		--> t
		select * from pgq_ext.completed_event order by 2;
		--> x||11|1
		--> x|sub|10|2
		select cur_batch_id from pgq_ext.partial_batch where subconsumer_id = '';
		--> 11
	`},
	{id: "ex5", script: `
		select pgq_ext.get_last_tick('c');
		--> NULL
		select pgq_ext.set_last_tick('c', 1);
		--> 1
		select pgq_ext.get_last_tick('c');
		--> 1
		select pgq_ext.set_last_tick('c', 2);
		--> 1
		select pgq_ext.get_last_tick('c');
		--> 2
		select pgq_ext.set_last_tick('c', null);
		--> 1
		select pgq_ext.get_last_tick('c');
		--> NULL
		select count(*) from pgq_ext.completed_tick;
		--> 0
	`},
	{id: "ex6", script: `
		select pgq_ext.set_batch_done('x', null), pgq_ext.set_batch_done('x', 0), pgq_ext.set_batch_done('x', -3);
		--> t|t|t
		select count(*) from pgq_ext.completed_batch;
		--> 0
	`},
	{id: "ex7", script: `
		select pgq_ext.is_batch_done('x', null);
		--> f
		select pgq_ext.set_batch_done('x', 1), pgq_ext.is_batch_done('x', null);
		--> t|NULL
	`},
	{id: "ex8", script: `
		select pgq_ext.set_batch_done('x', 4), pgq_ext.set_batch_done('x', 'sub', 4), pgq_ext.set_batch_done('x', 'sub', 5);
		--> t|t|t
		select pgq_ext.is_batch_done('x', 4), pgq_ext.is_batch_done('x', 'sub', 4), pgq_ext.is_batch_done('x', 'sub', 5);
		--> t|f|t
		select pgq_ext.set_last_tick('x', 'sub', 7), pgq_ext.get_last_tick('x'), pgq_ext.get_last_tick('x', 'sub');
		--> 1|NULL|7
		select pgq_ext.set_event_done('x', 'sub', 1, 2), pgq_ext.is_event_done('x', 1, 2), pgq_ext.is_event_done('x', 'sub', 1, 2);
		--> t|f|t
	`},
	{id: "ex9", script: `
		select pgq_ext.set_batch_done(null, 1);
		--> E 23502 consumer_id
		select pgq_ext.set_event_done(null, 1, 1);
		--> E 23502 consumer_id
		select pgq_ext.set_last_tick(null, 1);
		--> E 23502 consumer_id
		select pgq_ext.set_event_done('x', null, 1);
		--> E 23502 cur_batch_id
		select pgq_ext.set_event_done('x', 1, null);
		--> E 23502 event_id
		select pgq_ext.is_batch_done(null, 1), pgq_ext.is_event_done(null, 1, 1), pgq_ext.get_last_tick(null);
		--> f|f|NULL
	`},
	{id: "ext-upgrade", script: `
		select pgq_ext.version(), pgq_ext.upgrade_schema();
		--> 3.1|0
		alter table pgq_ext.completed_tick alter subconsumer_id drop default;
		alter table pgq_ext.completed_batch alter subconsumer_id drop default;
		alter table pgq_ext.completed_event alter subconsumer_id drop default;
		alter table pgq_ext.partial_batch alter subconsumer_id drop default;
		select pgq_ext.upgrade_schema();
		--> 4
		drop table pgq_ext.completed_tick, pgq_ext.completed_batch, pgq_ext.completed_event, pgq_ext.partial_batch;
		create table pgq_ext.completed_tick (consumer_id text, last_tick_id int8 not null,
			constraint completed_tick_pkey primary key (consumer_id));
		create table pgq_ext.completed_batch (consumer_id text, last_batch_id int8 not null,
			constraint completed_batch_pkey primary key (consumer_id));
		create table pgq_ext.completed_event (consumer_id text, batch_id int8, event_id int8,
			constraint completed_event_pkey primary key (consumer_id, batch_id, event_id));
		create table pgq_ext.partial_batch (consumer_id text, cur_batch_id int8 not null,
			constraint partial_batch_pkey primary key (consumer_id));
		insert into pgq_ext.completed_batch values ('old', 5);
		select pgq_ext.upgrade_schema(), pgq_ext.upgrade_schema();
		--> 8|0
		select pgq_ext.is_batch_done('old', 5), pgq_ext.set_event_done('old', 6, 1);
		--> t|t
		select * from pgq_ext.completed_event;
		--> old|6|1|
		select conrelid::regclass, pg_get_constraintdef(oid) from pg_constraint
			where connamespace = 'pgq_ext'::regnamespace and contype = 'p' order by 1;
		--> pgq_ext.completed_tick|PRIMARY KEY (consumer_id, subconsumer_id)
		--> pgq_ext.completed_batch|PRIMARY KEY (consumer_id, subconsumer_id)
		--> pgq_ext.completed_event|PRIMARY KEY (consumer_id, subconsumer_id, batch_id, event_id)
		--> pgq_ext.partial_batch|PRIMARY KEY (consumer_id, subconsumer_id)
	`},
	// Two sessions store for the first time at the same moment: the second waits, and is told that it is done.
	{id: "ext-at-once", run: func(c *caseRun) {
		for _, call := range []struct{ sql, first, second string }{
			{"select pgq_ext.set_batch_done('c', 1)", "t", "f"},
			{"select pgq_ext.set_event_done('c', 1, 1)", "t", "f"},
			{"select pgq_ext.set_last_tick('c', 1)", "1", "1"},
		} {
			c.session("main").ok("begin")
			c.session("main").want(call.sql, call.first)
			second := c.start("other", call.sql)
			if !second.waits() {
				c.Errorf("%s: did not wait", call.sql)
			}
			c.session("main").ok("commit")
			second.want(call.second)
		}
	}},
	{id: "ext-roles", script: `
		set role conf_writer;
		select pgq_ext.set_batch_done('c', 1), pgq_ext.is_batch_done('c', 's', 1), pgq_ext.set_event_done('c', 1, 1),
			pgq_ext.is_event_done('c', 1, 1), pgq_ext.set_last_tick('c', 1), pgq_ext.get_last_tick('c');
		--> t|f|t|t|1|1
		select * from pgq_ext.completed_batch;
		--> E 42501: permission denied for table completed_batch
		set role conf_reader;
		select pgq_ext.version();
		--> 3.1
		select pgq_ext.set_batch_done('c', 2);
		--> E 42501: permission denied for function set_batch_done
	`},
}
