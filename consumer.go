package pgqueue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/lightpgq/pgqueue/schema"
)

// ConsumerConfig says what a Consumer does. Queue, Name and Handler are needed.
type ConsumerConfig struct {
	Queue   string  // the queue to read
	Name    string  // the consumer's name, registered on it
	Handler Handler // works each batch

	// PollInterval is the longest time between two looks for a batch; a tick wakes
	// the consumer at once. Defaults to 1 second.
	PollInterval time.Duration
	// DrainTimeout is how long a batch in hand may go on after Run's context
	// ended; then it is rolled back. Defaults to 10 seconds.
	DrainTimeout time.Duration
	// ListenDSN is where to listen for ticks, for pools that go through a pooler in
	// transaction mode, which cannot LISTEN. Defaults to where the pool connects.
	ListenDSN string
	// Logger defaults to slog.Default.
	Logger *slog.Logger
}

// resolve checks the configuration and fills in the defaults.
func (c ConsumerConfig) resolve() (ConsumerConfig, error) {
	if c.Queue == "" || c.Name == "" || c.Handler == nil {
		return c, fmt.Errorf("pgqueue: %w: a consumer needs Queue, Name and Handler", ErrInvalid)
	}
	if c.PollInterval < 0 || c.DrainTimeout < 0 {
		return c, fmt.Errorf("pgqueue: %w: PollInterval and DrainTimeout cannot be negative", ErrInvalid)
	}
	c.PollInterval = cmp.Or(c.PollInterval, time.Second)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, 10*time.Second)
	c.Logger = cmp.Or(c.Logger, slog.Default()).With("queue", c.Queue, "consumer", c.Name)
	return c, nil
}

// Consumer works the batches of one consumer of a queue, one after the other, each
// in one transaction together with what its handler writes: exactly once in this
// database. Several processes may run the same consumer; they get the same
// batch, and only one of them can finish it.
type Consumer struct {
	cfg    ConsumerConfig
	pool   *pgxpool.Pool
	queue  Queue
	listen *pgx.ConnConfig
}

// NewConsumer returns a consumer that is not running yet. It does not touch the database.
func NewConsumer(pool *pgxpool.Pool, cfg ConsumerConfig) (*Consumer, error) {
	cfg, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	listen := pool.Config().ConnConfig
	if cfg.ListenDSN != "" {
		if listen, err = pgx.ParseConfig(cfg.ListenDSN); err != nil {
			return nil, fmt.Errorf("pgqueue: ListenDSN: %w", err)
		}
	}
	return &Consumer{cfg: cfg, pool: pool, queue: NewQueue(cfg.Queue), listen: listen}, nil
}

// Run works batches until ctx is done, then lets the batch in hand finish within
// DrainTimeout; it returns nil after such a stop. A batch that fails is rolled back, and
// tried again after a pause that grows to 10 seconds. Lost connections are
// waited out likewise. It returns an error only when trying again cannot help:
// ErrQueueNotFound, ErrConsumerNotFound, ErrPositionLost, ErrNotInstalled,
// ErrSchemaOld, ErrSchemaNew, or a missing privilege.
func (c *Consumer) Run(ctx context.Context) error {
	work, stop := detach(ctx, c.cfg.DrainTimeout)
	defer stop()
	wake, err := c.prepare(ctx)
	if err != nil || wake == nil {
		return err
	}
	var group errgroup.Group
	listening, hangUp := context.WithCancel(ctx)
	group.Go(func() error { wake.run(listening); return nil })
	group.Go(func() error { defer hangUp(); return c.loop(ctx, work, wake.wake) })
	return group.Wait()
}

// prepare checks the schema and finds the channel of the queue's ticks. It waits
// for a server that is away; a nil listener means that ctx ended first.
func (c *Consumer) prepare(ctx context.Context) (*listener, error) {
	for failures := 0; ; failures++ {
		var id int32
		_, err := checkSchema(ctx, c.pool)
		if err == nil {
			err = c.pool.QueryRow(ctx, sqlQueueID, c.cfg.Queue).Scan(&id)
		}
		if errors.Is(err, pgx.ErrNoRows) {
			err = ErrQueueNotFound
		}
		switch {
		case err == nil:
			return newListener(c.listen, fmt.Sprintf("pgq_tick_%d", id), c.cfg.Logger), nil
		case ctx.Err() != nil:
			return nil, nil
		case permanent(err):
			return nil, opError("consume", c.cfg.Queue, err)
		}
		c.cfg.Logger.ErrorContext(ctx, "cannot start yet", "err", err)
		pause(ctx, backoff(failures), nil)
	}
}

// loop works batches until ctx is done. work outlives ctx by the drain time.
func (c *Consumer) loop(ctx, work context.Context, wake <-chan struct{}) error {
	failures := 0
	for ctx.Err() == nil {
		err := c.workOne(work)
		switch {
		case err == nil:
			failures = 0
		case errors.Is(err, ErrNoBatch):
			failures = 0
			pause(ctx, c.cfg.PollInterval, wake)
		case permanent(err):
			return err
		default:
			c.cfg.Logger.ErrorContext(ctx, "batch failed", "err", err)
			pause(ctx, backoff(failures), nil)
			failures++
		}
	}
	return nil
}

// workOne takes the next batch in a short transaction of its own, so that everyone
// can see who holds what, and works and finishes it in another.
func (c *Consumer) workOne(ctx context.Context) error {
	b, err := c.queue.nextBatch(ctx, c.pool, c.cfg.Name, true)
	if err != nil {
		return err
	}
	b.log = c.cfg.Logger
	return pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
		if err := recovered(func() error { return c.cfg.Handler.HandleBatch(ctx, handlerTx{tx}, b) }); err != nil {
			return err
		}
		return b.Finish(ctx, tx)
	})
}

// checkSchema looks which engine the database has and compares our schema with this
// build. A database with the original extension is fine too.
func checkSchema(ctx context.Context, db DB) (Engine, error) {
	engine, err := DetectEngine(ctx, db)
	if err != nil || engine == EngineOriginal {
		return engine, err
	}
	return engine, schema.Check(ctx, db)
}
