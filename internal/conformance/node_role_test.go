package conformance

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestNodeRoles has the cases about handing the root over, and about a queue
// that is a copy.
func TestNodeRoles(t *testing.T) { runCases(t, nodeRoleCases) }

var nodeRoleCases = []testCase{
	{id: "S-17", script: rootWithReader + `
		select * from pgq_node.demote_root('q', 2, 'n2');
		--> E: steps in wrong order
		select * from pgq_node.demote_root('q', 3, 'n2');
		--> E: steps in wrong order
		select * from pgq_node.demote_root('q', 0, 'n2');
		--> E: incorrect step number
		select * from pgq_node.demote_root('q', 1, null);
		--> 200|Step 1: Writing disabled for: q|NULL
		select * from pgq_node.demote_root('q', 1, null);
		--> 200|Step 1: Writing disabled for: q|NULL
		select * from pgq_node.demote_root('q', 0, 'n2');
		--> E: incorrect step number
		select * from pgq_node.demote_root('q', 4, 'n2');
		--> E: incorrect step number
		select * from pgq_node.demote_root('nosuch', 1, 'n2');
		--> 404|Node not initialized for queue: nosuch|NULL
	`},
	{id: "S-18", script: rootWithReader + `
		select ret_code from pgq_node.demote_root('q', 1, 'n2');
		--> 200
		select pgq.insert_event('q', 't', 'd');
		--> E: Insert into queue disallowed
		select pgq.current_event_table('q');
		--> E: Writing to queue disabled
		select pgq.ticker('q');
		--> E: This queue has external tick source.
		select pgq.ticker();
		--> 0
		select * from pgq_node.register_location('q', 'n9', 'dbname=z', false);
		--> E: Insert into queue disallowed
		select * from pgq_node.unregister_location('q', 'n9');
		--> E: Insert into queue disallowed
		select * from pgq_node.set_global_watermark('q', null);
		--> E: Insert into queue disallowed
		select * from pgq_node.drop_node('q', 'n2');
		--> E: Insert into queue disallowed
		select * from pgq_node.get_queue_locations('q') order by 1;
		--> n1|dbname=a|f
		--> n2|dbname=b|f
		update pgq.queue set queue_disable_insert = false, queue_external_ticker = false;
		select pgq.insert_event('q', 't', 'd') is not null, pgq.ticker('q');
		--> t|2
	`},
	{id: "S-19", script: rootWithReader + `
		select ret_code from pgq_node.demote_root('q', 1, 'n2');
		--> 200
		select * from pgq_node.demote_root('q', 2, 'n2');
		--> 200|Step 2: Inserted last tick: q|2
		show session_replication_role;
		--> origin
		select * from pgq_node.demote_root('q', 2, 'n2');
		--> 200|Step 2: Inserted last tick: q|3
		select * from pgq_node.demote_root('q', 3, 'n2');
		--> 200|Step 3: Demoted root to branch: q|3
		select * from pgq_node.get_node_info('q');
		--> 100|Ok|branch|n1|1|1|n2|dbname=b|NULL|NULL|w1|f|f|3|NULL|NULL
		select * from pgq_node.demote_root('q', 3, 'n2');
		--> 301|Node not root|NULL
		select pgq.insert_event('q', 't', 'd');
		--> E: Insert into queue disallowed
		select queue_external_ticker, queue_disable_insert from pgq.queue;
		--> t|t
	`},
	// To go back is to clear the flags, also after step 2.
	{id: "demote-undone", script: rootWithReader + `
		select ret_code from pgq_node.demote_root('q', 1, 'n2');
		--> 200
		select ret_code from pgq_node.demote_root('q', 2, 'n2');
		--> 200
		update pgq.queue set queue_disable_insert = false, queue_external_ticker = false;
		select pgq.insert_event('q', 't', 'd') is not null, pgq.ticker('q');
		--> t|3
		select ret_code from pgq_node.demote_root('q', 2, 'n2');
		--> E: steps in wrong order
	`},
	{id: "S-20", script: rootWithReader + `
		select ret_code from pgq_node.demote_root('q', 1, null);
		--> 200
		select ret_code from pgq_node.demote_root('q', 2, null);
		--> 200
		select * from pgq_node.demote_root('q', 3, 'nosuch');
		--> E 23503 local_state_queue_name_provider_node_fkey
		select * from pgq_node.demote_root('q', 3, null);
		--> E 23502 provider_node
		select pgq_node.is_root_node('q');
		--> t
	`},
	{id: "S-21", script: branchNode + leafOther + `
		update pgq.queue set queue_ticker_max_lag = '0', queue_ticker_idle_period = '0';
		select pgq.ticker('q', 7, now(), 500);
		--> 7
		select ret_code from pgq_node.set_consumer_completed('q', 'w2', 7);
		--> 100
		select ret_code from pgq_node.set_consumer_uptodate('q', 'w2', true);
		--> 200
		select * from pgq_node.promote_branch('q');
		--> 200|Branch node promoted to root
		select queue_external_ticker, queue_disable_insert from pgq.queue;
		--> f|f
		select * from pgq_node.get_consumer_info('q');
		--> w2|n2|7|f|f|NULL
		select pgq.insert_event('q', 't', 'd'), pgq.ticker();
		--> 501|1
		select max(tick_id) from pgq.tick;
		--> 8
		select * from pgq_node.promote_branch('q');
		--> 301|Node not branch
		select * from pgq_node.promote_branch('l');
		--> 301|Node not branch
		select * from pgq_node.promote_branch('nosuch');
		--> 404|Node not initialized for queue: nosuch
		select * from pgq_node.demote_root('l', 1, 'n1');
		--> 301|Node not root|NULL
	`},
	// A worker started anew ticks with no event counted until one arrives, and may
	// end between the events of a batch and its tick.
	{id: "promote-after-crash", script: branchNode + `
		set session_replication_role = replica;
		insert into pgq.event_1_0 (ev_id, ev_time, ev_type, ev_data) values (700, now(), 't', 'early');
		select pgq.ticker('q', 2, now(), 0);
		--> 2
		select pgq.ticker('q', 3, now(), 0);
		--> 3
		begin;
		insert into pgq.event_1_0 (ev_id, ev_time, ev_type, ev_data) values (650, now(), 't', 'late');
		select ret_code from pgq_node.set_consumer_completed('q', 'w2', 4);
		--> 100
		commit;
		reset session_replication_role;
		select ret_code from pgq_node.promote_branch('q');
		--> 200
		select max(tick_id), (select last_tick_id from pgq_node.local_state) from pgq.tick;
		--> $W-04
		select pgq.insert_event('q', 't', 'new');
		--> $node-12
	`},
	{id: "demote-isolation", script: rootWithReader + `
		select ret_code from pgq_node.demote_root('q', 1, 'n2');
		--> 200
		begin isolation level repeatable read;
		select * from pgq_node.demote_root('q', 2, 'n2');
		--> $D3
		rollback;
	`},
	{id: "S-34", run: func(c *caseRun) {
		c.script(rootWithReader)
		old := c.session("old")
		old.ok("begin isolation level repeatable read")
		old.want("select queue_disable_insert from pgq.queue", "f")
		demote(c)
		old.want("select pgq.insert_event('q', 't', 'd')", c.differs("S-34"))
		old.ok("rollback")
	}},
	{id: "S-34-table", run: func(c *caseRun) {
		c.script(rootWithReader)
		bulk := c.session("bulk")
		bulk.ok("begin")
		bulk.want("select pgq.current_event_table('q')", "pgq.event_1_0")
		demote(c)
		bulk.want("insert into pgq.event_1_0 (ev_time, ev_data) values (now(), 'lost') returning ev_data", c.differs("S-34"))
		bulk.ok("rollback")
	}},
	{id: "S-34-waiting", run: func(c *caseRun) {
		c.script(rootWithReader)
		main, bulk := c.session("main"), c.session("bulk")
		bulk.ok("begin")
		bulk.want("select pgq.current_event_table('q')", "pgq.event_1_0")
		main.want("select ret_code from pgq_node.demote_root('q', 1, 'n2')", "200")
		main.ok("begin")
		main.want("select ret_code from pgq_node.demote_root('q', 2, 'n2')", "200")
		p := c.start("bulk", "insert into pgq.event_1_0 (ev_time, ev_data) values (now(), 'lost') returning ev_data")
		if !p.waits() {
			c.Error("the insert did not wait for the last tick")
		}
		main.ok("commit")
		p.want(c.differs("S-34"))
		bulk.ok("rollback")
	}},
	// Who has written before step 2 is waited for, and is in the last batch.
	{id: "demote-waits", run: func(c *caseRun) {
		c.script(rootWithReader)
		main, writer := c.session("main"), c.session("writer")
		writer.ok("begin")
		writer.ok("select pgq.insert_event('q', 't', 'mine')")
		main.want("select ret_code from pgq_node.demote_root('q', 1, 'n2')", "200")
		p := c.start("demoter", "select ret_code, last_tick from pgq_node.demote_root('q', 2, 'n2')")
		if !p.waits() {
			c.Error("step 2 did not wait for the writer")
		}
		writer.ok("commit")
		p.want("200|2")
		main.want("select prev_tick_id, cur_tick_id from pgq.next_batch_info('q', 'w2')", "1|2")
		main.want("select ev_data from pgq.get_batch_events(1) where ev_type = 't'", "mine")
	}},
	{id: "S-35", script: branchNode + `
		select pgq.create_queue('other'), pgq.register_consumer('other', 'c');
		--> 1|1
		select pgq.insert_event('other', 't', 'theirs') is not null;
		--> t
		select pgq.force_tick('other'), pgq.ticker('other');
		--> 1|2
		select pgq.register_consumer('q', 'c'), pgq.register_consumer('q', 'd');
		--> 1|1
		set session_replication_role = replica;
		insert into pgq.event_1_0 (ev_id, ev_time, ev_type, ev_data) values (7, now(), 't', 'again');
		reset session_replication_role;
		select pgq.ticker('q', 2, now(), 7);
		--> 2
		select pgq.next_batch('q', 'c'), pgq.next_batch('other', 'c');
		--> 1|2
		select pgq.batch_retry(1, 0), pgq.batch_retry(2, 0), pgq.finish_batch(1), pgq.finish_batch(2);
		--> 1|1|1|1
		select pgq.maint_retry_events();
		--> $node-18
		select queue_name, ev_data, ev_retry from pgq.retry_queue join pgq.queue on queue_id = ev_queue order by 1;
		--> $node-18/left
		select pgq.ticker('q', 3, now(), 7);
		--> 3
		select pgq.next_batch('q', 'c'), pgq.finish_batch(pgq.next_batch('q', 'd')), pgq.next_batch('q', 'd');
		--> 3|1|5
		select ev_data, ev_retry from pgq.get_batch_events(3);
		--> $node-18/again
		select ev_data from pgq.get_batch_events(5);
		--> (none)
	`},
	{id: "handover", run: handover},
}

// demote makes n1 a branch that reads from n2.
func demote(c *caseRun) {
	c.Helper()
	for step := 1; step <= 3; step++ {
		c.session("main").want(fmt.Sprintf("select ret_code from pgq_node.demote_root('q', %d, 'n2')", step), "200")
	}
}

// node opens a session on a database of its own and makes it a node of q.
func (c *caseRun) node(name, kind, provider string) *session {
	c.Helper()
	s := connect(c.T, newDatabase(c.T, c.engine), c.engine)
	for _, n := range []string{"n1", "n2", "n3"} {
		s.want(fmt.Sprintf("select ret_code from pgq_node.register_location('q', '%s', 'dbname=%s', false)", n, n), "200")
	}
	global := "1"
	if kind == "root" {
		provider, global = "null", "null"
	}
	s.want(fmt.Sprintf("select ret_code from pgq_node.create_node('q', '%s', '%s', 'w_%s', %s, %s, null)", kind, name, name, provider, global), "200")
	s.ok("create table if not exists applied (pos serial, ev_data text)")
	return s
}

// subscribe lets a node read from another one.
func subscribe(provider *session, name string, tick string) {
	provider.t.Helper()
	provider.want(fmt.Sprintf("select ret_code from pgq_node.register_subscriber('q', '%s', 'w_%s', %s)", name, name, tick), "200")
}

// copyBatch does what the worker of a node does with one batch of its provider:
// the events and the position in one transaction, then the tick, then the
// end of the batch. It returns false when there was none.
func (c *caseRun) copyBatch(name string, provider, target *session, branch bool) bool {
	c.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	worker := quote("w_" + name)
	var batch, cur *int64
	err := provider.conn.QueryRow(ctx, "select batch_id, cur_tick_id from pgq.next_batch_info('q', "+worker+")").Scan(&batch, &cur)
	if err != nil {
		c.Fatal(err)
	}
	if batch == nil {
		return false
	}
	rows, err := provider.conn.Query(ctx, "select ev_id, ev_time::text, ev_type, ev_data from pgq.get_batch_events($1)", *batch)
	if err != nil {
		c.Fatal(err)
	}
	type event struct {
		ID                  int64
		Time                string
		EventType, DataText *string
	}
	events, err := pgx.CollectRows(rows, pgx.RowToStructByPos[event])
	if err != nil {
		c.Fatal(err)
	}
	last := int64(1)
	target.ok("begin")
	for _, ev := range events {
		last = max(last, ev.ID)
		if branch {
			target.ok("set local session_replication_role = replica")
			table := target.one("select pgq.current_event_table('q')")
			target.ok(fmt.Sprintf("insert into %s (ev_id, ev_time, ev_type, ev_data) values (%d, '%s', %s, %s)",
				table, ev.ID, ev.Time, literal(ev.EventType), literal(ev.DataText)))
		}
		if ev.EventType != nil && *ev.EventType == "t" {
			target.ok("insert into applied (ev_data) values (" + literal(ev.DataText) + ")")
		}
	}
	target.want(fmt.Sprintf("select ret_code from pgq_node.set_consumer_completed('q', %s, %d)", worker, *cur), "100")
	target.ok("commit")
	if branch {
		target.want(fmt.Sprintf("select pgq.ticker('q', %d, now(), %d)", *cur, last), fmt.Sprint(*cur))
	}
	provider.want(fmt.Sprintf("select pgq.finish_batch(%d)", *batch), "1")
	return true
}

func literal(s *string) string {
	if s == nil {
		return "null"
	}
	return quote(*s)
}

// handover takes the root from n1 to n2 and back, with events before, between
// and after, under the eyes of the leaf n3, which changes its provider once.
func handover(c *caseRun) {
	n1 := c.node("n1", "root", "")
	subscribe(n1, "n2", "null")
	subscribe(n1, "n3", "null")
	n2 := c.node("n2", "branch", "'n1'")
	n3 := c.node("n3", "leaf", "'n1'")
	sent := 0
	produce := func(on *session) {
		for range 3 {
			sent++
			on.ok(fmt.Sprintf("select pgq.insert_event('q', 't', '%d')", sent))
			on.ok("select pgq.force_tick('q')")
			on.ok("select pgq.ticker('q')")
		}
	}
	follow := func(name string, provider, target *session, branch bool) {
		for c.copyBatch(name, provider, target, branch) {
		}
	}
	change := func(from, to *session, oldName, newName string, keep func()) {
		from.want("select ret_code from pgq_node.demote_root('q', 1, null)", "200")
		from.want("select ret_code from pgq_node.demote_root('q', 2, null)", "200")
		last := from.one("select max(tick_id) from pgq.tick")
		follow(newName, from, to, true)
		to.want("select ret_code from pgq_node.promote_branch('q')", "200")
		to.want("select max(tick_id) from pgq.tick", last)
		subscribe(to, oldName, last)
		keep()
		from.want(fmt.Sprintf("select ret_code from pgq_node.unregister_subscriber('q', '%s')", newName), "200")
		from.want(fmt.Sprintf("select ret_code, last_tick from pgq_node.demote_root('q', 3, '%s')", newName), "200|"+last)
	}

	produce(n1)
	follow("n3", n1, n3, false)
	produce(n1)
	change(n1, n2, "n1", "n2", func() {})
	produce(n2)
	follow("n1", n2, n1, true)
	follow("n3", n1, n3, false) // by way of n1, a branch now
	change(n2, n1, "n2", "n1", func() {
		subscribe(n2, "n3", n3.one("select last_tick_id from pgq_node.local_state"))
		n1.want("select ret_code from pgq_node.unregister_subscriber('q', 'n3')", "200")
		n3.want("select ret_code from pgq_node.change_consumer_provider('q', 'w_n3', 'n2')", "200")
	})
	produce(n1)
	follow("n2", n1, n2, true)
	follow("n3", n2, n3, false)

	var want []string
	for i := range sent {
		want = append(want, fmt.Sprint(i+1))
	}
	n3.want("select string_agg(ev_data, ' ' order by pos) from applied", strings.Join(want, " "))
	for _, s := range []*session{n1, n2} {
		s.want("select string_agg(ev_data, ' ' order by ev_id) from pgq.event_template where ev_type = 't'", strings.Join(want, " "))
		s.want("select count(*), count(distinct ev_id) from pgq.event_template where ev_type = 't'", fmt.Sprintf("%d|%d", sent, sent))
	}
	n1.want("select string_agg(tick_id::text, ' ' order by tick_id) from pgq.tick where tick_id > 1",
		n2.one("select string_agg(tick_id::text, ' ' order by tick_id) from pgq.tick where tick_id > 1"))
}
