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

// poolConfig reads the address of the database, without connecting.
func (p *program) poolConfig() (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(p.dsn())
	if err != nil {
		return nil, usage("bad address of a database: "+plain(err), "--dsn postgres://user:password@host:5432/database")
	}
	c := cfg.ConnConfig
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	// Go's text is UTF-8, whatever encoding the database has.
	c.RuntimeParams["client_encoding"] = "UTF8"
	c.RuntimeParams["application_name"] = cmp.Or(c.RuntimeParams["application_name"], "pgqueue")
	return cfg, nil
}

// connect returns a pool that has reached its database, whatever is installed there.
// The program closes it at its end.
func (p *program) connect(ctx context.Context) (*pgxpool.Pool, error) {
	cfg, err := p.poolConfig()
	if err != nil {
		return nil, err
	}
	if p.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, err
	}
	return p.pool, p.pool.Ping(ctx)
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
	return pool, err
}
