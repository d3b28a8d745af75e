package pgqueue

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Problem is something an operator should know about: a row of pgqueue.diagnose.
type Problem struct {
	What   string `json:"problem"`         // "transaction ids went back", "rotation held back", …
	Queue  string `json:"queue,omitempty"` // "" when it concerns the whole database
	Detail string `json:"detail"`
	Remedy string `json:"remedy"` // what to do about it
}

// Diagnose looks for what goes wrong, or soon will: queues that are not ticked,
// rotation that is held back and by whom, consumers that do not keep up, transaction ids
// that went back, missing roles. None found is an empty result. It needs our
// schema: ErrNeedsEngine.
func Diagnose(ctx context.Context, db DB) ([]Problem, error) {
	engine, err := DetectEngine(ctx, db)
	if err != nil {
		return nil, err
	}
	if engine != EngineOurs {
		return nil, opError("diagnose", "", ErrNeedsEngine)
	}
	rows, err := db.Query(ctx, sqlDiagnose)
	if err != nil {
		return nil, opError("diagnose", "", err)
	}
	problems, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Problem])
	return problems, opError("diagnose", "", err)
}

// Rebase gives a queue transaction ids of this server, after a restore into a server
// whose ids are lower (ErrTxIDsWentBack): each consumer keeps exactly the events it had not
// finished, and those inserted since are new to all (pgqueue.rebase_queue). Producers and
// consumers of the queue wait meanwhile. Returns how many events got a new id.
func (q Queue) Rebase(ctx context.Context, db DB) (events int64, err error) {
	err = db.QueryRow(ctx, sqlRebase, q.name).Scan(&events)
	return events, opError("rebase", q.name, err)
}
