package pgqueue

// Every statement this package sends, in one place. A test prepares each of them
// against a fresh schema. Those under "both" are known to the original extension too.
const (
	// both
	sqlEngine = `select to_regnamespace('pgqueue') is not null, to_regprocedure('pgq.create_queue(text)') is not null`

	sqlCreateQueue    = `select pgq.create_queue($1) = 1`
	sqlDropQueue      = `select pgq.drop_queue($1, $2)`
	sqlSetQueueConfig = `select pgq.set_queue_config($1, $2, $3)`
	sqlQueueInfo      = `
select q.queue_id, i.queue_name, i.queue_ntables, i.queue_cur_table,
       extract(epoch from i.queue_rotation_period)::float8, i.queue_switch_time,
       i.queue_external_ticker, i.queue_ticker_paused, i.queue_ticker_max_count,
       extract(epoch from i.queue_ticker_max_lag)::float8, extract(epoch from i.queue_ticker_idle_period)::float8,
       coalesce(extract(epoch from i.ticker_lag)::float8, 0), coalesce(i.ev_per_sec, 0), coalesce(i.ev_new, 0),
       coalesce(i.last_tick_id, 0),
       (select count(*) from pgq.subscription s where s.sub_queue = q.queue_id)
  from pgq.get_queue_info($1) i join pgq.queue q using (queue_name)`
	sqlConsumerInfo = `
select queue_name, consumer_name, coalesce(extract(epoch from lag)::float8, 0), extract(epoch from last_seen)::float8,
       coalesce(last_tick, 0), coalesce(current_batch, 0), coalesce(next_tick, 0), coalesce(pending_events, 0)
  from pgq.get_consumer_info($1)`

	sqlRegister          = `select pgq.register_consumer_at($1, $2, $3) = 1`
	sqlUnregister        = `select pgq.unregister_consumer($1, $2)`
	sqlTick              = `select coalesce(pgq.ticker($1), 0)`
	sqlForceTickOriginal = `select pgq.force_tick($1)`

	sqlInsert     = `select pgq.insert_event($1, $2, $3, $4, $5, $6, $7)`
	sqlInsertEach = `
select pgq.insert_event($1, e.t, e.d, e.e1, e.e2, e.e3, e.e4)
  from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) with ordinality e (t, d, e1, e2, e3, e4, n)
 order by e.n`
	sqlEventTable = `select pgq.current_event_table($1), now()`

	sqlNextBatch = `
select batch_id, cur_tick_id, prev_tick_id, cur_tick_time, prev_tick_time, cur_tick_event_seq, prev_tick_event_seq
  from pgq.next_batch_info($1, $2)`
	sqlBatchCursor = `
select ev_id, ev_time, ev_txid, ev_retry, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4
  from pgq.get_batch_cursor($1, $2, $3)`
	sqlEventRetry  = `select pgq.event_retry($1, $2, clock_timestamp() + $3::float8 * interval '1 second')`
	sqlFinishBatch = `select pgq.finish_batch($1)`

	sqlTicker      = `select pgq.ticker()`
	sqlMaintOps    = `select func_name, func_arg from pgq.maint_operations()`
	sqlMaintRetry  = `select pgq.maint_retry_events()`
	sqlTickerLead  = `select pg_try_advisory_lock(1885827436, 0)`
	sqlQueueID     = `select queue_id from pgq.queue where queue_name = $1`
	sqlAsyncCommit = `select set_config('synchronous_commit', 'off', true)`

	// ours only
	sqlInsertMany      = `select pgqueue.insert_events($1, $2, $3, $4, $5, $6, $7)`
	sqlNextBatchMerged = `
select batch_id, cur_tick_id, prev_tick_id, cur_tick_time, prev_tick_time, cur_tick_event_seq, prev_tick_event_seq
  from pgqueue.next_batch($1, $2, $3)`
	sqlFinishParking = `select pgqueue.finish_batch($1, $2, $3)`
	sqlTickEach      = `select count(*) from pgqueue.tick_each()`
	sqlTickAll       = `select count(*) from pgqueue.tick()`
	sqlMaintOurs     = `select func_name, func_arg from pgqueue.maint_operations()`
	sqlWakeLock      = `select pg_try_advisory_lock(1885827435, 0)`
	sqlWakeUnlock    = `select pg_advisory_unlock(1885827435, 0)`
	sqlCanNotify     = `select current_setting('max_prepared_transactions') = '0'`
	sqlAcceptCluster = `select pgqueue.accept_cluster()`
	sqlForceTick     = `select pgqueue.force_tick($1)`
	sqlDiagnose      = `select problem, coalesce(queue_name, ''), detail, remedy from pgqueue.diagnose()`
	sqlRebase        = `select pgqueue.rebase_queue($1)`
)
