package cli

import (
	"cmp"
	"context"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lightpgq/pgqueue"
	"github.com/lightpgq/pgqueue/schema"
)

// connectTimeout holds for each address that is tried, unless the DSN says otherwise.
const connectTimeout = 10 * time.Second

// dsn returns the address of the database; "" leaves it to the PG* variables.
func (p *program) dsn() string {
	return cmp.Or(p.dsnFlag, os.Getenv("DATABASE_URL"))
}

// connect returns a pool that has reached its database, whatever is installed there.
func (p *program) connect(ctx context.Context) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(p.dsn())
	if err != nil {
		return nil, badDSN(p, err)
	}
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = connectTimeout
	}
	// Go's text is UTF-8, whatever encoding the database has.
	cfg.ConnConfig.RuntimeParams["client_encoding"] = "UTF8"
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = "pgqueue"
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// open is connect for commands that need queues: our schema in the version of this
// build, or the original extension.
func (p *program) open(ctx context.Context) (*pgxpool.Pool, error) {
	pool, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	engine, err := pgqueue.DetectEngine(ctx, pool)
	if err == nil && engine == pgqueue.EngineOurs {
		err = schema.Check(ctx, pool)
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}
