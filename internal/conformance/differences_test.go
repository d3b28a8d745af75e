package conformance

// difference is one wanted difference between the engines: what a case gets
// from the reference, and what it gets from ours.
type difference struct {
	id, key         string // the case, and the defect of the reference that is mended
	reference, ours string // lines of a transcript, or the outcome of a scenario
	why             string
}

// The table of all wanted differences. Each line is asserted on both engines;
// the keys begin with the number the defect has in the specification.
var differences = []difference{
	// Loss, repetition and broken consumers.
	{
		"D1", "D1", "done, delivered: ", "E 40001, then done, delivered: e",
		"a producer whose snapshot is older than the rotation is told to run again",
	},
	{"D1-serializable", "D1", "done, delivered: ", "E 40001, then done, delivered: e", "the same"},
	{"D1-raw", "D1", "done, delivered: ", "E 40001, then done, delivered: e", "the same"},
	{"D1-table", "D1", "done, delivered: ", "E 40001, then done, delivered: e", "the same"},
	{
		"D1-early", "D1-early", "done", "E 40001",
		"a snapshot older than the rotation is refused, also where an early id would have saved the event",
	},
	{
		"D1b", "D1b", "delivered: ", "delivered: e",
		"current_event_table takes the transaction's id before it looks",
	},
	{
		"D2", "D2", "delivered: ", "delivered: own",
		"a tick does not see the events of its own transaction",
	},
	{"D2-insert-tick", "D2", "delivered: own", "delivered: ", "so they come in the next batch,"},
	{"D2-insert-tick", "D2/next", "delivered: ", "delivered: own", "whatever came first"},
	{"D2-tick-insert", "D2", "delivered: own", "delivered: ", "so they come in the next batch,"},
	{"D2-tick-insert", "D2/next", "delivered: ", "delivered: own", "whatever came first"},
	{
		"D3", "D3", "3", "E: cannot tick in a REPEATABLE READ transaction",
		"a tick older than the last one repeats events",
	},
	{"D3", "D3/delivered", "e1 e1 e2", "e1 e2", "each event comes once"},
	{"D3", "D3/fell", "1", "0", "snapshots rise with tick ids"},
	{"D3-serializable", "D3", "3", "E: cannot tick in a SERIALIZABLE transaction", "the same"},
	{"D3-serializable", "D3/delivered", "e1 e1 e2", "e1 e2", "the same"},
	{"D3-serializable", "D3/fell", "1", "0", "the same"},
	{"D3-parallel", "D3", "at once", "waits", "one session ticks a queue at a time"},
	{
		"D3-external", "D3/1-5", "e1\ne2", "(none)",
		"a tick below the newest gets the snapshot of the one before it,",
	},
	{"D3-external", "D3/5-10", "(none)", "e1", "so that no event comes twice"},
	{
		"tk10", "D3", "W: Dubious PgQ state: old xmax=99999999, cur txid=<n>\n2",
		"E: Dubious PgQ state: old xmax=99999999, cur txid=<n>",
		"a tick that does not see what the last one saw is refused",
	},
	{
		"D10", "D10", "done", "E: Invalid PgQ state: old xmin=<n>, old xmax=<n>, cur txid=<n>",
		"after a restore, events that a tick would skip are noticed,",
	},
	{"D10", "D10/delivered", "delivered: ", "delivered: e", "and come when the queue is re-based"},
	{"columns", "D10", "(none)", "queue|20|queue_needs_rebase|boolean|not null|false", "marks the queue until then"},
	{
		"indexes", "D24", "pgq.rq_retry_idx|CREATE INDEX rq_retry_idx ON pgq.retry_queue USING btree (ev_retry_after)|f|f",
		"pgq.rq_retry_idx|CREATE INDEX rq_retry_idx ON pgq.retry_queue USING btree (ev_retry_after, ev_id)|f|f",
		"parked events come back in one order, also very many with one time",
	},
	{"columns", "D1", "(none)", "queue|21|queue_switch_count|bigint|not null|0", "by which such a producer is told from others"},
	{"D17", "D17", "true", "open", "step 2 does nothing in a transaction that has an id already"},
	{"D17", "D17/again", "f", "t", "the next step 2 closes the rotation"},
	{"D17-early", "D17", "delivered: ", "delivered: e", "an event in the old table is found until step 2 is safe"},
	{
		"D18", "D18", "1", "E: cannot reposition, tick not found: 2",
		"a consumer is not put on a tick that a rotation is removing",
	},
	{
		"D18", "D18/next", "E: PgQ corruption: Consumer new on queue q does not see tick <NULL>",
		"E: Not subscriber to queue: q/new", "the same",
	},
	{"D18-move", "D18", "0", "E: cannot reposition, tick not found: 2", "the same for one that moves"},
	{
		"D18-move", "D18/next", "E: PgQ corruption: Consumer d on queue q does not see tick <NULL>", "NULL",
		"it stays where it was",
	},
	{
		"D18-first", "D18", "E: PgQ corruption: Consumer d on queue q does not see tick <NULL>", "t",
		"a rotation leaves a queue alone while somebody is moving in it",
	},
	{"ro9", "D36", "NULL", "2", "rotation never deletes the newest tick"},
	{"ro9", "D36/second", "2", "1", "nor rotates away from events that it has not seen, and the next consumer will ask for"},
	{
		"ro9", "D36/register", "E: No ticks for this queue.  Please run ticker on database.", "1",
		"so that a consumer can register without waiting for a tick",
	},

	// Late or needless work.
	{"cq5", "D5", "1|1", "1|0", "tick 1 counts no event, so that the tick rule sees the first one"},
	{"cq5", "D5/sequence", "1", "0", "a fresh event sequence reads 0, so that id 1 is a change"},
	{"qi1", "D5", "0", "1", "the first event is new"},
	{"qi2", "D5", "20|30|-899", "20|30|-900", "a sequence that gave no id yet reads 0"},
	{"D5", "D5", "NULL", "3", "max_lag holds for the first event too"},
	{"D6", "D6", "NULL", "4", "max_lag holds for an event that was not committed at the tick that counted its id"},
	{
		"tk9", "D7", "E: Invalid PgQ state: old xmin=99999999, old xmax=99999999, cur txid=<n>",
		"W: queue b: Invalid PgQ state: old xmin=99999999, old xmax=99999999, cur txid=<n>\n2",
		"one broken queue does not stop the ticks of the others",
	},
	{"tk9", "D7/ticks", "a|1\nb|1\nc|1", "a|2\nb|1\nc|2", "the good queues have their ticks"},
	{"D15", "D15", "f", "t", "a ticker that makes no tick uses up no transaction id"},

	// Concurrency and odd arguments.
	{"nb7", "D8", "2", "1", "the second caller gets the batch that the first one opened"},
	{"nb7", "D8/first", "E: batch not found", "0", "the batch of the first caller stays valid"},
	{"cq7", "D30", "E 23505 queue_name_uq", "0", "creating what is being created is no error"},
	{"D30-consumer", "D30", "E 23505 consumer_name_uq", "0", "registering what is being registered is no error"},
	{"old-snapshot-register", "D30", "E 23505 consumer_name_uq", "E 40001", "and with an old snapshot, run again"},
	{
		"mo2", "D22", "E 22004",
		"pgq.maint_rotate_tables_step1|myqueue\npgq.maint_rotate_tables_step2|NULL",
		"an empty list of functions is no function",
	},
	{
		"mo4", "D23", "vacuum|pgq.subscription\nvacuum|pgq.consumer", "vacuum|pgqueue.subscription\nvacuum|pgq.consumer",
		"pgq.subscription is a view over a table of ours",
	},
	{"mo4", "D23/tables", "pgq.subscription", "pgqueue.subscription", "the same"},

	// Rights.
	{"D9", "D9/finish_batch", "E: somebody else runs as postgres", "1", "no foreign function is called as the owner"},
	{"D9", "D9/register_consumer", "E: somebody else runs as postgres", "1", "the same"},
	{"D9", "D9/insert_event", "E: somebody else runs as postgres", "1", "the same"},

	// What stands in the catalogues: the lines that only one engine has.
	{
		"columns", "D23", `subscription|1|sub_id|integer|not null|nextval('pgq.subscription_sub_id_seq'::regclass)
subscription|2|sub_queue|integer|not null|NULL
subscription|3|sub_consumer|integer|not null|NULL
subscription|5|sub_active|timestamp with time zone|not null|now()`,
		`subscription|1|sub_id|integer|null|NULL
subscription|2|sub_queue|integer|null|NULL
subscription|3|sub_consumer|integer|null|NULL
subscription|5|sub_active|timestamp with time zone|null|NULL`,
		"pgq.subscription is an updatable view: positions are appended elsewhere and bloat nothing",
	},
	{"relations", "D23", "subscription|r|p|postgres|f|{}", "subscription|v|p|postgres|f|{}", "the same"},
	{
		"constraints", "D23", `pgq.subscription|sub_consumer_fkey|FOREIGN KEY (sub_consumer) REFERENCES pgq.consumer(co_id)
pgq.subscription|sub_queue_fkey|FOREIGN KEY (sub_queue) REFERENCES pgq.queue(queue_id)
pgq.subscription|subscription_batch_idx|UNIQUE (sub_batch)
pgq.subscription|subscription_pkey|PRIMARY KEY (sub_queue, sub_consumer)`, "(none)", "the same",
	},
	{
		"indexes", "D23",
		`pgq.subscription_batch_idx|CREATE UNIQUE INDEX subscription_batch_idx ON pgq.subscription USING btree (sub_batch)|t|f
pgq.subscription_pkey|CREATE UNIQUE INDEX subscription_pkey ON pgq.subscription USING btree (sub_queue, sub_consumer)|t|t`,
		"(none)", "the same",
	},
	{
		"sequences", "D23", "pgq.subscription_sub_id_seq|integer|1|1|1|2147483647|1|f|pgq.subscription.1",
		"pgq.subscription_sub_id_seq|integer|1|1|1|2147483647|1|f|NULL", "no column of a view owns a sequence",
	},
	{"columns", "D6", "(none)", "tick|6|tick_seq_txid|bigint|null|NULL", "says when a queue is quiet"},
	{
		"sequences", "D5", `pgq.event_1_id_seq|bigint|1|1|1|9223372036854775807|1|f|NULL
pgq.event_2_id_seq|bigint|1|1|1|9223372036854775807|1|f|NULL`,
		`pgq.event_1_id_seq|bigint|0|1|0|9223372036854775807|1|f|NULL
pgq.event_2_id_seq|bigint|0|1|0|9223372036854775807|1|f|NULL`,
		"a fresh event sequence reads 0",
	},
	{
		"attributes", "D1", "current_event_table|1|text|invoker|called on null|volatile|u",
		"current_event_table|1|text|definer|called on null|volatile|u",
		"the check of the snapshot needs rights that producers have not",
	},
	{
		"attributes", "D1/step2", "maint_rotate_tables_step2|0||invoker|called on null|volatile|u",
		"maint_rotate_tables_step2|0||definer|called on null|volatile|u",
		"and raising the sequence that it goes by needs rights that operators have not",
	},
	{
		"attributes", "D28",
		"insert_event_raw|11|text, bigint, timestamp with time zone, integer, integer, text, text, text, text, text, text|invoker|called on null|volatile|u",
		"insert_event_raw|11|text, bigint, timestamp with time zone, integer, integer, text, text, text, text, text, text|definer|called on null|volatile|u",
		"the generated functions behind it are nobody's to call",
	},
	{
		"attributes", "D16", "version|0||invoker|called on null|volatile|u", "version|0||invoker|called on null|immutable|u",
		"a constant, not the version of an extension",
	},
}
