-- pgqueue.diagnose() - what an operator should know about
--
-- One row for each problem: what, on which queue (NULL: on the database), the particulars,
-- and what to do. Nothing: all is well. Looks for
--   * transaction ids that went back after a restore;
--   * queues that have events and are not ticked;
--   * rotation held back, by which consumer, or by which old transaction;
--   * consumers that do not keep up;
--   * roles that could not be created.
create or replace function pgqueue.diagnose(
    out problem text, out queue_name text, out detail text, out remedy text)
returns setof record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    now_xmax int8 := txid_snapshot_xmax(txid_current_snapshot());
begin
    perform pgqueue.accept_cluster();

    return query
    select 'transaction ids went back', q.queue_name,
           format('the queue has seen ids up to %s, this server is at %s',
                  greatest(txid_snapshot_xmax(t.tick_snapshot), q.queue_switch_step1), now_xmax),
           'pgqueue doctor --repair'
      from pgq.queue q
      join lateral (select * from pgq.tick k where k.tick_queue = q.queue_id order by k.tick_id desc limit 1) t on true
     where q.queue_needs_rebase or txid_snapshot_xmax(t.tick_snapshot) > now_xmax or q.queue_switch_step1 > now_xmax
     order by q.queue_name;

    return query
    select 'not ticked', i.queue_name,
           format('%s new events, newest tick %s ago', i.ev_new, date_trunc('second', i.ticker_lag)),
           'run pgqueue ticker'
      from pgq.get_queue_info() i
     where not i.queue_external_ticker and not i.queue_ticker_paused
       and i.ev_new > 0 and i.ticker_lag > greatest(i.queue_ticker_max_lag * 2, interval '10 seconds');

    return query
    select 'rotation held back', q.queue_name,
           format('by consumer %s, which stands at a tick from %s', c.co_name, t.tick_time),
           'run that consumer, move it (pgq.register_consumer_at), or unregister it'
      from pgq.queue q
      join pgq.subscription s on s.sub_queue = q.queue_id
      join pgq.consumer c on c.co_id = s.sub_consumer
      join pgq.tick t on t.tick_queue = q.queue_id and t.tick_id = s.sub_last_tick
     where q.queue_switch_time + 2 * q.queue_rotation_period + interval '1 minute' < now()
       and t.tick_time < now() - q.queue_rotation_period
       and txid_snapshot_xmin(t.tick_snapshot) <= q.queue_switch_step2
     order by q.queue_name, c.co_name;

    return query
    select 'rotation held back', q.queue_name,
           'by an old transaction: ' || coalesce(
               (select format('session %s of %s, since %s', a.pid, a.usename, a.xact_start)
                  from pg_stat_activity a where a.backend_xid is not null
                 order by age(a.backend_xid) desc limit 1),
               (select format('prepared transaction %s of %s, since %s', p.gid, p.owner, p.prepared)
                  from pg_prepared_xacts p order by age(p.transaction) desc limit 1),
               'not to be seen with your rights'),
           'end that transaction'
      from pgq.queue q
      join lateral (select * from pgq.tick k where k.tick_queue = q.queue_id order by k.tick_id desc limit 1) t on true
     where q.queue_switch_time + 2 * q.queue_rotation_period + interval '1 minute' < now()
       and txid_snapshot_xmin(t.tick_snapshot) <= q.queue_switch_step2
       and txid_snapshot_xmin(txid_current_snapshot()) <= q.queue_switch_step2
     order by q.queue_name;

    return query
    select 'consumer behind', i.queue_name,
           format('%s: %s events pending, stands at a tick %s old', i.consumer_name, i.pending_events, date_trunc('second', i.lag)),
           'see whether it runs, and what it waits for'
      from pgq.get_consumer_info() i
      join pgq.queue q on q.queue_name = i.queue_name
     where i.pending_events > 0 and i.lag > least(q.queue_rotation_period, interval '10 minutes') + interval '1 minute';

    return query
    select 'role missing', null::text, r.name, format('create role %s; then: pgqueue install', r.name)
      from unnest(array['pgq_reader', 'pgq_writer', 'pgq_admin']) r (name)
     where to_regrole(r.name) is null;
end $$;
