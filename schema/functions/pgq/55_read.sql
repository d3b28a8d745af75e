-- Reading a batch.

-- pgqueue.batch_range(i_batch) - what decides the content of an open batch
--
-- Returns one row, or none for an unknown batch: the subscription's id and queue,
-- the snapshots at both ends, and the data tables that can have its events.
-- Only the table written to now, once every transaction that could
-- write to the one before had ended at the batch's beginning; only the one before,
-- when the batch ended before the switch; else both, older first.
create or replace function pgqueue.batch_range(
    i_batch int8,
    out sub_id int4, out queue_id int4, out last_snapshot txid_snapshot, out next_snapshot txid_snapshot, out tables text[])
returns setof record
language sql stable security definer set search_path = pg_catalog, pg_temp rows 1 as $$
    select (b.sub).sub_id, q.queue_id, p.tick_snapshot, c.tick_snapshot,
           case when txid_snapshot_xmax(c.tick_snapshot) < q.queue_switch_step1
                then array[q.queue_data_pfx || '_' || prev]
                when txid_snapshot_xmin(p.tick_snapshot) > q.queue_switch_step2
                then array[q.queue_data_pfx || '_' || q.queue_cur_table]
                else array[q.queue_data_pfx || '_' || prev, q.queue_data_pfx || '_' || q.queue_cur_table]
           end
      from pgqueue.find_batch(i_batch, false) b
      join pgq.queue q on q.queue_id = (b.sub).sub_queue
      join pgq.tick p on p.tick_queue = q.queue_id and p.tick_id = (b.pos).pos_last_tick
      join pgq.tick c on c.tick_queue = q.queue_id and c.tick_id = (b.pos).pos_next_tick,
           lateral (values ((q.queue_cur_table + q.queue_ntables - 1) % q.queue_ntables)) v (prev);
$$;

-- pgq.batch_event_tables(x_batch_id) - names of the data tables that can have the batch's events
--
-- PQ003 Cannot find data for batch.
create or replace function pgq.batch_event_tables(x_batch_id int8)
returns setof text
language plpgsql as $$
begin
    return query select unnest(r.tables) from pgqueue.batch_range(x_batch_id) r;
    if not found then
        raise exception 'Cannot find data for batch %', x_batch_id using errcode = 'PQ003';
    end if;
end $$;

-- pgqueue.batch_query(i_batch) - text of the query that reads a batch, in no order
--
-- Ten columns. A batch is what its end snapshot C sees
-- and its beginning P does not. Asked row by row from the oldest transaction
-- running at P, that would read the log back to the beginning of the longest
-- transaction. Instead, with the ranges of transaction ids:
--   xmax(P) ... xmin(C)      began after P and had ended at C: all rows, no test
--   xmin(C) ... xmax(C)      the edge: the snapshot decides on each row
--   running at P, not at C ended between: looked up one by one
-- The ranges do not overlap. Must be run before the batch is finished.
-- PQ003 batch not found.
create or replace function pgqueue.batch_query(i_batch int8)
returns text
language plpgsql as $$
declare
    r record;
    lo int8;
    mid int8;
    hi int8;
    late text;
    part text;
    parts text[] := '{}';
    tab text;
begin
    select * into r from pgqueue.batch_range(i_batch);
    if not found then
        raise exception 'batch not found'
            using errcode = 'PQ003', detail = format('Batch: %s', i_batch),
                  hint = 'It was finished, or dropped when its consumer was moved.';
    end if;
    lo := txid_snapshot_xmax(r.last_snapshot);
    hi := txid_snapshot_xmax(r.next_snapshot);
    mid := greatest(lo, txid_snapshot_xmin(r.next_snapshot));
    select string_agg(x::text, ',') into late
      from (select txid_snapshot_xip(r.last_snapshot) except select txid_snapshot_xip(r.next_snapshot)) ended (x);

    foreach tab in array r.tables loop
        part := format('select ev_id, ev_time, ev_txid, ev_retry, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4'
                       ' from %s where (ev_owner is null or ev_owner = %s) and ', tab, r.sub_id);
        if lo < mid then
            parts := parts || (part || format('ev_txid >= %s and ev_txid < %s', lo, mid));
        end if;
        if mid < hi then
            parts := parts || (part || format('ev_txid >= %s and ev_txid < %s and txid_visible_in_snapshot(ev_txid, %L)',
                                              mid, hi, r.next_snapshot));
        end if;
        if late is not null then
            -- unnested, as the planner would rather read the whole table than look up many ids
            parts := parts || (part || format('ev_txid = any (array(select unnest(''{%s}''::int8[])))', late));
        end if;
    end loop;
    if parts = '{}' then
        parts := array[part || 'false'];
    end if;
    return array_to_string(parts, ' union all ');
end $$;

-- pgq.batch_event_sql(x_batch_id) - text of the query that reads a batch, ordered by ev_id
--
-- PQ003 batch not found.
create or replace function pgq.batch_event_sql(x_batch_id int8)
returns text
language plpgsql as $$
begin
    return pgqueue.batch_query(x_batch_id) || ' order by ev_id';
end $$;

-- pgq.get_batch_events(x_batch_id) - the events of a batch, ordered by ev_id
--
-- Holds the whole batch in memory or a temporary file of the server;
-- get_batch_cursor does not. Runs with the caller's rights. PQ003 batch not found.
create or replace function pgq.get_batch_events(
    in x_batch_id int8,
    out ev_id int8, out ev_time timestamptz, out ev_txid int8, out ev_retry int4, out ev_type text, out ev_data text,
    out ev_extra1 text, out ev_extra2 text, out ev_extra3 text, out ev_extra4 text)
returns setof record
language plpgsql as $$
begin
    return query execute pgq.batch_event_sql(x_batch_id);
end $$;

-- pgq.get_batch_cursor(i_batch_id, i_cursor_name, i_quick_limit, i_extra_where) - open a cursor over a batch
--
-- Returns the first i_quick_limit events; FETCH on the cursor goes on behind them, in
-- this transaction. i_extra_where is a condition on the columns of an event,
-- as SQL text, run with the caller's rights. Nothing when one of the
-- first three is NULL. PQ003 batch not found; 42P03 for a name in use.
create or replace function pgq.get_batch_cursor(
    in i_batch_id int8, in i_cursor_name text, in i_quick_limit int4, in i_extra_where text,
    out ev_id int8, out ev_time timestamptz, out ev_txid int8, out ev_retry int4, out ev_type text, out ev_data text,
    out ev_extra1 text, out ev_extra2 text, out ev_extra3 text, out ev_extra4 text)
returns setof record
language plpgsql as $$
declare
    walker refcursor := i_cursor_name;
    sql text;
begin
    if i_batch_id is null or i_cursor_name is null or i_quick_limit is null then
        return;
    end if;
    sql := pgq.batch_event_sql(i_batch_id);
    if i_extra_where is not null then
        sql := 'select * from (' || sql || E') ev where (' || i_extra_where || E'\n) order by ev_id';
    end if;
    open walker no scroll for execute sql;
    for i in 1 .. i_quick_limit loop
        fetch walker into ev_id, ev_time, ev_txid, ev_retry, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4;
        exit when not found;
        return next;
    end loop;
end $$;

-- pgq.get_batch_cursor(i_batch_id, i_cursor_name, i_quick_limit) - the same without a condition
create or replace function pgq.get_batch_cursor(
    in i_batch_id int8, in i_cursor_name text, in i_quick_limit int4,
    out ev_id int8, out ev_time timestamptz, out ev_txid int8, out ev_retry int4, out ev_type text, out ev_data text,
    out ev_extra1 text, out ev_extra2 text, out ev_extra3 text, out ev_extra4 text)
returns setof record
language plpgsql strict as $$
begin
    return query select * from pgq.get_batch_cursor(i_batch_id, i_cursor_name, i_quick_limit, null);
end $$;
