package pgqueue_test

import (
	"context"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lightpgq/pgqueue"
	"github.com/lightpgq/pgqueue/pgqueuetest"
)

// The functions from here to the tests stand in README.md, word by word.

var orders = pgqueue.NewQueue("orders")

// pay marks an order as paid and tells the queue so: both, or neither.
func pay(ctx context.Context, db *pgxpool.Pool, order int) error {
	return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "update orders set paid = true where id = $1", order); err != nil {
			return err
		}
		_, err := orders.Insert(ctx, tx, pgqueue.Event{Type: "paid", Data: []byte(strconv.Itoa(order))})
		return err
	})
}

// bill writes a bill for each paid order, until ctx is done. The bill and the consumer's
// position are committed together: each order is billed exactly once.
func bill(ctx context.Context, db *pgxpool.Pool) error {
	if _, err := orders.Register(ctx, db, "billing"); err != nil {
		return err
	}
	consumer, err := pgqueue.NewConsumer(db, pgqueue.ConsumerConfig{
		Queue: "orders", Name: "billing",
		Handler: pgqueue.EachEvent(func(ctx context.Context, tx pgx.Tx, ev pgqueue.Event) error {
			_, err := tx.Exec(ctx, "insert into bills (order_id) values ($1::text::int)", string(ev.Data))
			return err // an error undoes what was written for this event, and it comes again later
		}),
	})
	if err != nil {
		return err
	}
	return consumer.Run(ctx)
}

// TestReadme runs the library's example in README.md.
func TestReadme(t *testing.T) {
	db := pgqueuetest.NewDB(t)
	pgqueuetest.NewQueue(t, db, "orders")
	if _, err := db.Exec(t.Context(), `
create table orders (id int primary key, paid bool not null);
create table bills (order_id int primary key);
insert into orders select n, false from generate_series(1, 3) n`); err != nil {
		t.Fatal(err)
	}
	if _, err := orders.Register(t.Context(), db, "billing"); err != nil {
		t.Fatal(err)
	}
	for order := 1; order <= 2; order++ {
		if err := pay(t.Context(), db, order); err != nil {
			t.Fatal(err)
		}
	}
	pgqueuetest.Tick(t, db, orders)

	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- bill(ctx, db) }()
	for bills := 0; bills < 2; {
		if err := db.QueryRow(ctx, "select count(*) from bills b join orders o on o.id = b.order_id and o.paid").Scan(&bills); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestReadmeGo compares README.md with this file.
func TestReadmeGo(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.ReadFile("readme_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(blocks) == 0 {
		t.Error("README.md has no Go")
	}
	for _, block := range blocks {
		if !strings.Contains(string(here), block[1]) {
			t.Errorf("not in readme_test.go:\n%s", block[1])
		}
	}
}
