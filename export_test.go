package pgqueue

// Kinds is the table of SQLSTATEs, for comparing it with the schema.
var Kinds = kinds
