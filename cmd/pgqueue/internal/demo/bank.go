package demo

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lightpgq/pgqueue"
)

// transfer moves money from one account to another. As JSON it is the data of its event.
type transfer struct {
	ID     int64 `json:"transfer"`
	From   int32 `json:"from"`
	To     int32 `json:"to"`
	Amount int64 `json:"amount"`
}

func (t transfer) event() (pgqueue.Event, error) {
	data, err := json.Marshal(t)
	return pgqueue.Event{Type: "transfer", Data: data}, err
}

// sums adds up what transfers change, by account in ascending order.
func sums(ts []transfer) (accounts []int32, changes []int64) {
	sum := map[int32]int64{}
	for _, t := range ts {
		sum[t.From] -= t.Amount
		sum[t.To] += t.Amount
	}
	for _, account := range slices.Sorted(maps.Keys(sum)) {
		accounts = append(accounts, account)
		changes = append(changes, sum[account])
	}
	return accounts, changes
}

// bank is what the producers work with.
type bank struct {
	pool   *pgxpool.Pool
	queue  pgqueue.Queue
	meter  *meter
	lastID atomic.Int64
}

// errRollBack makes a transaction roll back; it is no failure.
var errRollBack = errors.New("rolled back on purpose")

// ledger holds the transfers of a transaction whose events are in the queue.
type ledger struct {
	tx       pgx.Tx
	bank     *bank
	ids      []int64
	undone   int64 // rolled back to a savepoint
	inserted int64 // events
}

// transact runs fn in a transaction. It runs it again after a serialization
// failure or a deadlock.
func (b *bank) transact(ctx context.Context, level pgx.TxIsoLevel, fn func(*ledger) error) error {
	for {
		err := b.attempt(ctx, level, fn)
		var pgErr *pgconn.PgError
		if errors.As(err, &pgErr) && (pgErr.Code == "40001" || pgErr.Code == "40P01") && ctx.Err() == nil {
			b.meter.add(func(c *counts) { c.serialization++ })
			continue
		}
		if errors.Is(err, errRollBack) {
			return nil
		}
		return err
	}
}

func (b *bank) attempt(ctx context.Context, level pgx.TxIsoLevel, fn func(*ledger) error) error {
	tx, err := b.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: level})
	if err != nil {
		return err
	}
	l := &ledger{tx: tx, bank: b}
	if err := fn(l); err != nil {
		_ = tx.Rollback(ctx) // a dead connection has rolled back too
		b.meter.add(func(c *counts) { c.rolledBack += l.inserted })
		return err
	}
	b.meter.committing(l.ids)
	kept := int64(len(l.ids))
	err = tx.Commit(ctx)
	var pgErr *pgconn.PgError
	b.meter.add(func(c *counts) {
		c.rolledBack += l.undone
		switch {
		case err == nil:
			c.committed += kept
			c.transactions++
		case errors.As(err, &pgErr):
			c.rolledBack += kept
		default: // the connection is lost: nobody knows
			c.unknown += kept
		}
	})
	return err
}

// insert adds an event for each transfer, in this transaction, and gives the
// transfers their ids. It returns the events' ids.
func (l *ledger) insert(ctx context.Context, ts ...transfer) (eventIDs []int64, err error) {
	evs := make([]pgqueue.Event, len(ts))
	for i := range ts {
		ts[i].ID = l.bank.lastID.Add(1)
		if evs[i], err = ts[i].event(); err != nil {
			return nil, err
		}
	}
	if len(ts) == 1 {
		eventIDs = make([]int64, 1)
		eventIDs[0], err = l.bank.queue.Insert(ctx, l.tx, evs[0])
	} else {
		eventIDs, err = l.bank.queue.InsertMany(ctx, l.tx, evs)
	}
	if err != nil {
		return nil, err
	}
	l.inserted += int64(len(ts))
	for _, t := range ts {
		l.ids = append(l.ids, t.ID)
	}
	return eventIDs, nil
}

// move moves the money, and writes down that it did.
func (l *ledger) move(ctx context.Context, ts []transfer, eventIDs []int64) error {
	ids, from, to, amounts := make([]int64, len(ts)), make([]int32, len(ts)), make([]int32, len(ts)), make([]int64, len(ts))
	for i, t := range ts {
		ids[i], from[i], to[i], amounts[i] = t.ID, t.From, t.To, t.Amount
	}
	accounts, changes := sums(ts)
	calls := &pgx.Batch{}
	// Everybody locks in the same order, so nobody waits in a circle.
	calls.Queue("select from account where id = any ($1) order by id for no key update", accounts)
	calls.Queue(`
update account set balance = balance + c.change from unnest($1::int4[], $2::int8[]) c (account, change)
 where account.id = c.account`, accounts, changes)
	calls.Queue("insert into transfer select * from unnest($1::int8[], $2::int8[], $3::int4[], $4::int4[], $5::int8[])",
		ids, eventIDs, from, to, amounts)
	return l.tx.SendBatch(ctx, calls).Close()
}

// transfer does all of it: the event, the money, the record.
func (l *ledger) transfer(ctx context.Context, ts ...transfer) error {
	eventIDs, err := l.insert(ctx, ts...)
	if err != nil {
		return err
	}
	return l.move(ctx, ts, eventIDs)
}

// undo does it in a savepoint, and rolls that back.
func (l *ledger) undo(ctx context.Context, t transfer) error {
	outer, kept := l.tx, l.ids
	savepoint, err := outer.Begin(ctx)
	if err != nil {
		return err
	}
	l.tx = savepoint
	if err := l.transfer(ctx, t); err != nil {
		return err
	}
	l.tx, l.ids = outer, kept
	l.undone++
	return savepoint.Rollback(ctx)
}
