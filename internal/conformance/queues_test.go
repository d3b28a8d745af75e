package conformance

import (
	"strings"
	"testing"
)

func TestQueues(t *testing.T) { runCases(t, queueCases) }

var queueCases = []testCase{
	{id: "cq1", script: `
		select pgq.create_queue('first');
		--> 1
		select pgq.drop_queue('first');
		--> 1
		select pgq.create_queue('myqueue');
		--> 1
		select queue_id, queue_name, queue_data_pfx, queue_event_seq, queue_tick_seq from pgq.queue;
		--> 2|myqueue|pgq.event_2|pgq.event_2_id_seq|pgq.event_2_tick_seq
		select relname from pg_class where relnamespace = 'pgq'::regnamespace
			and relkind = 'r' and relname ~ '^event_[0-9]' order by relname;
		--> event_2
		--> event_2_0
		--> event_2_1
		--> event_2_2
	`},
	{id: "cq2", script: `
		select pgq.create_queue('myqueue');
		--> 1
		select pgq.create_queue('myqueue');
		--> 0
		select count(*) from pgq.queue;
		--> 1
	`},
	{id: "cq3", script: `
		select pgq.create_queue(null);
		--> E: Invalid NULL value
	`},
	{id: "cq4", run: func(c *caseRun) {
		for i, name := range []string{"", "a.b.c", `Weird."Name'"s ü 漢字`} {
			id := string(rune('1' + i))
			c.script(strings.NewReplacer("<q>", quote(name), "<id>", id).Replace(lifeCycle))
		}
	}},
	{id: "cq5", script: `
		select pgq.create_queue('q');
		--> 1
		select tick_id, tick_event_seq from pgq.tick where tick_queue = 1;
		--> $D5
		select last_value from pgq.event_1_tick_seq;
		--> 1
		select last_value from pgq.event_1_id_seq;
		--> $D5/sequence
		select pgq.insert_event('q', 't', 'd');
		--> 1
	`},
	{id: "cq6", script: `
		select pgq.create_queue('q');
		--> 1
		select relname, unnest(reloptions) from pg_class
			where relname in ('event_1', 'event_1_0', 'event_1_1', 'event_1_2') order by 1, 2;
		--> event_1_0|autovacuum_enabled=off
		--> event_1_0|fillfactor=100
		--> event_1_1|autovacuum_enabled=off
		--> event_1_1|fillfactor=100
		--> event_1_2|autovacuum_enabled=off
		--> event_1_2|fillfactor=100
		select c.relname, t.reloptions from pg_class c join pg_class t on t.oid = c.reltoastrelid
			where c.relname in ('event_1', 'event_1_0', 'event_1_1', 'event_1_2') order by 1;
		--> event_1|NULL
		--> event_1_0|{autovacuum_enabled=off}
		--> event_1_1|{autovacuum_enabled=off}
		--> event_1_2|{autovacuum_enabled=off}
	`},
	{id: "cq7", run: func(c *caseRun) {
		a := c.session("a")
		a.ok("begin")
		a.want("select pgq.create_queue('q')", "1")
		second := c.start("b", "select pgq.create_queue('q')")
		if !second.waits() {
			c.Error("the second creation did not wait for the first")
		}
		a.ok("commit")
		second.want(c.differs("D30"))
		a.want("select count(*) from pgq.queue", "1")
	}},
	{id: "dq1", script: `
		select pgq.drop_queue('nosuch');
		--> E: No such event queue
		select pgq.drop_queue('nosuch', true);
		--> E: No such event queue
		select pgq.drop_queue(null, true);
		--> E: No such event queue
	`},
	{id: "dq2", script: `
		select pgq.drop_queue(null);
		--> NULL
	`},
	{id: "dq3", script: `
		select pgq.create_queue('q'), pgq.register_consumer('q', 'c');
		--> 1|1
		select pgq.drop_queue('q');
		--> E: cannot drop queue, consumers still attached
		select pgq.drop_queue('q', false);
		--> E: cannot drop queue, consumers still attached
		select pgq.drop_queue('q', null);
		--> E: cannot drop queue, consumers still attached
		select pgq.unregister_consumer('q', 'c'), pgq.drop_queue('q', null);
		--> 1|1
	`},
	{id: "dq4", script: `
		\fresh q
		select pgq.register_consumer('q', 'c');
		--> 1
		select pgq.insert_event('q', 't', 'd') from generate_series(1, 3);
		select pgq.ticker('q');
		select pgq.next_batch('q', 'c');
		--> 1
		select pgq.event_retry(1, 2, 60);
		--> 1
		select pgq.drop_queue('q', true);
		--> 1
		select (select count(*) from pgq.queue), (select count(*) from pgq.subscription),
			(select count(*) from pgq.retry_queue), (select count(*) from pgq.tick),
			(select count(*) from pgq.consumer);
		--> 0|0|0|0|0
		select count(*) from pg_class where relnamespace = 'pgq'::regnamespace and relname ~ '^event_[0-9]';
		--> 0
	`},
	{id: "dq5", script: `
		select pgq.create_queue('q');
		--> 1
		select pgq.drop_queue('q');
		--> 1
		select count(*) from pgq.queue;
		--> 0
	`},
	{id: "qc1", script: `
		select pgq.create_queue('q');
		--> 1
		select pgq.set_queue_config('q', 'ticker_max_lag', '1 s'),
			pgq.set_queue_config('q', 'ticker_max_count', '7'),
			pgq.set_queue_config('q', 'ticker_idle_period', '2 min'),
			pgq.set_queue_config('q', 'ticker_paused', 'on'),
			pgq.set_queue_config('q', 'rotation_period', '0'),
			pgq.set_queue_config('q', 'external_ticker', '1');
		--> 1|1|1|1|1|1
		select queue_ticker_max_lag, queue_ticker_max_count, queue_ticker_idle_period,
			queue_ticker_paused, queue_rotation_period, queue_external_ticker from pgq.queue;
		--> 00:00:01|7|00:02:00|t|00:00:00|t
	`},
	{id: "qc2", script: `
		select pgq.create_queue('q');
		--> 1
		select pgq.set_queue_config('q', 'foo', '0');
		--> E: cannot change parameter "foos"
		select pgq.set_queue_config('q', 'disable_insert', '0');
		--> E: cannot change parameter "disable_inserts"
		select pgq.set_queue_config('q', 'Ticker_Paused', '0');
		--> E: cannot change parameter "Ticker_Pauseds"
	`},
	{id: "qc3", script: `
		select pgq.create_queue('q');
		--> 1
		select pgq.set_queue_config(null, 'foo', '0');
		--> E: Invalid NULL value
		select pgq.set_queue_config('q', null, '0');
		--> E: Invalid NULL value
	`},
	{id: "qc4", script: `
		select pgq.set_queue_config('nosuch', 'foo', '0');
		--> E: No such event queue
	`},
	{id: "qc5", script: `
		select pgq.create_queue('q');
		--> 1
		select pgq.set_queue_config('q', 'ticker_paused', null);
		--> E 22004: query string argument of EXECUTE is null
	`},
	{id: "qc6", script: `
		select pgq.create_queue('q');
		--> 1
		select pgq.set_queue_config('q', 'ticker_max_count', 'abc');
		--> E 22P02
		select pgq.set_queue_config('q', 'ticker_max_lag', 'abc');
		--> E 22007
		select pgq.set_queue_config('q', 'ticker_max_count', '-5');
		--> 1
	`},
}

// lifeCycle takes the queue <q>, which gets number <id>, from creation to drop.
const lifeCycle = `
	select pgq.create_queue(<q>);
	--> 1
	select queue_data_pfx from pgq.queue where queue_name = <q>;
	--> pgq.event_<id>
	select pgq.set_queue_config(<q>, 'ticker_max_lag', '0'), pgq.set_queue_config(<q>, 'rotation_period', '0'),
		pgq.set_queue_config(<q>, 'ticker_idle_period', '0');
	--> 1|1|1
	select pgq.register_consumer(<q>, <q>);
	--> 1
	select pgq.insert_event(<q>, 't', <q>);
	--> 1
	\settle
	select pgq.ticker(<q>);
	--> 2
	select pgq.next_batch(<q>, <q>);
	--> <id>
	select ev_id, ev_data = <q> from pgq.get_batch_events(<id>);
	--> 1|t
	select pgq.finish_batch(<id>);
	--> 1
	select pgq.maint_rotate_tables_step1(<q>);
	--> 0
	select pgq.maint_rotate_tables_step2();
	--> 0
	select queue_name = <q>, queue_cur_table from pgq.get_queue_info(<q>);
	--> t|1
	select queue_name = <q>, consumer_name = <q> from pgq.get_consumer_info(<q>, <q>);
	--> t|t
	select pgq.unregister_consumer(<q>, <q>);
	--> 1
	select pgq.drop_queue(<q>);
	--> 1
`
