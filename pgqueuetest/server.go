package pgqueuetest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/lightpgq/pgqueue/internal/devpg"
)

// serverDSN returns the address of the server that the tests of this process
// share. A private one is started by the first test that needs it, and goes
// away with the process.
var serverDSN = sync.OnceValues(findServer)

func findServer() (string, error) {
	if dsn := os.Getenv("PGQUEUE_TEST_DSN"); dsn != "" {
		if _, err := pgx.ParseConfig(dsn); err != nil {
			return "", fmt.Errorf("PGQUEUE_TEST_DSN: %w", err)
		}
		return dsn, nil
	}
	server, err := devpg.Start(context.Background(), devpg.Config{})
	if err != nil {
		return "", fmt.Errorf("%w; or name a running server in PGQUEUE_TEST_DSN", err)
	}
	return server.DSN("postgres"), nil
}

// admin runs fn on a connection to the server's first database. There is no
// lasting one, so that nothing of ours looks like a leak of the test.
func admin(ctx context.Context, fn func(*pgx.Conn) error) error {
	dsn, err := serverDSN()
	if err != nil {
		return err
	}
	return connected(ctx, dsn, fn)
}

func connected(ctx context.Context, dsn string, fn func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return fn(conn)
}

// withDatabase returns dsn, a URL or key=value words, with another database.
func withDatabase(dsn, database string) (string, error) {
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		return dsn + " dbname=" + database, nil // the last one counts
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", err
	}
	u.Path = "/" + database
	query := u.Query()
	query.Del("dbname")
	query.Del("database")
	u.RawQuery = query.Encode()
	return u.String(), nil
}
