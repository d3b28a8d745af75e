-- Completion tracking in the database that a consumer writes to.
--
-- In one transaction there: is it done? no: apply it, set it done, commit; then finish the batch at
-- the queue. After a crash between the two commits the batch comes again and is skipped.
-- Two sessions that do the same thing at the same moment: the second waits, and is told false.
-- Each function has a form without a_subconsumer, for consumers that have none.

-- pgq_ext.is_batch_done(a_consumer, a_subconsumer, a_batch_id) - is this the batch done last?
--
-- Only the last one counts. NULL for a NULL batch once there was one. Reads pgq_ext.completed_batch.
create or replace function pgq_ext.is_batch_done(a_consumer text, a_subconsumer text, a_batch_id int8)
returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    done boolean;
begin
    select b.last_batch_id = a_batch_id into done
      from pgq_ext.completed_batch b
     where b.consumer_id = a_consumer and b.subconsumer_id = a_subconsumer;
    if not found then
        return false;
    end if;
    return done;
end $$;

create or replace function pgq_ext.is_batch_done(a_consumer text, a_batch_id int8)
returns boolean
language plpgsql as $$
begin
    return pgq_ext.is_batch_done(a_consumer, '', a_batch_id);
end $$;

-- pgq_ext.set_batch_done(a_consumer, a_subconsumer, a_batch_id) - note a batch as done
--
-- Returns false when it was noted already. Ids that are NULL or below 1 stand for no batch: true, and
-- nothing is noted. Writes pgq_ext.completed_batch.
create or replace function pgq_ext.set_batch_done(a_consumer text, a_subconsumer text, a_batch_id int8)
returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if coalesce(a_batch_id, 0) <= 0 then
        return true;
    end if;
    insert into pgq_ext.completed_batch as b (consumer_id, subconsumer_id, last_batch_id)
    values (a_consumer, a_subconsumer, a_batch_id)
    on conflict (consumer_id, subconsumer_id) do update set last_batch_id = excluded.last_batch_id
     where b.last_batch_id <> excluded.last_batch_id;
    return found;
end $$;

create or replace function pgq_ext.set_batch_done(a_consumer text, a_batch_id int8)
returns boolean
language plpgsql as $$
begin
    return pgq_ext.set_batch_done(a_consumer, '', a_batch_id);
end $$;

-- pgq_ext.is_event_done(a_consumer, a_subconsumer, a_batch_id, a_event_id) - is this event of the batch done?
--
-- For consumers that cannot apply a batch in one transaction; not together with retries, as an
-- event retried comes in another batch. Reads pgq_ext.completed_event.
create or replace function pgq_ext.is_event_done(a_consumer text, a_subconsumer text, a_batch_id int8, a_event_id int8)
returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    return exists (
        select from pgq_ext.completed_event e
         where e.consumer_id = a_consumer and e.subconsumer_id = a_subconsumer
           and e.batch_id = a_batch_id and e.event_id = a_event_id);
end $$;

create or replace function pgq_ext.is_event_done(a_consumer text, a_batch_id int8, a_event_id int8)
returns boolean
language plpgsql as $$
begin
    return pgq_ext.is_event_done(a_consumer, '', a_batch_id, a_event_id);
end $$;

-- pgq_ext.set_event_done(a_consumer, a_subconsumer, a_batch_id, a_event_id) - note an event as done
--
-- Returns false when it was noted already. The first event of another batch forgets those of the batch before.
-- Writes pgq_ext.completed_event, pgq_ext.partial_batch.
create or replace function pgq_ext.set_event_done(a_consumer text, a_subconsumer text, a_batch_id int8, a_event_id int8)
returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    before int8;
begin
    if pgq_ext.is_event_done(a_consumer, a_subconsumer, a_batch_id, a_event_id) then
        return false;
    end if;
    insert into pgq_ext.partial_batch (consumer_id, subconsumer_id, cur_batch_id)
    values (a_consumer, a_subconsumer, a_batch_id)
    on conflict (consumer_id, subconsumer_id) do nothing;
    select p.cur_batch_id into before
      from pgq_ext.partial_batch p
     where p.consumer_id = a_consumer and p.subconsumer_id = a_subconsumer
       for update;
    if before <> a_batch_id then
        delete from pgq_ext.completed_event e
         where e.consumer_id = a_consumer and e.subconsumer_id = a_subconsumer and e.batch_id = before;
        update pgq_ext.partial_batch p set cur_batch_id = a_batch_id
         where p.consumer_id = a_consumer and p.subconsumer_id = a_subconsumer;
    end if;
    insert into pgq_ext.completed_event (consumer_id, subconsumer_id, batch_id, event_id)
    values (a_consumer, a_subconsumer, a_batch_id, a_event_id)
    on conflict (consumer_id, subconsumer_id, batch_id, event_id) do nothing;
    return found;
end $$;

create or replace function pgq_ext.set_event_done(a_consumer text, a_batch_id int8, a_event_id int8)
returns boolean
language plpgsql as $$
begin
    return pgq_ext.set_event_done(a_consumer, '', a_batch_id, a_event_id);
end $$;

-- pgq_ext.get_last_tick(a_consumer, a_subconsumer) - the tick noted last, or NULL
create or replace function pgq_ext.get_last_tick(a_consumer text, a_subconsumer text)
returns int8
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    return (select t.last_tick_id from pgq_ext.completed_tick t
             where t.consumer_id = a_consumer and t.subconsumer_id = a_subconsumer);
end $$;

create or replace function pgq_ext.get_last_tick(a_consumer text)
returns int8
language plpgsql as $$
begin
    return pgq_ext.get_last_tick(a_consumer, '');
end $$;

-- pgq_ext.set_last_tick(a_consumer, a_subconsumer, a_tick_id) - note a tick; NULL forgets it
--
-- Returns 1. Writes pgq_ext.completed_tick.
create or replace function pgq_ext.set_last_tick(a_consumer text, a_subconsumer text, a_tick_id int8)
returns int4
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if a_tick_id is null then
        delete from pgq_ext.completed_tick t where t.consumer_id = a_consumer and t.subconsumer_id = a_subconsumer;
    else
        insert into pgq_ext.completed_tick (consumer_id, subconsumer_id, last_tick_id)
        values (a_consumer, a_subconsumer, a_tick_id)
        on conflict (consumer_id, subconsumer_id) do update set last_tick_id = excluded.last_tick_id;
    end if;
    return 1;
end $$;

create or replace function pgq_ext.set_last_tick(a_consumer text, a_tick_id int8)
returns int4
language plpgsql as $$
begin
    return pgq_ext.set_last_tick(a_consumer, '', a_tick_id);
end $$;

-- pgq_ext.version() - the version of PgQ's package whose interface this is
create or replace function pgq_ext.version()
returns text
language sql immutable as $$
    select '3.1'::text;
$$;
