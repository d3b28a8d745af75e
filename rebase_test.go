package pgqueue_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lightpgq/pgqueue"
	"github.com/lightpgq/pgqueue/pgqueuetest"
	"github.com/lightpgq/pgqueue/schema"
)

func insertNamed(t *testing.T, db pgqueue.DB, q pgqueue.Queue, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := q.Insert(t.Context(), db, pgqueue.Event{Type: name}); err != nil {
			t.Fatal(err)
		}
	}
}

// readNames returns the types of all events that the consumer gets.
func readNames(t *testing.T, db pgqueue.DB, q pgqueue.Queue, consumer string) (names []string) {
	t.Helper()
	for _, ev := range slices.Concat(readAll(t, db, q, consumer)...) {
		names = append(names, ev.Type)
	}
	return names
}

// tickAll ticks as the ticker does, and returns the number of queues ticked.
func tickAll(t *testing.T, db *pgxpool.Pool) int {
	t.Helper()
	return count(t, db, "select count(*) from pgqueue.tick()")
}

func majorVersion(t *testing.T, db *pgxpool.Pool) int {
	t.Helper()
	return count(t, db, "select current_setting('server_version_num')::int / 10000")
}

func dumpVersion(t *testing.T) (major int) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "pg_dump", "--version").Output()
	if err == nil {
		_, err = fmt.Sscanf(string(out), "pg_dump (PostgreSQL) %d", &major)
	}
	if err != nil {
		t.Fatal(err)
	}
	return major
}

// restore copies a database as an administrator would: pg_dump | psql.
func restore(t *testing.T, from, to *pgxpool.Pool) {
	t.Helper()
	server, tool := majorVersion(t, from), dumpVersion(t)
	if server > tool {
		t.Skipf("pg_dump %d cannot dump a server of version %d", tool, server)
	}
	script := fmt.Sprintf("set -o pipefail; pg_dump '%s' | psql -X -q -v ON_ERROR_STOP=1 '%s' > /dev/null",
		pgqueuetest.DSN(from), pgqueuetest.DSN(to))
	if out, err := exec.CommandContext(t.Context(), "bash", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// clearForDump makes room for a dump of a whole database.
func clearForDump(t *testing.T, db *pgxpool.Pool) {
	t.Helper()
	if err := schema.Uninstall(t.Context(), db); err != nil {
		t.Fatal(err)
	}
}

// A dump restored into a server with lower transaction ids: noticed, the other queues
// tick on, and after Rebase each consumer gets what it had not finished, once.
func TestRestoreIntoYoungerServer(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	old, young := ownServer(t), ownServer(t)
	mustExec(t, old, "do $$ begin for i in 1 .. 3000 loop perform txid_current(); commit; end loop; end $$")
	clearForDump(t, young)

	q := pgqueuetest.NewQueue(t, old, "q")
	for _, c := range []string{"ahead", "open", "behind"} {
		if _, err := q.Register(ctx, old, c); err != nil {
			t.Fatal(err)
		}
	}
	insertNamed(t, old, q, "1")
	tickAll(t, old)
	readAll(t, old, q, "ahead")
	if _, err := q.NextBatch(ctx, old, "open"); err != nil {
		t.Fatal(err)
	}
	insertNamed(t, old, q, "2", "3")
	tickAll(t, old)
	insertNamed(t, old, q, "not ticked")

	restore(t, old, young)
	insertNamed(t, young, q, "since")
	pgqueuetest.NewQueue(t, young, "healthy")
	insertNamed(t, young, pgqueue.NewQueue("healthy"), "x")

	if marked := count(t, young, "select count(*) from pgqueue.accept_cluster()"); marked != 1 {
		t.Errorf("%d queues marked after the restore, want 1", marked)
	}
	if n := tickAll(t, young); n != 1 {
		t.Errorf("%d queues ticked, want the healthy one alone", n)
	}
	if _, err := q.Tick(ctx, young); !errors.Is(err, pgqueue.ErrTxIDsWentBack) {
		t.Errorf("Tick: %v, want ErrTxIDsWentBack", err)
	}
	problems, err := pgqueue.Diagnose(ctx, young)
	if err != nil || !slices.ContainsFunc(problems, func(p pgqueue.Problem) bool {
		return p.Queue == "q" && strings.Contains(p.What, "went back")
	}) {
		t.Errorf("Diagnose: %+v, %v", problems, err)
	}

	if _, err := q.Rebase(ctx, young); err != nil {
		t.Fatal(err)
	}
	tickAll(t, young)
	for consumer, want := range map[string][]string{
		"ahead":  {"2", "3", "not ticked", "since"},
		"open":   {"1", "2", "3", "not ticked", "since"},
		"behind": {"1", "2", "3", "not ticked", "since"},
	} {
		if diff := cmp.Diff(want, readNames(t, young, q, consumer)); diff != "" {
			t.Errorf("%s: %s", consumer, diff)
		}
	}
	if problems, err := pgqueue.Diagnose(ctx, young); err != nil || len(problems) != 0 {
		t.Errorf("after the repair: %+v, %v", problems, err)
	}
	checkLives(t, young, q)
}

// Ids that caught up before anybody looked must not hide what was lost meanwhile.
func TestRestoreNoticedAfterIDsCaughtUp(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	old, young := ownServer(t), ownServer(t)
	mustExec(t, old, "do $$ begin for i in 1 .. 3000 loop perform txid_current(); commit; end loop; end $$")
	clearForDump(t, young)
	q := pgqueuetest.NewQueue(t, old, "q")
	if _, err := q.Register(ctx, old, "c"); err != nil {
		t.Fatal(err)
	}
	insertNamed(t, old, q, "before")
	tickAll(t, old)
	restore(t, old, young)
	insertNamed(t, young, q, "while behind")
	mustExec(t, young, "do $$ begin for i in 1 .. 6000 loop perform txid_current(); commit; end loop; end $$")
	insertNamed(t, young, q, "after")

	mustExec(t, young, "select pgqueue.accept_cluster()")
	if n := tickAll(t, young); n != 0 {
		t.Error("ticking went on silently")
	}
	if _, err := q.Rebase(ctx, young); err != nil {
		t.Fatal(err)
	}
	tickAll(t, young)
	if diff := cmp.Diff([]string{"before", "while behind", "after"}, readNames(t, young, q, "c")); diff != "" {
		t.Error(diff)
	}
}

// checkLives checks that the queue goes on as any other: events, rotation, registration.
func checkLives(t *testing.T, db *pgxpool.Pool, q pgqueue.Queue) {
	t.Helper()
	mustExec(t, db, "update pgq.queue set queue_rotation_period = '0'")
	for i := range 5 {
		insertNamed(t, db, q, fmt.Sprint(i))
		tickAll(t, db)
		for _, c := range []string{"ahead", "open", "behind"} {
			if n := len(slices.Concat(readAll(t, db, q, c)...)); n != 1 {
				t.Errorf("round %d: %s got %d events, want 1", i, c, n)
			}
		}
		mustExec(t, db, "select pgq.maint_rotate_tables_step1('q')")
		mustExec(t, db, "select pgq.maint_rotate_tables_step2()")
	}
	if rotated := count(t, db, "select queue_cur_table from pgq.queue where queue_name = 'q'"); rotated == 0 {
		t.Error("tables were not rotated")
	}
	if _, err := q.Register(context.WithoutCancel(t.Context()), db, "new"); err != nil {
		t.Error(err)
	}
}
