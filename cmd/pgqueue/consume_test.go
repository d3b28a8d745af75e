package main

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lightpgq/pgqueue/pgqueuetest"
)

// pendingBatch is 1 as long as the consumer has an open batch.
const pendingBatch = "select count(*) from pgq.subscription where sub_batch is not null"

// bigLines are more than a pipe holds.
func bigLines() []string {
	return strings.Split(strings.TrimSpace(strings.Repeat(strings.Repeat("x", 1000)+"\n", 1000)), "\n")
}

// A reader that goes away does not finish the batch.
func TestConsumeBrokenPipe(t *testing.T) {
	for _, args := range [][]string{{"--once"}, {}} {
		t.Run(strings.Join(args, ""), func(t *testing.T) {
			t.Parallel()
			db, q, dsn := queue(t)
			insert(t, db, q, bigLines()...)
			p := start(t, dsn, append([]string{"consume", "q", "c", "--format", "lines"}, args...)...)
			if _, err := bufio.NewReader(p.stdout).ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			p.stdout.Close()
			p.want(1, "pgqueue: the output is lost (write /dev/stdout: broken pipe); the batch in hand is not finished and comes again. Try: ")
			if n := strings.Count(p.stderr.String(), "\n"); n != 1 {
				t.Errorf("%d lines on standard error: %s", n, p.stderr.String())
			}
			if value(t, db, pendingBatch) != 1 {
				t.Error("the batch is finished")
			}
			if n := strings.Count(output(t, dsn, "consume", "q", "c", "--once", "--format", "lines"), "\n"); n != 1000 {
				t.Errorf("%d events came again", n)
			}
			if value(t, db, pendingBatch) != 0 {
				t.Error("the batch is still open")
			}
		})
	}
}

// A consumer killed in the middle of a batch gets all of it again.
func TestConsumeKilled(t *testing.T) {
	t.Parallel()
	db, q, dsn := queue(t)
	insert(t, db, q, bigLines()...)
	p := start(t, dsn, "consume", "q", "c", "--format", "lines")
	if _, err := bufio.NewReader(p.stdout).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGKILL)
	p.want(-1, "")
	if n := strings.Count(output(t, dsn, "consume", "q", "c", "--once", "--format", "lines"), "\n"); n != 1000 {
		t.Errorf("%d events came again", n)
	}
}

// consume and ticker run until they are told to stop: events come as they are inserted.
func TestConsumeFollows(t *testing.T) {
	t.Parallel()
	_, _, dsn := queue(t)
	ticker := start(t, dsn, "ticker")
	p := start(t, dsn, "consume", "q", "c", "--format", "lines")
	out := bufio.NewReader(p.stdout)
	for _, data := range []string{"one", "two", "three"} {
		output(t, dsn, "insert", "q", data)
		if line, err := out.ReadString('\n'); err != nil || line != data+"\n" {
			t.Fatalf("got %q, %v; want %q", line, err, data)
		}
	}
	p.signal(syscall.SIGTERM)
	if rest, err := io.ReadAll(out); err != nil || len(rest) > 0 {
		t.Errorf("at the end: %q, %v", rest, err)
	}
	p.want(0, "")
	// With a ticker, what was just inserted is pending.
	output(t, dsn, "insert", "q", "four")
	if out := output(t, dsn, "consume", "q", "c", "--once", "--format", "lines"); out != "four\n" {
		t.Errorf("got %q", out)
	}
	ticker.signal(syscall.SIGINT)
	ticker.want(0, "msg=ticking")
}

// A batch in hand is finished after a signal.
func TestExecDrains(t *testing.T) {
	t.Parallel()
	db, q, dsn := queue(t)
	insert(t, db, q, "one", "two")
	dir := t.TempDir()
	p := start(t, dsn, "consume", "q", "c", "--exec",
		"cd "+dir+" && touch begun && while ! test -e go; do sleep 0.01; done && cat >> out && echo >> out")
	until(t, "the first command runs", func() bool { _, err := os.Stat(filepath.Join(dir, "begun")); return err == nil })
	p.signal(syscall.SIGTERM)
	if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p.want(0, "")
	if out, err := os.ReadFile(filepath.Join(dir, "out")); err != nil || string(out) != "one\ntwo\n" {
		t.Errorf("the commands wrote %q, %v", out, err)
	}
	if value(t, db, pendingBatch) != 0 {
		t.Error("the batch is not finished")
	}
}

// A command that goes on too long is stopped, and its batch comes again.
func TestExecDrainEnds(t *testing.T) {
	t.Parallel()
	db, q, dsn := queue(t)
	insert(t, db, q, "one")
	mark := filepath.Join(t.TempDir(), "begun")
	p := start(t, dsn, "consume", "q", "c", "--once", "--drain", "50ms", "--exec", "trap 'exit 0' TERM; touch "+mark+"; while :; do sleep 0.01; done")
	until(t, "the command runs", func() bool { _, err := os.Stat(mark); return err == nil })
	p.signal(syscall.SIGTERM)
	p.want(1, "pgqueue: ")
	if value(t, db, pendingBatch) != 1 {
		t.Error("the batch is finished")
	}
	if out := output(t, dsn, "consume", "q", "c", "--once", "--exec", "cat"); out != "one" {
		t.Errorf("it comes again as %q", out)
	}
}

// Batches that are larger than what is read at once for --exec go through whole, once.
func TestExecManyEvents(t *testing.T) {
	t.Parallel()
	db, q, dsn := queue(t)
	p := start(t, dsn, "insert", "q")
	write(t, p.stdin, numbers(1, 2345))
	p.stdin.Close()
	p.want(0, "")
	pgqueuetest.Tick(t, db, q)
	out := output(t, dsn, "consume", "q", "c", "--once", "--exec", "cat; echo")
	if out != numbers(1, 2345) {
		t.Errorf("%d bytes came out, not the numbers from 1 to 2345", len(out))
	}
}

// Whatever is in the lines comes out byte by byte.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	db, q, dsn := queue(t)
	var b strings.Builder
	for i := 0; b.Len() < 5_000_000; i++ {
		b.WriteString(strings.Repeat("{\"é\\u0041\": \t漢\x01\x7f'\"} ", i%50))
		b.WriteString(numbers(i, i))
	}
	p := start(t, dsn, "insert", "q")
	write(t, p.stdin, b.String())
	p.stdin.Close()
	p.want(0, "")
	pgqueuetest.Tick(t, db, q)
	if out := output(t, dsn, "consume", "q", "c", "--once", "--format", "lines"); out != b.String() {
		t.Errorf("%d bytes went in, %d others came out", b.Len(), len(out))
	}
}
