package schema_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lightpgq/pgqueue/pgqueuetest"
	"github.com/lightpgq/pgqueue/schema"
)

// nodes makes a database the root of r, with a reader, a branch of b and a leaf of l.
const nodes = `
select pgq_node.register_location(q, n, 'dbname=' || n, false) from unnest(array['r', 'b', 'l']) q, unnest(array['n1', 'n2']) n;
select pgq_node.create_node('r', 'root', 'n1', 'wr', null, null, null);
select pgq_node.register_subscriber('r', 'n2', 'w2', null);
select pgq_node.create_node('b', 'branch', 'n1', 'wb', 'n2', 7, null);
select pgq_node.create_node('l', 'leaf', 'n1', 'wl', 'n2', 9, 'b')`

// nodeState is all that a database knows about its nodes.
func nodeState(t *testing.T, db *pgxpool.Pool) []string {
	t.Helper()
	rows, err := db.Query(t.Context(), `
		select (select l from pgq_node.get_queue_locations(q) l where node_name = 'n2')::text || pgq_node.get_node_info(q)::text
			|| pgq_node.get_worker_state(q)::text || (select s from pgq_node.get_subscriber_info(q) s)::text
		from unnest(array['r', 'b', 'l']) q
		union all select c.consumer_name || c.last_tick from pgq.get_consumer_info() c
		order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[*string])
	if err != nil {
		t.Fatal(err)
	}
	var state []string
	for _, line := range list {
		if line != nil {
			state = append(state, *line)
		}
	}
	if len(state) < 5 {
		t.Fatalf("hardly a state: %q", state)
	}
	return state
}

func TestUninstallNode(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewDB(t)
	mustExec(t, db, "select pgq_node.register_location('l', 'n', 'dbname=n', false)")
	mustExec(t, db, "select pgq_node.create_node('l', 'leaf', 'n', 'w', 'n', 1, null)")
	if err := schema.Uninstall(t.Context(), db); !errors.Is(err, schema.ErrQueuesExist) {
		t.Errorf("with a leaf node: %v, want ErrQueuesExist", err)
	}
	mustExec(t, db, "select pgq_node.drop_node('l', 'n')")
	if err := schema.Uninstall(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	var left bool
	if err := db.QueryRow(t.Context(), "select to_regnamespace('pgq_node') is not null").Scan(&left); err != nil || left {
		t.Errorf("pgq_node is still there: %v, %v", left, err)
	}
}

func TestForeignNode(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewEmptyDB(t)
	mustExec(t, db, "create schema pgq_node")
	if _, err := schema.Install(t.Context(), db); !errors.Is(err, schema.ErrForeign) {
		t.Errorf("install beside a foreign pgq_node: %v, want ErrForeign", err)
	}
	var changed bool
	if err := db.QueryRow(t.Context(), "select to_regnamespace('pgqueue') is not null").Scan(&changed); err != nil || changed {
		t.Errorf("a refused install changed something: %v, %v", changed, err)
	}
	needsReference(t)
	mustExec(t, db, "drop schema pgq_node; create extension pgq; create extension pgq_node")
	if _, err := schema.Install(t.Context(), db); !errors.Is(err, schema.ErrForeign) {
		t.Errorf("install beside the extensions: %v, want ErrForeign", err)
	}
}

// A demoted queue keeps its trigger through an install.
func TestInstallKeepsNodes(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewDB(t)
	for statement := range strings.SplitSeq(nodes, ";\n") {
		mustExec(t, db, statement)
	}
	mustExec(t, db, "select pgq_node.demote_root('r', 1, null)")
	mustExec(t, db, "select pgq_node.demote_root('r', 2, null)")
	before := nodeState(t, db)
	if _, err := schema.Install(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, nodeState(t, db)); diff != "" {
		t.Error(diff)
	}
	if _, err := db.Exec(t.Context(), "insert into pgq.event_1_0 (ev_time) values (now())"); err == nil {
		t.Error("the data table of a demoted queue can be written to")
	}
}

func TestAdoptNodes(t *testing.T) {
	t.Parallel()
	needsReference(t)
	db := pgqueuetest.NewEmptyDB(t)
	pgqueuetest.NewDB(t) // so the server has PgQ's roles, which the extension creates otherwise
	mustExec(t, db, "create extension pgq; create extension pgq_node")
	for statement := range strings.SplitSeq(nodes, ";\n") {
		mustExec(t, db, statement)
	}
	mustExec(t, db, "create role adopt_node_role; grant execute on function pgq_node.get_node_info(text) to adopt_node_role")
	t.Cleanup(func() {
		if _, err := db.Exec(context.WithoutCancel(t.Context()), "drop owned by adopt_node_role; drop role adopt_node_role"); err != nil {
			t.Error(err)
		}
	})
	before := nodeState(t, db)
	if _, err := schema.Adopt(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, nodeState(t, db)); diff != "" {
		t.Error(diff)
	}
	var kept, ours bool
	err := db.QueryRow(t.Context(), `
		select has_function_privilege('adopt_node_role', 'pgq_node.get_node_info(text)', 'execute'),
			not exists (select from pg_proc where pronamespace = 'pgq_node'::regnamespace and prosecdef and proconfig is null)`).Scan(&kept, &ours)
	if err != nil || !kept || !ours {
		t.Errorf("grant kept %v, functions replaced %v, %v", kept, ours, err)
	}
	mustExec(t, db, "select pgq_node.promote_branch('b')")
	mustExec(t, db, "select pgq.insert_event('b', 't', 'd'), pgq_node.set_global_watermark('b', null)")
	if _, err := schema.Install(t.Context(), db); err != nil {
		t.Errorf("install again: %v", err)
	}
}

// The documented way back keeps nodes too, one in the middle of a demotion among them.
func TestNodesBackToTheExtension(t *testing.T) {
	t.Parallel()
	needsReference(t)
	db := pgqueuetest.NewDB(t)
	for statement := range strings.SplitSeq(nodes, ";\n") {
		mustExec(t, db, statement)
	}
	mustExec(t, db, "select pgq_node.demote_root('r', 1, null)")
	mustExec(t, db, "select pgq_node.demote_root('r', 2, null)")
	before := nodeState(t, db)
	script, err := os.ReadFile("../docs/back-to-extension.sql")
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, string(script))
	mustExec(t, db, "select 1 / (extversion >= '3')::int from pg_extension where extname = 'pgq_node'")
	if diff := cmp.Diff(before, nodeState(t, db)); diff != "" {
		t.Error(diff)
	}
	mustExec(t, db, "select pgq_node.demote_root('r', 3, 'n2')")
	mustExec(t, db, "select pgq_node.promote_branch('b')")
	mustExec(t, db, "select pgq.insert_event('b', 't', 'd')")
}

// Handing a root over needs no more than owning the schema.
func TestNodeOrdinaryOwner(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewEmptyDB(t)
	conn, err := db.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(context.WithoutCancel(t.Context()), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	exec("create role node_owner_role; grant create on database " + pgx.Identifier{conn.Conn().Config().Database}.Sanitize() + " to node_owner_role")
	defer exec("reset role; drop owned by node_owner_role; drop role node_owner_role")
	exec("set role node_owner_role")
	if _, err := schema.Install(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	for statement := range strings.SplitSeq(nodes, ";\n") {
		exec(statement)
	}
	for _, step := range []string{"1", "2", "3"} {
		exec("select 200 / (ret_code = 200)::int from pgq_node.demote_root('r', " + step + ", 'n2')")
	}
	if _, err := conn.Exec(t.Context(), "insert into pgq.event_1_0 (ev_time) values (now())"); err == nil {
		t.Error("the data table of a demoted queue can be written to")
	}
	exec("select pgq_node.promote_branch('r')")
	exec("insert into pgq.event_1_0 (ev_time) values (now())")
	exec("select pgq_node.drop_node('r', 'n1')")
}
