package pgqueue_test

import (
	"os"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lightpgq/pgqueue/pgqueuetest"
)

const benchChunk = 10_000

// benchWork works benchChunk batches, and leaves the microseconds that next_batch and
// finish_batch took for one in a setting.
const benchWork = `
	do $$
	declare
		spent interval := '0';
		began timestamptz;
	begin
		for i in 1 .. 10000 loop
			perform pgqueue.force_tick('q');
			commit;
			began := clock_timestamp();
			perform pgq.finish_batch(pgq.next_batch('q', 'c'));
			spent := spent + (clock_timestamp() - began);
			commit;
			if i % 2000 = 0 then
				perform pgqueue.maint_positions();
				commit;
			end if;
		end loop;
		perform set_config('pgqueue.spent', (extract(epoch from spent) * 1000000 / 10000)::text, false);
	end $$`

// BenchmarkHeldSnapshot works batches while another session holds a snapshot open, so that
// nothing that was ever true can be removed: PGQUEUE_BENCH_BATCHES of them, by
// default a million. It reports what next_batch and finish_batch take together at the start
// and at the end, and what the tables behind positions and ticks have grown to.
func BenchmarkHeldSnapshot(b *testing.B) {
	batches := 1_000_000
	if s := os.Getenv("PGQUEUE_BENCH_BATCHES"); s != "" {
		var err error
		if batches, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	db := ownServer(b)
	for b.Loop() {
		holdAndWork(b, db, batches)
	}
}

func holdAndWork(b *testing.B, db *pgxpool.Pool, batches int) {
	b.Helper()
	q := pgqueuetest.NewQueue(b, db, "q")
	if _, err := q.Register(b.Context(), db, "c"); err != nil {
		b.Fatal(err)
	}
	holder, err := db.BeginTx(b.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := holder.Exec(b.Context(), "select from pgq.queue"); err != nil {
		b.Fatal(err)
	}
	conn, err := db.Acquire(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var spent float64
	for done := 0; done < batches; done += benchChunk {
		if _, err := conn.Exec(b.Context(), benchWork); err != nil {
			b.Fatal(err)
		}
		if err := conn.QueryRow(b.Context(), "select current_setting('pgqueue.spent')::float8").Scan(&spent); err != nil {
			b.Fatal(err)
		}
		if done == 0 {
			b.ReportMetric(spent, "µs/batch-start")
		}
	}
	b.ReportMetric(spent, "µs/batch-end")
	for name, tables := range map[string]string{
		"positions": `{pgqueue.position_0,pgqueue.position_1,pgqueue.subscription}`, "ticks": `{pgq.tick}`,
	} {
		var bytes float64
		if err := conn.QueryRow(b.Context(), "select sum(pg_total_relation_size(t::regclass))::float8 from unnest($1::text::text[]) t", tables).Scan(&bytes); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(bytes/float64(batches), name+"-bytes/batch")
	}
	conn.Release()
	if err := holder.Rollback(b.Context()); err != nil {
		b.Fatal(err)
	}
}
