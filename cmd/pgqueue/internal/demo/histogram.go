package demo

import (
	"math"
	"time"
)

const (
	bucketRatio = 1.02 // of a bucket's bounds: how exact a quantile is
	bucketCount = 1200 // up to 1.02^1200 microseconds, hours
)

// histogram holds any number of durations in little memory. Quantiles are exact to
// two per cent, the maximum is exact.
type histogram struct {
	buckets [bucketCount]int64
	count   int64
	max     time.Duration
}

func (h *histogram) add(d time.Duration) {
	d = max(d, time.Microsecond)
	i := int(math.Log(float64(d)/float64(time.Microsecond)) / math.Log(bucketRatio))
	h.buckets[min(i, bucketCount-1)]++
	h.count++
	h.max = max(h.max, d)
}

// quantile returns a duration that a share q of the durations do not exceed; 0 when
// there are none.
func (h *histogram) quantile(q float64) time.Duration {
	rank := int64(math.Ceil(q * float64(h.count)))
	var seen int64
	for i, n := range h.buckets {
		if seen += n; n > 0 && seen >= rank {
			bound := math.Pow(bucketRatio, float64(i+1)) * float64(time.Microsecond)
			return min(time.Duration(bound), h.max)
		}
	}
	return 0
}

// Latency are quantiles in milliseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func (h *histogram) summary() Latency {
	ms := func(d time.Duration) float64 { return math.Round(float64(d)/1e4) / 100 }
	return Latency{P50: ms(h.quantile(0.5)), P99: ms(h.quantile(0.99)), Max: ms(h.max)}
}
