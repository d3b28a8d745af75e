package conformance

import (
	"fmt"
	"testing"
)

func TestBatches(t *testing.T) { runCases(t, batchCases) }

// opened makes queue q with consumer c and batch 1 of three events open.
const opened = `
	\fresh q
	select pgq.register_consumer('q', 'c');
	--> 1
	select pgq.insert_event('q', 't', 'd1');
	--> 1
	select pgq.insert_event('q', 't', 'd2', 'x1', 'x2', 'x3', 'x4');
	--> 2
	select pgq.insert_event('q', 't', 'd3');
	--> 3
	select pgq.ticker('q');
	--> 2
	select pgq.next_batch('q', 'c');
	--> 1
`

var batchCases = []testCase{
	{id: "nb1", script: `
		\fresh q
		select pgq.register_consumer('q', 'c');
		--> 1
		select pgq.next_batch('q', 'c');
		--> NULL
		select * from pgq.next_batch_info('q', 'c');
		--> NULL|NULL|NULL|NULL|NULL|NULL|NULL
	`},
	{id: "nb2", script: `
		\fresh q
		select pgq.register_consumer('q', 'c');
		--> 1
		select pgq.ticker('q');
		--> 2
		select pgq.next_batch('q', 'c');
		--> 1
		select pgq.next_batch('q', 'c');
		--> 1
		select batch_id, cur_tick_id, prev_tick_id, cur_tick_time > prev_tick_time, cur_tick_event_seq - prev_tick_event_seq
			from pgq.next_batch_info('q', 'c');
		--> 1|2|1|t|0
		select sub_last_tick, sub_next_tick, sub_batch from pgq.subscription;
		--> 1|2|1
	`},
	{id: "nb3", script: `
		\fresh q
		select pgq.next_batch('q', 'nosuch');
		--> E: Not subscriber to queue: q/nosuch
		select pgq.next_batch('nosuch', 'c');
		--> E: Not subscriber to queue: nosuch/c
		select pgq.next_batch(null, null);
		--> E: Not subscriber to queue: NULL/NULL
	`},
	{id: "nb4", script: `
		\fresh dup
		select pgq.register_consumer('dup', 'k');
		--> 1
		select pgq.ticker('dup');
		--> 2
		delete from pgq.tick where tick_id = 1;
		select pgq.next_batch('dup', 'k');
		--> E: PgQ corruption: Consumer k on queue dup does not see tick <NULL>
	`},
	{id: "nb5", script: opened + `
		select pgq.ticker('q');
		--> 3
		select batch_id, cur_tick_id, prev_tick_id from pgq.next_batch_custom('q', 'c', '1 year', 100000, '1 year');
		--> 1|2|1
	`},
	{id: "nb6", script: `
		\fresh q
		select pgq.register_consumer('q', 'c');
		--> 1
		select pgq.insert_event('q', 't', 'd') from generate_series(1, 3);
		select pgq.ticker('q');
		--> 2
		select * from pgq.next_batch_custom('q', 'c', '1 hour', null, null);
		--> NULL|NULL|NULL|NULL|NULL|NULL|NULL
		select * from pgq.next_batch_custom('q', 'c', null, 10000, null);
		--> NULL|NULL|NULL|NULL|NULL|NULL|NULL
		select * from pgq.next_batch_custom('q', 'c', null, null, '10 minutes');
		--> NULL|NULL|NULL|NULL|NULL|NULL|NULL
		select pgq.next_batch('q', 'c');
		--> 1
		select ev_id from pgq.get_batch_events(1);
		--> 1
		--> 2
		--> 3
	`},
	{id: "nb7", run: func(c *caseRun) {
		c.fresh("q")
		a, main := c.session("a"), c.session("main")
		main.want("select pgq.register_consumer('q', 'c')", "1")
		main.want("select pgq.ticker('q')", "2")
		a.ok("begin")
		a.want("select pgq.next_batch('q', 'c')", "1")
		second := c.start("b", "select pgq.next_batch('q', 'c')")
		if !second.waits() {
			c.Error("the second next_batch did not wait for the first")
		}
		a.ok("commit")
		second.want(c.differs("D8"))
		a.want("select count(*) from pgq.get_batch_events(1)", c.differs("D8/first"))
	}},
	{id: "ft", script: findTickScript()},
	{id: "fb1", script: opened + `
		select pgq.finish_batch(1);
		--> 1
		select sub_last_tick, sub_next_tick, sub_batch, sub_active <= now() from pgq.subscription;
		--> 2|NULL|NULL|t
		select pgq.finish_batch(1);
		--> W: finish_batch: batch 1 not found
		--> 0
	`},
	{id: "fb2", script: `
		select pgq.finish_batch(null);
		--> W: finish_batch: batch <NULL> not found
		--> 0
	`},
	{id: "bi1", script: opened + `
		select queue_name, consumer_name, batch_end - batch_start = (select t2.tick_time - t1.tick_time
				from pgq.tick t1, pgq.tick t2 where t1.tick_id = 1 and t2.tick_id = 2),
			prev_tick_id, tick_id, lag between '0' and '1 minute', seq_end
			from pgq.get_batch_info(1);
		--> q|c|t|1|2|t|3
	`},
	{id: "bi2", script: `
		select * from pgq.get_batch_info(999999);
		--> NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL
		select * from pgq.get_batch_info(null);
		--> NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL
	`},
	{id: "bt1", script: `
		select pgq.create_queue('first');
		--> 1
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
		select pgq.ticker('q');
		--> 3
		select pgq.next_batch('q', 'c');
		--> 2
		select * from pgq.batch_event_tables(2);
		--> pgq.event_2_0
	`},
	{id: "bt2", script: opened + `
		select * from pgq.batch_event_tables(1);
		--> pgq.event_1_2
		--> pgq.event_1_0
	`},
	{id: "bt3", script: `
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
		select pgq.maint_rotate_tables_step1('q');
		--> 0
		select pgq.ticker('q');
		--> 3
		select pgq.next_batch('q', 'c');
		--> 2
		select * from pgq.batch_event_tables(2);
		--> pgq.event_1_0
		--> pgq.event_1_1
		select pgq.maint_rotate_tables_step2();
		--> 0
		select * from pgq.batch_event_tables(2);
		--> pgq.event_1_0
		--> pgq.event_1_1
	`},
	{id: "bt4", script: `
		select * from pgq.batch_event_tables(99999);
		--> E: Cannot find data for batch 99999
		select * from pgq.batch_event_tables(null);
		--> E: Cannot find data for batch <NULL>
		select pgq.batch_event_sql(99999);
		--> E: batch not found
		select pgq.batch_event_sql(null);
		--> E: batch not found
	`},
}

// sixTicks gives queue q the ticks 1..6, a minute and ten events apart.
const sixTicks = `
	\fresh q
	select pgq.register_consumer('q', 'c');
	--> 1
	update pgq.tick set tick_time = '2020-01-01 00:00+00', tick_event_seq = 0;
	insert into pgq.tick (tick_queue, tick_id, tick_time, tick_event_seq)
		select 1, i + 1, timestamptz '2020-01-01 00:00+00' + i * interval '1 minute', i * 10
		from generate_series(1, 5) i;
`

// findTickScript calls find_tick_helper for tick prev, number prev-1 in time,
// with each pair of minimums of the specification's table.
func findTickScript() string {
	script := sixTicks
	for _, f := range []struct {
		prev             int
		count, interval_ string
		want             string
	}{
		{1, "null", "null", "NULL"},
		{1, "10", "null", "2"},
		{1, "24", "null", "4"},
		{1, "25", "null", "6"},
		{1, "50", "null", "6"},
		{1, "51", "null", "NULL"},
		{1, "0", "null", "2"},
		{1, "-5", "null", "2"},
		{1, "null", "1 minute", "2"},
		{1, "null", "2 minutes", "3"},
		{1, "null", "150 seconds", "6"},
		{1, "null", "5 minutes", "6"},
		{1, "null", "6 minutes", "NULL"},
		{1, "1000", "1 minute", "2"},
		{1, "10", "1 hour", "2"},
		{1, "30", "1 hour", "6"},
		{5, "10", "null", "6"},
		{5, "11", "null", "NULL"},
		{6, "10", "null", "NULL"},
	} {
		minimum := "null"
		if f.interval_ != "null" {
			minimum = quote(f.interval_)
		}
		script += fmt.Sprintf(`
			select next_tick_id from pgq.find_tick_helper(1, %[1]d, (select tick_time from pgq.tick where tick_id = %[1]d),
				%[2]d, %[3]s, %[4]s);
			--> %[5]s`, f.prev, (f.prev-1)*10, f.count, minimum, f.want)
	}
	return script + `
		select * from pgq.find_tick_helper(1, 1, '2020-01-01 00:00+00', 0, 24, null);
		--> 4|2020-01-01 00:03:00+00|30
		select * from pgq.find_tick_helper(1, 6, '2020-01-01 00:05+00', 50, 1, null);
		--> NULL|NULL|NULL
		select batch_id, cur_tick_id, prev_tick_id from pgq.next_batch_custom('q', 'c', '1 minute', 10, null);
		--> 1|2|1
	`
}
