-- pgqueue.coop_grants() - the grants of schemas pgq_coop and pgq_ext, as pgqueue.grants() has them
create or replace function pgqueue.coop_grants()
returns setof text
language sql stable set search_path = pg_catalog, pg_temp as $$
    values
    ('grant usage on schema pgq_coop, pgq_ext to public'),
    ('grant execute on function pgq_coop.version(), pgq_ext.version() to public'),
    ('grant execute on function pgq_coop.register_subconsumer(text, text, text),'
     ' pgq_coop.unregister_subconsumer(text, text, text, int4), pgq_coop.finish_batch(int8),'
     ' pgq_coop.next_batch(text, text, text), pgq_coop.next_batch(text, text, text, interval),'
     ' pgq_coop.next_batch_custom(text, text, text, interval, int4, interval),'
     ' pgq_coop.next_batch_custom(text, text, text, interval, int4, interval, interval),'
     ' pgqueue.next_batch(text, text, text, int4, interval) to pgq_reader'),
    ('grant execute on function pgq_ext.is_batch_done(text, int8), pgq_ext.is_batch_done(text, text, int8),'
     ' pgq_ext.set_batch_done(text, int8), pgq_ext.set_batch_done(text, text, int8),'
     ' pgq_ext.is_event_done(text, int8, int8), pgq_ext.is_event_done(text, text, int8, int8),'
     ' pgq_ext.set_event_done(text, int8, int8), pgq_ext.set_event_done(text, text, int8, int8),'
     ' pgq_ext.get_last_tick(text), pgq_ext.get_last_tick(text, text),'
     ' pgq_ext.set_last_tick(text, int8), pgq_ext.set_last_tick(text, text, int8), pgq_ext.upgrade_schema() to pgq_writer');
$$;
