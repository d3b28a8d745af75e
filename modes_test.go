package pgqueue_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lightpgq/pgqueue"
	"github.com/lightpgq/pgqueue/pgqueuetest"
)

// Poolers in transaction mode need one of the modes that prepare nothing.
func TestEveryQueryMode(t *testing.T) {
	t.Parallel()
	for _, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			cfg := pgqueuetest.NewDB(t).Config()
			cfg.ConnConfig.DefaultQueryExecMode = mode
			db, err := pgxpool.NewWithConfig(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			workThrough(t, db)
		})
	}
}

// workThrough makes every call of an event's way once.
func workThrough(t *testing.T, db *pgxpool.Pool) {
	t.Helper()
	ctx := t.Context()
	q := pgqueuetest.NewQueue(t, db, "it's a queue")
	if _, err := q.Register(ctx, db, "c"); err != nil {
		t.Fatal(err)
	}
	want := []pgqueue.Event{{Type: "a", Data: []byte(`\x41 "ü" 'q'`), Extra4: "{1,2}"}, {Data: []byte{}}, {Type: "c"}}
	if _, err := q.Insert(ctx, db, want[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := q.InsertMany(ctx, db, want[1:]); err != nil {
		t.Fatal(err)
	}
	pgqueuetest.Tick(t, db, q)
	var got []pgqueue.Event
	err := workBatch(t, db, q, "c", func(b *pgqueue.Batch, ev pgqueue.Event) {
		got = append(got, ev)
		b.Retry(ev, 0)
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, producerFields); diff != "" {
		t.Error(diff)
	}
	mustExec(t, db, "select pgq.maint_retry_events()")
	pgqueuetest.Tick(t, db, q)
	again := slices.Concat(readAll(t, db, q, "c")...)
	if len(again) != len(want) || again[0].Retry != 1 {
		t.Errorf("retried: %+v", again)
	}
	if infos, err := pgqueue.Consumers(ctx, db); err != nil || len(infos) != 1 {
		t.Errorf("consumers %+v, %v", infos, err)
	}
	if infos, err := pgqueue.Queues(ctx, db); err != nil || len(infos) != 1 || infos[0].Consumers != 1 {
		t.Errorf("queues %+v, %v", infos, err)
	}
	if _, err := pgqueue.Diagnose(ctx, db); err != nil {
		t.Error(err)
	}
}
