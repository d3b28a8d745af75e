package conformance

import "testing"

// TestNodeConsumers has the cases about cascaded consumers, watermarks,
// combined queues, locks and rights.
func TestNodeConsumers(t *testing.T) { runCases(t, nodeConsumerCases) }

// consumerX is rootWithReader with a cascaded consumer x, which reads from n2.
const consumerX = rootWithReader + `
	select * from pgq_node.register_consumer('q', 'x', 'n2', 1);
	--> 200|Consumer x registered on queue q
`

// combined makes x a leaf of p with tick 13, whose events come with the
// branch x of c.
const combined = `
	select * from pgq_node.register_location('c', 'x', 'dbname=x', false);
	--> 200|Location registered
	select * from pgq_node.register_location('c', 'y', 'dbname=y', false);
	--> 200|Location registered
	select * from pgq_node.register_location('p', 'r', 'dbname=r', false);
	--> 200|Location registered
	select * from pgq_node.register_location('p', 'x', 'dbname=x', false);
	--> 200|Location registered
	select * from pgq_node.create_node('c', 'branch', 'x', 'wc', 'y', 1, null);
	--> 200|Node "x" initialized for queue "c" with type "branch"
	select * from pgq_node.create_node('p', 'leaf', 'x', 'wp', 'r', 13, 'c');
	--> 200|Node "x" initialized for queue "p" with type "leaf"
`

var nodeConsumerCases = []testCase{
	{id: "S-22", script: branchNode + leafOther + `
		select * from pgq_node.set_global_watermark('q', null);
		--> 500|bad usage: wm=null on branch node
		select * from pgq_node.set_global_watermark('q', 77);
		--> 200|Skipping global watermark update to 77
		select pgq.ticker('q', 5, now(), 1);
		--> 5
		select * from pgq_node.set_global_watermark('q', 5);
		--> 200|Global watermark set to 5
		select consumer_name, last_tick from pgq.get_consumer_info('q');
		--> .global_watermark|5
		select * from pgq_node.set_global_watermark('l', 5);
		--> 100|Ignoring global watermark in leaf
		select * from pgq_node.set_global_watermark('l', null);
		--> 100|Ignoring global watermark in leaf
		select count(*) from pgq.event_template;
		--> 0
	`},
	{id: "S-23", script: `
		select * from pgq_node.register_location('q', 'n1', 'dbname=a', false);
		--> 200|Location registered
		select * from pgq_node.register_location('q', 'n2', 'dbname=b', false);
		--> 200|Location registered
		select * from pgq_node.create_node('q', 'branch', 'n2', 'w2', 'n1', 13, null);
		--> 200|Node "n2" initialized for queue "q" with type "branch"
		select tick_id from pgq.tick order by 1;
		--> 1
		--> 13
		select consumer_name, last_tick from pgq.get_consumer_info('q');
		--> .global_watermark|13
		select queue_external_ticker, queue_disable_insert from pgq.queue;
		--> t|t
		select * from pgq_node.local_state;
		--> q|w2|n1|13|NULL|f|f
		select * from pgq_node.get_node_info('q');
		--> 100|Ok|branch|n2|13|13|n1|dbname=a|NULL|NULL|w2|f|f|13|NULL|NULL
	`},
	{id: "S-24", script: combined + `
		select * from pgq_node.get_node_info('p');
		--> 100|Ok|leaf|x|NULL|13|r|dbname=r|c|branch|wp|f|f|13|NULL|NULL
		select * from pgq_node.get_worker_state('p');
		--> 100|Ok|leaf|x|13|r|dbname=r|f|f|NULL|wp|NULL|13|NULL|c|branch
		select target_for from pgq_node.get_node_info('c');
		--> {p}
		select pgq_node.is_root_node('p'), pgq_node.is_leaf_node('p'), pgq_node.is_leaf_node('c');
		--> f|t|f
	`},
	{id: "S-25", script: combined + `
		select * from pgq_node.set_partition_watermark('c', 'p', 20);
		--> 200|Ok
		select * from pgq_node.set_partition_watermark('c', 'nosuch', 21);
		--> 201|Part-queue does not exist
		select * from pgq_node.set_partition_watermark('p', 'c', 21);
		--> 201|Part-queue does not exist
		select last_tick_id from pgq_node.local_state where consumer_name = 'wp';
		--> 20
		select * from pgq_node.promote_branch('c');
		--> 200|Branch node promoted to root
		select * from pgq_node.set_partition_watermark('c', 'p', 21);
		--> 201|Part-queue does not exist
		select last_tick_id from pgq_node.local_state where consumer_name = 'wp';
		--> 20
		select combined_type from pgq_node.get_node_info('p');
		--> root
	`},
	{id: "combined-lost", script: combined + `
		select * from pgq_node.drop_node('c', 'x');
		--> 200|Node dropped: x
		select * from pgq_node.get_node_info('p');
		--> 100|Ok|leaf|x|NULL|13|r|dbname=r|NULL|NULL|wp|f|f|13|NULL|NULL
		select * from pgq_node.get_worker_state('p');
		--> 404|Combinde queue node not found: c|leaf|x|13|r|dbname=r|f|f|NULL|wp|NULL|NULL|NULL|c|NULL
	`},
	{id: "worker-lost", script: combined + `
		select * from pgq_node.unregister_consumer('p', 'wp');
		--> 200|Consumer wp unregistered from p
		select * from pgq_node.set_partition_watermark('c', 'p', 20);
		--> 401|Worker registration not found
		select * from pgq_node.get_node_info('p');
		--> 100|Ok|leaf|x|NULL|NULL|NULL|NULL|c|branch|wp|NULL|NULL|NULL|NULL|NULL
		select * from pgq_node.get_worker_state('p');
		--> 404|Unknown consumer: p/wp|leaf|x|NULL|NULL|NULL|NULL|NULL|NULL|wp|NULL|NULL|NULL|c|NULL
	`},
	{id: "S-26", script: consumerX + `
		select * from pgq_node.set_consumer_error('q', 'x', 'f');
		--> 100|Consumer x error = f
		select * from pgq_node.get_consumer_state('q', 'x');
		--> 100|Ok|root|n1|1|n2|dbname=b|f|f|f
		select * from pgq_node.set_consumer_completed('q', 'x', 2);
		--> 100|Consumer x completed tick = 2
		select * from pgq_node.get_consumer_info('q');
		--> w1|n1|1|f|f|NULL
		--> x|n2|2|f|f|NULL
		select * from pgq_node.set_consumer_completed('q', 'zz', 2);
		--> 404|Consumer not known: q/zz
		select * from pgq_node.set_consumer_error('q', 'zz', 'f');
		--> 101|Consumer not known, ignoring: q/zz
		select * from pgq_node.set_consumer_error('q', 'x', null);
		--> 100|NULL
		select * from pgq_node.get_consumer_state('q', 'zz');
		--> 404|Unknown consumer: q/zz|root|n1|NULL|NULL|NULL|NULL|NULL|NULL
		select * from pgq_node.get_consumer_state('nosuch', 'x');
		--> 404|Unknown queue: nosuch|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL
	`},
	{id: "S-27", script: consumerX + `
		select * from pgq_node.set_consumer_uptodate('q', 'x', true);
		--> 200|Consumer uptodate = 1
		select * from pgq_node.set_consumer_paused('q', 'x', true);
		--> 200|Consumer x tagged as paused
		select paused, uptodate from pgq_node.get_consumer_state('q', 'x');
		--> t|f
		select * from pgq_node.set_consumer_uptodate('q', 'x', true);
		--> 200|Consumer uptodate = 1
		select * from pgq_node.set_consumer_paused('q', 'x', true);
		--> 201|Consumer x already paused
		select paused, uptodate from pgq_node.get_consumer_state('q', 'x');
		--> t|t
		select * from pgq_node.set_consumer_paused('q', 'x', false);
		--> 200|Consumer x tagged as resumed
		select * from pgq_node.set_consumer_paused('q', 'x', false);
		--> 201|Consumer x already resumed
		select * from pgq_node.set_consumer_paused('q', 'x', null);
		--> E 23502 paused
		select * from pgq_node.set_consumer_paused('q', 'zz', true);
		--> 404|Unknown consumer: zz
		select * from pgq_node.set_consumer_uptodate('q', 'zz', false);
		--> 404|Consumer not known: q/zz
		select * from pgq_node.set_consumer_uptodate('q', 'x', false);
		--> 200|Consumer uptodate = 0
	`},
	{id: "S-28", script: consumerX + `
		select * from pgq_node.set_consumer_uptodate('q', 'x', true);
		--> 200|Consumer uptodate = 1
		select * from pgq_node.change_consumer_provider('q', 'x', 'n9');
		--> 404|New node not found: n9
		select * from pgq_node.change_consumer_provider('q', 'zz', 'n1');
		--> 404|Unknown consumer: q/zz
		select * from pgq_node.change_consumer_provider('nosuch', 'x', 'n1');
		--> 404|New node not found: n1
		select uptodate from pgq_node.get_consumer_state('q', 'x');
		--> t
		select * from pgq_node.change_consumer_provider('q', 'x', 'n1');
		--> 200|Consumer provider node set to : n1
		select * from pgq_node.get_consumer_state('q', 'x');
		--> 100|Ok|root|n1|1|n1|dbname=a|f|f|NULL
	`},
	{id: "S-29", script: consumerX + `
		select * from pgq_node.set_consumer_paused('q', 'x', true);
		--> 200|Consumer x tagged as paused
		select * from pgq_node.set_consumer_uptodate('q', 'x', true);
		--> 200|Consumer uptodate = 1
		select * from pgq_node.register_consumer('q', 'x', 'n1', 7);
		--> 201|Consumer already registered: q/x
		select * from pgq_node.get_consumer_state('q', 'x');
		--> 100|Ok|root|n1|7|n1|dbname=a|t|t|NULL
		select * from pgq_node.register_consumer('q', 'x', 'n9', 7);
		--> E 23503 local_state_queue_name_provider_node_fkey
		select * from pgq_node.register_consumer('nosuch', 'x', 'n1', 7);
		--> 404|Unknown queue: nosuch
		select * from pgq_node.unregister_consumer('q', 'x');
		--> 200|Consumer x unregistered from q
		select * from pgq_node.unregister_consumer('q', 'x');
		--> 200|Consumer x unregistered from q
		select * from pgq_node.unregister_consumer('nosuch', 'x');
		--> 404|Unknown queue: nosuch
	`},
	{id: "S-33", script: rootNode + leafOther + `
		update pgq.tick set tick_time = now() - interval '4 min 50 s';
		select pgq_node.maint_watermark('q'), (select count(*) from pgq.event_template);
		--> 0|0
		update pgq.tick set tick_time = now() - interval '5 min';
		select pgq_node.maint_watermark('q');
		--> 0
		select ev_type, ev_data from pgq.event_template;
		--> pgq.global-watermark|1
		select pgq_node.maint_watermark('l'), pgq_node.maint_watermark('nosuch'), pgq_node.maint_watermark(null);
		--> 0|0|0
		select * from pgq.maint_operations() where func_name ~ 'node';
		--> pgq_node.maint_watermark|q
		select ret_code from pgq_node.demote_root('q', 1, null);
		--> 200
		select pgq_node.maint_watermark('q');
		--> $node-24
	`},
	{id: "promote-isolation", script: branchNode + `
		begin isolation level serializable;
		select * from pgq_node.promote_branch('q');
		--> $D3
		rollback;
	`},
	{id: "node-locks", run: nodeLocks},
	{id: "node-rights", script: `
		set role conf_admin;
		select ret_code from pgq_node.register_location('q', 'n1', 'dbname=a', false);
		--> 200
		select ret_code from pgq_node.register_location('q', 'n2', 'dbname=b', false);
		--> 200
		select ret_code from pgq_node.create_node('q', 'root', 'n1', 'w1', null, null, null);
		--> 200
		select pgq_node.maint_watermark('q');
		--> 0
		set role conf_reader;
		select ret_code from pgq_node.register_subscriber('q', 'n2', 'w2', null);
		--> 200
		select ret_code from pgq_node.set_subscriber_watermark('q', 'n2', 1);
		--> 100
		select count(*) from pgq_node.node_location;
		--> 2
		select pgq_node.is_root_node('q');
		--> t
		select ret_code from pgq_node.set_consumer_completed('q', 'w1', 1);
		--> E 42501: permission denied for function set_consumer_completed
		set role conf_writer;
		select ret_code from pgq_node.set_consumer_completed('q', 'w1', 1);
		--> 100
		select ret_code from pgq_node.drop_node('q', 'n1');
		--> E 42501: permission denied for function drop_node
		delete from pgq_node.node_location;
		--> E 42501: permission denied for table node_location
		set role conf_nobody;
		select ret_code from pgq_node.get_node_info('q');
		--> E 42501: permission denied for function get_node_info
		select pgq_node.is_root_node('q');
		--> E 42501: permission denied for table node_info
		set role conf_admin;
		select ret_code from pgq_node.demote_root('q', 1, 'n2');
		--> 200
		select ret_code from pgq_node.demote_root('q', 2, 'n2');
		--> 200
		select ret_code from pgq_node.demote_root('q', 3, 'n2');
		--> 200
		select ret_code from pgq_node.promote_branch('q');
		--> 200
		select ret_code from pgq_node.drop_node('q', 'n1');
		--> 200
	`},
}

// leafOther makes the database a leaf of another set, l.
const leafOther = `
	select * from pgq_node.register_location('l', 'n1', 'dbname=a', false);
	--> 200|Location registered
	select * from pgq_node.create_node('l', 'leaf', 'n1', 'wl', 'n1', 1, null);
	--> 200|Node "n1" initialized for queue "l" with type "leaf"
`

// nodeLocks: calls that look at the node and then change something wait for each other.
func nodeLocks(c *caseRun) {
	c.script(rootWithReader)
	holder := c.session("holder")
	for _, call := range []string{
		"register_location('q', 'n2', 'dbname=b', false)",
		"register_subscriber('q', 'n1', 'w9', null)",
		"register_consumer('q', 'x', 'n1', 1)",
		"set_global_watermark('q', null)",
		"demote_root('q', 1, 'n2')",
		"promote_branch('q')",
		"set_consumer_paused('q', 'w1', true)",
	} {
		holder.ok("begin")
		holder.ok("select from pgq_node.node_info for update")
		holder.ok("select from pgq_node.local_state for update")
		p := c.start("caller", "select ret_code < 400 from pgq_node."+call)
		if !p.waits() {
			c.Errorf("%s did not wait", call)
		}
		holder.ok("commit")
		p.want("t")
	}
}
