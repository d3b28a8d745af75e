// Package conformance holds PgQ's promises as one suite of tests. Every case
// runs on two engines: on the schema of this repository, and on the original
// PgQ extension as Debian packages it, which is the reference.
//
// A case carries the number it has in the specification of PgQ's SQL
// interface (cq1, ie4, nb7, …) or of the defect it shows (D1, D17, …), so
// TestQueues/cq1/reference and TestQueues/cq1/pgqueue are the same case on
// the two engines. Most cases are scripts: SQL statements, each followed by
// what it must answer (see script_test.go). Cases that need several
// connections at once are Go functions.
//
// Where the engines answer differently on purpose, the case names the defect,
// and the one table in differences_test.go says what each engine does. Both
// answers are asserted: a mended defect that comes back fails, and so does a
// line of the table that no longer describes the reference.
//
// The suite starts a server of its own. Transaction ids belong to the whole
// server: an open write in anybody's database holds back the snapshots that
// rotation looks at. A case that needs the horizon to move waits for it
// (\settle), with a deadline; a case that must not be disturbed runs alone.
package conformance
