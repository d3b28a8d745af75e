-- The provider's side: nodes that read from this one. Called over the subscriber's connection.

-- pgq_node.register_subscriber(i_queue_name, i_remote_node_name, i_remote_worker_name, i_custom_tick_id)
-- - let another node read from this one
--
-- Its worker begins at i_custom_tick_id, or at the global watermark when that is NULL;
-- .<node>.watermark holds the queue from the global watermark on. Both are
-- moved there if they exist. global_watermark is where a new node has to begin.
-- 200; 201 when the node is subscribed with this worker already: then a tick moves
-- it, NULL changes nothing. 404 without a node; 401 on a leaf. SQL error when the tick is
-- not here, the node is not on the map, or it is subscribed with another worker.
-- Writes pgq_node.subscriber_info, pgq.subscription.
create or replace function pgq_node.register_subscriber(
    in i_queue_name text, in i_remote_node_name text, in i_remote_worker_name text, in i_custom_tick_id int8,
    out ret_code int4, out ret_note text, out global_watermark int8)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    own pgq_node.node_info;
    watermark text := '.' || i_remote_node_name || '.watermark';
    known boolean;
begin
    select n.* into own from pgq_node.node_info n where n.queue_name = i_queue_name for update;
    if not found then
        ret_code := 404;
        ret_note := 'Unknown queue: ' || i_queue_name;
        return;
    end if;
    if own.node_type = 'leaf' then
        ret_code := 401;
        ret_note := 'Cannot subscribe to leaf node';
        return;
    end if;

    global_watermark := pgqueue.consumer_tick(i_queue_name, '.global_watermark');
    known := exists (
        select from pgq_node.subscriber_info s
         where s.queue_name = i_queue_name and s.subscriber_node = i_remote_node_name
           and s.worker_name = i_remote_worker_name);
    if not known or i_custom_tick_id is not null then
        perform pgq.register_consumer_at(i_queue_name, watermark, global_watermark);
        perform pgq.register_consumer_at(i_queue_name, i_remote_worker_name, coalesce(i_custom_tick_id, global_watermark));
    end if;
    if known then
        ret_code := 201;
        ret_note := 'Subscriber already registered: ' || i_remote_node_name;
        return;
    end if;
    insert into pgq_node.subscriber_info values (i_queue_name, i_remote_node_name, i_remote_worker_name, watermark);
    ret_code := 200;
    ret_note := 'Subscriber registered: ' || i_remote_node_name;
end $$;

-- pgq_node.unregister_subscriber(i_queue_name, i_remote_node_name) - end another node's subscription
--
-- 200; 304 when there is none. Writes pgq_node.subscriber_info, pgq.subscription.
create or replace function pgq_node.unregister_subscriber(
    in i_queue_name text, in i_remote_node_name text,
    out ret_code int4, out ret_note text)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    sub pgq_node.subscriber_info;
begin
    delete from pgq_node.subscriber_info s
     where s.queue_name = i_queue_name and s.subscriber_node = i_remote_node_name
    returning s.* into sub;
    if not found then
        ret_code := 304;
        ret_note := 'Subscriber not found';
        return;
    end if;
    if not exists (select from pgq_node.subscriber_info s
                    where s.queue_name = i_queue_name and s.worker_name = sub.worker_name) then -- in a renaming
        perform pgq.unregister_consumer(i_queue_name, sub.worker_name);
    end if;
    perform pgq.unregister_consumer(i_queue_name, sub.watermark_name);
    ret_code := 200;
    ret_note := 'Subscriber unregistered: ' || i_remote_node_name;
end $$;

-- pgq_node.set_subscriber_watermark(i_queue_name, i_node_name, i_watermark) - a subscriber needs nothing older any more
--
-- 200; 100 when it is there already; 404 for a node that is not subscribed; 405
-- backwards. SQL error (PQ009) for a tick that this node has not.
-- Writes pgq.subscription.
create or replace function pgq_node.set_subscriber_watermark(
    in i_queue_name text, in i_node_name text, in i_watermark int8,
    out ret_code int4, out ret_note text)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    watermark text;
    now_at int8;
begin
    select s.watermark_name, pgqueue.consumer_tick(i_queue_name, s.watermark_name) into watermark, now_at
      from pgq_node.subscriber_info s
     where s.queue_name = i_queue_name and s.subscriber_node = i_node_name;
    if now_at is null then
        ret_code := 404;
        ret_note := 'node ' || i_node_name || ' not subscribed to queue '; -- PgQ ends here too
        return;
    end if;
    if i_watermark = now_at then
        ret_code := 100;
        ret_note := 'watermark already set';
        return;
    elsif i_watermark < now_at then
        ret_code := 405;
        ret_note := 'watermark must not be moved backwards';
        return;
    end if;
    perform pgq.register_consumer_at(i_queue_name, watermark, i_watermark);
    ret_code := 200;
    ret_note := watermark || ' set to ' || i_watermark;
end $$;
