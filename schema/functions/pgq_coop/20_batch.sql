-- Batches of cooperative consumers.

-- pgqueue.take_over(i_main, i_member, i_dead_interval) - take the place of a member that is gone
--
-- Looks for one other member of the group: one that handed its batch back, or one not seen for
-- i_dead_interval (NULL: nobody is dead), those with a batch first. One that is at work
-- in this moment is left alone. Takes it out of the group and returns its
-- position when that has a batch, else NULLs. The caller holds the main row.
create or replace function pgqueue.take_over(
    i_main pgqueue.subscription, i_member pgqueue.subscription, i_dead_interval interval)
returns pgqueue.position
language plpgsql as $$
declare
    victim pgqueue.subscription;
    pos pgqueue.position;
begin
    for victim in
        select s.* from pgqueue.subscription s, pgqueue.newest(s.sub_key) n
         where s.sub_of = i_main.sub_key and s.sub_key <> i_member.sub_key
           and (s.sub_handed_back or n.pos_active < now() - i_dead_interval)
         order by n.pos_batch is null, s.sub_handed_back desc, n.pos_active
    loop
        perform from pgqueue.subscription where sub_key = victim.sub_key for update skip locked;
        continue when not found;
        pos := pgqueue.newest(victim.sub_key); -- as it is under the lock
        if victim.sub_handed_back or pos.pos_active < now() - i_dead_interval then
            perform pgqueue.forget(victim.sub_key);
            perform pgqueue.drop_unused_consumer(victim.sub_consumer);
            return case when pos.pos_batch is not null then pos end;
        end if;
    end loop;
    return null;
end $$;

-- pgqueue.open_coop_batch(...) - what the next_batch functions of a sub-consumer have in common
--
-- Returns the batch that the sub-consumer has open; else the batch of a member that is gone, under
-- its old id or, with i_fence, a new one, so that the old owner cannot finish it any more;
-- else the next batch of the group, chosen as for a plain consumer. NULL when there is none.
-- Main consumer and sub-consumer are registered when they are not yet.
create or replace function pgqueue.open_coop_batch(
    i_queue_name text, i_consumer_name text, i_subconsumer_name text, i_max_events int4,
    i_min_lag interval, i_min_count int4, i_min_interval interval, i_dead_interval interval, i_fence boolean)
returns int8
language plpgsql as $$
declare
    name constant text := i_consumer_name || '.' || i_subconsumer_name;
    main pgqueue.subscription;
    member pgqueue.subscription;
    pos pgqueue.position;
    gone pgqueue.position;
    batch int8;
begin
    loop
        -- Looks before it locks: registering locks consumers before subscriptions.
        if not exists (
                select from pgqueue.subscription s
                  join pgq.consumer c on c.co_id = s.sub_consumer
                  join pgqueue.subscription m on m.sub_key = s.sub_of
                  join pgq.consumer mc on mc.co_id = m.sub_consumer
                  join pgq.queue q on q.queue_id = m.sub_queue
                 where q.queue_name = i_queue_name and mc.co_name = i_consumer_name and c.co_name = name) then
            perform pgq_coop.register_subconsumer(i_queue_name, i_consumer_name, i_subconsumer_name);
        end if;
        select * into main from pgqueue.lock_main(i_queue_name, i_consumer_name);
        select * into member from pgqueue.lock_member(main, name);
        exit when member.sub_key is not null; -- else somebody unregistered it just now
    end loop;
    if (pgqueue.newest(main.sub_key)).pos_batch is not null then
        raise exception 'main consumer has batch open?'
            using errcode = 'PQ020', detail = format('Queue: %s, consumer: %s', i_queue_name, i_consumer_name),
                  hint = 'Somebody used pgq.next_batch() for it: finish that batch with pgq.finish_batch().';
    end if;
    pos := pgqueue.newest(member.sub_key);
    if pos.pos_batch is null then
        gone := pgqueue.take_over(main, member, i_dead_interval);
        if gone.pos_batch is not null then
            gone.pos_batch := case when i_fence then nextval('pgq.batch_id_seq') else gone.pos_batch end;
            perform pgqueue.move(pos, gone.pos_last_tick, gone.pos_next_tick, gone.pos_batch, now());
            return gone.pos_batch;
        end if;
        select b.batch_id into batch
          from pgqueue.open_batch(i_queue_name, i_consumer_name, member.sub_key, i_max_events, i_min_lag, i_min_count, i_min_interval) b;
        if batch is not null then
            return batch;
        end if;
    end if;
    -- Seen alive (D14), but not written at every empty poll: each is a row.
    if pos.pos_active < now() - least(interval '1 second', i_dead_interval / 4) then
        perform pgqueue.move(pos, pos.pos_last_tick, pos.pos_next_tick, pos.pos_batch, now());
    end if;
    return pos.pos_batch;
end $$;

-- pgq_coop.next_batch_custom(..., i_dead_interval) - take the next batch of a group
--
-- As pgq.next_batch_custom for the main consumer, with the minimums given; the batch
-- belongs to the sub-consumer until it is finished. Batches of the same group may be finished in any order.
-- i_dead_interval: first take the batch of a sub-consumer that was not seen for so
-- long, under its old id; NULL: never. Registers who is not registered yet.
-- Returns the batch id (details: pgq.get_batch_info), NULL when there is none.
-- PQ001 Event queue not created yet; PQ005 a name taken by another
-- consumer; PQ020 main consumer has batch open?; PQ010 the group's tick is gone.
-- Reads pgq.tick, writes pgq.subscription.
create or replace function pgq_coop.next_batch_custom(
    i_queue_name text, i_consumer_name text, i_subconsumer_name text,
    i_min_lag interval, i_min_count int4, i_min_interval interval, i_dead_interval interval)
returns int8
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    return pgqueue.open_coop_batch(i_queue_name, i_consumer_name, i_subconsumer_name, null,
                                   i_min_lag, i_min_count, i_min_interval, i_dead_interval, false);
end $$;

-- pgq_coop.next_batch_custom(...) - take the next batch of a group; nobody is dead
create or replace function pgq_coop.next_batch_custom(
    i_queue_name text, i_consumer_name text, i_subconsumer_name text,
    i_min_lag interval, i_min_count int4, i_min_interval interval)
returns int8
language plpgsql as $$
begin
    return pgq_coop.next_batch_custom(i_queue_name, i_consumer_name, i_subconsumer_name,
                                      i_min_lag, i_min_count, i_min_interval, null);
end $$;

-- pgq_coop.next_batch(..., i_dead_interval) - take the next batch of a group, without minimums
create or replace function pgq_coop.next_batch(
    i_queue_name text, i_consumer_name text, i_subconsumer_name text, i_dead_interval interval)
returns int8
language plpgsql as $$
begin
    return pgq_coop.next_batch_custom(i_queue_name, i_consumer_name, i_subconsumer_name, null, null, null, i_dead_interval);
end $$;

-- pgq_coop.next_batch(...) - take the next batch of a group, without minimums; nobody is dead
create or replace function pgq_coop.next_batch(i_queue_name text, i_consumer_name text, i_subconsumer_name text)
returns int8
language plpgsql as $$
begin
    return pgq_coop.next_batch_custom(i_queue_name, i_consumer_name, i_subconsumer_name, null, null, null, null);
end $$;

-- pgqueue.next_batch(..., i_max_events, i_dead_interval) - take the next batch of a group, for clients that mind fencing
--
-- Over as many ticks as fit in i_max_events (NULL: one), as pgqueue.next_batch for a plain consumer. A batch taken over
-- gets a new id: what its old owner still does with the old one finds no batch (D14).
-- Columns and errors as pgq.next_batch_custom and pgq_coop.next_batch_custom.
create or replace function pgqueue.next_batch(
    in i_queue_name text, in i_consumer_name text, in i_subconsumer_name text, in i_max_events int4, in i_dead_interval interval,
    out batch_id int8, out cur_tick_id int8, out prev_tick_id int8,
    out cur_tick_time timestamptz, out prev_tick_time timestamptz,
    out cur_tick_event_seq int8, out prev_tick_event_seq int8)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    batch_id := pgqueue.open_coop_batch(i_queue_name, i_consumer_name, i_subconsumer_name, i_max_events,
                                        null, null, null, i_dead_interval, true);
    select i.tick_id, i.prev_tick_id, i.batch_end, i.batch_start, i.seq_end, i.seq_start
      into cur_tick_id, prev_tick_id, cur_tick_time, prev_tick_time, cur_tick_event_seq, prev_tick_event_seq
      from pgq.get_batch_info(batch_id) i;
end $$;

-- pgq_coop.finish_batch(i_batch_id) - close a batch of a sub-consumer
--
-- A batch of a plain consumer is closed too, as by pgq.finish_batch (D12). Returns 1; 0 with a
-- warning when the batch is not open (any more). Writes pgq.subscription.
create or replace function pgq_coop.finish_batch(i_batch_id int8)
returns int4
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    b record;
begin
    select * into b from pgqueue.find_batch(i_batch_id, true);
    if not found then
        raise warning 'coop_finish_batch: batch % not found', i_batch_id;
        return 0;
    end if;
    perform pgqueue.close_batch(b.sub, b.pos);
    return 1;
end $$;
