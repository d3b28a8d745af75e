package demo

import (
	"strconv"
	"strings"
	"sync"
	"time"
)

// The consumers, in the order in which they are shown.
const (
	nameBooks   = "books"
	nameCounter = "counter"
	nameFlaky   = "flaky"
	nameKilled  = "killed"
)

// lastTicks is how long the server may still tick for a ticker that was killed.
const lastTicks = 50 * time.Millisecond

var consumerNames = []string{nameBooks, nameCounter, nameFlaky, nameKilled}

// meter counts what producers and consumers do, and measures latency: from just
// before COMMIT is sent to the moment a handler is given the event for the first
// time. Both ends are this machine's clock.
type meter struct {
	mu      sync.Mutex
	counts  counts
	commits map[int64]*commit // by transfer, until all consumers were given it
	seen    map[string]*seenBy

	// Of the consumers that nobody disturbs; calm is without what
	// was committed while no ticker led.
	all, calm histogram
	tickerEnd time.Time // when a ticker was killed; zero once a later event got through
	openBatch string    // of the killed consumer
}

// counts are numbers of transfers, but for those that say something else.
type counts struct {
	committed, rolledBack, unknown  int64
	transactions, serialization     int64 // transactions committed; failures that were tried again
	tickerKills, kills, killsInside int64 // kills; those of the consumer; those whose batch came again
}

type commit struct {
	at        time.Time
	seen      int // number of consumers
	by        [4]bool
	disturbed bool
}

// seenBy is what one consumer was given. An event is counted as often as it was given.
type seenBy struct {
	index   int
	given   int64
	latency histogram
}

func newMeter() *meter {
	m := &meter{commits: map[int64]*commit{}, seen: map[string]*seenBy{}}
	for i, name := range consumerNames {
		m.seen[name] = &seenBy{index: i}
	}
	return m
}

// committing notes that COMMIT is about to be sent for these transfers.
func (m *meter) committing(ids []int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	for _, id := range ids {
		m.commits[id] = &commit{at: now, disturbed: !m.tickerEnd.IsZero()}
	}
}

// add adds to the counts.
func (m *meter) add(f func(*counts)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(&m.counts)
}

// got notes that a consumer was given a transfer's event.
func (m *meter) got(consumer string, id int64, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.seen[consumer]
	s.given++
	c := m.commits[id]
	if c == nil || c.by[s.index] {
		return // given again
	}
	c.by[s.index] = true
	c.seen++
	if c.seen == len(consumerNames) {
		delete(m.commits, id)
	}
	latency := at.Sub(c.at)
	s.latency.add(latency)
	if c.at.After(m.tickerEnd.Add(lastTicks)) {
		m.tickerEnd = time.Time{}
	}
	if consumer == nameBooks || consumer == nameCounter {
		m.all.add(latency)
		if !c.disturbed {
			m.calm.add(latency)
		}
	}
}

// tickerKilled notes that there may be no ticker from now on. What nobody was given
// yet, and what is committed until a later event gets through, is not calm.
func (m *meter) tickerKilled() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts.tickerKills++
	m.tickerEnd = time.Now()
	for _, c := range m.commits {
		c.disturbed = c.disturbed || c.seen == 0
	}
}

// parse reads a line of the consumer that is a process of its own:
//
//	batch <id>               its handler begins with a batch
//	got <transfer> <nanos>   it was given an event at that time
//	half <id>                it has written half of the batch, and dawdles
//
// A batch that begins twice was not finished the first time.
func (m *meter) parse(line string) {
	words := strings.Fields(line)
	switch {
	case len(words) == 2 && words[0] == "batch":
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.openBatch == words[1] {
			m.counts.killsInside++
		}
		m.openBatch = words[1]
	case len(words) == 3 && words[0] == "got":
		id, err1 := strconv.ParseInt(words[1], 10, 64)
		nanos, err2 := strconv.ParseInt(words[2], 10, 64)
		if err1 == nil && err2 == nil { // else the last line of one that was killed
			m.got(nameKilled, id, time.Unix(0, nanos))
		}
	}
}

// snapshot returns the numbers as they are now.
func (m *meter) snapshot() measured {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := measured{counts: m.counts, all: m.all.summary(), calm: m.calm.summary()}
	for _, name := range consumerNames {
		s.given = append(s.given, m.seen[name].given)
		s.latency = append(s.latency, m.seen[name].latency.summary())
	}
	return s
}

// measured is what the meter shows at one moment; the slices are in the order of consumerNames.
type measured struct {
	counts
	all, calm Latency
	given     []int64
	latency   []Latency
}
