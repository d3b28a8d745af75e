-- Transaction ids that went back.
--
-- PgQ decides by transaction ids which batch an event is in, and takes for granted
-- that they rise. A database that was dumped and restored into another server has ticks
-- with the ids of the old one. When the new one is behind, events inserted there
-- count as seen by those ticks, and are lost; when its ids catch up, ticking goes
-- on as if nothing had happened. So a database that finds itself on another server
-- looks at its queues first, and marks those whose ids went back until they
-- are re-based: queue_needs_rebase.

-- pgqueue.original_txid(i_txid, i_writer, i_floor) - was this event inserted on this server?
--
-- i_writer wrote the row. A row that was inserted here has been written by the transaction (or a
-- sub-transaction of it) whose id it carries; a restored one by the restore. i_floor is
-- the oldest writer of the table's rows.
create or replace function pgqueue.original_txid(i_txid int8, i_writer int8, i_floor int8)
returns boolean
language sql immutable as $$
    select i_txid >= i_floor and i_writer >= i_txid and i_writer - i_txid < 1000000;
$$;

-- pgqueue.writer(i_xmin, i_now) - 64-bit id of a row's writer, from its 32-bit xmin; i_now is a younger id
create or replace function pgqueue.writer(i_xmin xid, i_now int8)
returns int8
language sql immutable as $$
    select i_now - ((i_now - i_xmin::text::int8) & 4294967295);
$$;

-- pgqueue.txids_went_back(i_queue) - has the queue seen transaction ids that this server has not reached?
--
-- True too when it has reached them by now, but events were inserted before that:
-- the newest tick claims to have seen them, though they were counted after it.
-- Reads the event tables, so it is not for every day.
create or replace function pgqueue.txids_went_back(i_queue int4)
returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    now_xmax int8 := txid_snapshot_xmax(txid_current_snapshot());
    q pgq.queue;
    last pgq.tick;
    counted int8; -- by all ticks: on a branch the newest may count less than those before it
    lost boolean;
begin
    select * into q from pgq.queue k where k.queue_id = i_queue;
    select max(t.tick_event_seq) into counted from pgq.tick t where t.tick_queue = i_queue;
    select * into last from pgq.tick t where t.tick_queue = i_queue order by t.tick_id desc limit 1;
    if txid_snapshot_xmax(last.tick_snapshot) > now_xmax or q.queue_switch_step1 > now_xmax then
        return true;
    end if;
    execute format('select exists (select from %s where ev_id > $1 and ev_owner is null and ev_txid < $2)', q.queue_data_pfx)
       into lost using counted, txid_snapshot_xmin(last.tick_snapshot);
    return lost;
end $$;

-- pgqueue.accept_cluster() - after a restore, find the queues that cannot go on as they are
--
-- Does nothing on the server that the queues know. On another one, marks the queues whose
-- transaction ids went back (queue_needs_rebase), and takes that server as known.
-- Tickers call it when they start. Returns the names of all marked queues.
create or replace function pgqueue.accept_cluster()
returns setof text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    here int8 := (select system_identifier from pg_control_system());
begin
    if exists (select from pgqueue.cluster where cluster_id <> here) then
        update pgqueue.cluster set cluster_id = here where cluster_id <> here;
        if found then
            -- a dump may have a sequence as it was after the rows
            perform setval(('pgqueue.switch_' || queue_id)::regclass, queue_switch_count) from pgq.queue;
            update pgq.queue set queue_needs_rebase = true
             where not queue_needs_rebase and pgqueue.txids_went_back(queue_id);
        end if;
    end if;
    return query select q.queue_name from pgq.queue q where q.queue_needs_rebase order by 1;
end $$;

-- pgqueue.check_txids(i_queue) - refuse to tick a queue whose transaction ids went back
--
-- PQ012, with PgQ's texts.
create or replace function pgqueue.check_txids(i_queue int4)
returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    cur int8 := txid_snapshot_xmax(txid_current_snapshot());
    remedy constant text := 'Transaction ids of this server are behind those of the queue, as after a restore. Run: pgqueue doctor --repair';
    marked boolean;
    xmin int8;
    xmax int8;
begin
    perform pgqueue.accept_cluster();
    select q.queue_needs_rebase, txid_snapshot_xmin(t.tick_snapshot), txid_snapshot_xmax(t.tick_snapshot)
      into marked, xmin, xmax
      from pgq.queue q join pgq.tick t on t.tick_queue = q.queue_id
     where q.queue_id = i_queue
     order by t.tick_id desc limit 1;
    if xmin > cur or marked then
        raise exception 'Invalid PgQ state: old xmin=%, old xmax=%, cur txid=%', xmin, xmax, cur
            using errcode = 'PQ012', hint = remedy;
    end if;
    if xmax > cur then
        raise exception 'Dubious PgQ state: old xmax=%, cur txid=%', xmax, cur
            using errcode = 'PQ012', hint = remedy;
    end if;
end $$;

-- pgqueue.rebase_queue(i_queue_name) - give a queue transaction ids of this server
--
-- For a queue whose ids went back. Every consumer keeps exactly the events it has not
-- finished, in the batches it had; events that were inserted here since the restore are new to
-- all. What decides is in which order ticks saw events, so ids are made up, just
-- below the oldest running transaction: the n-th tick sees those up to the n-th.
-- Only ticks that a position stands on, and the newest, are kept; older ones were for
-- seeking. Writers and consumers of the queue wait meanwhile. Returns the number of
-- events given a new id. PQ001; PQ018 when the server is too young to have as many
-- ids: use some up (select txid_current()) and try again.
-- Writes pgq.queue, pgq.tick, the event tables.
create or replace function pgqueue.rebase_queue(i_queue_name text)
returns int8
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    q pgq.queue;
    tab text;
    base int8;
    kept int8;
    n int8;
    total int8 := 0;
begin
    perform pgqueue.check_isolation();
    select * into q from pgq.queue k where k.queue_name = i_queue_name for update;
    if not found then
        raise exception 'No such queue' using errcode = 'PQ001', detail = format('Queue: %s', i_queue_name);
    end if;
    perform pg_advisory_xact_lock(1885827444, q.queue_id);
    perform from pgqueue.subscription s where s.sub_queue = q.queue_id for update;
    for i in 0 .. q.queue_ntables - 1 loop
        execute format('lock table %s_%s in share row exclusive mode', q.queue_data_pfx, i);
    end loop;

    delete from pgq.tick t
     where t.tick_queue = q.queue_id
       and t.tick_id < (select max(x.tick_id) from pgq.tick x where x.tick_queue = q.queue_id)
       and not exists (select from pgq.subscription s
                        where s.sub_queue = q.queue_id and t.tick_id in (s.sub_last_tick, s.sub_next_tick));
    select count(*) into kept from pgq.tick t where t.tick_queue = q.queue_id;
    base := txid_snapshot_xmin(txid_current_snapshot()) - kept - 2;
    if base < 3 then
        raise exception 'not enough transaction ids below % for % ticks', base + kept + 2, kept
            using errcode = 'PQ018', hint = format('Use up %s ids (select txid_current(), each in a transaction) and try again.', 3 - base);
    end if;

    -- ticks in order: their number, and what they saw before
    create temporary table pgqueue_rebase on commit drop as
    select t.tick_id, t.tick_snapshot, row_number() over (order by t.tick_id) as n
      from pgq.tick t where t.tick_queue = q.queue_id;

    foreach tab in array array(
        select q.queue_data_pfx || '_' || x
          from unnest(array[(q.queue_cur_table + q.queue_ntables - 1) % q.queue_ntables, q.queue_cur_table]) x)
    loop
        execute format($sql$
            update %s e
               set ev_txid = $1 + coalesce(
                    case when not pgqueue.original_txid(e.ev_txid, pgqueue.writer(e.xmin, $2), f.floor) then
                        (select min(r.n) from pg_temp.pgqueue_rebase r where txid_visible_in_snapshot(e.ev_txid, r.tick_snapshot))
                    end, $3 + 1)
              from (select min(pgqueue.writer(w.xmin, $2)) as floor from %s w) f $sql$, tab, tab)
          using base, txid_current(), kept;
        get diagnostics n = row_count;
        total := total + n;
    end loop;

    update pgq.tick t
       set tick_snapshot = format('%s:%s:', base + r.n + 1, base + r.n + 1)::txid_snapshot, tick_seq_txid = null
      from pg_temp.pgqueue_rebase r
     where t.tick_queue = q.queue_id and t.tick_id = r.tick_id;
    -- both tables are read until every consumer is past a tick of this server
    update pgq.queue
       set queue_switch_step1 = base, queue_switch_step2 = txid_current(), queue_needs_rebase = false
     where queue_id = q.queue_id;
    update pgqueue.position_log set log_moved_txid = null where log_moved_txid > txid_current();
    drop table pg_temp.pgqueue_rebase;
    return total;
end $$;
