package conformance

import (
	"fmt"
	"testing"
)

// TestNodeHolds: what our engine does besides PgQ's functions respects the other
// nodes of a set.
func TestNodeHolds(t *testing.T) {
	ours := engines[len(engines)-1]
	for name, run := range map[string]func(c *caseRun){
		"ticker":       tickerAfterDemotion,
		"thin":         ticksOfOtherNodes,
		"cluster":      branchOnAnotherServer,
		"A-30":         renameBranch,
		"A-30-root":    renameRoot,
		"A-30-refused": renameRefused,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(newCaseRun(t, name, ours))
		})
	}
}

// A ticker that waited while the queue was handed over makes no tick behind the last one.
func tickerAfterDemotion(c *caseRun) {
	c.script(rootWithReader)
	main := c.session("main")
	for _, tick := range []string{"pgq.ticker('q')", "pgqueue.force_tick('q')"} {
		main.ok("begin")
		main.ok("select pg_advisory_xact_lock(1885827444, 1)") // as a session that ticks
		p := c.start("ticker", "select "+tick)
		if !p.waits() {
			c.Errorf("%s did not wait", tick)
		}
		main.ok("update pgq.queue set queue_external_ticker = true")
		main.ok("commit")
		p.want("E: This queue has external tick source.")
		main.ok("update pgq.queue set queue_external_ticker = false")
	}
	main.want("select count(*) from pgq.tick", "1")
}

// Ticks that a position on another node may stand on are kept.
func ticksOfOtherNodes(c *caseRun) {
	c.script(rootWithReader)
	main := c.session("main")
	for i := range 9 {
		main.want("select pgqueue.force_tick('q')", fmt.Sprint(i+2))
	}
	main.ok("update pgq.tick set tick_time = now() - interval '1 hour'")
	main.want("select pgqueue.thin_ticks('q')", "0")
	main.want("select count(*) from pgq.tick", "10")
	for _, consumer := range []string{".global_watermark", ".n2.watermark", "w2"} {
		main.want(fmt.Sprintf("select pgq.register_consumer_at('q', '%s', 6)", consumer), "0")
	}
	main.want("select pgqueue.thin_ticks('q')", "0")
	main.want("select string_agg(tick_id::text, ' ' order by tick_id) from pgq.tick", "1 6 7 8 9 10")
}

// A branch whose newest tick counts no event, as after its worker was started anew, has
// not lost any when it comes to another server.
func branchOnAnotherServer(c *caseRun) {
	c.script(branchNode + `
		set session_replication_role = replica;
		insert into pgq.event_1_0 (ev_id, ev_time) values (7, now());
		\settle
		select pgq.ticker('q', 2, now(), 7);
		--> 2
		select pgq.ticker('q', 3, now(), 0);
		--> 3
		update pgqueue.cluster set cluster_id = 0;
		select * from pgqueue.accept_cluster();
		--> (none)
	`)
}

// A branch gets another name between its provider and its reader: positions stay, and
// events go on. Each step is done twice, as after an interruption.
func renameBranch(c *caseRun) {
	n1 := c.node("n1", "root", "")
	subscribe(n1, "n2", "null")
	n2 := c.node("n2", "branch", "'n1'")
	subscribe(n2, "n3", "null")
	n3 := c.node("n3", "leaf", "'n2'")
	produce := func(what string) {
		n1.ok(fmt.Sprintf("select pgq.insert_event('q', 't', '%s')", what))
		n1.ok("select pgqueue.force_tick('q')")
		for c.copyBatch("n2", n1, n2, true) {
		}
		for c.copyBatch("n3", n2, n3, false) {
		}
	}
	produce("before")
	n1.want("select ret_code from pgq_node.set_subscriber_watermark('q', 'n2', 2)", "200")
	for _, s := range []*session{n1, n2, n3, n1, n2, n3} {
		s.want("select ret_code from pgq_node.rename_node_step1('q', 'n2', 'new')", "200")
	}
	for _, s := range []*session{n2, n3, n1} {
		s.want("select ret_code from pgq_node.rename_node_step2('q', 'n2', 'new')", "200")
		s.want("select ret_code from pgq_node.rename_node_step2('q', 'n2', 'new')", "201")
		s.want("select string_agg(node_name || '=' || node_location, ' ' order by 1) from pgq_node.get_queue_locations('q')",
			"n1=dbname=n1 n3=dbname=n3 new=dbname=n2")
	}
	n1.want("select * from pgq_node.get_subscriber_info('q')", "new|w_n2|2")
	n1.want("select consumer_name, last_tick from pgq.get_consumer_info('q')", ".global_watermark|1", ".new.watermark|2", "w_n2|2")
	n1.want("select ev_type, ev_data from pgq.event_template where ev_type <> 't' order by ev_id",
		"pgq.location-info|new", "pgq.unregister-location|n2")
	n2.want("select node_type, node_name, provider_node from pgq_node.get_node_info('q')", "branch|new|n1")
	n3.want("select provider_node, provider_location, completed_tick from pgq_node.get_worker_state('q')", "new|dbname=n2|2")
	produce("after")
	n3.want("select ev_data from applied order by pos", "before", "after")
}

// The root is its own provider.
func renameRoot(c *caseRun) {
	c.script(rootWithReader + `
		select * from pgq_node.rename_node_step1('q', 'n1', 'new');
		--> 200|Step 1: node n1 is also known as new
		select * from pgq_node.rename_node_step2('q', 'n1', 'new');
		--> 200|Step 2: node n1 renamed to new
		select node_type, node_name, provider_node, provider_location from pgq_node.get_node_info('q');
		--> root|new|new|dbname=a
		select * from pgq_node.get_queue_locations('q');
		--> n2|dbname=b|f
		--> new|dbname=a|f
		select * from pgq_node.rename_node_step1('q', 'n1', 'new');
		--> 201|Node already renamed: new
	`)
}

func renameRefused(c *caseRun) {
	c.script(rootWithReader + `
		select * from pgq_node.rename_node_step1('q', 'n1', 'n2');
		--> 403|Node exists already: n2
		select * from pgq_node.rename_node_step1('q', 'n7', 'n8');
		--> 404|Unknown node: n7
		select * from pgq_node.rename_node_step1('nosuch', 'n1', 'new');
		--> 404|Unknown queue: nosuch
		select * from pgq_node.rename_node_step2('nosuch', 'n1', 'new');
		--> 404|Unknown queue: nosuch
		select * from pgq_node.rename_node_step2('q', 'n2', 'new');
		--> 401|Step 1 not done for: n2
		select * from pgq_node.register_location('q', 'new', 'dbname=b', false);
		--> 200|Location registered
		select * from pgq_node.rename_node_step2('q', 'n2', 'new');
		--> 401|Step 1 not done for: n2
		select * from pgq_node.get_subscriber_info('q');
		--> n2|w2|1
	`)
}
