package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lightpgq/pgqueue"
	"github.com/lightpgq/pgqueue/pgqueuetest"
)

// longWait is far more than anything here takes.
const longWait = time.Minute

// process is the program, running.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.ReadCloser
	stderr bytes.Buffer
}

// start runs the program with a database. Its streams are pipes, whose other ends belong to
// the test.
func start(t *testing.T, dsn string, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longWait)
	t.Cleanup(cancel)
	p := &process{t: t, cmd: exec.CommandContext(ctx, "pgqueue", args...)}
	p.cmd.Env = append(os.Environ(), "DATABASE_URL="+dsn, "GORACE=atexit_sleep_ms=0")
	p.cmd.Stderr = &p.stderr
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if p.stdout, err = p.cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// wait returns the exit code, -1 after a signal. What has not been read of standard output
// is lost.
func (p *process) wait() int {
	p.t.Helper()
	err := p.cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// want ends the process's story: its exit code, and what standard error has in it.
func (p *process) want(code int, stderr string) {
	p.t.Helper()
	if got := p.wait(); got != code || !strings.Contains(p.stderr.String(), stderr) {
		p.t.Errorf("%v: exit code %d, want %d; standard error %q, want %q", p.cmd.Args, got, code, p.stderr.String(), stderr)
	}
}

// output runs the program to its end, which has to be a good one.
func output(t *testing.T, dsn string, args ...string) string {
	t.Helper()
	p := start(t, dsn, args...)
	p.stdin.Close()
	out, err := io.ReadAll(p.stdout)
	if err != nil {
		t.Fatal(err)
	}
	p.want(0, "")
	return string(out)
}

// queue makes a database with a queue q and a consumer c.
func queue(t *testing.T) (db *pgxpool.Pool, q pgqueue.Queue, dsn string) {
	t.Helper()
	db = pgqueuetest.NewDB(t)
	q = pgqueuetest.NewQueue(t, db, "q")
	if _, err := q.Register(t.Context(), db, "c"); err != nil {
		t.Fatal(err)
	}
	return db, q, pgqueuetest.DSN(db)
}

// value returns the number that a query gives.
func value(t *testing.T, db *pgxpool.Pool, query string) (n int64) {
	t.Helper()
	if err := db.QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

const countEvents = "select count(*) from pgq.event_1"

// until waits for something to become true.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(longWait); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}

// insert puts events into the queue, and makes a tick.
func insert(t *testing.T, db *pgxpool.Pool, q pgqueue.Queue, data ...string) {
	t.Helper()
	evs := make([]pgqueue.Event, len(data))
	for i := range data {
		evs[i].Data = []byte(data[i])
	}
	if _, err := q.InsertMany(t.Context(), db, evs); err != nil {
		t.Fatal(err)
	}
	pgqueuetest.Tick(t, db, q)
}
