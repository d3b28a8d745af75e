package conformance

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Each case has a database to itself. Making one means creating three hundred
// files, which takes a loaded disk longer than the case, so a database is
// handed on when its case has passed and everything in it is as in the
// template again: no row, no object, no right and no sequence value is different. One
// that is not, as the case made something of its own, is left for the end of the
// server (a drop waits for a checkpoint).

var idle struct {
	sync.Mutex
	databases map[string][]string // by engine
}

// newDatabase returns the address of a database with the engine installed and
// nothing else in it. It is the test's own until the test ends.
func newDatabase(t *testing.T, e engine) (dsn string) {
	t.Helper()
	dsn = takeIdle(e)
	if dsn == "" {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		name := "case_" + strings.ToLower(rand.Text()[:12])
		if err := adminExec(ctx, fmt.Sprintf("create database %s template template_%s%s", name, e.name, copyStrategy)); err != nil {
			t.Fatal(err)
		}
		dsn = server.DSN(name)
	}
	t.Cleanup(func() {
		if !t.Failed() && cleaned(dsn, e) {
			idle.Lock()
			defer idle.Unlock()
			idle.databases[e.name] = append(idle.databases[e.name], dsn)
		}
	})
	return dsn
}

func takeIdle(e engine) (dsn string) {
	idle.Lock()
	defer idle.Unlock()
	if idle.databases == nil {
		idle.databases = map[string][]string{}
	}
	list := idle.databases[e.name]
	if len(list) == 0 {
		return ""
	}
	dsn, idle.databases[e.name] = list[len(list)-1], list[:len(list)-1]
	return dsn
}

// cleanUp takes a database back to the beginning, as far as PgQ's own means go.
const cleanUp = `
	delete from pgq_node.subscriber_info; delete from pgq_node.local_state;
	delete from pgq_node.node_info; delete from pgq_node.node_location;
	select pgq.drop_queue(queue_name, true) from pgq.queue;
	delete from pgq.consumer;
	alter sequence pgq.queue_queue_id_seq restart;
	alter sequence pgq.consumer_co_id_seq restart;
	alter sequence pgq.subscription_sub_id_seq restart;
	alter sequence pgq.batch_id_seq restart;`

// contents describes all that a case can see: every object outside the
// system's schemas with its rights, the rows of PgQ's tables, its sequences.
const contents = `
	with mine as (select oid, nspname, nspacl from pg_namespace
		where nspname not in ('pg_catalog', 'information_schema', 'pg_toast') and nspname !~ '^pg_(toast_)?temp')
	select concat_ws(' ', 'schema', nspname, nspacl) from mine
	union all select concat_ws(' ', relkind, nspname, relname, relacl, reloptions) from pg_class c join mine on mine.oid = relnamespace
	union all select concat_ws(' ', 'function', p.oid::regprocedure, proacl, proconfig,
			case when p.proname !~ '^insert_(many_)?[0-9]+$' then md5(p.prosrc) end)
		from pg_proc p join mine on mine.oid = pronamespace
	union all select concat_ws(' ', 'operator', o.oid::regoperator) from pg_operator o join mine on mine.oid = oprnamespace
	union all select concat_ws(' ', 'rows', (select count(*) from pgq.queue), (select count(*) from pgq.consumer),
		(select count(*) from pgq.tick), (select count(*) from pgq.subscription), (select count(*) from pgq.retry_queue),
		(select count(*) from pgq.event_template))
	union all select concat_ws(' ', 'value', sequencename, last_value) from pg_sequences where schemaname = 'pgq'`

// templateContents are the contents of the template of each engine.
var templateContents = map[string][]string{}

// cleaned empties a database and says whether it is like new.
func cleaned(dsn string, e engine) bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return false
	}
	defer conn.Close(ctx)
	if _, err := conn.PgConn().Exec(ctx, cleanUp).ReadAll(); err != nil {
		return false
	}
	now, err := readContents(ctx, conn)
	return err == nil && slices.Equal(now, templateContents[e.name])
}

func readContents(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	rows, err := conn.Query(ctx, contents)
	if err != nil {
		return nil, err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	slices.Sort(lines)
	return lines, err
}
