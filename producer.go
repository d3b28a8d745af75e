package pgqueue

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Insert adds ev to the queue and returns its id (pgq.insert_event). Consumers see
// it after db commits and the next tick, never before, and never if db rolls
// back. ErrQueueNotFound, ErrInsertDisabled, ErrTxLimit. A REPEATABLE READ or SERIALIZABLE
// transaction that began before a table rotation gets a serialization
// failure (SQLSTATE 40001): run it again.
func (q Queue) Insert(ctx context.Context, db DB, ev Event) (id int64, err error) {
	args := append([]any{q.name}, ev.producerFields()...)
	err = db.QueryRow(ctx, sqlInsert, args...).Scan(&id)
	return id, opError("insert into", q.name, err)
}

// InsertMany adds events in their order, with one call, and returns their ids in
// that order. All are inserted or, on an error, none. Everything is sent at
// once; for more than some thousand events see Copy.
func (q Queue) InsertMany(ctx context.Context, db DB, evs []Event) (ids []int64, err error) {
	if len(evs) == 0 {
		return nil, nil
	}
	engine, err := q.engineOf(ctx, db)
	if err != nil {
		return nil, err
	}
	args := append([]any{q.name}, columns(evs)...)
	if engine == EngineOurs {
		err = db.QueryRow(ctx, sqlInsertMany, args...).Scan(&ids)
		return ids, opError("insert into", q.name, err)
	}
	rows, err := db.Query(ctx, sqlInsertEach, args...)
	if err == nil {
		ids, err = pgx.CollectRows(rows, pgx.RowTo[int64])
	}
	return ids, opError("insert into", q.name, err)
}

// columns turns events into the six arrays that the set-based insert takes.
func columns(evs []Event) []any {
	var cols [6][]*string
	for i := range cols {
		cols[i] = make([]*string, len(evs))
	}
	for n, ev := range evs {
		for i, field := range ev.producerFields() {
			cols[i][n] = field.(*string)
		}
	}
	args := make([]any, len(cols))
	for i := range cols {
		args[i] = cols[i]
	}
	return args
}

// Copy adds events by COPY into the queue's current table, the quickest way for
// very many, and returns their number. They go in together, in one transaction; an
// error from evs ends it, with nothing inserted. It needs the right to insert into
// event tables (pgq_admin), and does not count towards queue_per_tx_limit.
func (q Queue) Copy(ctx context.Context, db DB, evs iter.Seq2[Event, error]) (n int64, err error) {
	err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		var table string
		var now time.Time
		if err := tx.QueryRow(ctx, sqlEventTable, q.name).Scan(&table, &now); err != nil {
			return err
		}
		schemaName, name, ok := strings.Cut(table, ".")
		if !ok {
			return fmt.Errorf("event table %q has no schema", table)
		}
		next, stop := iter.Pull2(evs)
		defer stop()
		var srcErr error
		n, err = tx.CopyFrom(ctx, pgx.Identifier{schemaName, name},
			[]string{"ev_time", "ev_type", "ev_data", "ev_extra1", "ev_extra2", "ev_extra3", "ev_extra4"},
			pgx.CopyFromFunc(func() ([]any, error) {
				ev, err, ok := next()
				if !ok || err != nil {
					srcErr = err
					return nil, err
				}
				return append([]any{now}, ev.producerFields()...), nil
			}))
		return cmp.Or(srcErr, err)
	})
	return n, opError("copy into", q.name, err)
}
