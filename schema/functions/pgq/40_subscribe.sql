-- Registering consumers.

-- pgqueue.lock_consumer(i_consumer_name) - the id of a consumer, its row locked; made when missing
create or replace function pgqueue.lock_consumer(i_consumer_name text)
returns int4
language plpgsql as $$
declare
    id int4;
begin
    select co_id into id from pgq.consumer where co_name = i_consumer_name for update;
    if not found then
        insert into pgq.consumer (co_name) values (i_consumer_name) on conflict (co_name) do nothing;
        select co_id into id from pgq.consumer where co_name = i_consumer_name for update;
    end if;
    return id;
end $$;

-- pgq.register_consumer_at(x_queue_name, x_consumer_name, x_tick_pos) - subscribe, or move, a consumer
--
-- x_tick_pos NULL: a new consumer starts at the newest tick, a subscribed one is
-- left as it is. Else the consumer is put at that tick and an open batch
-- is dropped. The queue row is locked FOR SHARE, so that a rotation cannot take
-- the tick away meanwhile (D18). Returns 1 for a new subscription, 0 otherwise.
-- PQ001 Event queue not created yet; PQ009 no such tick, or no ticks.
-- Writes pgq.consumer, pgq.subscription.
create or replace function pgq.register_consumer_at(x_queue_name text, x_consumer_name text, x_tick_pos int8)
returns int4
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_queue int4;
    v_consumer int4;
    v_key int4;
    v_tick int8 := x_tick_pos;
begin
    select queue_id into v_queue from pgq.queue where queue_name = x_queue_name for share;
    if not found then
        raise exception 'Event queue not created yet'
            using errcode = 'PQ001', detail = format('Queue: %s', x_queue_name),
                  hint = 'Create it with pgq.create_queue().';
    end if;
    v_consumer := pgqueue.lock_consumer(x_consumer_name);
    -- locked, so that an older snapshot does not take a tick for there that was deleted
    perform from pgq.tick where tick_queue = v_queue and tick_id = v_tick for key share;
    if v_tick is not null and not found then
        raise exception 'cannot reposition, tick not found: %', v_tick
            using errcode = 'PQ009', detail = format('Queue: %s', x_queue_name);
    end if;

    select s.sub_key into v_key from pgqueue.subscription s
     where s.sub_queue = v_queue and s.sub_consumer = v_consumer for no key update;
    if found then
        if v_tick is not null then
            perform pgqueue.move(pgqueue.newest(v_key), v_tick, null, null, now());
        end if;
        return 0;
    end if;

    v_tick := coalesce(v_tick, (select max(tick_id) from pgq.tick where tick_queue = v_queue));
    if v_tick is null then
        raise exception 'No ticks for this queue.  Please run ticker on database.'
            using errcode = 'PQ009', detail = format('Queue: %s', x_queue_name);
    end if;
    v_key := pgqueue.subscribe(v_queue, v_consumer, nextval('pgq.subscription_sub_id_seq')::int4, null, v_tick);
    return case when v_key is null then 0 else 1 end;
end $$;

-- pgq.register_consumer(x_queue_name, x_consumer_id) - subscribe a consumer at the newest tick
--
-- Returns 1, or 0 when it is subscribed already. Errors as register_consumer_at.
create or replace function pgq.register_consumer(x_queue_name text, x_consumer_id text)
returns int4
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    return pgq.register_consumer_at(x_queue_name, x_consumer_id, null);
end $$;

-- pgq.unregister_consumer(x_queue_name, x_consumer_name) - end a subscription
--
-- Its parked events go with it, and the consumer's name when it has no other
-- subscription. A sub-consumer goes alone, and hands its open batch back to its group; a
-- main consumer takes its sub-consumers along, by their membership and not by
-- the look of their positions (D11). Returns the number of subscriptions ended, 0 for none.
create or replace function pgq.unregister_consumer(x_queue_name text, x_consumer_name text)
returns int4
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    sub pgqueue.subscription;
    member pgqueue.subscription;
    n int4 := 1;
begin
    select s.* into sub
      from pgqueue.subscription s
      join pgq.queue q on q.queue_id = s.sub_queue
      join pgq.consumer c on c.co_id = s.sub_consumer
     where q.queue_name = x_queue_name and c.co_name = x_consumer_name;
    if sub.sub_of is not null then
        return pgqueue.remove_member(sub, false);
    end if;
    perform from pgq.consumer c where c.co_id = sub.sub_consumer for update; -- first, as registering does
    perform from pgqueue.subscription s where s.sub_key = sub.sub_key for update;
    if not found then
        return 0;
    end if;

    delete from pgq.retry_queue where ev_queue = sub.sub_queue and ev_owner = sub.sub_id;
    for member in select s.* from pgqueue.subscription s where s.sub_of = sub.sub_key for update loop
        perform pgqueue.forget(member.sub_key);
        perform pgqueue.drop_unused_consumer(member.sub_consumer);
        n := n + 1;
    end loop;
    perform pgqueue.forget(sub.sub_key);
    perform pgqueue.drop_unused_consumer(sub.sub_consumer);
    return n;
end $$;
