package conformance

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestPressure has producers, a ticker, a rotation that never rests and two
// consumers work at once. What was committed must come, once, to each
// consumer; the second one retries each event and gets it again, once. Ours is
// held to that for producers of every isolation level, the reference, which
// loses events above READ COMMITTED (D1), for that one.
func TestPressure(t *testing.T) {
	runCases(t, []testCase{{id: "pressure", alone: true, run: func(c *caseRun) {
		levels := []string{"read committed", "repeatable read", "serializable"}
		if c.engine.reference {
			levels = levels[:1]
		}
		(&pressure{c: c}).run(levels)
	}}})
}

const (
	pressureProducers    = 4
	pressureTransactions = 60 // of each producer at least
	pressureRotations    = 5  // at least; the producers go on until then
)

// tickForReaders ticks while both consumers keep up, as a rotation waits for
// the one that is behind.
const tickForReaders = `
	select pgq.ticker() where (select max(tick_id) from pgq.tick) - (select min(sub_last_tick) from pgq.subscription) < 3`

type pressure struct {
	c         *caseRun
	produced  atomic.Bool // all producers are done
	rotations atomic.Int32
	mu        sync.Mutex
	committed []string // data of each committed event
}

// reader is a consumer, and how often each event came to it with each retry
// count.
type reader struct {
	consumer string
	retries  bool
	parked   []string
	came     map[string]int
}

func (p *pressure) run(levels []string) {
	p.c.fresh("q")
	plain := &reader{consumer: "plain", came: map[string]int{}}
	retrying := &reader{consumer: "retrying", retries: true, came: map[string]int{}}
	main := p.c.session("main")
	main.want("select pgq.register_consumer('q', 'plain'), pgq.register_consumer('q', 'retrying')", "1|1")

	var producers, others sync.WaitGroup
	for i := range pressureProducers {
		s, level := p.c.session(fmt.Sprint("producer ", i)), levels[i%len(levels)]
		producers.Go(func() { p.produce(s, i, level) })
	}
	for name, work := range map[string]func(s *session){
		"ticker":   func(s *session) { s.do(tickForReaders) },
		"retrier":  func(s *session) { s.do("select pgq.maint_retry_events()") },
		"rotator":  p.rotate,
		"plain":    func(s *session) { p.consume(s, plain) },
		"retrying": func(s *session) { p.consume(s, retrying) },
	} {
		s := p.c.session(name)
		others.Go(func() {
			for !p.produced.Load() {
				work(s)
			}
		})
	}
	producers.Wait()
	p.produced.Store(true)
	others.Wait()

	// What is left: what the last tick did not see, and what is parked.
	for _, r := range []*reader{plain, retrying} {
		for parked := ""; parked != "0"; parked = main.one("select pgq.maint_retry_events()") {
			for main.one("select pgq.ticker('q')"); p.consume(main, r); {
			}
		}
		p.check(r)
	}
	if n := p.rotations.Load(); n < pressureRotations {
		p.c.Errorf("%d rotations in %v, with %d events", n, patience, len(p.committed))
	}
}

// produce runs transactions of three events each: some roll back, some take
// back one event, some write to the table themselves.
func (p *pressure) produce(s *session, producer int, level string) {
	deadline := time.Now().Add(patience)
	for i := 0; i < pressureTransactions || p.rotations.Load() < pressureRotations && time.Now().Before(deadline); i++ {
		for !p.produceOne(s, fmt.Sprintf("%d.%d", producer, i), level, i) {
		}
	}
}

func (p *pressure) produceOne(s *session, name, level string, i int) (ended bool) {
	insert := func(data string) string {
		if i%4 == 3 {
			table := s.do("select pgq.current_event_table('q')")
			if outcome(table) != "done" {
				return outcome(table)
			}
			return outcome(s.do(fmt.Sprintf("insert into %s (ev_time, ev_data) values (now(), '%s')", table[0], data)))
		}
		return outcome(s.do("select pgq.insert_event('q', 't', '" + data + "')"))
	}
	s.do("begin isolation level " + level)
	got := []string{outcome(s.do("select count(*) from pgq.consumer")), insert(name + "a")}
	s.do("savepoint b")
	got = append(got, insert(name+"b"))
	if i%7 == 0 {
		s.do("rollback to b")
	}
	got = append(got, insert(name+"c"))
	if slices.Contains(got, "E 40001") {
		s.do("rollback")
		return false
	}
	if i%5 == 0 {
		s.do("rollback")
		return true
	}
	got = append(got, outcome(s.do("commit")))
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.ContainsFunc(got, func(o string) bool { return o != "done" }) {
		p.c.Errorf("%s: %q", name, got)
	}
	p.committed = append(p.committed, name+"a", name+"c")
	if i%7 != 0 {
		p.committed = append(p.committed, name+"b")
	}
	return true
}

func (p *pressure) rotate(s *session) {
	before := s.do("select queue_cur_table from pgq.queue")
	got := append(s.do("select pgq.maint_rotate_tables_step1('q')"), s.do("select pgq.maint_rotate_tables_step2()")...)
	if !slices.Equal(got, []string{"0", "0"}) {
		p.c.Errorf("rotation: %q", got)
	}
	if !slices.Equal(before, s.do("select queue_cur_table from pgq.queue")) {
		p.rotations.Add(1)
	}
}

// consume works one batch, if there is one, in one transaction, and counts
// what came. The retrying consumer parks five fresh
// events.
func (p *pressure) consume(s *session, r *reader) (worked bool) {
	s.do("begin")
	defer s.do("commit")
	batch := strings.Join(s.do("select pgq.next_batch('q', '"+r.consumer+"')"), "\n")
	if isTrouble(batch) {
		p.c.Errorf("%s: %s", r.consumer, batch)
	}
	if batch == "NULL" || isTrouble(batch) {
		return false
	}
	if r.retries {
		for _, line := range s.do("select ev_data, pgq.event_retry(" + batch + ", ev_id, 0)" +
			" from (select * from pgq.get_batch_events(" + batch + ") where ev_retry is null limit 5) e") {
			data, _, _ := strings.Cut(line, "|")
			r.parked = append(r.parked, data)
		}
	}
	for _, line := range s.do("select ev_data, ev_retry from pgq.get_batch_events(" + batch + ")") {
		r.came[line]++
	}
	if got := s.do("select pgq.finish_batch(" + batch + ")"); !slices.Equal(got, []string{"1"}) {
		p.c.Errorf("%s: finish: %q", r.consumer, got)
	}
	return true
}

// check compares what a consumer counted with what was committed and parked.
func (p *pressure) check(r *reader) {
	want := map[string]int{}
	for _, data := range p.committed {
		want[data+"|NULL"]++
	}
	for _, data := range r.parked {
		want[data+"|1"]++
	}
	if !maps.Equal(want, r.came) {
		p.c.Errorf("%s, of %d events (-committed +counted)\n%s", r.consumer, len(p.committed), cmp.Diff(want, r.came))
	}
	if r.retries != (len(r.parked) > 0) {
		p.c.Errorf("%s parked %d events", r.consumer, len(r.parked))
	}
}
