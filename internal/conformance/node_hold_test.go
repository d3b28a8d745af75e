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
		"ticker":  tickerAfterDemotion,
		"thin":    ticksOfOtherNodes,
		"cluster": branchOnAnotherServer,
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
