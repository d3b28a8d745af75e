package demo

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lightpgq/pgqueue"
	"github.com/lightpgq/pgqueue/internal/devpg"
	"github.com/lightpgq/pgqueue/schema"
)

//go:embed tables.sql
var tablesSQL string

const (
	poolSize     = 20
	closeTimeout = 15 * time.Second
	closeTries   = 3
)

// database is where the demo runs, with what it has made there.
type database struct {
	dsn    string
	server *devpg.Server // nil: somebody else's
	pool   *pgxpool.Pool
	queue  pgqueue.Queue
	schema string // of this run alone
	about  string // for people

	madeQueue, madeSchema, installed bool
}

// openDatabase finds or starts a server and makes the queue and the tables. After an
// error nothing is left.
func openDatabase(ctx context.Context, cfg Config) (*database, error) {
	name := "pgqueue_demo_" + strings.ToLower(rand.Text()[:10])
	db := &database{dsn: cfg.DSN, schema: name, queue: pgqueue.NewQueue(name)}
	err := db.open(ctx, cfg)
	if err != nil {
		return nil, errors.Join(err, db.close(ctx))
	}
	return db, nil
}

func (db *database) open(ctx context.Context, cfg Config) (err error) {
	if db.dsn == "" {
		if db.server, err = devpg.Start(ctx, devpg.Config{Durable: true}); err != nil {
			return err
		}
		db.dsn = db.server.DSN("postgres")
	}
	if db.pool, err = newPool(ctx, db.dsn, db.schema, "pgqueue demo", poolSize); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := db.pool.Ping(ctx); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := db.ensureInstalled(ctx, cfg.Install || db.server != nil); err != nil {
		return err
	}
	if err := db.makeQueue(ctx); err != nil {
		return err
	}
	return db.describe(ctx)
}

// newPool connects with the demo's schema in front.
func newPool(ctx context.Context, dsn, schemaName, application string, size int32) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = size
	cfg.ConnConfig.RuntimeParams["search_path"] = schemaName
	cfg.ConnConfig.RuntimeParams["application_name"] = application
	return pgxpool.NewWithConfig(ctx, cfg)
}

// ensureInstalled refuses a database without pgqueue (ErrNotInstalled), unless it may
// install it. The original extension is fine.
func (db *database) ensureInstalled(ctx context.Context, install bool) error {
	engine, err := pgqueue.DetectEngine(ctx, db.pool)
	switch {
	case errors.Is(err, pgqueue.ErrNotInstalled) && install:
		if _, err := schema.Install(ctx, db.pool); err != nil {
			return err
		}
		db.installed = true
		return nil
	case err != nil:
		return err
	case engine == pgqueue.EngineOurs:
		return schema.Check(ctx, db.pool)
	}
	return nil
}

// makeQueue makes the queue, its consumers and the tables of this run.
func (db *database) makeQueue(ctx context.Context) error {
	// The shortest rotation period there is: a table is emptied as soon as
	// everybody has passed it.
	if _, err := db.queue.Create(ctx, db.pool, pgqueue.Settings{"rotation_period": "0"}); err != nil {
		return err
	}
	db.madeQueue = true
	for _, name := range consumerNames {
		if _, err := db.queue.Register(ctx, db.pool, name); err != nil {
			return err
		}
	}
	err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "create schema "+db.schema); err != nil {
			return err
		}
		_, err := tx.Conn().PgConn().Exec(ctx, tablesSQL).ReadAll()
		return err
	})
	if err != nil {
		return fmt.Errorf("demo: make tables: %w", err)
	}
	db.madeSchema = true
	return nil
}

// describe says what server this is, and how durable its commits are.
func (db *database) describe(ctx context.Context) error {
	var version, fsync, sync string
	err := db.pool.QueryRow(ctx,
		"select current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit')").
		Scan(&version, &fsync, &sync)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	version, _, _ = strings.Cut(version, " ")
	where := "a private server"
	if db.server == nil {
		c := db.pool.Config().ConnConfig
		where = fmt.Sprintf("database %q at %s", c.Database, net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))))
	}
	db.about = fmt.Sprintf("PostgreSQL %s, %s (fsync=%s, synchronous_commit=%s)", version, where, fsync, sync)
	return nil
}

// close removes what was made, also when ctx has ended.
func (db *database) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	var err error
	if db.server == nil && db.pool != nil {
		for range closeTries { // a ticker that is at work on the queue can be in the way
			if err = db.drop(ctx); err == nil {
				break
			}
		}
	}
	if err != nil {
		err = fmt.Errorf("demo: could not remove queue and schema %s: %w", db.schema, err)
	}
	if db.pool != nil {
		db.pool.Close()
	}
	if db.server != nil {
		err = errors.Join(err, db.server.Stop())
	}
	return err
}

// drop removes the queue, the tables and, if the demo has installed it, pgqueue's
// schema. What is dropped is not tried again by a second call.
func (db *database) drop(ctx context.Context) error {
	if db.madeQueue {
		if err := db.queue.Drop(ctx, db.pool, true); err != nil {
			return err
		}
		db.madeQueue = false
	}
	if db.madeSchema {
		if _, err := db.pool.Exec(ctx, "drop schema "+db.schema+" cascade"); err != nil {
			return err
		}
		db.madeSchema = false
	}
	if db.installed {
		err := schema.Uninstall(ctx, db.pool)
		if err != nil && !errors.Is(err, schema.ErrQueuesExist) { // somebody else's, made meanwhile
			return err
		}
		db.installed = false
	}
	return nil
}
