package conformance

func init() { differences = append(differences, nodeDifferences...) }

// nodeDifferences are those of the node layer. The keys are cases, defects of the
// engine, or node-NN for the numbers in the list of the node layer's weaknesses.
var nodeDifferences = []difference{
	{"S-03", "node-type", "E 23514 node_info_check", "401|bad node type: combined", "an answer as for other wrong arguments"},
	{"S-03", "node-type/null", "E 23502 node_type", "401|bad node type: NULL", "the same"},
	{
		"branch-of-a-queue", "node-29", `200|Node "n1" initialized for queue "q" with type "branch"`, "401|queue is in use: q",
		"the ticks of a branch are its root's; those of a queue with consumers are not thrown in",
	},
	{"branch-of-a-queue", "node-29/flag", "t", "f", "the queue stays what it was"},
	{
		"S-09", "node-28", "E 23505 subscriber_info_pkey", "201|Subscriber already registered: n2|1",
		"joining can be repeated when it was interrupted",
	},
	{"S-09", "node-28/moved", ".n2.watermark|1\nw2|1", ".n2.watermark|1\nw2|2", "a tick that is given is where it goes on"},
	{"S-32", "node-29", "0", "1", "a queue that is no node's is not destroyed"},
	{"drop-node-queue", "node-29", "0", "2", "the same"},
	{"S-33", "node-24", "E: Insert into queue disallowed", "0", "a demotion does not end the rest of the maintenance"},
	{
		"promote-after-crash", "W-04", "3|3", "4|4",
		"a batch whose worker ended before its tick is closed first: others may stand on that tick",
	},
	{"promote-after-crash", "node-12", "1", "701", "no event id is given out twice"},
	{
		"demote-isolation", "D3", "200|Step 2: Inserted last tick: q|2", "E: cannot tick in a REPEATABLE READ transaction",
		"the last tick would not see the writers that were waited for",
	},
	{
		"promote-isolation", "D3", "200|Branch node promoted to root", "E: cannot tick in a SERIALIZABLE transaction",
		"it may have to make a tick",
	},
	{"S-34", "S-34", "<n>", "E 40001", "nothing is written behind the last tick"},
	{"S-34-table", "S-34", "lost", "E: Insert into queue disallowed", "the same for who asked for the table before"},
	{"S-34-waiting", "S-34", "lost", "E: Insert into queue disallowed", "the same for who waits for the demotion"},
	{"S-35", "node-18", "E: Insert into queue disallowed", "2", "a retry on a branch is its consumer's own matter"},
	{"S-35", "node-18/left", "other|theirs|1\nq|again|1", "(none)", "and does not stop the retries of other queues"},
	{"S-35", "node-18/again", "(none)", "again|1", "the same"},

	// What stands in the catalogues: the lines that only one engine has.
	{
		"node-constraints", "text", "pgq_node.node_info|node_info_check|CHECK ( CASE" +
			" WHEN (node_type = 'root'::text) THEN ((worker_name IS NOT NULL) AND (combined_queue IS NULL))" +
			" WHEN (node_type = 'branch'::text) THEN ((worker_name IS NOT NULL) AND (combined_queue IS NULL))" +
			" WHEN (node_type = 'leaf'::text) THEN (worker_name IS NOT NULL) ELSE false END)",
		"pgq_node.node_info|node_info_check|CHECK (((worker_name IS NOT NULL) AND ((node_type = 'leaf'::text) OR" +
			" ((node_type = ANY (ARRAY['root'::text, 'branch'::text])) AND (combined_queue IS NULL)))))",
		"the same condition, said otherwise",
	},
	{
		"node-attributes", "D16", "version|0||invoker|called on null|volatile|u", "version|0||invoker|called on null|immutable|u",
		"a constant, not the version of an extension",
	},
	{
		"node-functions", "rename", "(none)",
		"rename_node_step1|i_queue_name text, i_node_old text, i_node_new text, OUT ret_code integer, OUT ret_note text|record\n" +
			"rename_node_step2|i_queue_name text, i_node_old text, i_node_new text, OUT ret_code integer, OUT ret_note text|record",
		"what PgQ's tools call for rename-node, and no release of it has",
	},
	{
		"node-attributes", "rename", "(none)", "rename_node_step1|3|text, text, text|definer|called on null|volatile|u\n" +
			"rename_node_step2|3|text, text, text|definer|called on null|volatile|u", "the same",
	},
	{
		"node-execute", "rename", "(none)", "rename_node_step1|text, text, text|pgq_admin\nrename_node_step2|text, text, text|pgq_admin",
		"the same",
	},
}
