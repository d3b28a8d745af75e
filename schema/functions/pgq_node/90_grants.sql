-- pgqueue.node_grants() - the grants of schema pgq_node, as one statement each
--
-- A worker needs pgq_admin on its own node, and pgq_reader on its provider. Each role gets its
-- functions by name, as in PgQ, also where it has them by membership.
create or replace function pgqueue.node_grants()
returns setof text
language sql stable set search_path = pg_catalog, pg_temp as $$
    values
    ('grant usage on schema pgq_node to public'),
    ('grant execute on function pgq_node.is_root_node(text), pgq_node.is_leaf_node(text), pgq_node.version() to public'),
    ('grant select on all tables in schema pgq_node to pgq_reader'),
    ('grant select on all tables in schema pgq_node to pgq_writer'),
    ('grant select, insert, update, delete on all tables in schema pgq_node to pgq_admin')
    union all
    -- at the provider: what the readers of a node call there
    select 'grant execute on function pgq_node.get_consumer_info(text), pgq_node.get_consumer_state(text, text),'
           ' pgq_node.get_queue_locations(text), pgq_node.get_node_info(text), pgq_node.get_subscriber_info(text),'
           ' pgq_node.register_subscriber(text, text, text, int8), pgq_node.unregister_subscriber(text, text),'
           ' pgq_node.set_subscriber_watermark(text, text, int8) to ' || role
      from unnest(array['pgq_reader', 'pgq_writer', 'pgq_admin']) role
    union all
    -- where a cascaded consumer works
    select 'grant execute on function pgq_node.register_consumer(text, text, text, int8),'
           ' pgq_node.unregister_consumer(text, text), pgq_node.change_consumer_provider(text, text, text),'
           ' pgq_node.set_consumer_uptodate(text, text, bool), pgq_node.set_consumer_paused(text, text, bool),'
           ' pgq_node.set_consumer_completed(text, text, int8), pgq_node.set_consumer_error(text, text, text) to ' || role
      from unnest(array['pgq_writer', 'pgq_admin']) role
    union all
    values
    ('grant execute on function pgq_node.create_node(text, text, text, text, text, int8, text),'
     ' pgq_node.drop_node(text, text), pgq_node.demote_root(text, int4, text), pgq_node.promote_branch(text),'
     ' pgq_node.rename_node_step1(text, text, text), pgq_node.rename_node_step2(text, text, text),'
     ' pgq_node.set_node_attrs(text, text), pgq_node.get_worker_state(text),'
     ' pgq_node.set_global_watermark(text, int8), pgq_node.set_partition_watermark(text, text, int8),'
     ' pgq_node.register_location(text, text, text, bool), pgq_node.unregister_location(text, text),'
     ' pgq_node.maint_watermark(text), pgq_node.upgrade_schema() to pgq_admin');
$$;
