package conformance

import (
	"testing"
)

func TestRotation(t *testing.T) { runCases(t, rotateCases) }

// upToDate makes queue q whose consumer c stands on a tick that is younger
// than the last rotation, so that the next one may go on.
const upToDate = `
	\fresh q
	select pgq.register_consumer('q', 'c');
	--> 1
	\settle
	select pgq.ticker('q');
	--> 2
	select pgq.next_batch('q', 'c');
	--> 1
	select pgq.finish_batch(1);
	--> 1
`

var rotateCases = []testCase{
	{id: "ro1", script: `
		\fresh q
		select pgq.maint_rotate_tables_step1('q');
		--> 0
		select queue_cur_table, queue_switch_step1 < txid_current(), queue_switch_step2,
			queue_switch_time <= now() from pgq.queue;
		--> 1|t|NULL|t
		select pgq.maint_rotate_tables_step1('q');
		--> 0
		select queue_cur_table from pgq.queue;
		--> 1
		select pgq.maint_rotate_tables_step2();
		--> 0
		select queue_cur_table, queue_switch_step2 > queue_switch_step1 from pgq.queue;
		--> 1|t
		select pgq.current_event_table('q');
		--> pgq.event_1_1
	`},
	{id: "ro2", script: `
		select pgq.maint_rotate_tables_step1('nosuch');
		--> 0
		select pgq.maint_rotate_tables_step1(null);
		--> 0
	`},
	{id: "ro3", script: `
		\fresh q
		select pgq.register_consumer('q', 'c');
		--> 1
		select pgq.maint_rotate_tables_step1('q');
		--> 0
		\settle
		select pgq.ticker('q');
		--> 2
		select pgq.next_batch('q', 'c');
		--> 1
		select pgq.maint_rotate_tables_step1('q');
		--> 0
		select pgq.maint_rotate_tables_step1('q');
		--> 0
		select queue_cur_table, queue_switch_step2 is null from pgq.queue;
		--> 0|f
	`},
	{id: "ro4", script: upToDate + `
		select pgq.maint_rotate_tables_step1('q');
		--> 0
		select queue_cur_table from pgq.queue;
		--> 1
	`},
	{id: "ro5", script: `
		\fresh q
		\c reader
		begin;
		lock table pgq.event_1_1 in access share mode;
		\c main
		select pgq.maint_rotate_tables_step1('q');
		--> 0
		select queue_cur_table, queue_switch_step2 is null from pgq.queue;
		--> 0|f
		\c reader
		commit;
		\c main
		select pgq.maint_rotate_tables_step1('q');
		--> 0
		select queue_cur_table from pgq.queue;
		--> 1
	`},
	{id: "ro6", alone: true, script: upToDate + `
		\c producer
		begin;
		select pgq.insert_event('q', 't', 'before');
		--> 1
		\c main
		select pgq.maint_rotate_tables_step1('q');
		--> 0
		select pgq.maint_rotate_tables_step2();
		--> 0
		select pgq.ticker('q');
		--> 3
		select pgq.next_batch('q', 'c');
		--> 2
		select ev_id from pgq.get_batch_events(2);
		--> (none)
		select pgq.finish_batch(2);
		--> 1
		select pgq.maint_rotate_tables_step1('q');
		--> 0
		select queue_cur_table from pgq.queue;
		--> 1
		\c producer
		commit;
		\c main
		select pgq.ticker('q');
		--> 4
		select pgq.next_batch('q', 'c');
		--> 3
		select * from pgq.batch_event_tables(3);
		--> pgq.event_1_0
		--> pgq.event_1_1
		select ev_data from pgq.get_batch_events(3);
		--> before
	`},
	{id: "ro7", script: `
		\fresh q
		update pgq.queue set queue_switch_step1 = 99999999;
		select pgq.maint_rotate_tables_step1('q');
		--> E: queue q maint failure: step1=99999999, current=<n>
	`},
	{id: "ro8", script: `
		\fresh q
		select pgq.register_consumer('q', 'c');
		--> 1
		update pgq.subscription set sub_last_tick = 5;
		select pgq.maint_rotate_tables_step1('q');
		--> E: queue q maint failure: tick 5 not found
	`},
	{id: "ro9", script: `
		\fresh q
		\settle
		select pgq.ticker('q');
		--> 2
		select pgq.maint_rotate_tables_step1('q');
		--> 0
		select pgq.maint_rotate_tables_step2();
		--> 0
		select pgq.maint_rotate_tables_step1('q');
		--> 0
		select pgq.maint_rotate_tables_step2();
		--> 0
		select queue_cur_table from pgq.queue;
		--> $D36/second
		select max(tick_id) from pgq.tick;
		--> $D36
		select pgq.register_consumer('q', 'c');
		--> $D36/register
	`},
	{id: "ro10", script: upToDate + `
		select pgq.insert_event('q', 't', 'before');
		--> 1
		select pgq.maint_rotate_tables_step1('q');
		--> 0
		select pgq.insert_event('q', 't', 'between');
		--> 2
		select pgq.maint_rotate_tables_step2();
		--> 0
		select pgq.insert_event('q', 't', 'after');
		--> 3
		select tableoid::regclass, ev_data from pgq.event_1 order by ev_id;
		--> pgq.event_1_0|before
		--> pgq.event_1_1|between
		--> pgq.event_1_1|after
		select pgq.ticker('q');
		--> 3
		select pgq.next_batch('q', 'c');
		--> 2
		select ev_data from pgq.get_batch_events(2);
		--> before
		--> between
		--> after
	`},
	// mo1..mo3 show the rows of the queue; the server has autovacuum on.
	{id: "mo1", script: `
		select pgq.create_queue('myqueue');
		--> 1
		select * from pgq.maint_operations();
		--> (none)
		select pgq.set_queue_config('myqueue', 'rotation_period', '0 seconds');
		--> 1
		select * from pgq.maint_operations();
		--> pgq.maint_rotate_tables_step1|myqueue
		--> pgq.maint_rotate_tables_step2|NULL
	`},
	{id: "mo2", script: `
		select pgq.create_queue('myqueue'), pgq.set_queue_config('myqueue', 'rotation_period', '0 seconds');
		--> 1|1
		update pgq.queue set queue_extra_maint = array['baz', 'foo.bar'];
		select func_name, func_arg from pgq.maint_operations();
		--> pgq.maint_rotate_tables_step1|myqueue
		--> pgq.maint_rotate_tables_step2|NULL
		--> baz|myqueue
		--> foo.bar|myqueue
		update pgq.queue set queue_extra_maint = array[]::text[];
		select func_name, func_arg from pgq.maint_operations();
		--> $D22
	`},
	{id: "mo3", script: `
		select pgq.create_queue('q'), pgq.create_queue('other');
		--> 1|1
		update pgq.queue set queue_switch_step2 = null where queue_name = 'q';
		select * from pgq.maint_operations();
		--> pgq.maint_rotate_tables_step2|NULL
	`},
	{id: "mo4", alone: true, run: withoutAutovacuum},
	{id: "mv1", alone: true, script: `
		show autovacuum;
		--> on
		select pgq.maint_tables_to_vacuum();
		--> (none)
	`},
}

func withoutAutovacuum(c *caseRun) {
	c.setAutovacuum("off")
	c.Cleanup(func() { c.setAutovacuum("on") })
	c.script(`
		create schema if not exists pgq_ext;
		create table if not exists pgq_ext.completed_event (a int);
		create table if not exists pgq_ext.completed_tick (a int);
		drop table if exists pgq_ext.completed_batch, pgq_ext.partial_batch;
		select * from pgq.maint_operations();
		--> $D23
		--> vacuum|pgq.queue
		--> vacuum|pgq.tick
		--> vacuum|pgq.retry_queue
		--> vacuum|pgq_ext.completed_tick
		--> vacuum|pgq_ext.completed_event
		--> vacuum|pgq_node.local_state
		select pgq.maint_tables_to_vacuum();
		--> $D23/tables
		--> pgq.consumer
		--> pgq.queue
		--> pgq.tick
		--> pgq.retry_queue
		--> pgq_ext.completed_tick
		--> pgq_ext.completed_event
		--> pgq_node.local_state
	`)
}

// setAutovacuum changes the server's setting and waits until it is in force.
func (c *caseRun) setAutovacuum(value string) {
	s := c.session("main")
	s.ok("alter system set autovacuum = " + value)
	s.ok("select pg_reload_conf()")
	c.until("the server to read its settings", func() bool { return s.one("show autovacuum") == value })
}
