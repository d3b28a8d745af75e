// Package pgqueuetest helps to test code that uses pgqueue, on a real
// PostgreSQL and without a clock: each test has a database of its own, and time
// goes on when the test calls [Tick].
//
//	func TestOrders(t *testing.T) {
//		db := pgqueuetest.NewDB(t)
//		q := pgqueuetest.NewQueue(t, db, "orders")
//		…
//		pgqueuetest.Tick(t, db, q) // what is committed can be read now
//	}
//
// The server is the one that the environment variable PGQUEUE_TEST_DSN names,
// by the address of a role that may create databases. Without it, the
// first test that needs a server starts a private one, from the programs of an
// installed PostgreSQL, and it goes away with the test process. When there is
// neither, the test fails; it is never skipped.
//
// A test's database is dropped at its end. With PGQUEUE_TEST_KEEP set to
// anything, that of a failed test is kept and its address logged, which makes
// sense together with PGQUEUE_TEST_DSN. All databases that this
// package makes have names that begin with pgqueue_.
package pgqueuetest

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lightpgq/pgqueue"
)

const adminTimeout = 2 * time.Minute

// closeTimeout is for what a test's goroutines still do when it ends.
var closeTimeout = 10 * time.Second

// NewDB returns a pool on a new database that has the pgqueue schema. At the
// end of the test the pool is closed and the database dropped; a
// connection that is not given back by then fails the test.
func NewDB(t testing.TB) *pgxpool.Pool {
	t.Helper()
	template, err := schemaTemplate()
	if err != nil {
		t.Fatalf("pgqueuetest: %v", err)
	}
	return newDB(t, template)
}

// NewEmptyDB is [NewDB] without the schema: there is nothing in the database.
func NewEmptyDB(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return newDB(t, "template0")
}

// DSN returns the address of the database that NewDB or NewEmptyDB made,
// password included, for other programs and other pools.
func DSN(db *pgxpool.Pool) string { return db.Config().ConnString() }

// NewQueue creates a queue with default settings. The name must be free.
func NewQueue(t testing.TB, db pgqueue.DB, name string) pgqueue.Queue {
	t.Helper()
	q := pgqueue.NewQueue(name)
	switch created, err := q.Create(t.Context(), db, nil); {
	case err != nil:
		t.Fatal(err)
	case !created:
		t.Fatalf("pgqueuetest: there is already a queue %q", name)
	}
	return q
}

// Tick makes a tick now, whether or not anything is new, and returns its id.
// Events that were committed before it can be read afterwards; those of
// transactions still open cannot.
func Tick(t testing.TB, db pgqueue.DB, q pgqueue.Queue) int64 {
	t.Helper()
	tick, err := q.ForceTick(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return tick
}

func newDB(t testing.TB, template string) *pgxpool.Pool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), adminTimeout)
	defer cancel()
	name := databaseName("pgqueue_test", t.Name())
	var dsn string
	err := admin(ctx, func(conn *pgx.Conn) (err error) {
		if dsn, err = withDatabase(conn.Config().ConnString(), name); err != nil {
			return err
		}
		return whileInUse(ctx, func() error {
			_, err := conn.Exec(ctx, "create database "+quote(name)+" template "+quote(template))
			return err
		})
	})
	if err != nil {
		t.Fatalf("pgqueuetest: no database for this test: %v", err)
	}
	pool, err := pgxpool.New(ctx, dsn)
	t.Cleanup(func() { endDB(t, pool, name, dsn) })
	if err != nil {
		t.Fatalf("pgqueuetest: %v", err)
	}
	return pool
}

// endDB closes the pool and drops the database.
func endDB(t testing.TB, pool *pgxpool.Pool, name, dsn string) {
	t.Helper()
	if pool != nil {
		closePool(t, pool)
	}
	if t.Failed() && os.Getenv("PGQUEUE_TEST_KEEP") != "" {
		t.Logf("pgqueuetest: the test's database is kept: %s", dsn)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	err := admin(ctx, func(conn *pgx.Conn) error { return dropDatabase(ctx, conn, name) })
	if err != nil {
		t.Errorf("pgqueuetest: drop the test's database: %v", err)
	}
}

// closePool closes pool, which waits for its last connection to come back: a
// leak would hang the test.
func closePool(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	closed := make(chan struct{})
	go func() {
		pool.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(closeTimeout):
		t.Errorf("pgqueuetest: the test has ended and still holds %d connections of its pool", pool.Stat().AcquiredConns())
	}
}

// databaseName makes a name that says what it is for and that nobody else has.
func databaseName(prefix, test string) string {
	const longest = 63 // what PostgreSQL keeps of a name
	random := "_" + strings.ToLower(rand.Text()[:10])
	name := prefix
	if test != "" {
		name += "_" + strings.Map(plain, strings.ToLower(test))
	}
	return name[:min(len(name), longest-len(random))] + random
}

// plain keeps what needs no quotes in a name.
func plain(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
		return r
	}
	return '_'
}
