package conformance

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

// testCase is one numbered promise: a script, or a function where a script
// cannot say it.
type testCase struct {
	id     string
	script string
	run    func(c *caseRun)
	alone  bool // must not share the server's transaction ids with another case
}

// caseRun is a testCase on one engine, in a database of its own.
type caseRun struct {
	*testing.T
	id       string
	engine   engine
	dsn      string
	sessions map[string]*session
}

// patience bounds every wait of a case. Nothing here takes a second by itself.
const patience = 30 * time.Second

// runCases runs each case on each engine, as <id>/<engine>. Those that must
// be alone come first, one after the other; the rest run in parallel.
func runCases(t *testing.T, cases []testCase) {
	t.Helper()
	for _, tc := range cases {
		t.Run(tc.id, func(t *testing.T) {
			if !tc.alone {
				t.Parallel()
			}
			for _, e := range engines {
				t.Run(e.name, func(t *testing.T) {
					if !tc.alone {
						t.Parallel()
					}
					c := newCaseRun(t, tc.id, e)
					if tc.run != nil {
						tc.run(c)
						return
					}
					c.script(tc.script)
				})
			}
		})
	}
}

func newCaseRun(t *testing.T, id string, e engine) *caseRun {
	t.Helper()
	return &caseRun{T: t, id: id, engine: e, dsn: newDatabase(t, e), sessions: map[string]*session{}}
}

// session returns the connection of that name, opening it at its first use.
func (c *caseRun) session(name string) *session {
	c.Helper()
	if s, ok := c.sessions[name]; ok {
		return s
	}
	s := connect(c.T, c.dsn, c.engine)
	c.sessions[name] = s
	return s
}

// fresh makes a queue that ticks at each call and whose rotation is always due.
func (c *caseRun) fresh(queue string) {
	c.Helper()
	s := c.session("main")
	s.want(fmt.Sprintf("select pgq.create_queue(%s)", quote(queue)), "1")
	s.ok(fmt.Sprintf(`update pgq.queue set queue_ticker_max_lag = '0',
		queue_ticker_idle_period = '0', queue_rotation_period = '0' where queue_name = %s`, quote(queue)))
}

// settle waits until every transaction that has an id by now is over, so that
// the xmin of the next snapshot is younger than all of them.
func (c *caseRun) settle() {
	c.Helper()
	s := c.session("main")
	now := s.one("select txid_current()")
	c.until("older transactions to end", func() bool {
		return s.one("select txid_snapshot_xmin(txid_current_snapshot()) > "+now) == "t"
	})
}

// until polls a condition and fails the case when it does not come true.
func (c *caseRun) until(what string, done func() bool) {
	c.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			c.Fatalf("waited %v for %s", patience, what)
		case <-tick.C:
		}
	}
}

// differs returns what this engine is expected to do where the table of
// differences has a line for this case and key.
func (c *caseRun) differs(key string) string {
	c.Helper()
	for i, d := range differences {
		if d.id != c.id || d.key != key {
			continue
		}
		usedDifferences.Store([2]any{i, c.engine.name}, true)
		if c.engine.reference {
			return d.reference
		}
		return d.ours
	}
	c.Fatalf("the table of differences has no line for case %s, key %s", c.id, key)
	return ""
}

// usedDifferences records which lines of the table were asserted, per engine.
var usedDifferences sync.Map

// unusedDifferences lists the lines of the table that no case asserted.
func unusedDifferences() []string {
	var unused []string
	for i, d := range differences {
		for _, e := range engines {
			if _, ok := usedDifferences.Load([2]any{i, e.name}); !ok {
				unused = append(unused, fmt.Sprintf("%s %s on %s", d.id, d.key, e.name))
			}
		}
	}
	return unused
}
