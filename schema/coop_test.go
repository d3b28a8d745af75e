package schema_test

import (
	"errors"
	"testing"

	"github.com/lightpgq/pgqueue/pgqueuetest"
	"github.com/lightpgq/pgqueue/schema"
)

func TestForeignCoop(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"pgq_coop", "pgq_ext"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := pgqueuetest.NewEmptyDB(t)
			mustExec(t, db, "create schema "+name)
			if _, err := schema.Install(t.Context(), db); !errors.Is(err, schema.ErrForeign) {
				t.Errorf("install beside a foreign %s: %v, want ErrForeign", name, err)
			}
			var changed bool
			if err := db.QueryRow(t.Context(), "select to_regnamespace('pgqueue') is not null").Scan(&changed); err != nil || changed {
				t.Errorf("a refused install changed something: %v, %v", changed, err)
			}
		})
	}
}

func TestUninstallCoop(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewDB(t)
	if err := schema.Uninstall(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	var left int
	err := db.QueryRow(t.Context(), "select count(*) from pg_namespace where nspname like 'pgq%'").Scan(&left)
	if err != nil || left != 0 {
		t.Errorf("%d schemas left behind: %v", left, err)
	}
}

// What a database has of cooperative consumers and of completion tracking, in the tables of pgq_ext 2,
// is taken over with the rest.
func TestAdoptCoop(t *testing.T) {
	t.Parallel()
	needsReference(t)
	db := pgqueuetest.NewEmptyDB(t)
	pgqueuetest.NewDB(t) // so the server has PgQ's roles, which the extension creates otherwise
	for _, sql := range []string{
		"create extension pgq",
		"select pgq.create_queue('q')",
		"select pgq.register_consumer('q', 'm'), pgq.register_consumer('q', 'm.busy'), pgq.register_consumer('q', 'm.idle')",
		"select pgq.insert_event('q', 't', 'd'), pgq.force_tick('q'), pgq.ticker('q')",
		"select pgq.next_batch('q', 'm.busy')",
		"update pgq.subscription set sub_id = 1, sub_last_tick = case sub_consumer when 1 then 2 when 2 then 1 end",
		"create schema pgq_coop",
		"create function pgq_coop.version() returns text language sql as 'select null::text'",
		"create schema pgq_ext",
		"create table pgq_ext.completed_tick (consumer_id text, last_tick_id int8, constraint completed_tick_pkey primary key (consumer_id))",
		"create table pgq_ext.completed_batch (consumer_id text, last_batch_id int8, constraint completed_batch_pkey primary key (consumer_id))",
		"create table pgq_ext.completed_event (consumer_id text, batch_id int8, event_id int8, constraint completed_event_pkey primary key (consumer_id, batch_id, event_id))",
		"create table pgq_ext.partial_batch (consumer_id text, cur_batch_id int8, constraint partial_batch_pkey primary key (consumer_id))",
		"insert into pgq_ext.completed_batch values ('c', 7)",
	} {
		mustExec(t, db, sql)
	}
	if _, err := schema.Adopt(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	for _, call := range []struct{ sql, want string }{
		{"select concat_ws(' ', pgq_ext.is_batch_done('c', 7), pgq_ext.set_batch_done('c', 'sub', 7))", "t t"},
		{"select concat_ws(' ', pgq_coop.next_batch('q', 'm', 'idle'), pgq_coop.next_batch('q', 'm', 'busy'))", "1"},
		{"select concat_ws(' ', pgq.finish_batch(1), pgq_coop.version())", "1 3.4"},
		{"select pgq.unregister_consumer('q', 'm')::text", "3"},
	} {
		var got string
		if err := db.QueryRow(t.Context(), call.sql).Scan(&got); err != nil || got != call.want {
			t.Errorf("%s: %q, %v, want %q", call.sql, got, err, call.want)
		}
	}
}
