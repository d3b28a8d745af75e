package pgqueue_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/lightpgq/pgqueue"
	"github.com/lightpgq/pgqueue/pgqueuetest"
)

// throughPgBouncer returns a pool that reaches db through a PgBouncer in transaction mode
// with two connections to the server.
func throughPgBouncer(t *testing.T, db *pgxpool.Pool) *pgxpool.Pool {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer" // Debian's place, not always on PATH
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("pgbouncer is needed, see scripts/setup-test: %v", err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	server := db.Config().ConnConfig
	dir, err := os.MkdirTemp("", "pgqueue-pgbouncer-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ini := filepath.Join(dir, "pgbouncer.ini")
	text := fmt.Sprintf("[databases]\n%[1]s = host=%[2]s port=%[3]d dbname=%[1]s user=%[4]s password=%[5]s\n"+
		"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %[6]d\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n",
		server.Database, server.Host, server.Port, server.User, server.Password, port)
	if err := os.WriteFile(ini, []byte(text), 0o644); err != nil { //nolint:gosec // read by another user, gone after the test
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-q", ini)
	if os.Getuid() == 0 { // it refuses to run as root
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		cmd = exec.CommandContext(t.Context(), "setpriv", "--reuid=nobody", "--clear-groups", program, "-q", ini)
	}
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // ended by the test's context
	pool, err := pgxpool.New(t.Context(), fmt.Sprintf(
		"host=127.0.0.1 port=%d user=any dbname=%s pool_max_conns=20 default_query_exec_mode=exec", port, server.Database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	eventually(t, "pgbouncer answers", func() bool { return pool.Ping(t.Context()) == nil })
	return pool
}

// Producers and consumers through a pooler in transaction mode; ticks and LISTEN go to
// the server itself.
func TestThroughPgBouncer(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewDB(t)
	pooled := throughPgBouncer(t, db)
	workThrough(t, pooled)

	q := pgqueuetest.NewQueue(t, pooled, "q")
	if _, err := q.Register(t.Context(), pooled, "c"); err != nil {
		t.Fatal(err)
	}
	mustExec(t, pooled, "create table got (id bigint)")
	startTicker(t, db, pgqueue.TickerConfig{})
	c, err := pgqueue.NewConsumer(pooled, pgqueue.ConsumerConfig{
		Queue: "q", Name: "c", ListenDSN: pgqueuetest.DSN(db), Logger: testLogger(t),
		Handler: pgqueue.EachEvent(func(ctx context.Context, tx pgx.Tx, ev pgqueue.Event) error {
			_, err := tx.Exec(ctx, "insert into got values ($1)", ev.ID)
			return err
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	background(t, c.Run)
	var group errgroup.Group
	for range 8 {
		group.Go(func() error {
			for range 25 {
				if _, err := q.Insert(t.Context(), pooled, pgqueue.Event{Type: "t"}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all events arrive", func() bool { return count(t, db, "select count(*) from got") == 200 })
	if n := count(t, db, "select count(distinct id) from got"); n != 200 {
		t.Errorf("%d different events of 200", n)
	}
}
