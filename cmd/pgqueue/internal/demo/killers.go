package demo

import (
	"context"
	"math/rand/v2"
	"strings"
	"time"
)

const (
	// The least time something lives before it is killed.
	consumerLife = 300 * time.Millisecond
	tickerLife   = 2 * time.Second
	// tickerDead is how long a ticker stays away: long enough for the other one to take over.
	tickerDead = time.Second
)

// killConsumer kills the consumer "killed" again and again until ctx is done: by turns at any
// moment, and in the middle of a batch.
func (r *run) killConsumer(ctx context.Context) {
	for i := 0; ; i++ {
		sleep(ctx, consumerLife+rand.N(3*consumerLife))
		switch {
		case ctx.Err() != nil:
			return
		case i%2 == 0:
			r.consumer.dawdle()
		default:
			r.killConsumerNow()
		}
	}
}

func (r *run) killConsumerNow() {
	if r.consumer.kill() {
		r.meter.add(func(c *counts) { c.kills++ })
	}
}

// heard gets what the consumer "killed" says. While it dawdles, it is killed.
func (r *run) heard(line string) {
	r.meter.parse(line)
	if strings.HasPrefix(line, "half ") {
		r.killConsumerNow()
	}
}

// killTickers kills the two tickers in turn. The one that is not hit leads then, so it
// is always the leader that is hit, but perhaps for the first time.
func (r *run) killTickers(ctx context.Context) {
	life := tickerLife/2 + rand.N(tickerLife) // the first one sooner, for short runs
	for i := 0; ; i++ {
		sleep(ctx, life)
		life = tickerLife + rand.N(2*tickerLife)
		if ctx.Err() != nil {
			return
		}
		if r.tickers[i%len(r.tickers)].kill() {
			r.meter.tickerKilled()
		}
	}
}
