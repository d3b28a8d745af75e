package schema_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lightpgq/pgqueue/internal/devpg"
	"github.com/lightpgq/pgqueue/pgqueuetest"
	"github.com/lightpgq/pgqueue/schema"
)

// inUse fills a database that has the original extension: a consumer in the middle of a
// batch, one that is behind, parked events, a transaction long in the past, a rotation.
const inUse = `
select pgq.create_queue('gone'), pgq.drop_queue('gone');
select pgq.create_queue('q'), pgq.create_queue('other');
update pgq.queue set queue_ticker_max_lag = '0', queue_ticker_idle_period = '0', queue_rotation_period = '0';
select pgq.register_consumer('q', 'done'), pgq.register_consumer('q', 'open'), pgq.register_consumer('q', 'behind');
select pgq.register_consumer('other', 'done');
select pgq.insert_event('q', 't', '1'), pgq.insert_event('q', 't', '2');
select pgq.ticker();
select pgq.event_retry(pgq.next_batch('q', 'done'), 2, 0);
select pgq.finish_batch(pgq.next_batch('q', 'done'));
select pgq.next_batch('q', 'open');
select pgq.maint_rotate_tables_step1('other');
select pgq.maint_rotate_tables_step2();
select pgq.insert_event('q', 't', '3');
select pgq.ticker();
select pgq.insert_event('q', 't', '4');
create table watched (id int primary key);
create trigger watch after insert on watched for each row execute function pgq.logutriga('q');
create role adopt_test_role;
grant select on pgq.subscription to adopt_test_role;
grant execute on function pgq.next_batch(text, text) to adopt_test_role;`

// delivered returns the data of what a consumer gets until there is nothing more.
func delivered(t *testing.T, db *pgxpool.Pool, consumer string) string {
	t.Helper()
	mustExec(t, db, "select pgq.ticker('q')")
	var got []string
	for {
		var batch *int64
		if err := db.QueryRow(t.Context(), "select pgq.next_batch('q', $1)", consumer).Scan(&batch); err != nil {
			t.Fatal(err)
		}
		if batch == nil {
			return strings.Join(got, " ")
		}
		rows, err := db.Query(t.Context(), "select ev_data from pgq.get_batch_events($1)", batch)
		if err != nil {
			t.Fatal(err)
		}
		evs, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, evs...)
		if _, err := db.Exec(t.Context(), "select pgq.finish_batch($1)", batch); err != nil {
			t.Fatal(err)
		}
	}
}

func needsReference(t *testing.T) {
	t.Helper()
	if devpg.WithoutReference() {
		t.Skip("no original extension on this server")
	}
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	needsReference(t)
	db := pgqueuetest.NewEmptyDB(t)
	if _, err := schema.AdoptPlan(t.Context(), db); !errors.Is(err, schema.ErrMissing) {
		t.Errorf("plan without the extension: %v, want ErrMissing", err)
	}
	pgqueuetest.NewDB(t) // so the server has PgQ's roles, which the extension creates otherwise
	mustExec(t, db, "create extension pgq")
	for statement := range strings.SplitSeq(inUse, ";\n") { // each in a transaction of its own
		mustExec(t, db, statement)
	}
	t.Cleanup(func() {
		if _, err := db.Exec(t.Context(), "drop owned by adopt_test_role; drop role adopt_test_role"); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	plan, err := schema.AdoptPlan(t.Context(), db)
	if err != nil || len(plan) < 4 {
		t.Errorf("plan %q, %v", plan, err)
	}
	const positions = "select array_agg((c.*, s.*)::text order by sub_id) from pgq.consumer c join pgq.subscription s on s.sub_consumer = co_id"
	var before, after []string
	if err := db.QueryRow(t.Context(), positions).Scan(&before); err != nil {
		t.Fatal(err)
	}

	if _, err := schema.Adopt(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if err := schema.Check(t.Context(), db); err != nil {
		t.Error(err)
	}
	if err := db.QueryRow(t.Context(), positions).Scan(&after); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("positions: %s", diff)
	}
	var kept bool
	err = db.QueryRow(t.Context(), `
		select has_table_privilege('adopt_test_role', 'pgq.subscription', 'select')
		   and has_function_privilege('adopt_test_role', 'pgq.next_batch(text, text)', 'execute')`).Scan(&kept)
	if err != nil || !kept {
		t.Errorf("grants of others are gone: %v", err)
	}

	mustExec(t, db, "insert into watched values (7)") // the trigger still works
	mustExec(t, db, "select pgq.maint_retry_events()")
	for consumer, want := range map[string]string{
		"done":   "3 2 4 id=7", // event 2 is its retry, after the batch of 3
		"open":   "1 2 3 4 id=7",
		"behind": "1 2 3 4 id=7",
	} {
		if got := delivered(t, db, consumer); got != want {
			t.Errorf("%s got %q, want %q", consumer, got, want)
		}
	}
	if _, err := schema.Install(t.Context(), db); err != nil {
		t.Errorf("install again: %v", err)
	}
	mustExec(t, db, "select pgq.create_queue('new'), pgq.register_consumer('new', 'fresh'), pgq.insert_event('new', 't', 'd')")
}

func TestAdoptOnlyTheExtension(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewDB(t)
	before := inventory(t, db)
	if _, err := schema.Adopt(t.Context(), db); !errors.Is(err, schema.ErrMissing) {
		t.Errorf("our own schema: %v, want ErrMissing", err)
	}
	if diff := cmp.Diff(before, inventory(t, db)); diff != "" {
		t.Error(diff)
	}
}

// The documented way back, on a database that is in use.
func TestBackToTheExtension(t *testing.T) {
	t.Parallel()
	needsReference(t)
	db := pgqueuetest.NewDB(t)
	for _, sql := range []string{
		"select pgq.create_queue('q')",
		"select pgq.register_consumer('q', 'open'), pgq.register_consumer('q', 'behind')",
		"select pgq.insert_event('q', 't', '1')",
		"select pgqueue.tick()",
		"select pgq.event_retry(pgq.next_batch('q', 'open'), 1, 0)",
		"select pgq.insert_event('q', 't', '2')",
	} {
		mustExec(t, db, sql)
	}
	script, err := os.ReadFile("../docs/back-to-extension.sql")
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, string(script))
	mustExec(t, db, "select 1 / (extversion >= '3')::int from pg_extension where extname = 'pgq'")
	mustExec(t, db, "update pgq.queue set queue_ticker_max_lag = '0', queue_ticker_idle_period = '0'")
	mustExec(t, db, "select pgq.maint_retry_events()")
	for consumer, want := range map[string]string{"open": "1 1 2", "behind": "1 2"} {
		if got := delivered(t, db, consumer); got != want {
			t.Errorf("%s got %q, want %q", consumer, got, want)
		}
	}
	mustExec(t, db, "select pgq.create_queue('new'), pgq.register_consumer('new', 'fresh'), pgq.insert_event('new', 't', 'd')")
}
