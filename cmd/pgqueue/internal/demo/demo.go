package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/lightpgq/pgqueue"
)

// Config says how the demo runs.
type Config struct {
	// DSN is the database to use. Empty: a private server is started, and removed at the end.
	DSN string
	// Install lets the demo install pgqueue's schema in the database of DSN when
	// it is missing; it is removed at the end.
	Install bool
	// Duration is how long the producers work. Defaults to 15 seconds.
	Duration time.Duration
	// DrainTimeout is how long the consumers may take after that. Defaults to 30 seconds.
	DrainTimeout time.Duration
	// Stop ends the producers early when it is closed; everything is drained and
	// proved as at the usual end. May be nil.
	Stop <-chan struct{}
	// Child are arguments with which this program calls RunChild.
	Child []string
	// Live gets the headline and the table, once a second. Nil: nothing is shown.
	Live io.Writer
	// Terminal says that Live is a terminal, where the table is redrawn in place.
	Terminal bool
	// Logger gets what goes wrong on the way, if that can be survived. Defaults to nowhere.
	Logger *slog.Logger

	// tamper, for tests of the proof, runs just before it.
	tamper func(ctx context.Context, pool *pgxpool.Pool) error
}

// ErrStopped means that a run was stopped before it could prove anything.
var ErrStopped = errors.New("demo: stopped, nothing is proved")

func (c Config) resolve() (Config, error) {
	if c.Duration < 0 || c.DrainTimeout < 0 {
		return c, errors.New("demo: the duration cannot be negative")
	}
	if len(c.Child) == 0 {
		return c, errors.New("demo: Child is needed")
	}
	c.Duration = cmp.Or(c.Duration, 15*time.Second)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, 30*time.Second)
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	return c, nil
}

// Run runs the demo and returns what it proved. An error means that it could not be
// brought to its end; what a finished run found wrong is in the report. When ctx
// ends it aborts at once. Whatever happens, it leaves nothing behind.
func Run(ctx context.Context, cfg Config) (report Report, err error) {
	cfg, err = cfg.resolve()
	if err != nil {
		return Report{}, err
	}
	if cfg.DSN == "" && cfg.Live != nil {
		fmt.Fprintln(cfg.Live, "Starting a private PostgreSQL server ...")
	}
	opening, done := stoppable(ctx, cfg.Stop)
	db, err := openDatabase(opening, cfg)
	if err != nil && opening.Err() != nil {
		err = ErrStopped
	}
	done()
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, db.close(ctx)) }()
	r := &run{cfg: cfg, db: db, meter: newMeter()}
	return r.run(ctx)
}

// stoppable returns a context that ends with ctx or when stop is closed.
func stoppable(ctx context.Context, stop <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-stop: // never, when it is nil
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// run is one run of the demo.
type run struct {
	cfg   Config
	db    *database
	meter *meter

	tickers  [2]*child // one leads, the other stands by
	consumer *child    // "killed"
	flaky    *flaky
}

// run lets everything work, drains it, and proves the books.
func (r *run) run(ctx context.Context) (Report, error) {
	live := newLive(r)
	live.headline()
	r.makeParts()

	// Consumers and tickers outlive the producers, until all is drained.
	group, groupCtx := errgroup.WithContext(ctx)
	working, stop := context.WithCancel(groupCtx)
	defer stop()
	if err := r.startConsumers(working, group); err != nil {
		return Report{}, err
	}
	for _, c := range r.children() {
		group.Go(func() error { return c.run(working) })
	}
	group.Go(func() error { live.run(working); return nil })

	began := time.Now()
	var drained error
	group.Go(func() error {
		defer stop()
		if err := r.produce(working); err != nil {
			return err
		}
		live.setPhase("producers have stopped, draining")
		drained = r.drain(working)
		return working.Err()
	})
	err := group.Wait()
	took := time.Since(began)
	live.end()
	if ctx.Err() != nil {
		return Report{}, ErrStopped
	}
	if err != nil {
		return Report{}, fmt.Errorf("demo: %w", err)
	}
	if r.cfg.tamper != nil {
		if err := r.cfg.tamper(ctx, r.db.pool); err != nil {
			return Report{}, err
		}
	}
	return r.report(ctx, took, live.rotations, drained)
}

// makeParts prepares what runs beside this process.
func (r *run) makeParts() {
	order := childOrder{Role: roleTicker, DSN: r.db.dsn, Schema: r.db.schema, Queue: r.db.queue.Name()}
	for i := range r.tickers {
		r.tickers[i] = &child{
			name: fmt.Sprintf("ticker %d", i+1), args: r.cfg.Child, order: order, log: r.cfg.Logger,
			dead: tickerDead,
		}
	}
	order.Role = roleConsumer
	r.consumer = &child{name: nameKilled, args: r.cfg.Child, order: order, log: r.cfg.Logger, line: r.heard}
}

// children are the processes that run beside this one.
func (r *run) children() []*child { return append(r.tickers[:], r.consumer) }

// startConsumers runs the three consumers that live in this process.
func (r *run) startConsumers(ctx context.Context, group *errgroup.Group) error {
	r.flaky = &flaky{recorder: r.recorder(nameFlaky)}
	quiet := slog.New(slog.DiscardHandler) // its failures are on purpose
	for _, c := range []struct {
		name    string
		handler pgqueue.Handler
		logger  *slog.Logger
	}{
		{nameBooks, &books{r.recorder(nameBooks)}, r.cfg.Logger},
		{nameCounter, &counter{r.recorder(nameCounter)}, r.cfg.Logger},
		{nameFlaky, r.flaky, quiet},
	} {
		consumer, err := pgqueue.NewConsumer(r.db.pool, pgqueue.ConsumerConfig{
			Queue: r.db.queue.Name(), Name: c.name, Handler: c.handler, Logger: c.logger, DrainTimeout: consumerDrain,
		})
		if err != nil {
			return err
		}
		group.Go(func() error { return consumer.Run(ctx) })
	}
	return nil
}

func (r *run) recorder(name string) recorder {
	return recorder{name: name, got: func(id int64, at time.Time) { r.meter.got(name, id, at) }}
}
