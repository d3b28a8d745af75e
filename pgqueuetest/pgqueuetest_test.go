package pgqueuetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lightpgq/pgqueue"
	"github.com/lightpgq/pgqueue/internal/devpg"
	"github.com/lightpgq/pgqueue/schema"
)

// recorder plays the test of a user of this package, who may fail.
type recorder struct {
	testing.TB
	failed   bool
	log      strings.Builder
	cleanups []func()
}

func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Failed() bool     { return r.failed }

func (r *recorder) Logf(format string, args ...any) { fmt.Fprintf(&r.log, format+"\n", args...) }

func (r *recorder) Errorf(format string, args ...any) {
	r.failed = true
	r.Logf(format, args...)
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// record runs a test and its clean-up to the end.
func record(t *testing.T, test func(t testing.TB)) *recorder {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for i := len(r.cleanups) - 1; i >= 0; i-- {
				r.cleanups[i]()
			}
		}()
		test(r)
	}()
	<-done
	return r
}

func count(t *testing.T, sql string, args ...any) (n int) {
	t.Helper()
	err := admin(t.Context(), func(conn *pgx.Conn) error {
		return conn.QueryRow(t.Context(), sql, args...).Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func exists(t *testing.T, pool *pgxpool.Pool) bool {
	t.Helper()
	return count(t, "select count(*) from pg_database where datname = $1", pool.Config().ConnConfig.Database) == 1
}

func TestQueueFromEndToEnd(t *testing.T) {
	t.Parallel()
	db := NewDB(t)
	q := NewQueue(t, db, "orders")
	if _, err := q.Register(t.Context(), db, "mailer"); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Insert(t.Context(), db, pgqueue.Event{Type: "new"}); err != nil {
		t.Fatal(err)
	}
	if _, err := q.NextBatch(t.Context(), db, "mailer"); !errors.Is(err, pgqueue.ErrNoBatch) {
		t.Errorf("before the tick: got %v, want ErrNoBatch", err)
	}
	first, second := Tick(t, db, q), Tick(t, db, q)
	if second <= first {
		t.Errorf("ticks %d, %d: the second did nothing", first, second)
	}
	b, err := q.NextBatch(t.Context(), db, "mailer")
	if err != nil {
		t.Fatal(err)
	}
	if b.Tick != second {
		t.Errorf("the batch ends at tick %d, want %d, the newest", b.Tick, second)
	}
}

// Databases are independent, have the schema or have not, and go away.
func TestDatabases(t *testing.T) {
	t.Parallel()
	var one, two, empty *pgxpool.Pool
	r := record(t, func(tb testing.TB) {
		one, two, empty = NewDB(tb), NewDB(tb), NewEmptyDB(tb)
		NewQueue(tb, one, "orders")
		NewQueue(tb, two, "orders")
		if err := schema.Check(tb.Context(), one); err != nil {
			tb.Errorf("NewDB: %v", err)
		}
		if err := schema.Check(tb.Context(), empty); !errors.Is(err, schema.ErrMissing) {
			tb.Errorf("NewEmptyDB: got %v, want ErrMissing", err)
		}
		for _, db := range []*pgxpool.Pool{one, two, empty} {
			if !exists(t, db) {
				tb.Errorf("no database %s during the test", DSN(db))
			}
			err := connected(tb.Context(), DSN(db), func(conn *pgx.Conn) error { return conn.Ping(tb.Context()) })
			if err != nil {
				tb.Errorf("DSN: %v", err)
			}
		}
	})
	if r.failed {
		t.Error(r.log.String())
	}
	for _, db := range []*pgxpool.Pool{one, two, empty} {
		if exists(t, db) {
			t.Errorf("%s is left", DSN(db))
		}
	}
}

func TestNewQueueTaken(t *testing.T) {
	t.Parallel()
	db := NewDB(t)
	NewQueue(t, db, "orders")
	r := record(t, func(tb testing.TB) { NewQueue(tb, db, "orders") })
	if !r.failed || !strings.Contains(r.log.String(), `already a queue "orders"`) {
		t.Errorf("a second queue of the same name: failed %v, %s", r.failed, r.log.String())
	}
}

func TestKeep(t *testing.T) {
	for _, c := range []struct {
		keep        string
		fails, kept bool
	}{
		{"1", true, true},
		{"1", false, false},
		{"", true, false},
	} {
		t.Run(fmt.Sprintf("keep %q fails %v", c.keep, c.fails), func(t *testing.T) {
			t.Setenv("PGQUEUE_TEST_KEEP", c.keep)
			var db *pgxpool.Pool
			r := record(t, func(tb testing.TB) {
				db = NewEmptyDB(tb)
				if c.fails {
					tb.Errorf("as it should")
				}
			})
			if got := exists(t, db); got != c.kept {
				t.Errorf("kept: %v, want %v", got, c.kept)
			}
			if got := strings.Contains(r.log.String(), DSN(db)); got != c.kept {
				t.Errorf("address logged: %v, want %v", got, c.kept)
			}
			t.Setenv("PGQUEUE_TEST_KEEP", "")
			endDB(t, nil, db.Config().ConnConfig.Database, "")
		})
	}
}

// A connection that does not come back fails the test and does not hang it.
func TestLeak(t *testing.T) {
	old := closeTimeout
	closeTimeout = 50 * time.Millisecond
	defer func() { closeTimeout = old }()
	var leaked *pgxpool.Conn
	var db *pgxpool.Pool
	r := record(t, func(tb testing.TB) {
		db = NewEmptyDB(tb)
		var err error
		if leaked, err = db.Acquire(tb.Context()); err != nil {
			tb.Errorf("%v", err)
		}
	})
	leaked.Release()
	if want := "still holds 1 connections"; !r.failed || !strings.Contains(r.log.String(), want) {
		t.Errorf("failed %v, %q; want %q", r.failed, r.log.String(), want)
	}
	if exists(t, db) {
		t.Error("the database is left")
	}
}

func TestNoServer(t *testing.T) {
	t.Setenv("PGQUEUE_TEST_DSN", "")
	t.Setenv("PGQUEUE_PG_BIN", t.TempDir())
	if _, err := findServer(); !errors.Is(err, devpg.ErrNoServer) || !strings.Contains(err.Error(), "PGQUEUE_TEST_DSN") {
		t.Errorf("got %v, want ErrNoServer, and the variable", err)
	}
	t.Setenv("PGQUEUE_TEST_DSN", "port=x")
	if _, err := findServer(); err == nil || !strings.Contains(err.Error(), "PGQUEUE_TEST_DSN") {
		t.Errorf("got %v, want the variable named", err)
	}
	t.Setenv("PGQUEUE_TEST_DSN", "host=127.0.0.1 port=1")
	old := serverDSN
	serverDSN = findServer
	defer func() { serverDSN = old }()
	r := record(t, func(tb testing.TB) {
		NewEmptyDB(tb)
		t.Error("a test goes on without a server")
	})
	if !r.failed || !strings.Contains(r.log.String(), "no database for this test") {
		t.Errorf("failed %v, %s", r.failed, r.log.String())
	}
	if os.Getenv("PGQUEUE_TEST_DSN") == "" {
		t.Error("the variable was changed")
	}
}

func TestMakeTemplate(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), adminTimeout)
	defer cancel()
	dsn, err := serverDSN()
	if err != nil {
		t.Fatal(err)
	}
	name := databaseName("pgqueue_test", t.Name())
	left := func() int {
		return count(t, "select count(*) from pg_database where starts_with(datname, $1)", name)
	}

	t.Run("an error leaves nothing", func(t *testing.T) {
		broken := errors.New("broken")
		err := connected(ctx, dsn, func(conn *pgx.Conn) error {
			return makeTemplate(ctx, conn, name, func(context.Context, *pgx.Conn) error { return broken })
		})
		if !errors.Is(err, broken) || left() != 0 {
			t.Errorf("got %v, and %d databases are left", err, left())
		}
	})

	t.Run("several at once", func(t *testing.T) {
		// By different databases, where the lock does not hold, and meeting
		// halfway, so that both fill and only one can be first.
		filling, both := make(chan struct{}, 2), make(chan struct{})
		go func() { <-filling; <-filling; close(both) }()
		results := make(chan error)
		for _, database := range []string{"postgres", "template1"} {
			go func() {
				dsn, err := withDatabase(dsn, database)
				if err != nil {
					results <- err
					return
				}
				results <- connected(ctx, dsn, func(conn *pgx.Conn) error {
					return makeTemplate(ctx, conn, name, func(ctx context.Context, db *pgx.Conn) error {
						filling <- struct{}{}
						select {
						case <-both:
						case <-ctx.Done():
							return ctx.Err()
						}
						_, err := db.Exec(ctx, "create table filled ()")
						return err
					})
				})
			}()
		}
		for range 2 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if left() != 1 {
			t.Errorf("there are %d databases, want the template alone", left())
		}
	})
	db := newDB(t, name)
	if _, err := db.Exec(ctx, "select from filled"); err != nil {
		t.Errorf("a copy of the template: %v", err)
	}
	endDB(t, nil, name, "")
}

func TestWithDatabase(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]string{
		"postgres://u:p@h:5433/old?sslmode=disable":        "postgres://u:p@h:5433/new?sslmode=disable",
		"postgresql://h?dbname=old&database=x":             "postgresql://h/new",
		"postgres:///old?host=%2Fvar%2Frun":                "postgres:///new?host=%2Fvar%2Frun",
		"host=/var/run dbname=old user=u":                  "host=/var/run dbname=old user=u dbname=new",
		"postgres://u:p%40ss@h/old?application_name=a%20b": "postgres://u:p%40ss@h/new?application_name=a+b",
	} {
		got, err := withDatabase(dsn, "new")
		if err != nil || got != want {
			t.Errorf("%s: got %s, %v; want %s", dsn, got, err, want)
			continue
		}
		cfg, err := pgx.ParseConfig(got)
		if err != nil || cfg.Database != "new" {
			t.Errorf("%s: pgx reads %v, %v", got, cfg, err)
		}
	}
}

func TestDatabaseName(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, test := range []string{"", "TestA", "TestA", "TestA/b c", "Test" + strings.Repeat("é", 100), `Test"; drop`} {
		name := databaseName("pgqueue_test", test)
		if len(name) > 63 || seen[name] || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			t.Errorf("%q gives %q", test, name)
		}
		seen[name] = true
	}
	if name := databaseName("pgqueue_test", "TestA/b c"); !strings.HasPrefix(name, "pgqueue_test_testa_b_c_") {
		t.Errorf("%q does not say which test", name)
	}
}
