-- What there is, and how it is doing.

-- pgq.get_queue_info(i_queue_name) - settings and state of one queue, or of all for NULL
--
-- ticker_lag: age of the newest tick. ev_per_sec: mean over the last 20 ticks, NULL when
-- they span no time. ev_new: event ids taken since the newest tick.
create or replace function pgq.get_queue_info(
    in i_queue_name text,
    out queue_name text, out queue_ntables int4, out queue_cur_table int4, out queue_rotation_period interval,
    out queue_switch_time timestamptz, out queue_external_ticker bool, out queue_ticker_paused bool,
    out queue_ticker_max_count int4, out queue_ticker_max_lag interval, out queue_ticker_idle_period interval,
    out ticker_lag interval, out ev_per_sec float8, out ev_new int8, out last_tick_id int8)
returns setof record
language plpgsql as $$
begin
    return query
    select q.queue_name, q.queue_ntables, q.queue_cur_table, q.queue_rotation_period,
           q.queue_switch_time, q.queue_external_ticker, q.queue_ticker_paused,
           q.queue_ticker_max_count, q.queue_ticker_max_lag, q.queue_ticker_idle_period,
           current_timestamp - newest.tick_time,
           case when older.tick_time < newest.tick_time
                then (newest.tick_event_seq - older.tick_event_seq)
                     / extract(epoch from newest.tick_time - older.tick_time)::float8 end,
           pgq.seq_getval(q.queue_event_seq) - newest.tick_event_seq,
           newest.tick_id
      from pgq.queue q
      left join lateral (
            select t.* from pgq.tick t where t.tick_queue = q.queue_id
             order by t.tick_id desc limit 1) newest on true
      left join lateral (
            select t.* from pgq.tick t where t.tick_queue = q.queue_id and t.tick_id >= newest.tick_id - 20
             order by t.tick_id limit 1) older on true
     where q.queue_name = i_queue_name or i_queue_name is null
     order by q.queue_name;
end $$;

-- pgq.get_queue_info() - settings and state of all queues
create or replace function pgq.get_queue_info(
    out queue_name text, out queue_ntables int4, out queue_cur_table int4, out queue_rotation_period interval,
    out queue_switch_time timestamptz, out queue_external_ticker bool, out queue_ticker_paused bool,
    out queue_ticker_max_count int4, out queue_ticker_max_lag interval, out queue_ticker_idle_period interval,
    out ticker_lag interval, out ev_per_sec float8, out ev_new int8, out last_tick_id int8)
returns setof record
language plpgsql as $$
begin
    return query select * from pgq.get_queue_info(null);
end $$;

-- pgq.get_consumer_info(i_queue_name, i_consumer_name) - positions of consumers; NULL: of all
--
-- lag: age of the consumer's tick. last_seen: time since it last moved. pending_events: event ids
-- between its tick and the queue's newest.
create or replace function pgq.get_consumer_info(
    in i_queue_name text, in i_consumer_name text,
    out queue_name text, out consumer_name text, out lag interval, out last_seen interval,
    out last_tick int8, out current_batch int8, out next_tick int8, out pending_events int8)
returns setof record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    return query
    select q.queue_name, c.co_name, current_timestamp - p.tick_time, current_timestamp - s.sub_active,
           s.sub_last_tick, s.sub_batch, s.sub_next_tick,
           (select t.tick_event_seq from pgq.tick t where t.tick_queue = q.queue_id
             order by t.tick_id desc limit 1) - p.tick_event_seq
      from pgq.subscription s
      join pgq.queue q on q.queue_id = s.sub_queue
      join pgq.consumer c on c.co_id = s.sub_consumer
      left join pgq.tick p on p.tick_queue = s.sub_queue and p.tick_id = s.sub_last_tick
     where (i_queue_name is null or q.queue_name = i_queue_name)
       and (i_consumer_name is null or c.co_name = i_consumer_name)
     order by q.queue_name, c.co_name;
end $$;

-- pgq.get_consumer_info(i_queue_name) - the consumers of a queue
create or replace function pgq.get_consumer_info(
    in i_queue_name text,
    out queue_name text, out consumer_name text, out lag interval, out last_seen interval,
    out last_tick int8, out current_batch int8, out next_tick int8, out pending_events int8)
returns setof record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from pgq.get_consumer_info(i_queue_name, null);
end $$;

-- pgq.get_consumer_info() - all consumers of all queues
create or replace function pgq.get_consumer_info(
    out queue_name text, out consumer_name text, out lag interval, out last_seen interval,
    out last_tick int8, out current_batch int8, out next_tick int8, out pending_events int8)
returns setof record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from pgq.get_consumer_info(null, null);
end $$;

-- pgq.version() - the version of PgQ whose interface this is
--
-- PgQ's ticker daemon looks at it before it ticks a database. Ours is pgqueue.version().
create or replace function pgq.version()
returns text
language sql immutable as $$
    select '3.5.2'::text;
$$;
