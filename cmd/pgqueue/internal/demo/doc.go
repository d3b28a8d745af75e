// Package demo shows the whole system at work and proves at the end that
// nothing went wrong.
//
// The workload: money is moved between accounts in ordinary tables by several
// producers at once. Each transfer inserts its event in the transaction that
// moves the money. Some of these roll back, wholly or to a savepoint; some stay
// open for seconds; some carry hundreds of transfers; some are REPEATABLE READ
// and run again after a serialization failure. The queue's tables are
// rotated all the while.
//
// Four consumers read the queue. Each records what it was given in a table of
// its own, in the batch's transaction, without a unique constraint:
//
//	books    rebuilds the balances, in the batch's transaction
//	counter  only counts
//	flaky    fails now and then: single events, which are parked and come
//	         again, and whole batches
//	killed   is a process of its own, killed by SIGKILL in the middle of
//	         batches and started again
//
// The ticker is a process too. It is killed now and then; a second one takes over.
//
// The proof: producers write each committed transfer to a table, in the same
// transaction. When the queue is drained, the tables of producers and
// consumers are compared by SQL. See [Report].
package demo
