package demo

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lightpgq/pgqueue/pgqueuetest"
)

// asItShouldBe is what three transfers leave when all is well.
const asItShouldBe = `
insert into transfer values (1, 11, 1, 2, 100), (2, 12, 2, 3, 50), (4, 14, 1, 3, 7);
update account set balance = balance - 107 where id = 1;
update account set balance = balance + 50 where id = 2;
update account set balance = balance + 57 where id = 3;
update book set balance = a.balance from account a where a.id = book.account;
update counted set events = 3;
insert into seen_books select event_id, id, 0 from transfer;
insert into seen_counter select event_id, id, 0 from transfer;
insert into seen_flaky select event_id, id, 1 from transfer;
insert into seen_killed select event_id, id, 0 from transfer;
`

// proofCases are what can go wrong, each alone.
var proofCases = []struct {
	name, sql string
	counts    counts
	want      []string
}{
	{name: "all is well"},
	{
		name: "lost", sql: "delete from seen_books where event_id = 12",
		want: []string{"books has lost 1 events"},
	},
	{
		name: "duplicated", sql: "insert into seen_killed values (11, 1, 0), (11, 1, 0), (12, 2, 1)",
		want: []string{"killed was given 3 events twice"},
	},
	{
		name: "rolled back and seen", sql: "insert into seen_flaky values (13, 3, 0)",
		want: []string{"flaky has seen 1 events that were rolled back"},
	},
	{
		name: "another event under a good id", sql: "update seen_counter set transfer_id = 3 where event_id = 12",
		want: []string{"counter has lost 1 events", "counter has seen 1 events that were rolled back"},
	},
	{
		name: "all of a consumer lost", sql: "truncate seen_killed",
		want: []string{"killed has lost 3 events"},
	},
	{
		name: "wrong balances, right sum",
		sql:  "update book set balance = balance + 1 where account = 1; update book set balance = balance - 1 where account = 2",
		want: []string{"2 accounts do not have the balance that books has rebuilt"},
	},
	{
		name: "missing account in the books", sql: "delete from book where account = 400",
		want: []string{"1 accounts do not have the balance that books has rebuilt"},
	},
	{
		name: "account unknown to the bank", sql: "insert into book values (401, 0)",
		want: []string{"1 accounts do not have the balance that books has rebuilt"},
	},
	{
		name: "half a transfer",
		sql:  "update account set balance = balance - 9 where id = 1; update book set balance = balance - 9 where account = 1",
		want: []string{"9 is missing from the sum of all accounts"},
	},
	{
		name: "counter has miscounted", sql: "update counted set events = 4",
		want: []string{"counter has counted 4 events of 3"},
	},
	{
		name: "producers have committed more", counts: counts{committed: 4},
		want: []string{"the producers have committed 4 transfers (and 0 without an answer), and the table has 3"},
	},
	{
		name: "producers have committed less", counts: counts{committed: 1, unknown: 1},
		want: []string{"the producers have committed 1 transfers (and 1 without an answer), and the table has 3"},
	},
	{name: "commits without an answer", counts: counts{committed: 1, unknown: 3}},
	{
		name: "nothing at all",
		sql: `truncate transfer, seen_books, seen_counter, seen_flaky, seen_killed; update counted set events = 0;
update account set balance = 10000; update book set balance = 10000`,
		want: []string{"nothing was committed, so nothing is proved"}, counts: counts{unknown: 1},
	},
}

// The proof finds each thing that can go wrong.
func TestProve(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewEmptyDB(t)
	for _, c := range proofCases {
		t.Run(c.name, func(t *testing.T) {
			tx, err := db.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback(t.Context())
			script(t, tx, "create schema books; set local search_path = books;"+tablesSQL+asItShouldBe+c.sql)
			p, err := prove(t.Context(), tx)
			if err != nil {
				t.Fatal(err)
			}
			if c.counts == (counts{}) {
				c.counts.committed = 3
			}
			if got := p.problems(c.counts); !slices.Equal(got, c.want) {
				t.Errorf("problems %q, want %q", got, c.want)
			}
		})
	}
}

func script(t *testing.T, tx pgx.Tx, sql string) {
	t.Helper()
	if _, err := tx.Conn().PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatal(err)
	}
}
