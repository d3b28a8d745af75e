-- Maintenance that PgQ has no need of, for a ticker that ticks hundreds of times a second.

-- pgqueue.thin_ticks(i_queue_name) - delete ticks that only fine seeking could want
--
-- Of ticks older than a minute keeps one for each second, and one for each 10,000
-- event ids; and always the newest, those a position stands on, and, in a queue that is
-- copied to other nodes, those from the global watermark on, as positions over there
-- may stand on them. A consumer must not step onto a tick that is being deleted: the
-- rows of the queue and of its subscriptions are locked, or, if one is in use just
-- now, nothing is done.
-- Always returns 0. PQ013 snapshot isolation. Writes pgq.tick.
create or replace function pgqueue.thin_ticks(i_queue_name text)
returns int4
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    queue int4;
    locked int4;
    watermark int8 := pgqueue.consumer_tick(i_queue_name, '.global_watermark');
begin
    perform pgqueue.check_isolation();
    select queue_id into queue from pgq.queue where queue_name = i_queue_name for no key update skip locked;
    if not found then
        return 0;
    end if;
    select count(*) into locked
      from (select from pgqueue.subscription where sub_queue = queue for no key update skip locked) s;
    if locked < (select count(*) from pgqueue.subscription where sub_queue = queue) then
        return 0;
    end if;

    delete from pgq.tick d
     using (select t.tick_id,
                   row_number() over (partition by date_trunc('second', t.tick_time), t.tick_event_seq / 10000
                                      order by t.tick_id) as n
              from pgq.tick t
             where t.tick_queue = queue and t.tick_time < now() - interval '1 minute') old
     where d.tick_queue = queue and d.tick_id = old.tick_id and old.n > 1
       and d.tick_id < (select max(newest.tick_id) from pgq.tick newest where newest.tick_queue = queue)
       and not exists (
            select from pgq.subscription s
             where s.sub_queue = queue and d.tick_id in (s.sub_last_tick, s.sub_next_tick))
       and (watermark is null or d.tick_id < watermark);
    return 0;
end $$;

-- pgqueue.maint_operations() - what our ticker runs besides pgq.maint_operations, in the same form
create or replace function pgqueue.maint_operations(out func_name text, out func_arg text)
returns setof record
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select 'pgqueue.thin_ticks', q.queue_name
      from (select t.tick_queue from pgq.tick t
             where t.tick_time < now() - interval '1 minute'
             group by t.tick_queue
            having count(*) > 2 * count(distinct date_trunc('second', t.tick_time))) busy
      join pgq.queue q on q.queue_id = busy.tick_queue
    union all
    select 'pgqueue.maint_positions', null;
$$;
