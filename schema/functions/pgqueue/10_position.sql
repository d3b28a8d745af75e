-- Positions: the log behind pgq.subscription.

-- pgqueue.newest(i_key) - the position of a subscription
--
-- Returns the row of pgqueue.position with the highest number, all NULL when
-- there is none. What it says holds only while the caller has the row of
-- pgqueue.subscription locked.
create or replace function pgqueue.newest(i_key int4)
returns pgqueue.position
language sql stable as $$
    select p from pgqueue.position p where p.pos_key = i_key order by p.pos_no desc limit 1;
$$;

-- pgqueue.move(i_from, ...) - append the next position after i_from
--
-- The caller holds the row lock of the subscription and gives the newest
-- position it saw. In READ COMMITTED that is the newest there is. With an older
-- snapshot (REPEATABLE READ, SERIALIZABLE) it may not be: then the successor
-- exists already, in either data table, and the call fails with
-- serialization_failure, so that no batch is handed out or finished twice.
-- Writes pgqueue.position_0 or _1.
create or replace function pgqueue.move(
    i_from pgqueue.position, i_last_tick int8, i_next_tick int8, i_batch int8, i_active timestamptz)
returns void
language plpgsql as $$
declare
    cur int4 := (select log_cur_table from pgqueue.position_log);
begin
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        begin
            -- nor must a tick be stepped onto that was deleted since: 40001 as well
            perform from pgq.tick t
               where t.tick_queue = (select s.sub_queue from pgqueue.subscription s where s.sub_key = i_from.pos_key)
                 and t.tick_id in (i_last_tick, i_next_tick)
                 for key share;
            insert into pgqueue.position_0
            values (i_from.pos_key, i_from.pos_no + 1, i_last_tick, i_next_tick, i_batch, i_active);
            insert into pgqueue.position_1
            values (i_from.pos_key, i_from.pos_no + 1, i_last_tick, i_next_tick, i_batch, i_active);
        exception when unique_violation then
            raise exception 'could not serialize access: the consumer has moved since this transaction''s snapshot'
                using errcode = 'serialization_failure', hint = 'Run the transaction again.';
        end;
    elsif cur = 0 then
        insert into pgqueue.position_0
        values (i_from.pos_key, i_from.pos_no + 1, i_last_tick, i_next_tick, i_batch, i_active);
    else
        insert into pgqueue.position_1
        values (i_from.pos_key, i_from.pos_no + 1, i_last_tick, i_next_tick, i_batch, i_active);
    end if;
end $$;

-- pgqueue.find_batch(i_batch) - the subscription that has a batch open
--
-- Returns one row with the subscription and its position, or none. i_lock takes
-- the consumer's lock first, so that what is returned stays true until the
-- transaction ends. SECURITY DEFINER, because consumers cannot read the log.
create or replace function pgqueue.find_batch(
    i_batch int8, i_lock boolean,
    out sub pgqueue.subscription, out pos pgqueue.position)
returns setof record
language plpgsql security definer set search_path = pg_catalog, pg_temp rows 1 as $$
declare
    key int4;
begin
    for key in
        select distinct p.pos_key from pgqueue.position p where p.pos_batch = i_batch
    loop
        if i_lock then
            select s.* into sub from pgqueue.subscription s where s.sub_key = key for no key update;
        else
            select s.* into sub from pgqueue.subscription s where s.sub_key = key;
        end if;
        continue when not found;
        pos := pgqueue.newest(key);
        if pos.pos_batch = i_batch then
            return next;
            return;
        end if;
    end loop;
end $$;

-- pgqueue.close_batch(i_sub, i_pos) - the position after a batch
--
-- A consumer goes on behind it; a sub-consumer is idle, as its group is behind it already (D12).
create or replace function pgqueue.close_batch(i_sub pgqueue.subscription, i_pos pgqueue.position)
returns void
language plpgsql as $$
begin
    perform pgqueue.move(i_pos, case when i_sub.sub_of is null then i_pos.pos_next_tick end, null, null, now());
end $$;

-- pgqueue.subscribe(...) - create the row of a subscription with its first position
--
-- Returns sub_key, or NULL when the consumer is subscribed already.
create or replace function pgqueue.subscribe(
    i_queue int4, i_consumer int4, i_sub_id int4, i_of int4, i_tick int8)
returns int4
language plpgsql as $$
declare
    key int4;
begin
    insert into pgqueue.subscription (sub_queue, sub_consumer, sub_id, sub_of)
    values (i_queue, i_consumer, i_sub_id, i_of)
    on conflict (sub_queue, sub_consumer) do nothing
    returning sub_key into key;
    if found then
        perform pgqueue.move(row(key, 0, null, null, null, now())::pgqueue.position, i_tick, null, null, now());
    end if;
    return key;
end $$;

-- pgqueue.forget(i_key) - remove a subscription with its positions
--
-- Its retry events stay: they belong to the sub_id, which may be shared.
create or replace function pgqueue.forget(i_key int4)
returns void
language sql as $$
    delete from pgqueue.position where pos_key = i_key;
    delete from pgqueue.subscription where sub_key = i_key;
$$;

-- pgqueue.subscription_dml() - makes pgq.subscription updatable under PgQ's names
--
-- INSERT subscribes, UPDATE appends a position, DELETE forgets. The columns of
-- identity (sub_queue, sub_consumer) cannot be changed.
create or replace function pgqueue.subscription_dml()
returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    key int4;
    pos pgqueue.position;
begin
    if tg_op = 'INSERT' then
        new.sub_id := coalesce(new.sub_id, nextval('pgq.subscription_sub_id_seq'));
        new.sub_active := coalesce(new.sub_active, now());
        key := pgqueue.subscribe(new.sub_queue, new.sub_consumer, new.sub_id, null, new.sub_last_tick);
        if key is null then
            raise exception 'duplicate key value violates unique constraint "subscription_pkey"'
                using errcode = 'unique_violation', constraint = 'subscription_pkey';
        end if;
        perform pgqueue.move(pgqueue.newest(key), new.sub_last_tick, new.sub_next_tick, new.sub_batch, new.sub_active);
        return new;
    end if;

    select s.sub_key into key from pgqueue.subscription s
     where s.sub_queue = old.sub_queue and s.sub_consumer = old.sub_consumer
       for no key update;
    if not found then
        return null; -- gone meanwhile
    end if;
    if tg_op = 'DELETE' then
        perform pgqueue.forget(key);
        return old;
    end if;
    if (new.sub_queue, new.sub_consumer) is distinct from (old.sub_queue, old.sub_consumer) then
        raise exception 'sub_queue and sub_consumer cannot be changed'
            using errcode = 'PQ005', hint = 'Register the other consumer instead.';
    end if;
    if new.sub_id <> old.sub_id then
        update pgqueue.subscription set sub_id = new.sub_id where sub_key = key;
    end if;
    -- The consumer may have moved while the lock was waited for: then what the statement
    -- changes is changed in its new position, unless that itself has been changed.
    pos := pgqueue.newest(key);
    if (new.sub_last_tick, new.sub_next_tick, new.sub_batch) is distinct from (old.sub_last_tick, old.sub_next_tick, old.sub_batch)
       and (pos.pos_last_tick, pos.pos_next_tick, pos.pos_batch) is distinct from (old.sub_last_tick, old.sub_next_tick, old.sub_batch) then
        raise exception 'could not serialize access: the consumer has moved meanwhile'
            using errcode = 'serialization_failure', hint = 'Run the transaction again.';
    end if;
    if (new.sub_last_tick, new.sub_next_tick, new.sub_batch) is distinct from (old.sub_last_tick, old.sub_next_tick, old.sub_batch) then
        perform pgqueue.move(pos, new.sub_last_tick, new.sub_next_tick, new.sub_batch, new.sub_active);
    elsif new.sub_active is distinct from old.sub_active then
        perform pgqueue.move(pos, pos.pos_last_tick, pos.pos_next_tick, pos.pos_batch, new.sub_active);
    end if;
    return new;
end $$;

drop trigger if exists subscription_dml on pgq.subscription;
create trigger subscription_dml instead of insert or update or delete on pgq.subscription
    for each row execute function pgqueue.subscription_dml();

-- pgqueue.oldest_snapshot() - the lowest transaction id that any snapshot may still need
--
-- Counts every session of the server, and what replication asks to keep. 64 bit,
-- as txid_current(). May be lower than the truth, never higher.
create or replace function pgqueue.oldest_snapshot()
returns int8
language sql volatile as $$
    with now as (select txid_snapshot_xmin(s) as xmin, txid_snapshot_xmax(s) as xmax from txid_current_snapshot() s),
    held as (
        select a.backend_xmin as xmin from pg_stat_activity a where a.pid <> pg_backend_pid()
        union all
        select r.xmin from pg_replication_slots r)
    select least(now.xmin, (
            -- 32-bit ids become 64-bit ones by their distance from xmax
            select min(now.xmax - ((now.xmax - held.xmin::text::int8) & 4294967295)) from held))
      from now;
$$;

-- pgqueue.behind(i_old, i_new) - subscriptions whose newest position stands in data table i_old
create or replace function pgqueue.behind(i_old int4, i_new int4)
returns setof int4
language plpgsql as $$
begin
    return query execute format(
        'select s.sub_key from pgqueue.subscription s'
        ' where (select max(pos_no) from pgqueue.position_%s where pos_key = s.sub_key)'
        ' > coalesce((select max(pos_no) from pgqueue.position_%s where pos_key = s.sub_key), 0)',
        i_old, i_new);
end $$;

-- pgqueue.maint_positions() - keep the position log small
--
-- Works in three steps, each in a transaction of its own, one per call:
--   1. the table written to has grown: write to the other one, which is empty;
--   2. positions that still stand in the old table are repeated in the new one;
--   3. when every snapshot of the server can see those, empty the old table.
-- TRUNCATE ignores snapshots; step 3 therefore waits until nobody has one that
-- began before step 2 ended, and does nothing while somebody reads the table.
-- A consumer that is moving just now is left for the next call, never waited for.
-- Returns 1 when the next step can be tried at once, else 0.
create or replace function pgqueue.maint_positions()
returns int4
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    log pgqueue.position_log;
    old int4;
    switch boolean;
    keys int4[];
begin
    -- looks first and locks then, so that an idle database is not written to
    select * into log from pgqueue.position_log;
    old := 1 - log.log_cur_table;
    switch := pg_relation_size('pgqueue.position_' || old) = 0;
    if switch and pg_relation_size('pgqueue.position_' || log.log_cur_table) < 8 * 1024 * 1024
       or pgqueue.oldest_snapshot() <= log.log_moved_txid then
        return 0;
    end if;
    perform from pgqueue.position_log where log_cur_table = log.log_cur_table for update skip locked;
    if not found then
        return 0;
    end if;

    if switch then
        update pgqueue.position_log set log_cur_table = old, log_moved_txid = null;
        return 1;
    end if;

    if log.log_moved_txid is null then
        -- first the locks, and then, in a statement that sees what their last holders did, the positions
        select array_agg(k.sub_key) into keys
          from (select s.sub_key from pgqueue.subscription s
                 where s.sub_key in (select pgqueue.behind(old, log.log_cur_table))
                   for no key update skip locked) k;
        perform pgqueue.move(n, n.pos_last_tick, n.pos_next_tick, n.pos_batch, n.pos_active)
           from unnest(keys) k, pgqueue.newest(k) n;
        if exists (select from pgqueue.behind(old, log.log_cur_table)) then
            return 0;
        end if;
        update pgqueue.position_log set log_moved_txid = txid_current();
        return 1;
    end if;

    begin
        execute format('lock table pgqueue.position_%s in access exclusive mode nowait', old);
    exception when lock_not_available then
        return 0;
    end;
    update pgqueue.position_log set log_moved_txid = null;
    if exists (select from pgqueue.behind(old, log.log_cur_table)) then
        return 1; -- a writer with an old snapshot came after step 2
    end if;
    execute format('truncate pgqueue.position_%s', old);
    return 0;
end $$;
