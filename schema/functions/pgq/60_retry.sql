-- Retry: events parked for one consumer, and given back to it later.

-- pgqueue.park_events(i_batch, i_ids, i_after) - park events of an open batch, with one statement
--
-- i_ids NULL: all of them. i_after has one time for each id, or a single one for
-- all. An event that is parked already stays as it is. Returns how many were parked,
-- NULL for an unknown batch; present gets how many of the ids were in the batch.
create or replace function pgqueue.park_events(
    i_batch int8, i_ids int8[], i_after timestamptz[], out parked int4, out present int4)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    r record;
begin
    select * into r from pgqueue.batch_range(i_batch);
    if r.queue_id is null then
        return;
    end if;
    execute 'with ev as materialized (
                select e.*, w.after from (' || pgqueue.batch_query(i_batch) || ') e'
         || case when i_ids is null then ', (select $2[1]) w (after)'
                 else ' join unnest($1, $2) w (id, after) on w.id = e.ev_id' end || '),
             new as (
                insert into pgq.retry_queue
                select ev.after, $3, ev.ev_id, ev.ev_time, null, $4, coalesce(ev.ev_retry, 0) + 1,
                       ev.ev_type, ev.ev_data, ev.ev_extra1, ev.ev_extra2, ev.ev_extra3, ev.ev_extra4
                  from ev
                on conflict (ev_owner, ev_id) do nothing
                returning 1)
             select (select count(*) from new), (select count(distinct ev_id) from ev)'
       into parked, present
      using i_ids, i_after, r.queue_id, r.sub_id;
end $$;

-- pgqueue.event_retry(i_batch, i_ids, i_after) - park many events of a batch at once
--
-- Each id with its own time. Returns how many were parked; those parked already are left as
-- they are. PQ004 when one is not in the batch: then none is parked.
create or replace function pgqueue.event_retry(i_batch int8, i_ids int8[], i_after timestamptz[])
returns int4
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    p record;
begin
    select * into p from pgqueue.park_events(i_batch, i_ids, i_after);
    if p.present is distinct from (select count(distinct id)::int4 from unnest(i_ids) id) then
        raise exception 'event not found'
            using errcode = 'PQ004',
                  detail = format('Batch %s has %s of %s events.', i_batch, coalesce(p.present, 0), cardinality(i_ids));
    end if;
    return p.parked;
end $$;

-- pgq.event_retry(x_batch_id, x_event_id, x_retry_time) - park an event until a time
--
-- The event comes again to this consumer alone, in a later batch, with ev_retry
-- one higher. It stays in this batch. Returns 1, 0 when it is parked already.
-- PQ004 event not found. Writes pgq.retry_queue.
create or replace function pgq.event_retry(x_batch_id int8, x_event_id int8, x_retry_time timestamptz)
returns int4
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    p record;
begin
    select * into p from pgqueue.park_events(x_batch_id, array[x_event_id], array[x_retry_time]);
    if p.present is distinct from 1 then
        raise exception 'event not found'
            using errcode = 'PQ004', detail = format('Batch %s, event %s', x_batch_id, x_event_id);
    end if;
    return p.parked;
end $$;

-- pgq.event_retry(x_batch_id, x_event_id, x_retry_seconds) - park an event for some seconds
create or replace function pgq.event_retry(x_batch_id int8, x_event_id int8, x_retry_seconds int4)
returns int4
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    return pgq.event_retry(x_batch_id, x_event_id, now() + x_retry_seconds * interval '1 second');
end $$;

-- pgq.batch_retry(i_batch_id, i_retry_seconds) - park all events of a batch that are not parked yet
--
-- Returns how many. PQ003 batch not found.
create or replace function pgq.batch_retry(i_batch_id int8, i_retry_seconds int4)
returns int4
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    p record;
begin
    select * into p from pgqueue.park_events(i_batch_id, null, array[now() + i_retry_seconds * interval '1 second']);
    if p.parked is null then
        raise exception 'batch_retry: batch % not found', i_batch_id using errcode = 'PQ003';
    end if;
    return p.parked;
end $$;

-- pgq.event_retry_raw(...) - park an event that comes from elsewhere, with the retry count given
--
-- x_ev_id NULL: the queue's next id. Returns the id. PQ002 consumer not registered.
create or replace function pgq.event_retry_raw(
    x_queue text, x_consumer text, x_retry_after timestamptz, x_ev_id int8, x_ev_time timestamptz, x_ev_retry int4,
    x_ev_type text, x_ev_data text, x_ev_extra1 text, x_ev_extra2 text, x_ev_extra3 text, x_ev_extra4 text)
returns int8
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    s record;
    id int8 := x_ev_id;
begin
    select q.queue_id, q.queue_event_seq, sub.sub_id into s
      from pgq.queue q
      join pgqueue.subscription sub on sub.sub_queue = q.queue_id
      join pgq.consumer c on c.co_id = sub.sub_consumer
     where q.queue_name = x_queue and c.co_name = x_consumer;
    if not found then
        raise exception 'consumer not registered'
            using errcode = 'PQ002', detail = format('Queue: %s, consumer: %s', x_queue, x_consumer);
    end if;
    id := coalesce(id, nextval(s.queue_event_seq));
    insert into pgq.retry_queue
    values (x_retry_after, s.queue_id, id, x_ev_time, null, s.sub_id, x_ev_retry,
            x_ev_type, x_ev_data, x_ev_extra1, x_ev_extra2, x_ev_extra3, x_ev_extra4);
    return id;
end $$;

-- pgq.maint_retry_events() - give back parked events that are due
--
-- Inserts them into their queues again, for their owner alone: at most 10 in a call,
-- oldest first. Returns how many; call until 0. One session does it at a time.
-- Neither the queue's limit nor disabled inserts apply: these events were let in before.
create or replace function pgq.maint_retry_events()
returns int4
language plpgsql as $$
declare
    r record;
    n int4 := 0;
begin
    if not pg_try_advisory_xact_lock(1885827442, 0) then -- a table lock would stop autovacuum each time
        return 0;
    end if;
    for r in
        select q.queue_name, e.*
          from pgq.retry_queue e join pgq.queue q on q.queue_id = e.ev_queue
         where e.ev_retry_after <= current_timestamp
         order by e.ev_retry_after, e.ev_id
         limit 10
    loop
        perform pgq.insert_event_raw(r.queue_name, r.ev_id, r.ev_time, r.ev_owner, r.ev_retry,
            r.ev_type, r.ev_data, r.ev_extra1, r.ev_extra2, r.ev_extra3, r.ev_extra4);
        delete from pgq.retry_queue where ev_owner = r.ev_owner and ev_id = r.ev_id;
        n := n + 1;
    end loop;
    return n;
end $$;
