package demo

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/lightpgq/pgqueue"
)

const (
	lookPeriod = 250 * time.Millisecond // so that no rotation is missed
	drawEvery  = 4                      // looks
)

// live shows once a second how things are going. It also counts rotations, so it
// runs when nothing is shown, too.
type live struct {
	r     *run
	out   io.Writer // io.Discard: nothing is shown
	began time.Time

	phases chan string // a new phase, to be drawn at once
	phase  string

	looks     int
	switched  time.Time // last rotation seen
	rotations int64

	drawn    int // lines of the table on the screen
	last     measured
	lastTime time.Time
	lastTick int64
	rates    rates
}

func newLive(r *run) *live {
	l := &live{r: r, out: r.cfg.Live, began: time.Now(), lastTime: time.Now(), phases: make(chan string, 1)}
	if l.out == nil {
		l.out = io.Discard
	}
	l.last = r.meter.snapshot()
	l.rates = rates{in: "0", ticks: "0", out: []string{"0", "0", "0", "0"}}
	return l
}

// headline says what there is to see.
func (l *live) headline() {
	fmt.Fprintf(l.out, `pgqueue demo on %s
Money moves between %d accounts; each transfer puts its event into a queue, in the same transaction.
Some transactions roll back, some stay open for seconds, some carry hundreds of transfers.
Four consumers read the queue: books rebuilds the balances, counter counts, flaky fails now and
then, killed gets kill -9, as does the ticker. The queue's tables are rotated all the while.
After %v SQL has to prove that nothing is lost, nothing came twice, and every balance is right.

`, l.r.db.about, accountCount, l.r.cfg.Duration)
}

// setPhase says what happens now; it is shown instead of the time.
func (l *live) setPhase(phase string) { l.phases <- phase }

// run looks and draws until ctx is done.
func (l *live) run(ctx context.Context) {
	ticks := time.NewTicker(lookPeriod)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case l.phase = <-l.phases:
			l.looks = 0
			l.look(ctx, true)
		case <-ticks.C:
			l.looks++
			l.look(ctx, l.looks%drawEvery == 0)
		}
	}
}

// look reads the state of the queue, and draws it if asked to.
func (l *live) look(ctx context.Context, draw bool) {
	info, err := l.r.db.queue.Info(ctx, l.r.db.pool)
	if err != nil {
		return // the server is away: whoever needs it says so
	}
	if !info.SwitchTime.Equal(l.switched) {
		if !l.switched.IsZero() {
			l.rotations++
		}
		l.switched = info.SwitchTime
	}
	if !draw {
		return
	}
	consumers, err := l.r.db.queue.Consumers(ctx, l.r.db.pool)
	if err != nil {
		return
	}
	now, m := time.Now(), l.r.meter.snapshot()
	if now.Sub(l.lastTime) > drawEvery*lookPeriod/2 { // over less, rates say nothing
		l.rate(now, m, info.LastTick)
	}
	v := view{
		m: m, rates: l.rates, rotations: l.rotations, consumers: map[string]pgqueue.ConsumerInfo{},
		flakyEvents: l.r.flaky.events.Load(), flakyBatches: l.r.flaky.batches.Load(),
	}
	for _, c := range consumers {
		v.consumers[c.Name] = c
	}
	if v.phase = l.phase; v.phase == "" {
		v.phase = fmt.Sprintf("%.0f s of %v", now.Sub(l.began).Seconds(), l.r.cfg.Duration)
	}
	l.draw(v)
}

// rate computes the rates since the last time.
func (l *live) rate(now time.Time, m measured, tick int64) {
	seconds := now.Sub(l.lastTime).Seconds()
	perSecond := func(now, before int64) string { return number(int64(float64(now-before) / seconds)) }
	l.rates = rates{in: perSecond(m.committed, l.last.committed), ticks: perSecond(tick, l.lastTick)}
	for i := range consumerNames {
		l.rates.out = append(l.rates.out, perSecond(m.given[i], l.last.given[i]))
	}
	l.last, l.lastTime, l.lastTick = m, now, tick
}

// draw redraws the table in place on a terminal, and writes a line elsewhere.
func (l *live) draw(v view) {
	if !l.r.cfg.Terminal {
		fmt.Fprintln(l.out, v.line())
		return
	}
	lines := v.table()
	var b strings.Builder
	b.WriteString("\x1b[?7l") // a narrow terminal cuts lines off: wrapped ones would not be counted
	if l.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", l.drawn) // up to the first line
	}
	for _, line := range lines {
		b.WriteString("\r\x1b[K" + line + "\n") // each line replaces what was there
	}
	b.WriteString("\x1b[?7h")
	l.drawn = len(lines)
	fmt.Fprint(l.out, b.String())
}

// end leaves room for what comes below.
func (l *live) end() { fmt.Fprintln(l.out) }

// rates are per second, for people.
type rates struct {
	in, ticks string
	out       []string // in the order of consumerNames
}

// view is what is drawn.
type view struct {
	phase string
	m     measured
	rates
	rotations                 int64
	flakyEvents, flakyBatches int64
	consumers                 map[string]pgqueue.ConsumerInfo
}

func (v view) table() []string {
	lines := []string{
		v.phase,
		fmt.Sprintf("  producers %7s events/s in: %s committed, %s rolled back, %s run again",
			v.in, number(v.m.committed), number(v.m.rolledBack), number(v.m.serialization)),
		fmt.Sprintf("  ticker    %7s ticks/s; killed %d times; %d table rotations", v.ticks, v.m.tickerKills, v.rotations),
		"",
		fmt.Sprintf("  %-8s %7s %9s %8s %8s %8s", "consumer", "out/s", "given", "lag", "p50", "p99"),
	}
	for i, name := range consumerNames {
		note := ""
		switch name {
		case nameFlaky:
			note = fmt.Sprintf("  failed: %d events, %d batches", v.flakyEvents, v.flakyBatches)
		case nameKilled:
			note = fmt.Sprintf("  killed %d times, %d in a batch", v.m.kills, v.m.killsInside)
		}
		lines = append(lines, fmt.Sprintf("  %-8s %7s %9s %8s %8s %8s%s", name, v.out[i], number(v.m.given[i]),
			v.lag(name), ms(v.m.latency[i].P50), ms(v.m.latency[i].P99), note))
	}
	return lines
}

// line is the table in one line.
func (v view) line() string {
	var lags []string
	for i, name := range consumerNames {
		lags = append(lags, fmt.Sprintf("%s %s/s lag %s", name, v.out[i], v.lag(name)))
	}
	return fmt.Sprintf("%s: %s events/s in, %s ticks/s; out: %s; p50 %s, p99 %s",
		v.phase, v.in, v.ticks, strings.Join(lags, ", "), ms(v.m.all.P50), ms(v.m.all.P99))
}

// lag is the age of the tick a consumer stands on, if there is something behind it.
func (v view) lag(name string) string {
	c := v.consumers[name]
	if c.Pending <= 0 {
		return "0"
	}
	return ms(max(0, float64(c.Lag.Microseconds())/1000))
}

// ms formats milliseconds.
func ms(v float64) string {
	switch {
	case v >= 1000:
		return fmt.Sprintf("%.1f s", v/1000)
	case v >= 10:
		return fmt.Sprintf("%.0f ms", v)
	}
	return fmt.Sprintf("%.1f ms", v)
}

// number groups digits by threes.
func number(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
