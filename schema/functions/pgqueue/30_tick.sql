-- Ticks: the snapshots that cut the log into batches.
--
-- What every tick must keep, or events are lost or repeated:
--   * Snapshots rise with tick ids. One session ticks a queue at a time (lock
--     1885827444, queue id), and takes its snapshot in a statement that begins
--     after it has the lock (D3).
--   * The ticking transaction's own events are not seen by its own tick (D2).
--   * tick_event_seq is read before the snapshot is taken.

-- pgqueue.tick_snapshot() - the snapshot to store in a tick made by this statement
--
-- A transaction's own id is never in its own list of running ones. When it is
-- below xmax it would count as ended; it is put into the list.
create or replace function pgqueue.tick_snapshot()
returns txid_snapshot
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    snap txid_snapshot := txid_current_snapshot();
    own int8 := txid_current_if_assigned();
begin
    if own is null or own < txid_snapshot_xmin(snap) or own >= txid_snapshot_xmax(snap) then
        return snap;
    end if;
    return format('%s:%s:%s', least(own, txid_snapshot_xmin(snap)), txid_snapshot_xmax(snap),
        (select string_agg(x::text, ',' order by x)
           from (select txid_snapshot_xip(snap) union select own) all_running (x)));
end $$;

-- pgqueue.settling(i_snapshot, i_seq_txid, i_now) - may the queue have events that no tick has seen?
--
-- True when a transaction below i_seq_txid, which the last tick (i_snapshot) did
-- not see, is seen in i_now: it has ended, and its event ids may have been
-- counted already. False for good once i_snapshot sees everything below i_seq_txid.
-- i_seq_txid NULL: not known, so any transaction counts.
create or replace function pgqueue.settling(i_snapshot txid_snapshot, i_seq_txid int8, i_now txid_snapshot)
returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    xmax int8 := txid_snapshot_xmax(i_snapshot);
    bound int8 := least(i_seq_txid, txid_snapshot_xmax(i_now));
begin
    if txid_snapshot_xmin(i_snapshot) >= bound then
        return false;
    end if;
    return bound - xmax > (select count(*) from txid_snapshot_xip(i_now) x where x >= xmax and x < bound)
        or exists (
            select from txid_snapshot_xip(i_snapshot) x
             where x < bound and txid_visible_in_snapshot(x, i_now));
end $$;

-- pgqueue.add_tick(i_queue, i_tick, i_time, i_seq, i_seq_txid) - write a tick with the snapshot of this moment
--
-- The caller holds the queue's tick lock. i_seq_txid is its transaction id if that was
-- assigned after i_seq was read, else NULL; it is stored unless an earlier tick
-- has the same i_seq. Notifies pgq_tick_<queue id> with the tick id, and returns it.
create or replace function pgqueue.add_tick(i_queue int4, i_tick int8, i_time timestamptz, i_seq int8, i_seq_txid int8)
returns int8
language plpgsql as $$
begin
    insert into pgq.tick (tick_queue, tick_id, tick_time, tick_snapshot, tick_event_seq, tick_seq_txid)
    select i_queue, i_tick, i_time, pgqueue.tick_snapshot(), i_seq,
           coalesce((select case when t.tick_event_seq = i_seq then t.tick_seq_txid end
                       from pgq.tick t where t.tick_queue = i_queue
                      order by t.tick_id desc limit 1),
                    i_seq_txid);
    perform pg_notify('pgq_tick_' || i_queue, i_tick::text);
    return i_tick;
end $$;

-- pgqueue.check_isolation() - refuse to tick with a snapshot of the transaction's own
--
-- Such a transaction cannot take a snapshot younger than the last tick. PQ013.
create or replace function pgqueue.check_isolation()
returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        raise exception 'cannot tick in a % transaction', upper(current_setting('transaction_isolation'))
            using errcode = 'PQ013', hint = 'Tick in READ COMMITTED: each tick needs a fresh snapshot.';
    end if;
end $$;

-- pgqueue.check_txids(i_tick) - refuse to go on when transaction ids went back
--
-- After a restore into a server with lower ids, events inserted now would count
-- as seen by older ticks, and be lost. PQ012.
create or replace function pgqueue.check_txids(i_tick pgq.tick)
returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    cur int8 := txid_snapshot_xmax(txid_current_snapshot());
    xmin int8 := txid_snapshot_xmin((i_tick).tick_snapshot);
    xmax int8 := txid_snapshot_xmax((i_tick).tick_snapshot);
    hint constant text := 'Transaction ids of this server are behind those of the queue, as after a restore.';
begin
    if xmin > cur then
        raise exception 'Invalid PgQ state: old xmin=%, old xmax=%, cur txid=%', xmin, xmax, cur
            using errcode = 'PQ012', hint = hint;
    end if;
    if xmax > cur then
        raise exception 'Dubious PgQ state: old xmax=%, cur txid=%', xmax, cur
            using errcode = 'PQ012', hint = hint;
    end if;
end $$;

-- pgqueue.tick() - tick every queue that has something new
--
-- What our ticker calls, many times a second. A tick is made when event ids were
-- taken since the last one, or a transaction that may have taken some has ended
-- (pgqueue.settling); queues with an external or paused ticker are left out. Does not
-- wait: a queue that another session is ticking, or whose ids went back
-- (PQ012 in pgq.ticker), is left out too. Takes no transaction id when nothing is new.
-- Returns the queues ticked.
create or replace function pgqueue.tick(out queue_id int4, out tick_id int8)
returns setof record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    due int4[];
    seqs int8[];
    last int8[];
    fresh boolean := txid_current_if_assigned() is null;
begin
    perform pgqueue.check_isolation();
    select array_agg(d.queue_id), array_agg(d.seq), array_agg(d.last)
      into due, seqs, last
      from (select q.queue_id, s.seq, t.tick_id as last
              from pgq.queue q
             cross join lateral (select coalesce(pg_sequence_last_value(q.queue_event_seq::regclass), 1) as seq) s
              left join lateral (
                    select k.tick_id, k.tick_event_seq, k.tick_snapshot, k.tick_seq_txid from pgq.tick k
                     where k.tick_queue = q.queue_id order by k.tick_id desc limit 1) t on true
             where not q.queue_external_ticker and not q.queue_ticker_paused
               and (t.tick_id is null
                    or txid_snapshot_xmax(t.tick_snapshot) <= txid_snapshot_xmax(txid_current_snapshot())
                    and (s.seq <> t.tick_event_seq
                         or pgqueue.settling(t.tick_snapshot, t.tick_seq_txid, txid_current_snapshot())))
            offset 0) d
     where pg_try_advisory_xact_lock(1885827444, d.queue_id);
    if due is null then
        return;
    end if;

    -- a new statement, so a snapshot younger than the locks
    return query
    select q.queue_id, pgqueue.add_tick(q.queue_id, nextval(q.queue_tick_seq), now(), d.seq,
                            case when fresh then txid_current() end)
      from unnest(due, seqs, last) d (queue_id, seq, last)
      join pgq.queue q on q.queue_id = d.queue_id
     where not exists (
            select from pgq.tick t where t.tick_queue = d.queue_id and t.tick_id > coalesce(d.last, 0));
end $$;
