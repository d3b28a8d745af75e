package pgqueue

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// Queue names a queue. It holds no connection: every call gets a pool, a connection
// or a transaction. One Queue belongs to one database, whose engine it
// remembers; it may be copied and used from several goroutines.
type Queue struct {
	name   string
	engine *atomic.Int32 // Engine, 0 until it was looked up
}

// NewQueue returns the queue of that name, whether or not it exists.
func NewQueue(name string) Queue {
	return Queue{name: name, engine: new(atomic.Int32)}
}

// Name returns the queue's name.
func (q Queue) Name() string { return q.name }

// Settings are settings of a queue by the names of pgq.set_queue_config:
//
//	ticker_max_count    tick when there are this many new events (500)
//	ticker_max_lag      tick when there are new events and the last tick is this old (3 seconds)
//	ticker_idle_period  longest distance between ticks without events (1 minute)
//	ticker_paused       no ticks (false)
//	rotation_period     least time between two table switches (2 hours)
//	external_ticker     ticks come from another node (false)
//
// Values are as PostgreSQL reads them: "1 second", "500", "true". Settings that are not
// given stay as they are. The first three are for PgQ's ticker daemon and
// pgq.ticker(); Ticker ticks as soon as there is something new.
type Settings map[string]string

// settingNames are the names that Settings may have.
var settingNames = []string{
	"external_ticker", "rotation_period", "ticker_idle_period", "ticker_max_count", "ticker_max_lag", "ticker_paused",
}

// check refuses unknown names before anything is sent.
func (s Settings) check() error {
	for name := range s {
		if !slices.Contains(settingNames, name) {
			return fmt.Errorf("%w: unknown setting %q; known are %s", ErrInvalid, name, strings.Join(settingNames, ", "))
		}
	}
	return nil
}

// Create creates the queue with these settings (pgq.create_queue). When it exists
// already, created is false and nothing is changed, its settings neither.
func (q Queue) Create(ctx context.Context, db DB, s Settings) (created bool, err error) {
	err = s.check()
	if err == nil && q.name == "" {
		err = fmt.Errorf("%w: a queue needs a name", ErrInvalid)
	}
	if err != nil {
		return false, opError("create queue", q.name, err)
	}
	err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, sqlCreateQueue, q.name).Scan(&created); err != nil || !created {
			return err
		}
		return q.set(ctx, tx, s)
	})
	return created, opError("create queue", q.name, err)
}

// Drop drops the queue with its events (pgq.drop_queue). While it has consumers
// that is ErrConsumersAttached, unless force is true, which unregisters them.
func (q Queue) Drop(ctx context.Context, db DB, force bool) error {
	_, err := db.Exec(ctx, sqlDropQueue, q.name, force)
	return opError("drop queue", q.name, err)
}

// Set changes settings: all of them or, on an error, none (pgq.set_queue_config).
func (q Queue) Set(ctx context.Context, db DB, s Settings) error {
	if err := s.check(); err != nil {
		return opError("set", q.name, err)
	}
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error { return q.set(ctx, tx, s) })
	return opError("set", q.name, err)
}

func (q Queue) set(ctx context.Context, tx pgx.Tx, s Settings) error {
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if _, err := tx.Exec(ctx, sqlSetQueueConfig, q.name, name, s[name]); err != nil {
			return fmt.Errorf("%s = %q: %w", name, s[name], err)
		}
	}
	return nil
}

// QueueInfo is a row of pgq.get_queue_info.
type QueueInfo struct {
	ID               int32         `json:"id"`
	Name             string        `json:"name"`
	Tables           int           `json:"tables"`        // number of data tables
	CurrentTable     int           `json:"current_table"` // the one written to now
	RotationPeriod   time.Duration `json:"-"`
	SwitchTime       time.Time     `json:"switch_time"` // last rotation
	ExternalTicker   bool          `json:"external_ticker"`
	TickerPaused     bool          `json:"ticker_paused"`
	TickerMaxCount   int           `json:"ticker_max_count"`
	TickerMaxLag     time.Duration `json:"-"`
	TickerIdlePeriod time.Duration `json:"-"`
	TickerLag        time.Duration `json:"-"`              // age of the newest tick
	EventsPerSecond  float64       `json:"ev_per_sec"`     // mean over the last 20 ticks
	NewEvents        int64         `json:"ev_new"`         // event ids taken since the newest tick
	LastTick         int64         `json:"last_tick_id"`   // 0: no tick
	Consumers        int           `json:"consumers"`      // registered consumers
	TickerLagSeconds float64       `json:"ticker_lag_sec"` // TickerLag, for JSON
}

// Info returns the queue's settings and state (pgq.get_queue_info). ErrQueueNotFound.
func (q Queue) Info(ctx context.Context, db DB) (QueueInfo, error) {
	infos, err := queueInfo(ctx, db, &q.name)
	if err == nil && len(infos) == 0 {
		err = ErrQueueNotFound
	}
	if err != nil {
		return QueueInfo{}, opError("info", q.name, err)
	}
	return infos[0], nil
}

// Queues returns settings and state of all queues, by name.
func Queues(ctx context.Context, db DB) ([]QueueInfo, error) {
	infos, err := queueInfo(ctx, db, nil)
	return infos, opError("list queues", "", err)
}

func queueInfo(ctx context.Context, db DB, name *string) ([]QueueInfo, error) {
	rows, err := db.Query(ctx, sqlQueueInfo, name)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (QueueInfo, error) {
		var i QueueInfo
		var rotation, maxLag, idle float64
		err := row.Scan(&i.ID, &i.Name, &i.Tables, &i.CurrentTable, &rotation, &i.SwitchTime,
			&i.ExternalTicker, &i.TickerPaused, &i.TickerMaxCount, &maxLag, &idle,
			&i.TickerLagSeconds, &i.EventsPerSecond, &i.NewEvents, &i.LastTick, &i.Consumers)
		i.RotationPeriod, i.TickerMaxLag, i.TickerIdlePeriod = seconds(rotation), seconds(maxLag), seconds(idle)
		i.TickerLag = seconds(i.TickerLagSeconds)
		return i, err
	})
}

// ConsumerInfo is a row of pgq.get_consumer_info.
type ConsumerInfo struct {
	Queue    string        `json:"queue"`
	Name     string        `json:"name"`
	Lag      time.Duration `json:"-"`              // age of the tick it stands on
	LastSeen time.Duration `json:"-"`              // time since it took or finished a batch
	LastTick int64         `json:"last_tick"`      // 0: none, an idle sub-consumer
	Batch    int64         `json:"current_batch"`  // 0: no batch open
	NextTick int64         `json:"next_tick"`      // end of the open batch
	Pending  int64         `json:"pending_events"` // event ids between its tick and the newest
	LagSec   float64       `json:"lag_sec"`        // Lag, for JSON
	SeenSec  float64       `json:"last_seen_sec"`  // LastSeen, for JSON
}

// Consumers returns the queue's consumers, by name (pgq.get_consumer_info). ErrQueueNotFound.
func (q Queue) Consumers(ctx context.Context, db DB) ([]ConsumerInfo, error) {
	infos, err := consumerInfo(ctx, db, &q.name)
	if err == nil && len(infos) == 0 {
		_, err = q.Info(ctx, db)
	}
	return infos, opError("list consumers", q.name, err)
}

// Consumers returns all consumers of all queues, by queue and name.
func Consumers(ctx context.Context, db DB) ([]ConsumerInfo, error) {
	infos, err := consumerInfo(ctx, db, nil)
	return infos, opError("list consumers", "", err)
}

func consumerInfo(ctx context.Context, db DB, queue *string) ([]ConsumerInfo, error) {
	rows, err := db.Query(ctx, sqlConsumerInfo, queue)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (ConsumerInfo, error) {
		var i ConsumerInfo
		err := row.Scan(&i.Queue, &i.Name, &i.LagSec, &i.SeenSec, &i.LastTick, &i.Batch, &i.NextTick, &i.Pending)
		i.Lag, i.LastSeen = seconds(i.LagSec), seconds(i.SeenSec)
		return i, err
	})
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// Register subscribes a consumer at the queue's newest tick (pgq.register_consumer): it
// gets every event that tick has not seen. created is false when it is
// subscribed already; then nothing changes.
func (q Queue) Register(ctx context.Context, db DB, consumer string) (created bool, err error) {
	return q.register(ctx, db, consumer, nil)
}

// RegisterAt subscribes a consumer at a tick, or moves it there, dropping its open
// batch (pgq.register_consumer_at). ErrTickNotFound.
func (q Queue) RegisterAt(ctx context.Context, db DB, consumer string, tick int64) (created bool, err error) {
	return q.register(ctx, db, consumer, &tick)
}

func (q Queue) register(ctx context.Context, db DB, consumer string, tick *int64) (created bool, err error) {
	if consumer == "" {
		return false, opError("register", q.name, fmt.Errorf("%w: a consumer needs a name", ErrInvalid))
	}
	err = db.QueryRow(ctx, sqlRegister, q.name, consumer, tick).Scan(&created)
	return created, opError("register "+consumer+" on", q.name, err)
}

// Unregister ends a consumer's subscription, with its parked events and those of
// its sub-consumers (pgq.unregister_consumer). removed is the number of
// subscriptions ended, 0 when there was none.
func (q Queue) Unregister(ctx context.Context, db DB, consumer string) (removed int, err error) {
	err = db.QueryRow(ctx, sqlUnregister, q.name, consumer).Scan(&removed)
	return removed, opError("unregister "+consumer+" from", q.name, err)
}

// Tick makes a tick if one is due by the queue's settings (pgq.ticker). Returns
// its id, 0 when none was due. Ticker does this for all queues.
func (q Queue) Tick(ctx context.Context, db DB) (tick int64, err error) {
	err = db.QueryRow(ctx, sqlTick, q.name).Scan(&tick)
	return tick, opError("tick", q.name, err)
}

// ForceTick makes a tick now, whatever the settings, and returns its id
// (pgqueue.force_tick). With the original extension another ticker may be quicker
// (pgq.force_tick, pgq.ticker); then it is the id of that tick. Event ids get a gap there.
func (q Queue) ForceTick(ctx context.Context, db DB) (tick int64, err error) {
	engine, err := q.engineOf(ctx, db)
	if err != nil {
		return 0, err
	}
	if engine == EngineOurs {
		err = db.QueryRow(ctx, sqlForceTick, q.name).Scan(&tick)
		return tick, opError("tick", q.name, err)
	}
	if _, err = db.Exec(ctx, sqlForceTickOriginal, q.name); err != nil {
		return 0, opError("tick", q.name, err)
	}
	if tick, err = q.Tick(ctx, db); err != nil || tick != 0 {
		return tick, err
	}
	info, err := q.Info(ctx, db)
	return info.LastTick, err
}

// engineOf looks the engine up once.
func (q Queue) engineOf(ctx context.Context, db DB) (Engine, error) {
	if e := Engine(q.engine.Load()); e != 0 {
		return e, nil
	}
	e, err := DetectEngine(ctx, db)
	q.engine.Store(int32(e))
	return e, err
}
