package pgqueuetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lightpgq/pgqueue/schema"
)

const (
	objectInUse       = "55006"
	duplicateDatabase = "42P04"
	uniqueViolation   = "23505"

	// buildLock serialises the making of templates on one server.
	buildLock = "pgqueuetest template"
)

// schemaTemplate returns the name of a database with the schema in it. It is made
// once per server and per state of the schema.
var schemaTemplate = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	name := templateName(schema.Script())
	err := admin(ctx, func(conn *pgx.Conn) error {
		return makeTemplate(ctx, conn, name, func(ctx context.Context, db *pgx.Conn) error {
			_, err := schema.Install(ctx, db)
			return err
		})
	})
	if err != nil {
		return "", fmt.Errorf("template database: %w", err)
	}
	return name, nil
})

func templateName(script string) string {
	sum := sha256.Sum256([]byte(script))
	return "pgqueue_template_" + hex.EncodeToString(sum[:8])
}

// makeTemplate makes database name, filled by fill, unless it is there.
//
// Other processes may be at the same. It is filled under another name and
// renamed when complete, so whoever sees the name sees it whole, also after a
// crash half-way. The lock only saves work: it holds among those who come in by
// the same database, and the schema's roles belong to the whole server.
func makeTemplate(ctx context.Context, conn *pgx.Conn, name string, fill func(context.Context, *pgx.Conn) error) error {
	if found, err := databaseExists(ctx, conn, name); found || err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "select pg_advisory_lock(hashtext($1))", buildLock); err != nil {
		return err // closing the connection unlocks
	}
	if found, err := databaseExists(ctx, conn, name); found || err != nil {
		return err
	}
	build := databaseName(name, "building")
	if err := fillDatabase(ctx, conn, build, fill); err != nil {
		return errors.Join(err, dropDatabase(ctx, conn, build))
	}
	err := whileInUse(ctx, func() error {
		_, err := conn.Exec(ctx, "alter database "+quote(build)+" rename to "+quote(name))
		return err
	})
	if state := sqlState(err); state == duplicateDatabase || state == uniqueViolation {
		err = nil // another was faster; the second code is for at the same time
	}
	return errors.Join(err, dropDatabase(ctx, conn, build))
}

func fillDatabase(ctx context.Context, conn *pgx.Conn, name string, fill func(context.Context, *pgx.Conn) error) error {
	if _, err := conn.Exec(ctx, "create database "+quote(name)+" template template0"); err != nil {
		return err
	}
	dsn, err := withDatabase(conn.Config().ConnString(), name)
	if err != nil {
		return err
	}
	return connected(ctx, dsn, func(db *pgx.Conn) error { return fill(ctx, db) })
}

func databaseExists(ctx context.Context, conn *pgx.Conn, name string) (found bool, err error) {
	err = conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", name).Scan(&found)
	return found, err
}

func dropDatabase(ctx context.Context, conn *pgx.Conn, name string) error {
	_, err := conn.Exec(ctx, "drop database if exists "+quote(name)+" with (force)")
	return err
}

// whileInUse repeats fn as long as it fails because somebody is connected to
// the database in question: a session that was just closed, or autovacuum. The
// server itself waits five seconds each time.
func whileInUse(ctx context.Context, fn func() error) error {
	for {
		err := fn()
		if sqlState(err) != objectInUse {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func sqlState(err error) string {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pgErr.Code
	}
	return ""
}

func quote(name string) string { return pgx.Identifier{strings.ToValidUTF8(name, "")}.Sanitize() }
