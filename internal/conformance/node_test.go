package conformance

import "testing"

// TestNodes has the cases about the map of a set, about nodes as they are
// made and dropped, and about the provider's side. S- numbers are those of the
// specification of the node layer.
func TestNodes(t *testing.T) { runCases(t, nodeCases) }

// rootNode makes n1 the root of q.
const rootNode = `
	select * from pgq_node.register_location('q', 'n1', 'dbname=a', false);
	--> 200|Location registered
	select * from pgq_node.create_node('q', 'root', 'n1', 'w1', null, null, null);
	--> 200|Node "n1" initialized for queue "q" with type "root"
	update pgq.queue set queue_ticker_max_lag = '0', queue_ticker_idle_period = '0';
`

// rootWithReader is rootNode, and n2 reads from it.
const rootWithReader = rootNode + `
	select * from pgq_node.register_location('q', 'n2', 'dbname=b', false);
	--> 200|Location registered
	select * from pgq_node.register_subscriber('q', 'n2', 'w2', null);
	--> 200|Subscriber registered: n2|1
`

// branchNode makes n2 a branch of q, which reads from n1.
const branchNode = `
	select * from pgq_node.register_location('q', 'n1', 'dbname=a', false);
	--> 200|Location registered
	select * from pgq_node.register_location('q', 'n2', 'dbname=b', false);
	--> 200|Location registered
	select * from pgq_node.create_node('q', 'branch', 'n2', 'w2', 'n1', 1, null);
	--> 200|Node "n2" initialized for queue "q" with type "branch"
`

// leafNode makes n3 a leaf of q at tick 13, which reads from n1.
const leafNode = `
	select * from pgq_node.register_location('q', 'n1', 'dbname=a', false);
	--> 200|Location registered
	select * from pgq_node.register_location('q', 'n3', 'dbname=c', false);
	--> 200|Location registered
	select * from pgq_node.create_node('q', 'leaf', 'n3', 'w3', 'n1', 13, null);
	--> 200|Node "n3" initialized for queue "q" with type "leaf"
`

var nodeCases = []testCase{
	{id: "S-01", script: `
		select * from pgq_node.create_node('q', 'root', 'n1', 'w1', null, null, null);
		--> E 23503 node_info_queue_name_node_name_fkey
		select (select count(*) from pgq.queue), (select count(*) from pgq.consumer), (select count(*) from pgq_node.node_info);
		--> 0|0|0
	`},
	{id: "S-02", script: `
		select * from pgq_node.register_location('q', 'n1', 'dbname=a', false);
		--> 200|Location registered
		select * from pgq_node.create_node('q', 'root', 'n1', 'w1', 'nx', null, null);
		--> 401|unexpected args for root
		select * from pgq_node.create_node('q', 'root', 'n1', 'w1', null, 1, null);
		--> 401|unexpected args for root
		select * from pgq_node.create_node('q', 'root', 'n1', 'w1', null, null, 'c');
		--> 401|unexpected args for root
		select * from pgq_node.create_node('q', 'root', 'n1', null, null, null, null);
		--> E 23514 node_info_check
		select (select count(*) from pgq.queue), (select count(*) from pgq_node.node_info);
		--> 0|0
	`},
	{id: "S-03", script: `
		select * from pgq_node.register_location('q', 'n1', 'dbname=a', false);
		--> 200|Location registered
		select * from pgq_node.create_node('q', 'combined', 'n1', 'w1', null, null, null);
		--> $node-type
		select * from pgq_node.create_node('q', null, 'n1', 'w1', null, null, null);
		--> $node-type/null
	`},
	{id: "S-04", script: `
		select * from pgq_node.register_location('q', 'n1', 'dbname=a', false);
		--> 200|Location registered
		select * from pgq_node.create_node('q', 'branch', 'n1', 'w1', null, 1, null);
		--> 401|provider not set for branch
		select * from pgq_node.create_node('q', 'branch', 'n1', 'w1', 'n2', null, null);
		--> 401|global watermark not set for branch
		select * from pgq_node.create_node('q', 'leaf', 'n1', 'w1', 'n2', 1, 'nosuch');
		--> 401|non-existing queue on leaf side: nosuch
		select * from pgq_node.create_node('q', 'branch', 'n1', 'w1', 'nosuch', 1, null);
		--> E 23503 local_state_queue_name_provider_node_fkey
		select * from pgq_node.create_node('q', 'branch', 'n1', 'w1', 'n1', 1, 'c');
		--> E 23514 node_info_check
		select * from pgq_node.create_node('q', 'leaf', 'n1', 'w1', null, 13, null);
		--> E 23502 provider_node
		select * from pgq_node.create_node('q', 'leaf', 'n1', 'w1', 'n1', null, null);
		--> E 23502 last_tick_id
		select count(*) from pgq.queue;
		--> 0
	`},
	{id: "S-05", script: rootNode + `
		select queue_name, tick_id from pgq.tick join pgq.queue on queue_id = tick_queue;
		--> q|1
		select queue_name, consumer_name, last_tick from pgq.get_consumer_info();
		--> q|.global_watermark|1
		select * from pgq_node.local_state;
		--> q|w1|n1|1|NULL|f|f
		select * from pgq_node.node_info;
		--> q|root|n1|w1|NULL|NULL
		select queue_external_ticker, queue_disable_insert from pgq.queue;
		--> f|f
		select count(*) from pgq.event_template;
		--> 0
		select * from pgq_node.get_node_info('q');
		--> 100|Ok|root|n1|1|1|n1|dbname=a|NULL|NULL|w1|f|f|1|NULL|NULL
		select * from pgq_node.get_worker_state('q');
		--> 100|Ok|root|n1|1|n1|dbname=a|f|f|NULL|w1|1|1|1|NULL|NULL
		select pgq_node.is_root_node('q'), pgq_node.is_leaf_node('q');
		--> t|f
	`},
	// A root takes a queue as it is, with its consumers and its ticks.
	{id: "root-of-a-queue", script: `
		\fresh q
		select pgq.ticker('q'), pgq.register_consumer('q', 'old');
		--> 2|1
		select * from pgq_node.register_location('q', 'n1', 'dbname=a', false);
		--> 200|Location registered
		select * from pgq_node.create_node('q', 'root', 'n1', 'w1', null, null, null);
		--> 200|Node "n1" initialized for queue "q" with type "root"
		select consumer_name, last_tick from pgq.get_consumer_info('q');
		--> .global_watermark|2
		--> old|2
		select last_tick_id from pgq_node.local_state;
		--> 2
	`},
	{id: "branch-of-a-queue", script: `
		\fresh q
		\fresh unused
		select pgq.register_consumer('q', 'old');
		--> 1
		select * from pgq_node.register_location('q', 'n1', 'dbname=a', false);
		--> 200|Location registered
		select * from pgq_node.create_node('q', 'branch', 'n1', 'w1', 'n1', 1, null);
		--> $node-29
		select queue_external_ticker from pgq.queue where queue_name = 'q';
		--> $node-29/flag
		select * from pgq_node.register_location('unused', 'n1', 'dbname=a', false);
		--> 200|Location registered
		select * from pgq_node.create_node('unused', 'branch', 'n1', 'w1', 'n1', 1, null);
		--> 200|Node "n1" initialized for queue "unused" with type "branch"
	`},
	{id: "S-06", script: rootNode + `
		select * from pgq_node.create_node('q', 'root', 'n1', 'w1', null, null, null);
		--> 401|Node already initialized
		select * from pgq_node.create_node('q', 'leaf', 'n9', 'w9', 'n1', 1, null);
		--> 401|Node already initialized
	`},
	{id: "S-07", script: rootNode + `
		select * from pgq_node.register_subscriber('q', 'n2', 'w2', null);
		--> E 23503 subscriber_info_queue_name_subscriber_node_fkey
		select co_name from pgq.consumer;
		--> .global_watermark
	`},
	{id: "S-08", script: rootWithReader + `
		select consumer_name, last_tick from pgq.get_consumer_info('q');
		--> .global_watermark|1
		--> .n2.watermark|1
		--> w2|1
		select * from pgq_node.get_subscriber_info('q');
		--> n2|w2|1
		select ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4 from pgq.event_template;
		--> pgq.location-info|n2|q|dbname=b|false|NULL
	`},
	{id: "S-09", script: rootWithReader + `
		select pgq.ticker('q');
		--> 2
		select pgq.ticker('q');
		--> 3
		select * from pgq_node.register_subscriber('q', 'n2', 'w2', null);
		--> $node-28
		select * from pgq_node.register_subscriber('q', 'n2', 'w2', 2);
		--> $node-28
		select consumer_name, last_tick from pgq.get_consumer_info('q') where consumer_name <> '.global_watermark';
		--> $node-28/moved
		select * from pgq_node.register_subscriber('q', 'n2', 'other', null);
		--> E 23505 subscriber_info_pkey
	`},
	{id: "S-10", script: rootWithReader + `
		select * from pgq_node.register_location('q', 'n3', 'dbname=c', false);
		--> 200|Location registered
		select * from pgq_node.register_subscriber('q', 'n3', 'w3', 55);
		--> E: cannot reposition, tick not found: 55
		select pgq.ticker('q');
		--> 2
		select * from pgq_node.register_subscriber('q', 'n3', 'w3', 2);
		--> 200|Subscriber registered: n3|1
		select consumer_name, last_tick from pgq.get_consumer_info('q') where consumer_name ~ '3';
		--> .n3.watermark|1
		--> w3|2
	`},
	{id: "S-11", script: leafNode + `
		select * from pgq_node.register_subscriber('nosuch', 'n2', 'w2', null);
		--> 404|Unknown queue: nosuch|NULL
		select * from pgq_node.register_subscriber('q', 'n1', 'w1', null);
		--> 401|Cannot subscribe to leaf node|NULL
		select * from pgq_node.get_subscriber_info('q');
		--> (none)
	`},
	{id: "S-12", script: rootWithReader + `
		select * from pgq_node.set_subscriber_watermark('q', 'n9', 1);
		--> 404|node n9 not subscribed to queue<...>
		select * from pgq_node.set_subscriber_watermark('q', 'n2', 1);
		--> 100|watermark already set
		select * from pgq_node.set_subscriber_watermark('q', 'n2', 0);
		--> 405|watermark must not be moved backwards
		select * from pgq_node.set_subscriber_watermark('q', 'n2', 99);
		--> E: cannot reposition, tick not found: 99
	`},
	{id: "S-13", script: rootWithReader + `
		select pgq.ticker('q');
		--> 2
		select pgq.ticker('q');
		--> 3
		select * from pgq_node.set_subscriber_watermark('q', 'n2', 3);
		--> 200|.n2.watermark set to 3
		select global_watermark, local_watermark, worker_last_tick from pgq_node.get_node_info('q');
		--> 1|1|3
		select completed_tick, global_watermark, local_watermark, local_queue_top from pgq_node.get_worker_state('q');
		--> 1|1|1|3
		select * from pgq_node.get_subscriber_info('q');
		--> n2|w2|3
		select * from pgq_node.set_subscriber_watermark('q', 'n2', 2);
		--> 405|watermark must not be moved backwards
	`},
	{id: "S-14", script: rootWithReader + `
		select * from pgq_node.set_global_watermark('q', null);
		--> 200|Global watermark set to 1
		select ev_type, ev_data, ev_extra1, ev_extra2 from pgq.event_template order by ev_id desc limit 1;
		--> pgq.global-watermark|1|q|NULL
		select last_tick_id from pgq_node.local_state;
		--> 1
		select pgq.ticker('q');
		--> 2
		select * from pgq_node.set_global_watermark('q', 2);
		--> 200|Global watermark set to 2
		select last_tick_id, (select last_tick from pgq.get_consumer_info('q', '.global_watermark')) from pgq_node.local_state;
		--> 2|2
		select * from pgq_node.set_global_watermark('q', 1);
		--> 200|Global watermark set to 1
	`},
	{id: "S-15", script: rootWithReader + `
		select * from pgq_node.set_global_watermark('q', 99);
		--> E: cannot reposition, tick not found: 99
		select * from pgq_node.set_global_watermark('nosuch', 1);
		--> 404|Queuenosuch not found
	`},
	{id: "S-16", script: rootWithReader + `
		select * from pgq_node.unregister_location('q', 'n1');
		--> 403|Cannot drop node's own location
		select * from pgq_node.unregister_location('q', 'n77');
		--> 301|Location not found: q/n77
		select * from pgq_node.unregister_location('q', 'n2');
		--> 200|Ok
		select ev_type, ev_data, ev_extra1, ev_extra2 from pgq.event_template order by ev_id offset 1;
		--> pgq.unregister-location|n77|q|NULL
		--> pgq.unregister-location|n2|q|NULL
		select (select count(*) from pgq_node.subscriber_info), (select string_agg(co_name, ' ') from pgq.consumer);
		--> 0|.global_watermark
		select * from pgq_node.unregister_subscriber('q', 'n2');
		--> 304|Subscriber not found
		select * from pgq_node.get_queue_locations('q');
		--> n1|dbname=a|f
	`},
	{id: "unregister-location", script: branchNode + `
		select * from pgq_node.unregister_location('q', 'n1');
		--> 403|Cannot drop location of node's parent
		select * from pgq_node.unregister_location('q', 'n2');
		--> 403|Cannot drop node's own location
		select * from pgq_node.unregister_location('nosuch', 'n1');
		--> 301|Location not found: nosuch/n1
		select * from pgq_node.register_location('q', 'n3', 'dbname=c', false);
		--> 200|Location registered
		select * from pgq_node.register_consumer('q', 'x', 'n3', 1);
		--> 200|Consumer x registered on queue q
		select * from pgq_node.unregister_location('q', 'n3');
		--> E 23503 local_state_queue_name_provider_node_fkey
	`},
	{id: "register-location", script: rootNode + `
		select * from pgq_node.register_location('q', 'n3', null, false);
		--> 200|Location registered
		select * from pgq_node.register_location('q', 'n2', 'dbname=b', true);
		--> 200|Location registered
		select * from pgq_node.register_location('q', 'n2', null, false);
		--> 200|Location registered
		select * from pgq_node.register_location('q', 'n2', 'dbname=c', null);
		--> E 23502 dead
		select * from pgq_node.register_location('other', 'n1', 'dbname=z', false);
		--> 200|Location registered
		select * from pgq_node.get_queue_locations('q') order by 1;
		--> n1|dbname=a|f
		--> n2|dbname=b|f
		select ev_data, ev_extra1, ev_extra2, ev_extra3 from pgq.event_template where ev_type = 'pgq.location-info' order by ev_id;
		--> n3|q|NULL|false
		--> n2|q|dbname=b|true
		--> n2|q|NULL|false
	`},
	{id: "unregister-subscriber", script: rootWithReader + `
		select * from pgq_node.unregister_subscriber('q', 'n2');
		--> 200|Subscriber unregistered: n2
		select consumer_name from pgq.get_consumer_info('q');
		--> .global_watermark
		select * from pgq_node.unregister_subscriber('nosuch', 'n2');
		--> 304|Subscriber not found
	`},
	{id: "S-30", script: branchNode + `
		select * from pgq_node.drop_node('q', 'n1');
		--> 405|Cannot drop provider node: n1
		select * from pgq_node.register_location('q', 'n3', 'dbname=c', false);
		--> 200|Location registered
		select * from pgq_node.register_subscriber('q', 'n3', 'w3', null);
		--> 200|Subscriber registered: n3|1
		select * from pgq_node.drop_node('q', 'n3');
		--> 200|Node dropped: n3
		select * from pgq_node.drop_node('q', 'n77');
		--> 200|Node dropped: n77
		select * from pgq_node.get_queue_locations('q') order by 1;
		--> n1|dbname=a|f
		--> n2|dbname=b|f
		select consumer_name from pgq.get_consumer_info('q');
		--> .global_watermark
	`},
	{id: "S-31", script: rootWithReader + `
		select * from pgq_node.drop_node('q', 'n1');
		--> 200|Node dropped: n1
		select (select count(*) from pgq_node.node_location), (select count(*) from pgq_node.node_info),
			(select count(*) from pgq_node.local_state), (select count(*) from pgq_node.subscriber_info),
			(select count(*) from pgq.queue), (select count(*) from pgq.consumer);
		--> 0|0|0|0|0|0
	`},
	{id: "drop-node-event", script: rootWithReader + `
		select * from pgq_node.drop_node('q', 'n2');
		--> 200|Node dropped: n2
		select ev_type, ev_data from pgq.event_template order by ev_id desc limit 1;
		--> pgq.unregister-location|n2
	`},
	{id: "S-32", script: `
		select pgq.create_queue('p'), pgq.register_consumer('p', 'c');
		--> 1|1
		select * from pgq_node.drop_node('p', 'x');
		--> 200|Node dropped: x
		select count(*) from pgq.queue;
		--> $node-29
	`},
	// A queue that only has the name of a set this database is not, or not
	// any more, or as a leaf, a member of.
	{id: "drop-node-queue", script: leafNode + `
		select pgq.create_queue('q'), pgq.create_queue('p');
		--> 1|1
		select * from pgq_node.drop_node('q', 'n3');
		--> 200|Node dropped: n3
		select * from pgq_node.register_location('p', 'n1', 'dbname=a', false);
		--> 200|Location registered
		select * from pgq_node.drop_node('p', 'n1');
		--> 200|Node dropped: n1
		select count(*) from pgq.queue;
		--> $node-29
		select count(*) from pgq_node.node_location;
		--> 0
	`},
	{id: "unknown-queue", script: `
		select * from pgq_node.get_node_info('nosuch');
		--> 404|Unknown queue: nosuch|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL
		select * from pgq_node.get_worker_state('nosuch');
		--> 404|Unknown queue: nosuch|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL
		select * from pgq_node.get_queue_locations('nosuch');
		--> (none)
		select * from pgq_node.get_consumer_info('nosuch');
		--> (none)
		select pgq_node.is_root_node('nosuch');
		--> E: queue does not exist: nosuch
		select pgq_node.is_leaf_node(null);
		--> E: queue does not exist: <NULL>
		select * from pgq_node.set_node_attrs('nosuch', 'a=b');
		--> 404|Node not found
		select pgq_node.maint_watermark('nosuch'), pgq_node.upgrade_schema(), pgq_node.version();
		--> 0|0|3.5
	`},
	{id: "node-attrs", script: rootNode + `
		select * from pgq_node.set_node_attrs('q', 'sync_watermark=a%2cb');
		--> 200|Node attributes updated
		select node_attrs from pgq_node.get_node_info('q');
		--> sync_watermark=a%2cb
		select * from pgq_node.set_node_attrs('q', null);
		--> 200|Node attributes updated
		select node_attrs from pgq_node.get_node_info('q');
		--> NULL
	`},
}
