package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lightpgq/pgqueue"
	"github.com/lightpgq/pgqueue/pgqueuetest"
)

// TestMain lets the test binary play the child processes.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "demo-fail" {
		fmt.Fprintln(os.Stderr, "no such thing\nas today")
		os.Exit(1)
	}
	if len(os.Args) > 1 && os.Args[1] == "demo-child" {
		if err := RunChild(context.Background(), os.Stdin, os.Stdout, os.Stderr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var childArgs = []string{"demo-child"}

// spectator reads the table and closes stop when it has seen everything.
type spectator struct {
	bytes.Buffer
	stop chan struct{}
	seen [4]bool
}

// sights are what the table has to show at least once.
var sights = [4]*regexp.Regexp{
	regexp.MustCompile(`ticks/s; killed [1-9]`),
	regexp.MustCompile(`[1-9][0-9]* table rotations`),
	regexp.MustCompile(`[1-9][0-9]* run again`),
	regexp.MustCompile(`killed [2-9]\d* times, [1-9]\d* in a batch`),
}

func (s *spectator) Write(text []byte) (int, error) {
	had := s.seen
	for i, sight := range sights {
		s.seen[i] = s.seen[i] || sight.Match(text)
	}
	if all := [4]bool{true, true, true, true}; s.seen == all && had != all {
		close(s.stop)
	}
	return s.Buffer.Write(text)
}

// The whole demo, as a newcomer sees it, until there is nothing new to see.
func TestPrivateServer(t *testing.T) {
	t.Parallel()
	out := &spectator{stop: make(chan struct{})}
	r, err := Run(t.Context(), Config{Duration: 2 * time.Minute, Child: childArgs, Live: out, Terminal: true, Stop: out.stop})
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	checkReport(t, r)
	r.Print(out)
	if r.Kills.Ticker == 0 || r.Kills.Consumer == 0 || r.Kills.InBatch == 0 || r.Rotations == 0 || r.Retried == 0 {
		t.Errorf("kills %+v, %d rotations, %d run again, want some of each:\n%s", r.Kills, r.Rotations, r.Retried, out.String())
	}
	if given := r.Consumers[nameFlaky].Given; given <= r.Committed {
		t.Errorf("flaky was given %d events of %d, want more, as it fails", given, r.Committed)
	}
	for _, want := range []string{"Money moves", "\x1b[", "ticks/s", "Everything adds up"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output has no %q:\n%s", want, out.String())
		}
	}
}

// checkReport wants a report of a run in which nothing went wrong.
func checkReport(t *testing.T, r Report) {
	t.Helper()
	if !r.OK || len(r.Problems) != 0 || !r.BooksBalance {
		t.Errorf("problems: %q, books balance: %v", r.Problems, r.BooksBalance)
	}
	if r.Committed == 0 || r.Rolled == 0 {
		t.Errorf("committed %d, rolled back %d, want some of both", r.Committed, r.Rolled)
	}
	if len(r.Consumers) != len(consumerNames) {
		t.Errorf("consumers: %v", r.Consumers)
	}
	for name, c := range r.Consumers {
		if c.Delivered != r.Committed || c.Lost != 0 || c.Duplicated != 0 || c.RolledBack != 0 {
			t.Errorf("%s: %+v, want all of %d", name, c, r.Committed)
		}
		if c.Latency.P50 <= 0 || c.Latency.P99 < c.Latency.P50 || c.Latency.Max < c.Latency.P99 {
			t.Errorf("%s: latency %+v", name, c.Latency)
		}
	}
	if r.Latency.P50 <= 0 || r.Latency.P99 < r.Latency.P50 || r.Latency.Max < r.Latency.P99 {
		t.Errorf("latency %+v", r.Latency)
	}
}

// In somebody's database, stopped early: all is proved, and nothing is left.
func TestStop(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewDB(t)
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		waitForTransfers(t, db)
	}()
	r, err := Run(t.Context(), Config{DSN: pgqueuetest.DSN(db), Duration: time.Hour, Child: childArgs, Stop: stop})
	if err != nil {
		t.Fatal(err)
	}
	checkReport(t, r)
	checkNothingLeft(t, db)
}

// A second Ctrl-C: nothing is proved, and nothing is left.
func TestAbort(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewEmptyDB(t)
	ctx, abort := context.WithCancel(t.Context())
	go func() {
		defer abort()
		waitForTransfers(t, db)
	}()
	began := time.Now()
	_, err := Run(ctx, Config{DSN: pgqueuetest.DSN(db), Install: true, Duration: time.Hour, Child: childArgs})
	if !errors.Is(err, ErrStopped) {
		t.Errorf("error %v after %v, want ErrStopped", err, time.Since(began))
	}
	var left bool
	if err := db.QueryRow(t.Context(), "select to_regnamespace('pgq') is not null").Scan(&left); err != nil || left {
		t.Errorf("schema pgq was left: %v, %v", left, err)
	}
	checkNothingLeft(t, db)
}

// waitForTransfers waits until the demo in this database has committed some.
func waitForTransfers(t *testing.T, db *pgxpool.Pool) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		var name string
		var n int
		err := db.QueryRow(ctx, "select nspname from pg_namespace where nspname like 'pgqueue\\_demo\\_%'").Scan(&name)
		if err == nil {
			err = db.QueryRow(ctx, "select count(*) from "+name+".transfer").Scan(&n)
		}
		if err == nil && n > 100 {
			return
		}
		sleep(ctx, 20*time.Millisecond)
	}
	t.Error("the demo has committed nothing")
}

func checkNothingLeft(t *testing.T, db *pgxpool.Pool) {
	t.Helper()
	left := func(sql string) []string {
		t.Helper()
		rows, err := db.Query(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	if names := left(`
select nspname::text from pg_namespace where nspname like 'pgqueue\_demo%'
 union all
select relname::text from pg_class where relname like 'event\_%' and relkind = 'r' and relname <> 'event_template'`); len(names) > 0 {
		t.Errorf("left: %q", names)
	}
	// A server notices a moment later that somebody has hung up or was killed.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		names := left("select application_name from pg_stat_activity where datname = current_database() and application_name like 'pgqueue demo%'")
		if len(names) == 0 {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("sessions left: %q", names)
		}
		sleep(ctx, 20*time.Millisecond)
	}
}

// Without the schema the demo refuses, and leaves the database as it was.
func TestNotInstalled(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewEmptyDB(t)
	_, err := Run(t.Context(), Config{DSN: pgqueuetest.DSN(db), Child: childArgs})
	if !errors.Is(err, pgqueue.ErrNotInstalled) {
		t.Errorf("error %v, want ErrNotInstalled", err)
	}
	checkNothingLeft(t, db)
}

// Children that cannot run end the demo with what they said.
func TestChildrenFail(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewDB(t)
	_, err := Run(t.Context(), Config{
		DSN: pgqueuetest.DSN(db), Duration: time.Hour, Child: []string{"demo-fail"},
	})
	if err == nil || !strings.HasSuffix(err.Error(), "exit status 1: as today") {
		t.Errorf("error %v, want one with the last words", err)
	}
	checkNothingLeft(t, db)
}

// A record that somebody took away between the run and the proof fails the run.
func TestTamperedRun(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewDB(t)
	r, err := Run(t.Context(), Config{
		DSN: pgqueuetest.DSN(db), Duration: time.Second, Child: childArgs,
		tamper: func(ctx context.Context, pool *pgxpool.Pool) error {
			_, err := pool.Exec(ctx, "delete from seen_counter where event_id = (select min(event_id) from transfer)")
			return err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"counter has lost 1 events"}; r.OK || !slices.Equal(r.Problems, want) {
		t.Errorf("OK %v, problems %q, want %q", r.OK, r.Problems, want)
	}
	if r.Consumers[nameCounter].Lost != 1 || r.Consumers[nameBooks].Lost != 0 {
		t.Errorf("consumers: %+v", r.Consumers)
	}
	checkNothingLeft(t, db)
}
