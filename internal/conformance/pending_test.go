package conformance

import "fmt"

// pending is a statement that runs while the case goes on elsewhere.
type pending struct {
	c     *caseRun
	s     *session
	sql   string
	done  chan struct{}
	lines []string
}

// start sends a statement and does not wait for its answer.
func (c *caseRun) start(name, sql string) *pending {
	c.Helper()
	p := &pending{c: c, s: c.session(name), sql: sql, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.lines = p.s.do(sql)
	}()
	return p
}

// waits returns true as soon as the statement waits for a lock of another
// session, and false when it ended without.
func (p *pending) waits() bool {
	p.c.Helper()
	watch := p.c.session("watch")
	blocked := fmt.Sprintf("select pg_blocking_pids(%d) <> '{}'", p.s.conn.PgConn().PID())
	waiting := false
	p.c.until("an end or a lock wait of "+p.sql, func() bool {
		select {
		case <-p.done:
			return true
		default:
		}
		waiting = watch.one(blocked) == "t"
		return waiting
	})
	return waiting
}

// result waits for the end of the statement and returns its transcript.
func (p *pending) result() []string {
	<-p.done // do has a deadline of its own
	return p.lines
}

// want waits for the end of the statement, which must answer these lines.
func (p *pending) want(lines ...string) {
	p.c.Helper()
	if diff := diffTranscript(lines, p.result()); diff != "" {
		p.c.Errorf("%s\n%s", p.sql, diff)
	}
}
