package demo

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/lightpgq/pgqueue"
)

// proof is what the tables say at the end.
type proof struct {
	committed     int64 // rows that producers left in transfer
	wrongBalances int64 // accounts whose rebuilt balance is another or missing, or the reverse
	missingMoney  int64 // sum of all accounts that was there at the start, less now
	counted       int64 // what counter has counted
	consumers     []seen
}

// seen compares a consumer's records with the committed transfers.
type seen struct {
	delivered  int64 // records
	lost       int64 // committed events without a record
	duplicated int64 // records beyond the first of an event
	phantom    int64 // events that were recorded and are not of a committed transfer
}

const (
	sqlBalances = `
select count(*) filter (where a.balance is distinct from b.balance),
       $1::int8 * 10000 - coalesce(sum(a.balance), 0)::int8
  from account a full join book b on b.account = a.id`
	sqlSeen = `
select count(*),
       (select count(*) from transfer t
         where not exists (select from seen_%[1]s s where s.event_id = t.event_id and s.transfer_id = t.id)),
       count(*) - count(distinct (s.event_id, s.transfer_id)),
       count(distinct (s.event_id, s.transfer_id)) filter (where t.id is null)
  from seen_%[1]s s
  left join transfer t on t.event_id = s.event_id and t.id = s.transfer_id`
)

// prove reads the books, which nobody writes to any more.
func prove(ctx context.Context, db pgqueue.DB) (p proof, err error) {
	p.consumers = make([]seen, len(consumerNames))
	calls := &pgx.Batch{}
	calls.Queue("select count(*) from transfer").QueryRow(func(row pgx.Row) error {
		return row.Scan(&p.committed)
	})
	calls.Queue(sqlBalances, accountCount).QueryRow(func(row pgx.Row) error {
		return row.Scan(&p.wrongBalances, &p.missingMoney)
	})
	calls.Queue("select sum(events)::int8 from counted").QueryRow(func(row pgx.Row) error {
		return row.Scan(&p.counted)
	})
	for i, name := range consumerNames {
		s := &p.consumers[i]
		calls.Queue(fmt.Sprintf(sqlSeen, name)).QueryRow(func(row pgx.Row) error {
			return row.Scan(&s.delivered, &s.lost, &s.duplicated, &s.phantom)
		})
	}
	if err := db.SendBatch(ctx, calls).Close(); err != nil {
		return p, fmt.Errorf("demo: prove the books: %w", err)
	}
	return p, nil
}

// problems says what is wrong. counts are what the producers themselves have counted;
// of transactions whose COMMIT got no answer, both outcomes are right.
func (p proof) problems(c counts) (list []string) {
	add := func(wrong bool, format string, args ...any) {
		if wrong {
			list = append(list, fmt.Sprintf(format, args...))
		}
	}
	add(p.committed == 0, "nothing was committed, so nothing is proved")
	add(p.committed < c.committed || p.committed > c.committed+c.unknown,
		"the producers have committed %d transfers (and %d without an answer), and the table has %d",
		c.committed, c.unknown, p.committed)
	add(p.wrongBalances != 0, "%d accounts do not have the balance that books has rebuilt", p.wrongBalances)
	add(p.missingMoney != 0, "%d is missing from the sum of all accounts", p.missingMoney)
	add(p.counted != p.committed, "counter has counted %d events of %d", p.counted, p.committed)
	for i, s := range p.consumers {
		name := consumerNames[i]
		add(s.lost != 0, "%s has lost %d events", name, s.lost)
		add(s.duplicated != 0, "%s was given %d events twice", name, s.duplicated)
		add(s.phantom != 0, "%s has seen %d events that were rolled back", name, s.phantom)
	}
	return list
}
