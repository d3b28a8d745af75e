package demo

import (
	"fmt"
	"testing"
	"time"
)

// Only the first giving counts, from the commit, and a transfer is forgotten when all have it.
func TestMeterLatency(t *testing.T) {
	m := newMeter()
	m.committing([]int64{1, 2})
	at := m.commits[1].at
	for _, name := range consumerNames {
		m.got(name, 1, at.Add(10*time.Millisecond))
		m.got(name, 1, at.Add(time.Hour))
	}
	m.got(nameFlaky, 2, at.Add(time.Minute)) // flaky does not count for the whole
	s := m.snapshot()
	if want := (Latency{P50: 10, P99: 10, Max: 10}); s.all != want || s.calm != want {
		t.Errorf("latency %+v, calm %+v, want %+v", s.all, s.calm, want)
	}
	if want := []int64{2, 2, 3, 2}; fmt.Sprint(s.given) != fmt.Sprint(want) {
		t.Errorf("given %v, want %v", s.given, want)
	}
	if len(m.commits) != 1 {
		t.Errorf("%d transfers are remembered, want 1", len(m.commits))
	}
}

// What waits while no ticker leads is not calm; once something gets through, it is again.
func TestMeterCalm(t *testing.T) {
	m := newMeter()
	m.committing([]int64{1})
	m.tickerKilled()
	m.committing([]int64{2})
	m.got(nameBooks, 1, m.commits[1].at.Add(time.Second)) // committed before the kill: proves nothing
	m.committing([]int64{3})
	m.got(nameBooks, 2, m.commits[2].at.Add(time.Second)) // by a tick that was under way
	m.commits[3].at = m.tickerEnd.Add(lastTicks + 1)
	m.committing([]int64{4})
	m.got(nameBooks, 3, m.commits[3].at.Add(time.Second))
	m.committing([]int64{5})
	m.got(nameBooks, 4, m.commits[4].at.Add(time.Second))
	m.got(nameBooks, 5, m.commits[5].at.Add(time.Millisecond))
	if s := m.snapshot(); s.calm.Max != 1 || s.all.Max != 1000 {
		t.Errorf("calm %+v, all %+v, want only the last one calm", s.calm, s.all)
	}
}

func TestMeterParse(t *testing.T) {
	m := newMeter()
	m.committing([]int64{7})
	nanos := m.commits[7].at.Add(3 * time.Millisecond).UnixNano()
	for _, line := range []string{
		"batch 1", "batch 2", "half 2", "batch 2", fmt.Sprintf("got 7 %d", nanos), "got 8 1", "got 7", "got x y", "", "bat",
	} {
		m.parse(line)
	}
	s := m.snapshot()
	if s.killsInside != 1 {
		t.Errorf("%d kills in a batch, want 1", s.killsInside)
	}
	if killed := s.latency[3]; s.given[3] != 2 || killed.Max != 3 {
		t.Errorf("killed was given %d, latency %+v, want 2 and 3 ms", s.given[3], killed)
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	if h.quantile(0.5) != 0 {
		t.Error("a quantile of nothing is not 0")
	}
	for i := 1; i <= 1000; i++ {
		h.add(time.Duration(i) * time.Millisecond)
	}
	h.add(-time.Second) // a clock that was set back
	for _, c := range []struct {
		q    float64
		want time.Duration
	}{{0, 0}, {0.5, 500 * time.Millisecond}, {0.99, 990 * time.Millisecond}, {1, time.Second}} {
		got := h.quantile(c.q)
		if got < c.want || float64(got) > float64(c.want)*bucketRatio+float64(2*time.Microsecond) {
			t.Errorf("quantile %v is %v, want about %v", c.q, got, c.want)
		}
	}
	h.add(1000 * time.Hour)
	if h.summary().Max != 3.6e9 {
		t.Errorf("max %v", h.summary().Max)
	}
}

func TestNumber(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", -123: "-123"} {
		if got := number(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
