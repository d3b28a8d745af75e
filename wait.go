package pgqueue

import (
	"context"
	"time"
)

// pause waits for d, for something on wake, or for ctx to be done. wake may be nil.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-timer.C:
	}
}

// detach returns a context that lives as long as ctx and then for drain more, so
// that work begun before ctx ended can be brought to its end.
func detach(ctx context.Context, drain time.Duration) (context.Context, context.CancelFunc) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(drain, cancel)
		context.AfterFunc(work, func() { timer.Stop() })
	})
	return work, func() { stop(); cancel() }
}

// backoff is the pause before the n-th try after a failure, n from 0: it doubles
// from a tenth of a second to ten seconds.
func backoff(n int) time.Duration {
	return min(100*time.Millisecond<<min(n, 10), 10*time.Second)
}
