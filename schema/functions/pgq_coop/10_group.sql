-- Cooperative consumers: several sub-consumers share the position of one main
-- consumer, each works on a batch of its own.
--
-- Sub-consumer s of m is the consumer m.s. Its row in pgqueue.subscription has sub_of = sub_key of
-- the main row, and the same sub_id, so that parked events belong to the group. The main
-- row holds the position of the group, between calls never a batch; a
-- sub-consumer has a batch (p, c), or is idle with no tick at all. The lock on
-- the main row lets one sub-consumer at a time take a batch.

-- pgqueue.lock_main(i_queue_name, i_consumer_name) - the main row of a group, locked
--
-- No row when the consumer is not registered. PQ005 when it is a sub-consumer itself.
create or replace function pgqueue.lock_main(i_queue_name text, i_consumer_name text)
returns setof pgqueue.subscription
language plpgsql as $$
declare
    main pgqueue.subscription;
begin
    select s.* into main
      from pgqueue.subscription s
      join pgq.queue q on q.queue_id = s.sub_queue
      join pgq.consumer c on c.co_id = s.sub_consumer
     where q.queue_name = i_queue_name and c.co_name = i_consumer_name
       for no key update of s;
    if main.sub_of is not null then
        raise exception '% is a sub-consumer, so it cannot have sub-consumers', i_consumer_name
            using errcode = 'PQ005', detail = format('Queue: %s', i_queue_name);
    elsif main.sub_key is not null then
        return next main;
    end if;
end $$;

-- pgqueue.lock_member(i_main, i_name) - the row of a sub-consumer by its full name, locked
--
-- No row when there is none. Names are joined with a dot, so another consumer, or a member
-- of another group, can have the name: PQ005 (D13).
create or replace function pgqueue.lock_member(i_main pgqueue.subscription, i_name text)
returns setof pgqueue.subscription
language plpgsql as $$
declare
    member pgqueue.subscription;
begin
    select s.* into member
      from pgqueue.subscription s join pgq.consumer c on c.co_id = s.sub_consumer
     where s.sub_queue = i_main.sub_queue and c.co_name = i_name
       for no key update of s;
    if found and member.sub_of is distinct from i_main.sub_key then
        raise exception 'consumer % is registered, but not as a sub-consumer of this group', i_name
            using errcode = 'PQ005', hint = 'Choose another name; names of sub-consumers are joined with a dot.';
    elsif found then
        return next member;
    end if;
end $$;

-- pgqueue.remove_member(i_member, i_drop_batch) - take a sub-consumer out of its group
--
-- Its batch, if it has one, is dropped, or else handed back: a placeholder
-- named after the batch keeps it until the next member of the group takes it (D31).
-- The consumer's name goes with its last subscription. Returns 1, or 0 when it was gone already.
create or replace function pgqueue.remove_member(i_member pgqueue.subscription, i_drop_batch boolean)
returns int4
language plpgsql as $$
declare
    pos pgqueue.position;
    key int4;
    holder text;
begin
    -- the main row before the member's, as everybody does
    perform from pgqueue.subscription where sub_key = i_member.sub_of for key share;
    perform from pgqueue.subscription where sub_key = i_member.sub_key for update;
    if not found then
        return 0;
    end if;
    pos := pgqueue.newest(i_member.sub_key);
    perform pgqueue.forget(i_member.sub_key);
    perform pgqueue.drop_unused_consumer(i_member.sub_consumer);
    if pos.pos_batch is null or i_drop_batch then
        return 1;
    end if;
    select format('%s.(batch %s)', c.co_name, pos.pos_batch) into holder
      from pgqueue.subscription m join pgq.consumer c on c.co_id = m.sub_consumer where m.sub_key = i_member.sub_of;
    key := pgqueue.subscribe(i_member.sub_queue, pgqueue.lock_consumer(holder), i_member.sub_id, i_member.sub_of, null);
    update pgqueue.subscription set sub_handed_back = true where sub_key = key;
    perform pgqueue.move(pgqueue.newest(key), pos.pos_last_tick, pos.pos_next_tick, pos.pos_batch, now());
    return 1;
end $$;

-- pgqueue.drop_unused_consumer(i_consumer) - delete the name of a consumer that has no subscription
create or replace function pgqueue.drop_unused_consumer(i_consumer int4)
returns void
language sql as $$
    delete from pgq.consumer c
     where c.co_id = i_consumer
       and not exists (select from pgqueue.subscription s where s.sub_consumer = i_consumer);
$$;

-- pgq_coop.register_subconsumer(i_queue_name, i_consumer_name, i_subconsumer_name) - join a group
--
-- Registers the main consumer too, at the newest tick, when it is new. Returns 1, or 0
-- for a member already. PQ001 Event queue not created yet; PQ005 when the
-- joined name is taken by a consumer outside of the group.
-- Writes pgq.consumer, pgq.subscription.
create or replace function pgq_coop.register_subconsumer(i_queue_name text, i_consumer_name text, i_subconsumer_name text)
returns int4
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    member constant text := i_consumer_name || '.' || i_subconsumer_name;
    main pgqueue.subscription;
    consumer int4;
begin
    perform pgq.register_consumer(i_queue_name, i_consumer_name);
    select * into main from pgqueue.lock_main(i_queue_name, i_consumer_name);
    if exists (select from pgqueue.lock_member(main, member)) then
        return 0;
    end if;
    consumer := pgqueue.lock_consumer(member);
    if pgqueue.subscribe(main.sub_queue, consumer, main.sub_id, main.sub_key, null) is null then
        perform pgqueue.lock_member(main, member); -- registered outside, at this moment
        return 0;
    end if;
    return 1;
end $$;

-- pgq_coop.unregister_subconsumer(..., i_batch_handling) - leave a group
--
-- With a batch open, i_batch_handling says what becomes of it: 1 drops it, and nobody in the
-- group gets its events; 2 hands it back to the group; anything else is an error
-- (PQ020). Returns 1, or 0 when there is no such member. PQ005 for a consumer outside of the group.
create or replace function pgq_coop.unregister_subconsumer(
    i_queue_name text, i_consumer_name text, i_subconsumer_name text, i_batch_handling int4)
returns int4
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    main pgqueue.subscription;
    member pgqueue.subscription;
begin
    select * into main from pgqueue.lock_main(i_queue_name, i_consumer_name);
    select * into member from pgqueue.lock_member(main, i_consumer_name || '.' || i_subconsumer_name);
    if member.sub_key is null then
        return 0;
    end if;
    if (pgqueue.newest(member.sub_key)).pos_batch is not null and coalesce(i_batch_handling not in (1, 2), true) then
        raise exception 'subconsumer has active batch'
            using errcode = 'PQ020', detail = format('Queue: %s, consumer: %s.%s', i_queue_name, i_consumer_name, i_subconsumer_name),
                  hint = 'Finish the batch, drop it (1), or hand it back (2).';
    end if;
    return pgqueue.remove_member(member, i_batch_handling = 1);
end $$;

-- pgq_coop.version() - the version of PgQ's package whose interface this is
create or replace function pgq_coop.version()
returns text
language sql immutable as $$
    select '3.4'::text;
$$;
