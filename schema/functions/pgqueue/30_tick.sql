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

-- pgqueue.lock_ticks(i_queue_name) - become the one session that ticks a queue, if it may be ticked
--
-- Waits for another session that does, and looks again then: that one may have made the
-- last tick before the queue went to another node. Returns the queue. PQ001 no such
-- queue; PQ011 external or paused; PQ013 snapshot isolation.
create or replace function pgqueue.lock_ticks(i_queue_name text)
returns pgq.queue
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    q pgq.queue;
begin
    for look in 1 .. 2 loop
        select * into q from pgq.queue where queue_name = i_queue_name;
        if not found then
            raise exception 'no such queue'
                using errcode = 'PQ001', detail = format('Queue: %s', i_queue_name);
        end if;
        if q.queue_external_ticker then
            raise exception 'This queue has external tick source.' using errcode = 'PQ011';
        end if;
        if q.queue_ticker_paused then
            raise exception 'Ticker has been paused for this queue' using errcode = 'PQ011';
        end if;
        if look = 1 then
            perform pgqueue.check_isolation();
            perform pg_advisory_xact_lock(1885827444, q.queue_id);
        end if;
    end loop;
    return q;
end $$;

-- pgqueue.cut_gap(i_queue, i_last, i_seq, i_size) - ticks inside the gap since the last one, i_size events apart
--
-- After an outage one tick would make one huge batch. But every snapshot X:X: with
-- xmax(last) <= X <= xmin(now) lies between the two, as all transactions
-- below xmin(now) have ended. So the events of the gap, in the order of their
-- transactions, are counted off along the index, and ticks are put in between.
-- Events of one transaction stay together. Makes at most 100 ticks, so that the
-- queue's lock is not held for long; returns true when more can be made.
create or replace function pgqueue.cut_gap(i_queue pgq.queue, i_last pgq.tick, i_seq int8, i_size int4)
returns boolean
language plpgsql set search_path = pg_catalog, pg_temp
-- event tables are never analysed: the planner would rather sort the rest of the log at each cut
set enable_sort = off set enable_bitmapscan = off set enable_seqscan = off as $$
declare
    lo int8 := txid_snapshot_xmax(i_last.tick_snapshot);
    hi int8 := txid_snapshot_xmin(pgqueue.tick_snapshot());
    seq int8 := i_last.tick_event_seq;
    prev int4 := (i_queue.queue_cur_table + i_queue.queue_ntables - 1) % i_queue.queue_ntables;
    cut record;
begin
    for i in 1 .. 100 loop
        execute format(
            'select e.ev_txid, e.ev_time from ('
            ' select ev_txid, ev_time from %1$s_%2$s union all'
            ' select ev_txid, ev_time from %1$s_%3$s) e'
            ' where e.ev_txid >= $1 and e.ev_txid < $2 order by e.ev_txid offset $3 limit 1', i_queue.queue_data_pfx, prev, i_queue.queue_cur_table)
           into cut using lo, hi, i_size;
        if cut.ev_txid is null then
            return false;
        end if;
        lo := greatest(cut.ev_txid, lo + 1);
        seq := least(seq + i_size, i_seq);
        insert into pgq.tick (tick_queue, tick_id, tick_time, tick_snapshot, tick_event_seq)
        values (i_queue.queue_id, nextval(i_queue.queue_tick_seq), greatest(cut.ev_time, i_last.tick_time),
                format('%s:%s:', lo, lo)::txid_snapshot, seq);
    end loop;
    return true;
end $$;

-- pgqueue.tick_due(i_queue) - tick a queue, or for NULL every queue, if it has something new
--
-- A tick is made when event ids were taken since the last one, or a transaction that
-- may have taken some has ended (pgqueue.settling); queues with an external or paused ticker
-- are left out. A gap of more than 20,000 event ids is cut into ticks of 10,000 events.
-- Does not wait: a queue that another session is ticking, or whose ids went back
-- (PQ012 in pgq.ticker), is left out too. Takes no transaction id when nothing is new.
-- Returns the queues ticked, each with its newest tick. PQ013 snapshot isolation.
create or replace function pgqueue.tick_due(i_queue int4, out queue_id int4, out tick_id int8)
returns setof record
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '100ms' as $$
declare
    due int4[];
    seqs int8[];
    fresh boolean := txid_current_if_assigned() is null;
    seq int8;
    q pgq.queue;
    last pgq.tick;
begin
    perform pgqueue.check_isolation();
    select array_agg(d.queue_id), array_agg(d.seq) into due, seqs
      from (select k.queue_id, s.seq
              from pgq.queue k
             cross join lateral (select coalesce(pg_sequence_last_value(k.queue_event_seq::regclass), 1) as seq) s
              left join lateral (
                    select n.tick_id, n.tick_event_seq, n.tick_snapshot, n.tick_seq_txid from pgq.tick n
                     where n.tick_queue = k.queue_id order by n.tick_id desc limit 1) t on true
             where (i_queue is null or k.queue_id = i_queue) and not k.queue_external_ticker and not k.queue_ticker_paused and not k.queue_needs_rebase
               and (t.tick_id is null
                    or txid_snapshot_xmax(t.tick_snapshot) <= txid_snapshot_xmax(txid_current_snapshot())
                    and (s.seq <> t.tick_event_seq
                         or pgqueue.settling(t.tick_snapshot, t.tick_seq_txid, txid_current_snapshot())))
            offset 0) d
     where pg_try_advisory_xact_lock(1885827444, d.queue_id);

    -- statements from here on have snapshots younger than the locks
    for i in 1 .. coalesce(cardinality(due), 0) loop
        select * into q from pgq.queue k where k.queue_id = due[i];
        continue when not found;
        seq := seqs[i];
        select * into last from pgq.tick t where t.tick_queue = q.queue_id order by t.tick_id desc limit 1;
        -- somebody else may have ticked between the look and the lock
        continue when last.tick_event_seq > seq
            or last.tick_event_seq = seq
               and not pgqueue.settling(last.tick_snapshot, last.tick_seq_txid, txid_current_snapshot());
        queue_id := q.queue_id;
        if seq - last.tick_event_seq > 20000 and pgqueue.cut_gap(q, last, seq, 10000) then
            tick_id := currval(q.queue_tick_seq);
            perform pg_notify('pgq_tick_' || queue_id, tick_id::text);
        else
            tick_id := pgqueue.add_tick(queue_id, nextval(q.queue_tick_seq), now(), seq, case when fresh then txid_current() end);
        end if;
        return next;
    end loop;
end $$;

-- pgqueue.tick() - tick every queue that has something new
--
-- What our ticker calls, many times a second: one statement looks after all queues. A queue
-- that cannot be looked at, as it is broken or being dropped, fails the call; then
-- pgqueue.tick_each() goes round it.
create or replace function pgqueue.tick(out queue_id int4, out tick_id int8)
returns setof record
language sql security definer set search_path = pg_catalog, pg_temp as $$
    select * from pgqueue.tick_due(null);
$$;

-- pgqueue.tick_each() - pgqueue.tick(), queue by queue
--
-- One that fails is reported by a warning, and the others are ticked.
create or replace function pgqueue.tick_each(out queue_id int4, out tick_id int8)
returns setof record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    q record;
begin
    for q in select k.queue_id, k.queue_name from pgq.queue k order by k.queue_name loop
        begin
            return query select * from pgqueue.tick_due(q.queue_id);
        exception when others then
            raise warning 'queue %: %', q.queue_name, sqlerrm using errcode = sqlstate;
        end;
    end loop;
end $$;

-- pgqueue.force_tick(i_queue_name) - tick a queue now, whether or not anything is new; returns the tick's id
--
-- Waits for another session ticking the queue. Errors as pgq.ticker(queue).
create or replace function pgqueue.force_tick(i_queue_name text)
returns int8
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    q pgq.queue := pgqueue.lock_ticks(i_queue_name);
begin
    perform pgqueue.check_txids(q.queue_id);
    return pgqueue.add_tick(q.queue_id, nextval(q.queue_tick_seq), now(), pgq.seq_getval(q.queue_event_seq), null);
end $$;
