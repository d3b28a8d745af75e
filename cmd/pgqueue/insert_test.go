package main

import (
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
)

// numbers are the lines first to last, each its own number.
func numbers(first, last int) string {
	var b strings.Builder
	for i := first; i <= last; i++ {
		fmt.Fprintln(&b, i)
	}
	return b.String()
}

func write(t *testing.T, w io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
}

// An interrupted insert says exactly which lines are in.
func TestInsertInterrupted(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			db, _, dsn := queue(t)
			p := start(t, dsn, "insert", "q", "--batch-size", "1000")
			write(t, p.stdin, numbers(1, 2500)+"half a li")
			until(t, "all whole lines are in", func() bool { return value(t, db, countEvents) == 2500 })
			p.signal(sig)
			p.want(1, "pgqueue: interrupted; 2500 events (lines 1 to 2500) are in, nothing of the rest. "+
				"Try: tail -n +2501 FILE | pgqueue insert q --format lines\n")
			if n := value(t, db, countEvents); n != 2500 {
				t.Errorf("%d events are in", n)
			}
		})
	}
	t.Run("before anything", func(t *testing.T) {
		t.Parallel()
		db, _, dsn := queue(t)
		p := start(t, dsn, "insert", "q")
		until(t, "it has connected", func() bool {
			return value(t, db, "select count(*) from pg_stat_activity where application_name = 'pgqueue' and datname = current_database() and query ~ 'get_queue_info' and state = 'idle'") > 0
		})
		p.signal(syscall.SIGINT)
		p.want(1, "pgqueue: interrupted; nothing was inserted. Try: pgqueue insert q --format auto\n")
	})
	t.Run("atomic", func(t *testing.T) {
		t.Parallel()
		db, _, dsn := queue(t)
		p := start(t, dsn, "insert", "q", "--atomic")
		write(t, p.stdin, numbers(1, 2500))
		until(t, "all lines have been sent", func() bool { return value(t, db, "select last_value from pgq.event_1_id_seq") == 2500 })
		p.signal(syscall.SIGINT)
		p.want(1, "pgqueue: interrupted; nothing was inserted.")
		if n := value(t, db, countEvents); n != 0 {
			t.Errorf("%d events are in", n)
		}
	})
}

// Killed, it can say nothing; the lines up to one are in, and nothing of the rest.
func TestInsertKilled(t *testing.T) {
	t.Parallel()
	db, _, dsn := queue(t)
	p := start(t, dsn, "insert", "q", "--batch-size", "300")
	go func() { _, _ = io.WriteString(p.stdin, numbers(1, 1_000_000)) }() // fails when it is killed
	until(t, "some lines are in", func() bool { return value(t, db, countEvents) > 3000 })
	p.signal(syscall.SIGKILL)
	p.want(-1, "")
	until(t, "its session has ended", func() bool {
		return value(t, db, "select count(*) from pg_stat_activity where application_name = 'pgqueue' and datname = current_database()") == 0
	})
	n, last := value(t, db, countEvents), value(t, db, "select max(ev_data::int) from pgq.event_1")
	if n != last || n == 1_000_000 || value(t, db, "select count(distinct ev_data) from pgq.event_1") != n {
		t.Errorf("%d events, the last is line %d", n, last)
	}
}

// A connection that is lost during a commit leaves no doubt.
func TestInsertCommitLost(t *testing.T) {
	for name, tc := range map[string]struct {
		atServer bool
		want     string
		code     int
		in       int64
	}{
		"on its way": {false, "; 600 events (lines 1 to 600) are in, nothing of the rest. Try: tail -n +601 FILE |", 1, 600},
		"done":       {true, "", 0, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, _, dsn := queue(t)
			proxy := newProxy(t, dsn, 3, tc.atServer) // loses the third commit
			p := start(t, proxy.dsn, "insert", "q", "--batch-size", "300")
			write(t, p.stdin, numbers(1, 1000))
			p.stdin.Close()
			p.want(tc.code, tc.want)
			if n := value(t, db, countEvents); n != tc.in {
				t.Errorf("%d events are in, want %d", n, tc.in)
			}
			if proxy.lost.Load() != 1 {
				t.Error("no commit was lost")
			}
		})
	}
}

// Lines that trickle in are not held back until a batch is full.
func TestInsertTrickle(t *testing.T) {
	t.Parallel()
	db, _, dsn := queue(t)
	p := start(t, dsn, "insert", "q")
	for i := int64(1); i <= 3; i++ {
		write(t, p.stdin, "a line\n")
		until(t, "the line is in", func() bool { return value(t, db, countEvents) == i })
	}
	p.stdin.Close()
	p.want(0, "")
}
