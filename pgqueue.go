package pgqueue

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// DB is what pgqueue needs of pgx to run its calls; *pgxpool.Pool, *pgx.Conn and
// pgx.Tx have it. A call joins the transaction it is given; with a pool or a
// connection it is a transaction of its own.
type DB interface {
	Begin(ctx context.Context) (pgx.Tx, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
	CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error)
}

// Engine says which implementation of PgQ a database has.
type Engine int

const (
	// EngineOriginal is the C extension (create extension pgq).
	EngineOriginal Engine = iota + 1
	// EngineOurs is the schema of this module.
	EngineOurs
)

// DetectEngine looks which engine the database has. ErrNotInstalled: none.
func DetectEngine(ctx context.Context, db DB) (Engine, error) {
	var ours, any bool
	if err := db.QueryRow(ctx, sqlEngine).Scan(&ours, &any); err != nil {
		return 0, opError("look for the schema", "", err)
	}
	switch {
	case ours:
		return EngineOurs, nil
	case any:
		return EngineOriginal, nil
	}
	return 0, opError("look for the schema", "", ErrNotInstalled)
}
