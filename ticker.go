package pgqueue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
)

// TickerConfig says how a Ticker works. The zero value is good.
type TickerConfig struct {
	// Spacing is the least time between two looks for new events while events come.
	// Defaults to 2 milliseconds.
	Spacing time.Duration
	// LongestPause is the time between two looks while nothing comes. An insert wakes
	// the ticker; the pause is for writers that bypass pgq.insert_event. Defaults to 1 second.
	LongestPause time.Duration
	// TickPeriod is the time between two calls of pgq.ticker() on a database with the
	// original extension, which cannot wake a ticker. Defaults to 100 milliseconds.
	TickPeriod time.Duration
	// RetryPeriod is the time between two looks for parked events that are due.
	// Defaults to 1 second.
	RetryPeriod time.Duration
	// MaintPeriod is the time between two rounds of maintenance: table rotation and
	// what pgq.maint_operations asks for. Defaults to 1 minute.
	MaintPeriod time.Duration
	// Logger defaults to slog.Default.
	Logger *slog.Logger
}

// resolve checks the configuration and fills in the defaults.
func (c TickerConfig) resolve() (TickerConfig, error) {
	for _, p := range []struct {
		name    string
		value   *time.Duration
		missing time.Duration
	}{
		{"Spacing", &c.Spacing, 2 * time.Millisecond},
		{"LongestPause", &c.LongestPause, time.Second},
		{"TickPeriod", &c.TickPeriod, 100 * time.Millisecond},
		{"RetryPeriod", &c.RetryPeriod, time.Second},
		{"MaintPeriod", &c.MaintPeriod, time.Minute},
	} {
		if *p.value < 0 {
			return c, fmt.Errorf("pgqueue: %w: %s cannot be negative", ErrInvalid, p.name)
		}
		*p.value = cmp.Or(*p.value, p.missing)
	}
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c, nil
}

const (
	// openProducerPause is the longest pause while a transaction that inserted is open:
	// such a one keeps the ticker from sleeping, and others do not wake it meanwhile.
	openProducerPause = 100 * time.Millisecond
	// standbyPause is the time between two tries of a standing-by ticker to take over.
	// Waiting in the server instead would hold a snapshot back all the while.
	standbyPause = 200 * time.Millisecond
	// lookTimeout is when a look that does not come back counts as a lost connection.
	lookTimeout = time.Minute
)

// Ticker makes the ticks of one database, gives back parked events when they are due, and
// rotates tables. Any number may run on a database: one leads, the others
// stand by and take over within a fraction of a second when it ends; within half a minute
// when its machine vanishes without a word.
//
// The leader sleeps when nothing is new. It says so by a lock, and the next insert,
// which cannot get that lock, wakes it by a notification; while it is awake
// nobody notifies. See the package documentation.
type Ticker struct {
	cfg  TickerConfig
	pool *pgxpool.Pool
}

// NewTicker returns a ticker that is not running yet. Its pool must connect to the
// server itself or through a session-mode pooler, as it holds session locks.
func NewTicker(pool *pgxpool.Pool, cfg TickerConfig) (*Ticker, error) {
	cfg, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	return &Ticker{cfg: cfg, pool: pool}, nil
}

// Run ticks until ctx is done; then it returns nil. Lost connections and failing
// queues are logged and tried again. It returns an error only when trying again
// cannot help: ErrNotInstalled, ErrSchemaOld, ErrSchemaNew, or a missing privilege.
func (t *Ticker) Run(ctx context.Context) error {
	for failures := 0; ctx.Err() == nil; failures++ {
		began := time.Now()
		err := t.lead(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if permanent(err) {
			return opError("tick", "", err)
		}
		if time.Since(began) > time.Minute {
			failures = 0
		}
		t.cfg.Logger.ErrorContext(ctx, "ticker interrupted", "err", err)
		pause(ctx, backoff(failures), nil)
	}
	return nil
}

// lead waits for leadership, then runs the loops until one of them fails. The
// lead is a lock of the session that ticks, so it ends with it.
func (t *Ticker) lead(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, t.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	engine, err := checkSchema(ctx, conn)
	if err == nil {
		_, err = conn.Exec(ctx, setKeepalive)
	}
	if err != nil {
		return err
	}
	if err := t.standBy(ctx, conn); err != nil {
		return err
	}
	t.cfg.Logger.InfoContext(ctx, "ticking", "database", conn.Config().Database)
	if engine == EngineOurs {
		if err := t.acceptCluster(ctx, conn); err != nil {
			return err
		}
	}

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if engine == EngineOriginal {
			return t.tickPeriodically(ctx, conn)
		}
		return t.tickOnNews(ctx, conn)
	})
	group.Go(func() error { t.every(ctx, t.cfg.RetryPeriod, "giving back parked events", t.retryEvents); return nil })
	group.Go(func() error { t.every(ctx, t.cfg.MaintPeriod, "maintenance", t.maintain(engine)); return nil })
	return group.Wait()
}

// acceptCluster looks, on a server that the database did not come from, whether its
// queues can go on. Those that cannot are not ticked until they are re-based.
func (t *Ticker) acceptCluster(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, sqlAcceptCluster)
	if err != nil {
		return err
	}
	queues, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, q := range queues {
		t.cfg.Logger.ErrorContext(ctx, "transaction ids went back, the queue is not ticked; run: pgqueue doctor --repair", "queue", q)
	}
	return err
}

// setKeepalive has the server notice within half a minute that the leader's machine is gone,
// as its locks last as long as its session. Without effect on local sockets.
const setKeepalive = `set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3; set tcp_user_timeout = '30s'`

// standBy returns when this session has the lead.
func (t *Ticker) standBy(ctx context.Context, conn *pgx.Conn) error {
	for said := false; ; said = true {
		var leading bool
		if err := conn.QueryRow(ctx, sqlTickerLead).Scan(&leading); err != nil || leading {
			return err
		}
		if !said {
			t.cfg.Logger.InfoContext(ctx, "another ticker leads, standing by")
		}
		pause(ctx, standbyPause, nil)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// tickPeriodically ticks a database that has the original extension.
func (t *Ticker) tickPeriodically(ctx context.Context, conn *pgx.Conn) error {
	for {
		if _, err := conn.Exec(ctx, sqlTicker); err != nil {
			return err
		}
		pause(ctx, t.cfg.TickPeriod, nil)
	}
}

// tickOnNews ticks queues that have something new, and sleeps when none has.
func (t *Ticker) tickOnNews(ctx context.Context, conn *pgx.Conn) error {
	s, err := newSleeper(ctx, conn, t.cfg.LongestPause, t.cfg.Logger)
	if err != nil {
		return err
	}
	wait := t.cfg.Spacing
	for {
		began := time.Now()
		ticked, err := s.look(ctx)
		if err != nil {
			return err
		}
		if ticked > 0 {
			// many queues take long to look at: never more than half of the time
			wait = t.cfg.Spacing
			pause(ctx, max(wait, time.Since(began)), nil)
			continue
		}
		slept, err := s.sleep(ctx)
		if err != nil {
			return err
		}
		if slept {
			wait = t.cfg.Spacing
			continue
		}
		pause(ctx, wait, nil)
		wait = min(2*wait, openProducerPause)
	}
}

// sleeper is the leader's side of the wake protocol, on the leading connection.
type sleeper struct {
	conn    *pgx.Conn
	longest time.Duration
	log     *slog.Logger
}

// newSleeper begins to listen for wakes. Where the server allows prepared transactions
// inserts do not notify (such a transaction could not be prepared), so there
// the pause is short instead.
func newSleeper(ctx context.Context, conn *pgx.Conn, longest time.Duration, log *slog.Logger) (*sleeper, error) {
	var notified bool
	if err := conn.QueryRow(ctx, sqlCanNotify).Scan(&notified); err != nil {
		return nil, err
	}
	if !notified {
		longest = min(longest, openProducerPause)
	}
	// A tick need not reach the disk before it is shown: what a consumer commits after
	// it brings it there too, and a tick that nobody had used may be made again.
	_, err := conn.Exec(ctx, "set synchronous_commit = off; listen pgq_wake")
	return &sleeper{conn: conn, longest: longest, log: log}, err
}

// look ticks what is new, and returns how many queues that were.
func (s *sleeper) look(ctx context.Context) (ticked int, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	err = s.conn.QueryRow(ctx, sqlTickAll).Scan(&ticked)
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && !s.conn.IsClosed() {
		s.log.ErrorContext(ctx, "a queue cannot be ticked, going round it", "err", err)
		err = s.conn.QueryRow(ctx, sqlTickEach).Scan(&ticked)
	}
	return ticked, err
}

// sleep waits for an insert, at most the longest pause. slept is false, at
// once, when a transaction that has inserted is still open. Holding the lock, it
// looks once more: whoever inserted before has ended by now, and whoever inserts
// from now on cannot get the lock, and notifies.
func (s *sleeper) sleep(ctx context.Context) (slept bool, err error) {
	if err := s.conn.QueryRow(ctx, sqlWakeLock).Scan(&slept); err != nil || !slept {
		return false, err
	}
	ticked, err := s.look(ctx)
	if err == nil && ticked == 0 {
		if err = s.wait(ctx); err == nil {
			_, err = s.look(ctx) // before the lock is given back: one round trip sooner
		}
	}
	if err != nil {
		return true, err
	}
	_, err = s.conn.Exec(ctx, sqlWakeUnlock)
	return true, err
}

// wait returns at a notification or after the longest pause.
func (s *sleeper) wait(ctx context.Context) error {
	timeout, cancel := context.WithTimeout(ctx, s.longest)
	defer cancel()
	_, err := s.conn.WaitForNotification(timeout)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil
	}
	return err
}
