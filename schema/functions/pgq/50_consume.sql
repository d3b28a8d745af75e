-- Batches: open and finish. Reading them is in 55_read.sql.

-- pgq.find_tick_helper(...) - the tick where a batch that begins at i_prev_tick_id should end
--
-- The newest tick, if it is at least i_min_count events or i_min_interval away;
-- when it is more than twice as far, the first tick that is far enough. NULLs when none
-- is, or when both minimums are NULL. Reads pgq.tick.
create or replace function pgq.find_tick_helper(
    in i_queue_id int4, in i_prev_tick_id int8, in i_prev_tick_time timestamptz, in i_prev_tick_seq int8,
    in i_min_count int8, in i_min_interval interval,
    out next_tick_id int8, out next_tick_time timestamptz, out next_tick_seq int8)
returns record
language plpgsql stable as $$
declare
    newest pgq.tick;
    events int8;
    age interval;
begin
    select * into newest from pgq.tick t
     where t.tick_queue = i_queue_id and t.tick_id > i_prev_tick_id
     order by t.tick_id desc limit 1;
    events := newest.tick_event_seq - i_prev_tick_seq;
    age := newest.tick_time - i_prev_tick_time;
    if events > i_min_count * 2 or age > i_min_interval * 2 then
        select t.tick_id, t.tick_time, t.tick_event_seq into next_tick_id, next_tick_time, next_tick_seq
          from pgq.tick t
         where t.tick_queue = i_queue_id and t.tick_id > i_prev_tick_id
           and (t.tick_event_seq - i_prev_tick_seq >= i_min_count or t.tick_time - i_prev_tick_time >= i_min_interval)
         order by t.tick_id limit 1;
    elsif events >= i_min_count or age >= i_min_interval then
        next_tick_id := newest.tick_id;
        next_tick_time := newest.tick_time;
        next_tick_seq := newest.tick_event_seq;
    end if;
end $$;

-- pgqueue.last_tick_within(i_queue, i_after, i_newest, i_seq) - the last tick whose tick_event_seq is at most i_seq
--
-- Between the ticks i_after and i_newest, both excluded; NULLs when there is none.
-- Event sequences rise with tick ids, so it halves the range: a consumer that
-- is a million ticks behind costs no more than one that is a thousand behind.
create or replace function pgqueue.last_tick_within(i_queue int4, i_after int8, i_newest int8, i_seq int8)
returns pgq.tick
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    best pgq.tick;
    probe pgq.tick;
    lo int8 := i_after;
    hi int8 := i_newest;
begin
    while hi - lo > 1 loop
        select * into probe from pgq.tick t
         where t.tick_queue = i_queue and t.tick_id >= lo + (hi - lo) / 2 order by t.tick_id limit 1;
        if probe.tick_id >= hi or probe.tick_event_seq > i_seq then
            hi := lo + (hi - lo) / 2;
        else
            best := probe;
            lo := probe.tick_id;
        end if;
    end loop;
    return best;
end $$;

-- pgqueue.open_batch(...) - what pgq.next_batch_custom and pgqueue.next_batch have in common
--
-- Returns the open batch if there is one, whatever the other arguments say. Else
-- opens a batch that ends at the tick that i_max_events or the minimums choose.
-- Calls for one consumer wait for each other, so they get the same batch (D8).
-- i_member: sub_key of the sub-consumer that gets the batch; its main consumer goes on behind it at once. NULL: no group.
create or replace function pgqueue.open_batch(
    i_queue_name text, i_consumer_name text, i_member int4, i_max_events int4,
    i_min_lag interval, i_min_count int4, i_min_interval interval,
    out batch_id int8, out cur_tick_id int8, out prev_tick_id int8,
    out cur_tick_time timestamptz, out prev_tick_time timestamptz,
    out cur_tick_event_seq int8, out prev_tick_event_seq int8)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    sub pgqueue.subscription;
    pos pgqueue.position;
    prev pgq.tick;
    cur pgq.tick;
    fit pgq.tick;
begin
    select s.* into sub
      from pgqueue.subscription s
      join pgq.queue q on q.queue_id = s.sub_queue
      join pgq.consumer c on c.co_id = s.sub_consumer
     where q.queue_name = i_queue_name and c.co_name = i_consumer_name
       for no key update of s;
    if not found then
        raise exception 'Not subscriber to queue: %/%', coalesce(i_queue_name, 'NULL'), coalesce(i_consumer_name, 'NULL')
            using errcode = 'PQ002', hint = 'Register the consumer with pgq.register_consumer().';
    end if;
    pos := pgqueue.newest(sub.sub_key);

    select * into prev from pgq.tick t where t.tick_queue = sub.sub_queue and t.tick_id = pos.pos_last_tick;
    if not found then
        raise exception 'PgQ corruption: Consumer % on queue % does not see tick <NULL>', i_consumer_name, i_queue_name
            using errcode = 'PQ010', detail = format('Tick: %s', pos.pos_last_tick),
                  hint = 'Move the consumer with pgq.register_consumer_at().';
    end if;
    if pos.pos_batch is not null then
        select * into cur from pgq.tick t where t.tick_queue = sub.sub_queue and t.tick_id = pos.pos_next_tick;
        if not found then
            raise exception 'PgQ corruption: Consumer % on queue % does not see tick <NULL>', i_consumer_name, i_queue_name
                using errcode = 'PQ010', detail = format('Tick: %s', pos.pos_next_tick),
                      hint = 'Move the consumer with pgq.register_consumer_at().';
        end if;
        batch_id := pos.pos_batch;
    elsif i_max_events is not null then
        select * into cur from pgq.tick t
         where t.tick_queue = sub.sub_queue and t.tick_id > prev.tick_id order by t.tick_id desc limit 1;
        if cur.tick_event_seq > prev.tick_event_seq + i_max_events then
            fit := pgqueue.last_tick_within(sub.sub_queue, prev.tick_id, cur.tick_id, prev.tick_event_seq + i_max_events);
            if fit.tick_id is null then -- the very next tick has more already
                select * into fit from pgq.tick t
                 where t.tick_queue = sub.sub_queue and t.tick_id > prev.tick_id order by t.tick_id limit 1;
            end if;
            cur := fit;
        end if;
    elsif i_min_count is null and i_min_interval is null then
        select * into cur from pgq.tick t
         where t.tick_queue = sub.sub_queue and t.tick_id > prev.tick_id order by t.tick_id limit 1;
    else
        select h.next_tick_id, h.next_tick_time, h.next_tick_seq
          into cur.tick_id, cur.tick_time, cur.tick_event_seq
          from pgq.find_tick_helper(sub.sub_queue, prev.tick_id, prev.tick_time, prev.tick_event_seq,
                                    i_min_count, i_min_interval) h;
    end if;

    if batch_id is null then
        if cur.tick_id is null or now() - cur.tick_time < i_min_lag then
            return;
        end if;
        batch_id := nextval('pgq.batch_id_seq');
        if i_member is not null then
            perform pgqueue.move(pos, cur.tick_id, null, null, now());
            pos := pgqueue.newest(i_member);
        end if;
        perform pgqueue.move(pos, prev.tick_id, cur.tick_id, batch_id, now());
    end if;
    cur_tick_id := cur.tick_id;
    cur_tick_time := cur.tick_time;
    cur_tick_event_seq := cur.tick_event_seq;
    prev_tick_id := prev.tick_id;
    prev_tick_time := prev.tick_time;
    prev_tick_event_seq := prev.tick_event_seq;
end $$;

-- pgqueue.next_batch(i_queue_name, i_consumer_name, i_max_events) - open the next batch, over as many ticks as fit
--
-- Ends at the newest tick when at most i_max_events event ids lie before it, else at
-- the last tick for which that holds; a single tick is never cut. So a
-- consumer that is behind takes few large steps instead of many small ones.
-- Else as pgq.next_batch_custom.
create or replace function pgqueue.next_batch(
    in i_queue_name text, in i_consumer_name text, in i_max_events int4,
    out batch_id int8, out cur_tick_id int8, out prev_tick_id int8,
    out cur_tick_time timestamptz, out prev_tick_time timestamptz,
    out cur_tick_event_seq int8, out prev_tick_event_seq int8)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    select f.* into batch_id, cur_tick_id, prev_tick_id, cur_tick_time, prev_tick_time, cur_tick_event_seq, prev_tick_event_seq
      from pgqueue.open_batch(i_queue_name, i_consumer_name, null, i_max_events, null, null, null) f;
end $$;

-- pgq.next_batch_custom(i_queue_name, i_consumer_name, i_min_lag, i_min_count, i_min_interval) - open the next batch
--
-- Returns the open batch if there is one, whatever the minimums. Else opens a batch
-- from the consumer's tick to the next one, or to the one that find_tick_helper
-- chooses when a minimum is given; nothing when that tick is younger
-- than i_min_lag. All NULL when there is nothing to do.
-- PQ002 Not subscriber to queue; PQ010 the consumer's tick is gone.
-- Reads pgq.tick, writes pgq.subscription.
create or replace function pgq.next_batch_custom(
    in i_queue_name text, in i_consumer_name text, in i_min_lag interval, in i_min_count int4, in i_min_interval interval,
    out batch_id int8, out cur_tick_id int8, out prev_tick_id int8,
    out cur_tick_time timestamptz, out prev_tick_time timestamptz,
    out cur_tick_event_seq int8, out prev_tick_event_seq int8)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    select f.* into batch_id, cur_tick_id, prev_tick_id, cur_tick_time, prev_tick_time, cur_tick_event_seq, prev_tick_event_seq
      from pgqueue.open_batch(i_queue_name, i_consumer_name, null, null, i_min_lag, i_min_count, i_min_interval) f;
end $$;

-- pgq.next_batch_info(i_queue_name, i_consumer_name) - open the next batch, without minimums
create or replace function pgq.next_batch_info(
    in i_queue_name text, in i_consumer_name text,
    out batch_id int8, out cur_tick_id int8, out prev_tick_id int8,
    out cur_tick_time timestamptz, out prev_tick_time timestamptz,
    out cur_tick_event_seq int8, out prev_tick_event_seq int8)
returns record
language plpgsql as $$
begin
    select f.* into batch_id, cur_tick_id, prev_tick_id, cur_tick_time, prev_tick_time, cur_tick_event_seq, prev_tick_event_seq
      from pgq.next_batch_custom(i_queue_name, i_consumer_name, null, null, null) f;
end $$;

-- pgq.next_batch(i_queue_name, i_consumer_name) - open the next batch, return its id or NULL
create or replace function pgq.next_batch(i_queue_name text, i_consumer_name text)
returns int8
language plpgsql as $$
begin
    return (select f.batch_id from pgq.next_batch_custom(i_queue_name, i_consumer_name, null, null, null) f);
end $$;

-- pgq.get_batch_info(x_batch_id) - who has a batch open, and what it spans
--
-- Always one row; all NULL for an unknown batch.
create or replace function pgq.get_batch_info(
    in x_batch_id int8,
    out queue_name text, out consumer_name text, out batch_start timestamptz, out batch_end timestamptz,
    out prev_tick_id int8, out tick_id int8, out lag interval, out seq_start int8, out seq_end int8)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    select q.queue_name, c.co_name, p.tick_time, t.tick_time, p.tick_id, t.tick_id,
           now() - t.tick_time, p.tick_event_seq, t.tick_event_seq
      into queue_name, consumer_name, batch_start, batch_end, prev_tick_id, tick_id, lag, seq_start, seq_end
      from pgqueue.find_batch(x_batch_id, false) b
      join pgq.queue q on q.queue_id = (b.sub).sub_queue
      join pgq.consumer c on c.co_id = (b.sub).sub_consumer
      left join pgq.tick p on p.tick_queue = q.queue_id and p.tick_id = (b.pos).pos_last_tick
      left join pgq.tick t on t.tick_queue = q.queue_id and t.tick_id = (b.pos).pos_next_tick;
end $$;

-- pgq.finish_batch(x_batch_id) - close a batch; its consumer goes on behind it
--
-- Returns 1; 0 with a warning when the batch is not open (any more). Writes pgq.subscription.
create or replace function pgq.finish_batch(x_batch_id int8)
returns int4
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    b record;
begin
    select * into b from pgqueue.find_batch(x_batch_id, true);
    if not found then
        raise warning 'finish_batch: batch % not found', x_batch_id;
        return 0;
    end if;
    perform pgqueue.close_batch(b.sub, b.pos);
    return 1;
end $$;

-- pgqueue.finish_batch(i_batch, i_ids, i_delays) - park events of a batch and close it, with one call
--
-- i_delays has the seconds each event is parked for. Returns 1; 0 when the batch is not
-- open (any more): then nothing is done. PQ004 when an event is not in the batch.
create or replace function pgqueue.finish_batch(i_batch int8, i_ids int8[], i_delays float8[])
returns int4
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    b record;
begin
    select * into b from pgqueue.find_batch(i_batch, true);
    if not found then
        return 0;
    end if;
    if i_ids <> '{}' then
        perform pgqueue.event_retry(i_batch, i_ids, array(
            select clock_timestamp() + w.s * interval '1 second'
              from unnest(i_delays) with ordinality w (s, n) order by w.n));
    end if;
    perform pgqueue.close_batch(b.sub, b.pos);
    return 1;
end $$;
