package demo

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	accountCount = 400
	hotAccounts  = 4 // that a part of the transfers crowds on
)

// Producers of each sort, and how long they rest between two transactions at most.
const (
	shortProducers = 4
	longProducers  = 3
	bulkProducers  = 1

	shortRest = 20 * time.Millisecond
	longRest  = 200 * time.Millisecond
	bulkRest  = 1500 * time.Millisecond
)

// producer makes transactions of one sort, one after the other.
type producer struct {
	bank *bank
	end  <-chan struct{} // closed: no new transactions, and those that are open come to their end
}

// produce lets the producers work, and the killers, until the duration is over or the user
// stops them. All of them have ended when it returns.
func (r *run) produce(ctx context.Context) error {
	end, cancel := stoppable(ctx, r.cfg.Stop)
	defer cancel()
	end, cancelTimeout := context.WithTimeout(end, r.cfg.Duration)
	defer cancelTimeout()
	p := &producer{bank: &bank{pool: r.db.pool, queue: r.db.queue, meter: r.meter}, end: end.Done()}
	var wg sync.WaitGroup
	for _, sort := range []struct {
		producers int
		rest      time.Duration
		work      func(context.Context) error
	}{
		{shortProducers, shortRest, p.short},
		{longProducers, longRest, p.long},
		{bulkProducers, bulkRest, p.bulk},
	} {
		for range sort.producers {
			wg.Go(func() { r.repeat(ctx, end, sort.rest, sort.work) })
		}
	}
	wg.Go(func() { r.killConsumer(end) })
	wg.Go(func() { r.killTickers(end) })
	wg.Wait()
	return ctx.Err()
}

// repeat runs work until end is done. An error, as when the server is away, is
// logged; money has not been moved then.
func (r *run) repeat(ctx, end context.Context, rest time.Duration, work func(context.Context) error) {
	for end.Err() == nil {
		if err := work(ctx); err != nil && ctx.Err() == nil {
			r.cfg.Logger.ErrorContext(ctx, "transaction failed", "err", err)
			sleep(end, 100*time.Millisecond)
		}
		sleep(end, rand.N(rest))
	}
}

// short makes one of the transactions that are over quickly.
func (p *producer) short(ctx context.Context) error {
	switch n := rand.IntN(100); {
	case n < 10:
		return p.rollBack(ctx)
	case n < 25:
		return p.savepoint(ctx)
	case n < 40:
		return p.repeatableRead(ctx)
	}
	return p.bank.transact(ctx, pgx.ReadCommitted, func(l *ledger) error {
		return l.transfer(ctx, someTransfer())
	})
}

// rollBack changes its mind when everything is done.
func (p *producer) rollBack(ctx context.Context) error {
	return p.bank.transact(ctx, pgx.ReadCommitted, func(l *ledger) error {
		if err := l.transfer(ctx, someTransfer()); err != nil {
			return err
		}
		return errRollBack
	})
}

// savepoint changes its mind about one of three transfers.
func (p *producer) savepoint(ctx context.Context) error {
	return p.bank.transact(ctx, pgx.ReadCommitted, func(l *ledger) error {
		// Accounts that rise, so that this transaction locks in order too.
		a := 1 + rand.Int32N(accountCount-5)
		if err := l.transfer(ctx, transfer{From: a, To: a + 1, Amount: someAmount()}); err != nil {
			return err
		}
		if err := l.undo(ctx, transfer{From: a + 2, To: a + 3, Amount: someAmount()}); err != nil {
			return err
		}
		return l.transfer(ctx, transfer{From: a + 4, To: a + 5, Amount: someAmount()})
	})
}

// repeatableRead moves a share of a balance it has read: when somebody else was quicker, it
// runs again.
func (p *producer) repeatableRead(ctx context.Context) error {
	t := someTransfer()
	t.From, t.To = twoOf(hotAccounts)
	return p.bank.transact(ctx, pgx.RepeatableRead, func(l *ledger) error {
		var balance int64
		err := l.tx.QueryRow(ctx, "select balance from account where id = $1", t.From).Scan(&balance)
		if err != nil {
			return err
		}
		p.linger(ctx, rand.N(10*time.Millisecond))
		t.Amount = max(balance/100, 1)
		return l.transfer(ctx, t)
	})
}

// long inserts its event and then stays open: ids that were given out early, and
// appear late, behind many others.
func (p *producer) long(ctx context.Context) error {
	return p.bank.transact(ctx, pgx.ReadCommitted, func(l *ledger) error {
		ts := []transfer{someTransfer()}
		eventIDs, err := l.insert(ctx, ts...)
		if err != nil {
			return err
		}
		p.linger(ctx, 300*time.Millisecond+rand.N(1500*time.Millisecond))
		if err := l.move(ctx, ts, eventIDs); err != nil { // last, since it locks the accounts
			return err
		}
		if rand.IntN(5) == 0 {
			return errRollBack
		}
		return nil
	})
}

// bulk makes hundreds of transfers at once: one account pays many.
func (p *producer) bulk(ctx context.Context) error {
	return p.bank.transact(ctx, pgx.ReadCommitted, func(l *ledger) error {
		ts := make([]transfer, 100+rand.IntN(400))
		for i := range ts {
			ts[i] = someTransfer()
			ts[i].From = 1
			ts[i].To = 2 + rand.Int32N(accountCount-1)
		}
		if err := l.transfer(ctx, ts...); err != nil {
			return err
		}
		if rand.IntN(6) == 0 {
			return errRollBack
		}
		return nil
	})
}

// linger leaves the transaction open for d, or until the producers are to end.
func (p *producer) linger(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.end:
	case <-ctx.Done():
	}
}

func someTransfer() transfer {
	t := transfer{Amount: someAmount()}
	t.From, t.To = twoOf(accountCount)
	return t
}

func someAmount() int64 { return 1 + rand.Int64N(500) }

// twoOf returns two different accounts of the first n.
func twoOf(n int32) (from, to int32) {
	from, to = 1+rand.Int32N(n), 1+rand.Int32N(n-1)
	if to >= from {
		to++
	}
	return from, to
}
