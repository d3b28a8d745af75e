-- Creating, changing and dropping queues.

-- pgq.create_queue(i_queue_name) - create a queue
--
-- Makes the queue's tables, sequences and grants, and its first tick. Any text
-- is a valid name. Returns 1, or 0 when the queue exists (also when another
-- session creates it at the same moment). PQ005 Invalid NULL value.
-- Writes pgq.queue, pgq.tick; creates pgq.event_<id>*.
create or replace function pgq.create_queue(i_queue_name text)
returns int4
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    q pgq.queue;
begin
    if i_queue_name is null then
        raise exception 'Invalid NULL value' using errcode = 'PQ005';
    end if;
    if exists (select from pgq.queue where queue_name = i_queue_name) then
        return 0;
    end if;

    q.queue_id := nextval('pgq.queue_queue_id_seq');
    q.queue_data_pfx := 'pgq.event_' || q.queue_id;
    insert into pgq.queue (queue_id, queue_name, queue_data_pfx, queue_event_seq, queue_tick_seq)
    values (q.queue_id, i_queue_name, q.queue_data_pfx, q.queue_data_pfx || '_id_seq', q.queue_data_pfx || '_tick_seq')
    on conflict (queue_name) do nothing
    returning * into q;
    if not found then
        return 0;
    end if;

    -- The event sequence starts below its first value, so that the first event
    -- moves last_value and the ticker sees it.
    execute format('create sequence %s minvalue 0', q.queue_event_seq);
    perform setval(q.queue_event_seq, 0);
    execute format('create sequence %s', q.queue_tick_seq);
    execute format('create sequence pgqueue.switch_%s minvalue 0 start 0', q.queue_id);
    perform setval(format('pgqueue.switch_%s', q.queue_id), 0);
    execute format('create table %s () inherits (pgq.event_template)', q.queue_data_pfx);
    for i in 0 .. q.queue_ntables - 1 loop
        execute format('create table %1$s_%2$s () inherits (%1$s)', q.queue_data_pfx, i);
        execute format('alter table %s_%s alter column ev_id set default nextval(%L)',
            q.queue_data_pfx, i, q.queue_event_seq);
        execute format('create index event_%1$s_%2$s_txid_idx on %3$s_%2$s (ev_txid)',
            q.queue_id, i, q.queue_data_pfx);
    end loop;
    perform pgq.grant_perms(i_queue_name);
    perform pgq.tune_storage(i_queue_name);
    perform pgqueue.write_insert_shard(q.queue_id & 63);
    insert into pgq.tick (tick_queue, tick_id, tick_snapshot, tick_event_seq, tick_seq_txid)
    values (q.queue_id, nextval(q.queue_tick_seq), pgqueue.tick_snapshot(), 0, 0);
    return 1;
end $$;

-- pgq.drop_queue(x_queue_name, x_force) - drop a queue with its events
--
-- x_force true unregisters its consumers first; otherwise a consumer is an
-- error (PQ008). PQ001 No such event queue. Returns 1.
create or replace function pgq.drop_queue(x_queue_name text, x_force bool)
returns int4
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    q pgq.queue;
begin
    select * into q from pgq.queue where queue_name = x_queue_name for update;
    if not found then
        raise exception 'No such event queue'
            using errcode = 'PQ001', detail = format('Queue: %s', x_queue_name);
    end if;
    if x_force then
        perform pgq.unregister_consumer(x_queue_name, c.co_name)
           from pgqueue.subscription s join pgq.consumer c on c.co_id = s.sub_consumer
          where s.sub_queue = q.queue_id
          order by s.sub_of nulls last, c.co_name;
    elsif exists (select from pgqueue.subscription where sub_queue = q.queue_id) then
        raise exception 'cannot drop queue, consumers still attached'
            using errcode = 'PQ008', detail = format('Queue: %s', x_queue_name),
                  hint = 'Unregister them, or drop with force.';
    end if;

    for i in 0 .. q.queue_ntables - 1 loop
        execute format('drop table %s_%s', q.queue_data_pfx, i);
    end loop;
    execute format('drop table %s', q.queue_data_pfx);
    delete from pgq.retry_queue where ev_queue = q.queue_id;
    delete from pgq.tick where tick_queue = q.queue_id;
    execute format('drop sequence %s, %s, pgqueue.switch_%s', q.queue_tick_seq, q.queue_event_seq, q.queue_id);
    delete from pgq.queue where queue_id = q.queue_id;
    perform pgqueue.write_insert_shard(q.queue_id & 63);
    return 1;
end $$;

-- pgq.drop_queue(x_queue_name) - drop a queue that has no consumers
create or replace function pgq.drop_queue(x_queue_name text)
returns int4
language plpgsql strict as $$
begin
    return pgq.drop_queue(x_queue_name, false);
end $$;

-- pgq.set_queue_config(x_queue_name, x_param_name, x_param_value) - change a setting
--
-- Parameters, without their prefix queue_: ticker_max_count, ticker_max_lag,
-- ticker_idle_period, ticker_paused, rotation_period, external_ticker. Returns 1.
-- PQ005 for NULLs and unknown parameters, PQ001 No such event queue; a value of
-- the wrong form gives the error of its cast.
create or replace function pgq.set_queue_config(x_queue_name text, x_param_name text, x_param_value text)
returns int4
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    allowed constant text[] := '{ticker_max_count,ticker_max_lag,ticker_idle_period,ticker_paused,rotation_period,external_ticker}';
begin
    if x_queue_name is null or x_param_name is null then
        raise exception 'Invalid NULL value' using errcode = 'PQ005';
    end if;
    perform from pgq.queue where queue_name = x_queue_name;
    if not found then
        raise exception 'No such event queue'
            using errcode = 'PQ001', detail = format('Queue: %s', x_queue_name);
    end if;
    if x_param_name <> all (allowed) then
        raise exception 'cannot change parameter "%s"', x_param_name
            using errcode = 'PQ005', hint = 'Known parameters: ' || array_to_string(allowed, ', ');
    end if;
    if x_param_value is null then
        raise exception 'query string argument of EXECUTE is null'
            using errcode = 'null_value_not_allowed', detail = format('Parameter: %s', x_param_name);
    end if;
    execute format('update pgq.queue set queue_%s = %L where queue_name = $1', x_param_name, x_param_value)
      using x_queue_name;
    return 1;
end $$;

-- pgq.tune_storage(i_queue_name) - set the storage options of a queue's data tables
--
-- They are only ever appended to and truncated, so they need no free space in
-- pages and no vacuum. Returns 1, 0 for an unknown queue.
create or replace function pgq.tune_storage(i_queue_name text)
returns int4
language plpgsql strict as $$
declare
    q pgq.queue;
begin
    select * into q from pgq.queue where queue_name = i_queue_name;
    if not found then
        return 0;
    end if;
    for i in 0 .. q.queue_ntables - 1 loop
        execute format('alter table %s_%s set (fillfactor = 100, autovacuum_enabled = off, toast.autovacuum_enabled = off)',
            q.queue_data_pfx, i);
    end loop;
    return 1;
end $$;

-- pgq._grant_perms_from(...) - give a table the grants that another one has
--
-- Copies every privilege but the owner's own. Returns 1.
create or replace function pgq._grant_perms_from(src_schema text, src_table text, dst_schema text, dst_table text)
returns int4
language plpgsql strict as $$
declare
    g record;
begin
    for g in
        select a.privilege_type, a.is_grantable,
               case a.grantee when 0 then 'public' else a.grantee::regrole::text end as grantee
          from pg_class c
          join pg_namespace n on n.oid = c.relnamespace,
               aclexplode(c.relacl) a
         where n.nspname = src_schema and c.relname = src_table and a.grantee <> c.relowner
    loop
        execute format('grant %s on %I.%I to %s%s', g.privilege_type, dst_schema, dst_table, g.grantee,
            case when g.is_grantable then ' with grant option' else '' end);
    end loop;
    return 1;
end $$;

-- pgq.grant_perms(x_queue_name) - give a queue's tables and sequences their grants
--
-- Sequences can be read by everyone; tables get what pgq.event_template has,
-- so that a grant there reaches every queue made later. PQ001 Queue not found.
-- Returns 1.
create or replace function pgq.grant_perms(x_queue_name text)
returns int4
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    q pgq.queue;
    tab text;
begin
    select * into q from pgq.queue where queue_name = x_queue_name;
    if not found then
        raise exception 'Queue not found'
            using errcode = 'PQ001', detail = format('Queue: %s', x_queue_name);
    end if;
    execute format('grant select on sequence %s, %s to public', q.queue_event_seq, q.queue_tick_seq);
    if to_regrole('pgq_admin') is not null then
        execute format('grant usage on sequence %s to pgq_admin', q.queue_event_seq);
    end if;
    foreach tab in array array[q.queue_data_pfx]
        || array(select q.queue_data_pfx || '_' || i from generate_series(0, q.queue_ntables - 1) i)
    loop
        perform pgq._grant_perms_from('pgq', 'event_template', 'pgq', split_part(tab, '.', 2));
    end loop;
    return 1;
end $$;
