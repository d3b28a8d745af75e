// Package pgqueue is a queue inside PostgreSQL: PgQ for Go, on every PostgreSQL.
//
// # The model
//
// Producers insert events in their own transactions: an event is there if and only if
// the transaction that inserted it commits.
//
//	orders := pgqueue.NewQueue("orders")
//	id, err := orders.Insert(ctx, tx, pgqueue.Event{Type: "paid", Data: data})
//
// A [Ticker] cuts the log into batches: each tick stores a snapshot, and what became
// visible between two ticks is a batch. Any number of consumers read the log, each of
// them every event, batch by batch, in their own time. An event that commits late is in
// a later batch, never lost between two.
//
//	c, err := pgqueue.NewConsumer(pool, pgqueue.ConsumerConfig{
//		Queue: "orders", Name: "billing",
//		Handler: pgqueue.EachEvent(func(ctx context.Context, tx pgx.Tx, ev pgqueue.Event) error {
//			_, err := tx.Exec(ctx, "insert into bills …", ev.Data)
//			return err
//		}),
//	})
//	err = c.Run(ctx)
//
// What a handler writes in the batch's transaction and the consumer's new position
// become true together: each event has its effect exactly once in this database,
// whatever is killed and whenever. Effects elsewhere happen at least once.
//
// When all consumers have passed them, events disappear by TRUNCATE of the table they
// are in. No row is updated or deleted on the way of an event, so nothing bloats.
//
// # Without a Consumer
//
// A batch can be worked by hand, in any transaction:
//
//	b, err := orders.NextBatch(ctx, tx, "billing") // ErrNoBatch: nothing to do
//	for ev, err := range b.Events(ctx, tx) { … }
//	b.Retry(ev, time.Minute)
//	err = b.Finish(ctx, tx)
//
// # Waking up
//
// Latency is a few milliseconds without a NOTIFY for each insert. While the ticker is
// awake it looks for news every two milliseconds, and inserting transactions share a
// lock. To sleep it takes that lock alone, looks once more, and waits. An insert that cannot
// get the lock finds the ticker asleep and notifies it at commit. So every
// event either ended before the last look or sends the wake itself. Each tick notifies the
// queue's consumers. A notification is only a hint: everyone also polls, once a second.
//
// # Engines
//
// The SQL side is the schema installed by package schema or "pgqueue install". The library
// also works with a database that has the original extension (create extension
// pgq), as far as that goes; what needs our schema says ErrNeedsEngine.
//
// # Errors
//
// Every error that reached the database is an *[Error] with what was tried. Test for the
// kinds with errors.Is; they follow the SQLSTATEs of class PQ that the schema
// raises, never message texts.
package pgqueue
