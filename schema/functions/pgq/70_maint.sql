-- Rotation and other maintenance. Each call is one transaction of the scheduler.

-- pgq.maint_rotate_tables_step1(i_queue_name) - switch a queue to its next data table, emptied
--
-- Does so when the rotation period has passed and every consumer (without any, the newest
-- tick) is behind the last switch, so that nobody needs the table before the current
-- one any more. If not, or when the next table or the queue row is in use, it does
-- nothing: the next run tries again. The queue row is locked FOR NO KEY UPDATE:
-- registrations hold it FOR SHARE, producers, ticks and retries do not mind. Ticks from
-- before the previous switch are deleted, but never the newest. Always returns 0.
-- PQ012 when transaction ids went back, PQ010 when a consumer's tick is gone.
-- Writes pgq.queue, pgq.tick; truncates an event table.
create or replace function pgq.maint_rotate_tables_step1(i_queue_name text)
returns int4
language plpgsql as $$
declare
    q pgq.queue;
    oldest int8;
    oldest_xmin int8;
    next_table int4;
begin
    perform pgqueue.check_isolation();
    select * into q from pgq.queue
     where queue_name = i_queue_name
       and queue_rotation_period is not null and queue_switch_step2 is not null
       and queue_switch_time + queue_rotation_period < current_timestamp
       for no key update skip locked;
    if not found then
        return 0;
    end if;
    if txid_current() < q.queue_switch_step1 then
        raise exception 'queue % maint failure: step1=%, current=%', i_queue_name, q.queue_switch_step1, txid_current()
            using errcode = 'PQ012', hint = 'Transaction ids of this server are behind those of the queue, as after a restore.';
    end if;

    select min(s.sub_last_tick) into oldest from pgq.subscription s where s.sub_queue = q.queue_id;
    if oldest is not null then
        select txid_snapshot_xmin(t.tick_snapshot) into oldest_xmin
          from pgq.tick t where t.tick_queue = q.queue_id and t.tick_id = oldest;
        if not found then
            raise exception 'queue % maint failure: tick % not found', i_queue_name, oldest
                using errcode = 'PQ010', hint = 'Move the consumer with pgq.register_consumer_at().';
        end if;
        if oldest_xmin <= q.queue_switch_step2 then
            return 0;
        end if;
    elsif q.queue_switch_step1 <> q.queue_switch_step2 -- equal: never switched yet, there is no table before this one
      and (select txid_snapshot_xmin(t.tick_snapshot) from pgq.tick t
            where t.tick_queue = q.queue_id order by t.tick_id desc limit 1) < q.queue_switch_step2 then
        return 0; -- nobody is subscribed, but whoever is next gets what the newest tick has not seen
    end if;

    next_table := (q.queue_cur_table + 1) % q.queue_ntables;
    begin
        execute format('lock table %s_%s in access exclusive mode nowait', q.queue_data_pfx, next_table);
        execute format('truncate %s_%s', q.queue_data_pfx, next_table);
    exception when lock_not_available then
        return 0;
    end;
    update pgq.queue
       set queue_cur_table = next_table, queue_switch_time = current_timestamp,
           queue_switch_step1 = txid_current(), queue_switch_step2 = null,
           queue_switch_count = queue_switch_count + 1
     where queue_id = q.queue_id;
    delete from pgq.tick t
     where t.tick_queue = q.queue_id
       and txid_snapshot_xmin(t.tick_snapshot) < q.queue_switch_step2
       and t.tick_id < (select max(n.tick_id) from pgq.tick n where n.tick_queue = q.queue_id);
    return 0;
end $$;

-- pgq.maint_rotate_tables_step2() - mark the switches of step 1 as seen by everyone
--
-- Stores a transaction id such that every event in the old table has a smaller one.
-- Producers in READ COMMITTED take their id before they read which table is current, so any
-- id taken after step 1 was committed will do for them. Those with an older snapshot go by
-- the switch sequence (pgqueue.check_switch), so the id has to be taken after that
-- was raised. But raising a sequence takes the transaction's id first; what is stored is
-- therefore the id of a sub-transaction that begins after it.
-- In a transaction that has an id already, and may be that of step 1, does nothing
-- (D17). All queues. Always returns 0.
create or replace function pgq.maint_rotate_tables_step2()
returns int4
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    switched int4[];
    own int8;
    inner_id xid;
begin
    if txid_current_if_assigned() is not null
       or not exists (select from pgq.queue where queue_switch_step2 is null) then
        return 0;
    end if;
    perform pgqueue.check_isolation();
    select array_agg(queue_id) into switched
      from (select queue_id from pgq.queue where queue_switch_step2 is null for no key update) q;
    perform setval(('pgqueue.switch_' || queue_id)::regclass, queue_switch_count)
       from pgq.queue where queue_id = any (switched);
    own := txid_current();
    begin
        update pgq.queue set queue_switch_step2 = own where queue_id = any (switched) returning xmin into inner_id;
        update pgq.queue set queue_switch_step2 = own + ((inner_id::text::int8 - own) & 4294967295)
         where queue_id = any (switched);
    exception when no_data_found then
        raise; -- the block is there for its sub-transaction
    end;
    return 0;
end $$;

-- pgq.maint_tables_to_vacuum() - tables that a server without autovacuum should have vacuumed
--
-- None when autovacuum is on. pgq.subscription is a view here; what lies behind it
-- needs no vacuum but for its fixed part.
create or replace function pgq.maint_tables_to_vacuum()
returns setof text
language plpgsql as $$
begin
    if current_setting('autovacuum') = 'on' then
        return;
    end if;
    return query
    select w.name
      from unnest(array['pgqueue.subscription', 'pgq.consumer', 'pgq.queue', 'pgq.tick', 'pgq.retry_queue',
                        'pgq_ext.completed_tick', 'pgq_ext.completed_batch', 'pgq_ext.completed_event',
                        'pgq_ext.partial_batch', 'pgq_node.local_state', 'londiste.seq_info', 'txid.epoch',
                        'londiste.completed']) with ordinality w (name, pos)
     where to_regclass(w.name) is not null
     order by w.pos;
end $$;

-- pgq.maint_operations() - what a scheduler has to run, one statement and transaction for each row
--
-- func_name(func_arg), or func_name() for a NULL argument; a result other than 0 means: call it
-- again at once. "vacuum" is the statement. Of the node layer and of Londiste, what is there.
create or replace function pgq.maint_operations(out func_name text, out func_arg text)
returns setof record
language plpgsql as $$
declare
    rotating boolean := false;
begin
    for func_name, func_arg in
        select 'pgq.maint_rotate_tables_step1', q.queue_name from pgq.queue q
         where q.queue_rotation_period is not null and q.queue_switch_step2 is not null
           and q.queue_switch_time + q.queue_rotation_period < current_timestamp
         order by q.queue_name
    loop
        rotating := true;
        return next;
    end loop;
    if rotating or exists (
            select from pgq.queue where queue_rotation_period is not null and queue_switch_step2 is null) then
        func_name := 'pgq.maint_rotate_tables_step2';
        func_arg := null;
        return next;
    end if;

    return query
    select m.name, q.queue_name
      from pgq.queue q, unnest(q.queue_extra_maint) with ordinality m (name, pos)
     order by q.queue_name, m.pos;
    return query select 'vacuum', t from pgq.maint_tables_to_vacuum() t;

    if to_regproc('pgq_node.maint_watermark') is not null then
        return query execute
            $q$select 'pgq_node.maint_watermark', queue_name::text from pgq_node.node_info where node_type = 'root'$q$;
    end if;
    if to_regproc('londiste.root_check_seqs') is not null then
        return query execute
            $q$select distinct 'londiste.root_check_seqs', s.queue_name::text
                 from londiste.seq_info s join pgq_node.node_info n on n.queue_name = s.queue_name
                where s.local and n.node_type = 'root'$q$;
    end if;
    if to_regproc('londiste.periodic_maintenance') is not null then
        func_name := 'londiste.periodic_maintenance';
        func_arg := null;
        return next;
    end if;
end $$;
