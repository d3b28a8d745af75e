package demo

import (
	"context"
	"fmt"
	"strings"
	"time"
)

const drainPoll = 100 * time.Millisecond

// drain waits until the consumers have recorded as many events as were committed. It
// leaves it to the ticker to bring them there. Then it makes one more tick and waits until all
// are past it: what the queue may have given them too often has come by then.
// An error says who did not get there in time.
func (r *run) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, r.cfg.DrainTimeout,
		fmt.Errorf("not drained %v after the producers stopped", r.cfg.DrainTimeout))
	defer cancel()
	if err := r.until(ctx, r.behindInEvents); err != nil {
		return err
	}
	if _, err := r.db.queue.ForceTick(ctx, r.db.pool); err != nil {
		return err
	}
	info, err := r.db.queue.Info(ctx, r.db.pool) // another ticker may have been quicker
	if err != nil {
		return err
	}
	return r.until(ctx, func(ctx context.Context) ([]string, error) { return r.behindTick(ctx, info.LastTick) })
}

// until waits until behind names nobody.
func (r *run) until(ctx context.Context, behind func(context.Context) ([]string, error)) error {
	var names []string
	for {
		now, err := behind(ctx)
		switch {
		case ctx.Err() != nil && len(names) > 0:
			return fmt.Errorf("%w: %s", context.Cause(ctx), strings.Join(names, ", "))
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		case len(now) == 0:
			return nil
		}
		names = now
		sleep(ctx, drainPoll)
	}
}

// behindInEvents names the consumers that have recorded too few events.
func (r *run) behindInEvents(ctx context.Context) (names []string, err error) {
	var committed int64
	if err := r.db.pool.QueryRow(ctx, "select count(*) from transfer").Scan(&committed); err != nil {
		return nil, err
	}
	for _, name := range consumerNames {
		var recorded int64
		if err := r.db.pool.QueryRow(ctx, "select count(*) from seen_"+name).Scan(&recorded); err != nil {
			return nil, err
		}
		if recorded < committed {
			names = append(names, fmt.Sprintf("%s has %d of %d events", name, recorded, committed))
		}
	}
	return names, nil
}

// behindTick names the consumers that have not finished the batch that ends at tick.
func (r *run) behindTick(ctx context.Context, tick int64) (names []string, err error) {
	infos, err := r.db.queue.Consumers(ctx, r.db.pool)
	for _, c := range infos {
		if c.LastTick < tick {
			names = append(names, fmt.Sprintf("%s is at tick %d, not at %d", c.Name, c.LastTick, tick))
		}
	}
	return names, err
}
