// Package model checks the engine against a simple model of what each consumer must get,
// over random histories: producers of every isolation level with savepoints,
// rollbacks and prepared transactions, ticks, cut gaps, rotations, batches, retries,
// registrations, seeks, thinned ticks, emptied position tables, and sessions that
// are killed in the middle of anything.
//
// The model knows which transactions committed before which tick, and from that
// alone what is in each batch. It is run by this package's test; a failing history
// is shortened and printed with its seed. Another test breaks the engine on purpose,
// one promise at a time, and demands that the model notices.
package model
