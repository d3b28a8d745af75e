package conformance

func init() { differences = append(differences, triggerDifferences...) }

// triggerDifferences are those of the triggers.
var triggerDifferences = []difference{
	{
		"D19", "D19", "(none)", "E: primary key update not allowed",
		"all key columns are compared, also behind another changed column",
	},
	{"D19", "D19/nr", "2", "1", "the same"},
	{"D20", "D20", "E: QB: syntax error", "(none)", "expressions are SQL over the row"},
	{
		"D20", "D20/events", `nr=1&Up=x&a+b=y|x1|NULL
nr=5&Up=x&a+b=y|5|1`, `nr=1&Up=x&a+b=y|x1|NULL
nr=2&Up=x&a+b=y|y|NULL
nr=3&Up=X&a+b=y|x|NULL
nr=4&Up=x&a+b=y|Y|NULL
nr=5&Up=x&a+b=y|5|1`, "the same",
	},
	{"include", "include", "E: primary key update not allowed", "(none)", "a column that the key's index only includes is no key"},
	{"include", "include/events", "I:nr,a|nr=1&a=a", "I:nr|nr=1&a=a\nU:nr|nr=1&a=b", "the same"},
	{
		"trigger-snapshot", "snapshot", "(none)", "E 40001",
		"what the snapshot says of the table is out of date, and the parser alone does not say enough",
	},
	{"trigger-snapshot", "snapshot/key", "I:|nr=2", "I:nr|nr=2", "it is not kept for later transactions"},
	{"functions", "logtriga", "(none)", "logtriga||trigger", "the trigger of PgQ's first version, which the extension has but does not declare"},
	{"execute", "logtriga", "(none)", "logtriga||pgq_writer", "the same"},
	{"attributes", "logtriga", "(none)", "logtriga|0||invoker|called on null|volatile|u", "the same"},
}
