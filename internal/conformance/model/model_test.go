package model

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/lightpgq/pgqueue/internal/devpg"
	"github.com/lightpgq/pgqueue/schema"
)

var (
	server  *devpg.Server // alone with its transaction ids, or no table could be rotated
	queues  atomic.Int32
	mutated = os.Getenv("PGQUEUE_MODEL_MUTATION")
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "model:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx := context.Background()
	server, err = devpg.Start(ctx, devpg.Config{Settings: map[string]string{"max_prepared_transactions": "50"}})
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	conn, err := pgx.Connect(ctx, server.DSN("postgres"))
	if err != nil {
		return 1, err
	}
	defer conn.Close(ctx)
	if _, err := schema.Install(ctx, conn); err != nil {
		return 1, err
	}
	if mutated != "" {
		if err := mutate(ctx, conn, mutations[mutated]); err != nil {
			return 1, err
		}
	}
	return m.Run(), nil
}

// The engine does what the model says, whatever happens in whatever order.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		defer w.close()
		t.Repeat(map[string]func(*rapid.T){
			"begin": w.begin, "insert": w.insert, "insert ": w.insert, "insert undone": w.insertUndone, "overtaken": w.overtaken,
			"commit": w.commitOne, "rollback": w.rollbackOne, "prepare": w.prepare, "end prepared": w.endPrepared,
			"kill producer": w.killProducer,
			"tick":          w.tick, "tick ": w.tick, "cut gap": w.cutGap,
			"rotate": w.rotate, "rotate step 2": w.rotateStep2, "rotate wholly": w.rotateWholly, "rotate wholly ": w.rotateWholly, "rotate positions": w.rotatePositions, "rotate positions ": w.rotatePositions,
			"thin ticks": w.thinTicks, "give back": w.giveBack,
			"register": w.register, "unregister": w.unregister, "seek": w.seek,
			"consume": w.consume, "consume ": w.consume, "consume  ": w.consume, "old snapshot": w.oldSnapshot, "stale": w.stale,
		})
		w.drain()
	})
}

func newWorld(t *rapid.T) *world {
	ctx := context.Background()
	cfg, err := pgx.ParseConfig(server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.RuntimeParams["lock_timeout"] = "10s" // one history runs one call at a time: nothing may wait
	admin, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, ctx: ctx, admin: admin, queue: fmt.Sprint("q", queues.Add(1)),
		prepared: map[string][]*event{}, consumers: map[string]*consumer{}, newest: 1,
	}
	w.exec("select pgq.create_queue($1)", w.queue)
	w.exec(`update pgq.queue set queue_ticker_max_lag = '0', queue_ticker_idle_period = '0', queue_rotation_period = '0'
	         where queue_name = $1`, w.queue)
	w.id = w.number("select queue_id from pgq.queue where queue_name = $1", w.queue)
	for range 3 {
		w.producers = append(w.producers, &producer{conn: w.connect()})
	}
	w.old = w.connect()
	return w
}

// close removes what the history left, so that it does not hold back the next one.
func (w *world) close() {
	for _, p := range w.producers {
		_ = p.conn.Close(w.ctx)
	}
	_ = w.old.Close(w.ctx)
	for gid := range w.prepared {
		_, _ = w.admin.Exec(w.ctx, "rollback prepared '"+gid+"'")
	}
	_, err := w.admin.Exec(w.ctx, "select pgq.drop_queue($1, true)", w.queue)
	_ = w.admin.Close(w.ctx)
	if err != nil && !w.t.Failed() {
		w.t.Fatalf("drop queue: %v", err)
	}
}

// mutation breaks one promise: in a function, one piece of text is replaced.
type mutation struct{ function, from, to string }

var mutations = map[string]mutation{
	"rotation does not wait for consumers": {
		"pgq.maint_rotate_tables_step1(text)", "oldest_xmin <= q.queue_switch_step2", "false",
	},
	"rotation a step too early": {
		"pgqueue.batch_range(int8)", "txid_snapshot_xmin(p.tick_snapshot) > q.queue_switch_step2",
		"txid_snapshot_xmin(p.tick_snapshot) >= q.queue_switch_step1",
	},
	"old snapshots may insert": {
		"pgqueue.check_switch(text)", "if found then", "if false then",
	},
	"running transactions are forgotten": {
		"pgqueue.batch_query(int8)", "if late is not null then", "if false then",
	},
	"the edge is read without its snapshot": {
		"pgqueue.batch_query(int8)", "and txid_visible_in_snapshot(ev_txid, %L)", "and %L is not null",
	},
	"retried events come to everyone": {
		"pgqueue.batch_query(int8)", "ev_owner is null or ev_owner = %s", "true or ev_owner = %s",
	},
	"old snapshots may move a consumer": {
		"pgqueue.move(pgqueue.position, int8, int8, int8, timestamptz)",
		"current_setting('transaction_isolation') in ('repeatable read', 'serializable')", "false",
	},
	"positions are emptied too early": {
		"pgqueue.behind(int4, int4)", "> coalesce(", "> 1000000 + coalesce(",
	},
}

func mutate(ctx context.Context, conn *pgx.Conn, m mutation) error {
	var text string
	if err := conn.QueryRow(ctx, "select pg_get_functiondef($1::regprocedure)", m.function).Scan(&text); err != nil {
		return err
	}
	if strings.Count(text, m.from) != 1 {
		return fmt.Errorf("%s has not exactly one %q", m.function, m.from)
	}
	_, err := conn.Exec(ctx, strings.Replace(text, m.from, m.to, 1))
	return err
}

// A model that notices nothing proves nothing: each of these breaks of the engine
// must make TestModel fail. Run in processes of their own, each with its server.
func TestModelNotices(t *testing.T) {
	if mutated != "" {
		t.Skip("this is such a process")
	}
	for name := range mutations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0],
				"-test.run=^TestModel$", "-rapid.checks=2000", "-rapid.shrinktime=1s", "-rapid.nofailfile")
			cmd.Env = append(os.Environ(), "PGQUEUE_MODEL_MUTATION="+name)
			out, err := cmd.CombinedOutput()
			var failed *exec.ExitError
			if !errors.As(err, &failed) || !strings.Contains(string(out), "--- FAIL: TestModel") {
				t.Errorf("the model did not notice: %v\n%s", err, out)
			}
		})
	}
}
