package conformance

// difference is one wanted difference between the engines: what a case of the
// specification gets from the reference, and what it gets from ours.
type difference struct {
	id, key         string // the case, and the defect of the reference that is mended
	reference, ours string // transcript lines, or the outcome of a scenario
	why             string
}

var differences = []difference{
	{
		id: "cq5", key: "D5", reference: "1|1", ours: "1|0",
		why: "tick 1 counts no event, so that the tick rule sees the first one",
	},
	{
		id: "cq5", key: "D5/sequence", reference: "1", ours: "0",
		why: "a fresh event sequence reads 0, so that id 1 is a change",
	},
	{
		id: "cq7", key: "D30", reference: "E 23505 queue_name_uq", ours: "0",
		why: "creating what is being created is not an error",
	},
	{
		id: "nb7", key: "D8", reference: "2", ours: "1",
		why: "the second caller gets the batch that the first one opened",
	},
	{
		id: "nb7", key: "D8/first", reference: "E: batch not found", ours: "0",
		why: "the batch of the first caller stays valid",
	},
	{
		id: "tk9", key: "D7",
		reference: "E: Invalid PgQ state: old xmin=99999999, old xmax=99999999, cur txid=<n>",
		ours:      "W: <...>Invalid PgQ state: old xmin=99999999, old xmax=99999999, cur txid=<n><...>\n2",
		why:       "one broken queue does not stop the ticks of the others",
	},
	{
		id: "tk9", key: "D7/ticks", reference: "a|1\nb|1\nc|1", ours: "a|2\nb|1\nc|2",
		why: "the good queues have their ticks",
	},
	{
		id: "ro9", key: "D36", reference: "(none)", ours: "2",
		why: "rotation never deletes the newest tick",
	},
	{
		id: "ro9", key: "D36/register",
		reference: "E: No ticks for this queue.  Please run ticker on database.", ours: "1",
		why: "so that a consumer can register without waiting for a tick",
	},
	{
		id: "mo2", key: "D22", reference: "E 22004",
		ours: "pgq.maint_rotate_tables_step1|myqueue\npgq.maint_rotate_tables_step2|NULL",
		why:  "an empty list of functions is no function",
	},
	{
		id: "qi1", key: "D5", reference: "0", ours: "1",
		why: "the first event is new",
	},
	{
		id: "qi2", key: "D5", reference: "20|30|-899", ours: "20|30|-900",
		why: "the sequence that nothing was inserted with reads 0, not 1",
	},
}
