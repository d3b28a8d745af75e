package demo

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"
)

// Report is what a run has proved.
type Report struct {
	OK       bool     `json:"ok"`
	Problems []string `json:"problems"` // what is wrong; empty when OK

	Server    string  `json:"server"`
	Seconds   float64 `json:"seconds"`     // producing and draining
	Committed int64   `json:"committed"`   // transfers, each with one event
	Rolled    int64   `json:"rolled_back"` // transfers whose event was inserted and rolled back
	Unknown   int64   `json:"unknown"`     // transfers whose COMMIT got no answer
	Txs       int64   `json:"transactions"`
	Retried   int64   `json:"serialization_failures"` // transactions run again

	Ticks     int64 `json:"ticks"`
	Rotations int64 `json:"rotations"` // as seen, looking four times a second
	Kills     Kills `json:"kills"`

	Consumers    map[string]Consumer `json:"consumers"`
	BooksBalance bool                `json:"books_balance"` // rebuilt balances equal the accounts, row by row

	// Latency is from just before COMMIT is sent to the handler getting the event for the first
	// time, of the consumers books and counter, which nobody disturbs. LatencyCalm is without
	// what was committed while no ticker led, because it had been killed.
	Latency     Latency `json:"latency_ms"`
	LatencyCalm Latency `json:"latency_calm_ms"`
	LatencyIs   string  `json:"latency_is"`
}

// Kills counts how often something was killed by SIGKILL.
type Kills struct {
	Ticker   int64 `json:"ticker"`
	Consumer int64 `json:"consumer"`
	InBatch  int64 `json:"consumer_in_batch"` // of these, in the middle of a batch: it was given again
}

// Consumer is what a consumer has recorded in the transactions of its batches, compared with
// what the producers have committed.
type Consumer struct {
	Delivered  int64   `json:"delivered"`        // events recorded
	Lost       int64   `json:"lost"`             // committed and not recorded
	Duplicated int64   `json:"duplicated"`       // recorded more than once
	RolledBack int64   `json:"rolled_back_seen"` // recorded and not committed
	Given      int64   `json:"given"`            // to the handler, with what was rolled back and given again
	Latency    Latency `json:"latency_ms"`
}

const latencyIs = "from just before COMMIT is sent to the handler getting the event for the first time, " +
	"by the client's clock; long transactions count from their COMMIT. latency_ms: consumers books and counter, everything. " +
	"latency_calm_ms: without what was committed from the kill of a ticker to the next tick"

// report proves the books and puts everything together.
func (r *run) report(ctx context.Context, took time.Duration, rotations int64, drained error) (Report, error) {
	p, err := prove(ctx, r.db.pool)
	if err != nil {
		return Report{}, err
	}
	info, err := r.db.queue.Info(ctx, r.db.pool)
	if err != nil {
		return Report{}, err
	}
	m := r.meter.snapshot()
	problems := p.problems(m.counts)
	if drained != nil {
		why := []string{drained.Error()}
		for _, c := range r.children() {
			if said := c.lastWords(); said != "" {
				why = append(why, c.name+" said last: "+said)
			}
		}
		problems = append(why, problems...)
	}
	report := Report{
		OK: len(problems) == 0, Problems: append([]string{}, problems...),
		Server: r.db.about, Seconds: math.Round(took.Seconds()*10) / 10,
		Committed: p.committed, Rolled: m.rolledBack, Unknown: m.unknown, Txs: m.transactions, Retried: m.serialization,
		Ticks: info.LastTick, Rotations: rotations,
		Kills:        Kills{Ticker: m.tickerKills, Consumer: m.kills, InBatch: m.killsInside},
		Consumers:    map[string]Consumer{},
		BooksBalance: p.wrongBalances == 0 && p.missingMoney == 0,
		Latency:      m.all, LatencyCalm: m.calm, LatencyIs: latencyIs,
	}
	for i, name := range consumerNames {
		s := p.consumers[i]
		report.Consumers[name] = Consumer{
			Delivered: s.delivered, Lost: s.lost, Duplicated: s.duplicated, RolledBack: s.phantom,
			Given: m.given[i], Latency: m.latency[i],
		}
	}
	return report, nil
}

// Print writes the report for people.
func (r Report) Print(w io.Writer) {
	p := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	p("The proof, by SQL, after %.1f s on %s", r.Seconds, r.Server)
	p("")
	p("  committed    %s transfers with their events, in %s transactions", number(r.Committed), number(r.Txs))
	p("  rolled back  %s transfers after their event was inserted; %s transactions run again after a serialization failure",
		number(r.Rolled), number(r.Retried))
	if r.Unknown > 0 {
		p("  unknown      %s transfers whose COMMIT got no answer; both outcomes are right", number(r.Unknown))
	}
	p("  on the way   %s ticks, %d table rotations; kill -9: %d times a ticker, %d times a consumer, %d of these in a batch",
		number(r.Ticks), r.Rotations, r.Kills.Ticker, r.Kills.Consumer, r.Kills.InBatch)
	p("")
	p("  %-10s %11s %8s %11s %17s", "consumer", "delivered", "lost", "duplicated", "rolled back seen")
	for _, name := range consumerNames {
		c := r.Consumers[name]
		p("  %-10s %11s %8s %11s %17s", name, number(c.Delivered), number(c.Lost), number(c.Duplicated), number(c.RolledBack))
	}
	p("")
	if r.BooksBalance {
		p("  The balances that books has rebuilt equal the %d accounts, row by row.", accountCount)
	} else {
		p("  The balances that books has rebuilt are NOT those of the accounts.")
	}
	p("  From COMMIT to handler: p50 %s, p99 %s, max %s; without the times when the ticker was dead: p99 %s, max %s.",
		ms(r.Latency.P50), ms(r.Latency.P99), ms(r.Latency.Max), ms(r.LatencyCalm.P99), ms(r.LatencyCalm.Max))
	p("")
	if r.OK {
		p("Everything adds up: nothing lost, nothing twice, nothing that was rolled back.")
		return
	}
	p("WRONG:")
	for _, problem := range r.Problems {
		p("  %s", problem)
	}
}
