-- Roles and grants: PgQ's three roles, and nothing for PUBLIC that PgQ does not give.

-- pgqueue.grants() - every grant, as one statement each, in order
create or replace function pgqueue.grants()
returns setof text
language sql stable set search_path = pg_catalog, pg_temp as $$
    values
    ('grant usage on schema pgq to public'),
    ('grant select on pgq.consumer, pgq.queue, pgq.tick, pgq.subscription to public'),
    ('grant execute on function pgq.get_queue_info(), pgq.get_queue_info(text),'
     ' pgq.get_consumer_info(), pgq.get_consumer_info(text), pgq.get_consumer_info(text, text),'
     ' pgq.version(), pgq.quote_fqname(text), pgq.seq_getval(text) to public'),
    ('grant usage on schema pgqueue to public'),
    ('grant execute on function pgqueue.version() to public'),

    ('grant select on pgq.consumer, pgq.queue, pgq.tick, pgq.subscription, pgq.event_template to pgq_reader'),
    ('grant execute on function pgq.register_consumer(text, text), pgq.register_consumer_at(text, text, int8),'
     ' pgq.unregister_consumer(text, text), pgq.next_batch_info(text, text), pgq.next_batch(text, text),'
     ' pgq.next_batch_custom(text, text, interval, int4, interval),'
     ' pgq.find_tick_helper(int4, int8, timestamptz, int8, int8, interval),'
     ' pgq.batch_event_sql(int8), pgq.batch_event_tables(int8), pgq.get_batch_events(int8),'
     ' pgq.get_batch_cursor(int8, text, int4, text), pgq.get_batch_cursor(int8, text, int4),'
     ' pgq.get_batch_info(int8), pgq.event_retry(int8, int8, timestamptz), pgq.event_retry(int8, int8, int4),'
     ' pgq.batch_retry(int8, int4), pgq.finish_batch(int8), pgq.force_tick(text),'
     ' pgqueue.batch_range(int8), pgqueue.batch_query(int8), pgqueue.event_retry(int8, int8[], timestamptz[]),'
     ' pgqueue.next_batch(text, text, int4), pgqueue.finish_batch(int8, int8[], float8[]) to pgq_reader'),

    ('grant execute on function pgq.insert_event(text, text, text),'
     ' pgq.insert_event(text, text, text, text, text, text, text), pgq.current_event_table(text),'
     ' pgqueue.insert_events(text, text[], text[], text[], text[], text[], text[]) to pgq_writer'),

    ('grant pgq_reader, pgq_writer to pgq_admin'),
    ('grant select, insert, update, delete on pgq.consumer, pgq.queue, pgq.tick, pgq.subscription, pgq.retry_queue to pgq_admin'),
    ('grant select, insert, truncate on pgq.event_template to pgq_admin'),
    ('grant execute on function pgq.create_queue(text), pgq.drop_queue(text, bool), pgq.drop_queue(text),'
     ' pgq.set_queue_config(text, text, text),'
     ' pgq.insert_event_raw(text, int8, timestamptz, int4, int4, text, text, text, text, text, text),'
     ' pgq.event_retry_raw(text, text, timestamptz, int8, timestamptz, int4, text, text, text, text, text, text),'
     ' pgq.ticker(text, int8, timestamptz, int8), pgq.ticker(text), pgq.ticker(), pgq.maint_operations(),'
     ' pgq.maint_retry_events(), pgq.maint_rotate_tables_step1(text), pgq.maint_rotate_tables_step2(),'
     ' pgq.maint_tables_to_vacuum(), pgq.seq_setval(text, int8), pgq.grant_perms(text),'
     ' pgq._grant_perms_from(text, text, text, text), pgq.tune_storage(text), pgq.upgrade_schema(),'
     ' pgqueue.tick(), pgqueue.tick_each(), pgqueue.force_tick(text), pgqueue.maint_operations(), pgqueue.maint_positions(), pgqueue.accept_cluster(),'
     ' pgqueue.diagnose(), pgqueue.rebase_queue(text),'
     ' pgqueue.thin_ticks(text), pgqueue.check_isolation() to pgq_admin')
    union all select pgqueue.node_grants()
    union all select pgqueue.coop_grants()
    union all select pgqueue.trigger_grants();
$$;

-- pgqueue.apply_grants() - create the roles and make the grants, as far as the caller may
--
-- A caller who may not create roles gets back what is left for one who may: the
-- statements to create them. Call it again (or install again) after that.
-- Grants to PUBLIC beyond the list are taken back. Nothing returned: all done.
create or replace function pgqueue.apply_grants()
returns setof text
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    role text;
    cmd text;
begin
    revoke all on all functions in schema pgq, pgq_coop, pgq_ext, pgq_node, pgqueue from public;
    foreach role in array array['pgq_reader', 'pgq_writer', 'pgq_admin'] loop
        if to_regrole(role) is null then
            begin
                execute format('create role %I', role);
            exception
                when insufficient_privilege then
                    return next format('create role %I;', role);
                when duplicate_object or unique_violation then
                    null; -- another database of this server was quicker
            end;
        end if;
    end loop;

    for cmd in select pgqueue.grants() loop
        role := substring(cmd from ' to (\w+)$');
        continue when role <> 'public' and to_regrole(role) is null;
        if cmd = 'grant pgq_reader, pgq_writer to pgq_admin' then
            continue when pg_has_role('pgq_admin', 'pgq_reader', 'member') and pg_has_role('pgq_admin', 'pgq_writer', 'member');
        end if;
        begin
            execute cmd;
        exception
            when insufficient_privilege then
                return next cmd || ';';
        end;
    end loop;
    if to_regrole('pgq_admin') is null then
        return next 'grant pgq_reader, pgq_writer to pgq_admin;';
    end if;
    perform pgq.grant_perms(q.queue_name) from pgq.queue q;
end $$;
