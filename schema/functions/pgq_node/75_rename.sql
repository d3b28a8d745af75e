-- Giving a node another name. PgQ's tools call these functions; no release of PgQ has them.
--
-- Step 1 on the root, the node's provider, the node itself and each node that reads from it:
-- the node is known under both names. Step 2 on the node, its provider, its readers, and
-- the root last: the old name goes. Other nodes learn of it by the root's
-- events. Pause the node's worker meanwhile. Positions, the names of consumers, and connect
-- strings stay; each step can be repeated.

-- pgq_node.rename_node_step1(i_queue_name, i_node_old, i_node_new) - make a node known under its new name too
--
-- Copies its place on the map, and, at its provider, its subscription. 200; 201 when it has been
-- renamed here already; 404 when this database is no node of the queue, or does not know
-- the node; 403 when another node has the new name.
-- Writes pgq_node.node_location, pgq_node.subscriber_info, pgq.subscription.
create or replace function pgq_node.rename_node_step1(
    in i_queue_name text, in i_node_old text, in i_node_new text,
    out ret_code int4, out ret_note text)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    old_place pgq_node.node_location;
    new_place pgq_node.node_location;
    sub pgq_node.subscriber_info;
begin
    perform from pgq_node.node_info n where n.queue_name = i_queue_name for update;
    if not found then
        ret_code := 404;
        ret_note := 'Unknown queue: ' || i_queue_name;
        return;
    end if;
    select l.* into new_place from pgq_node.node_location l
     where l.queue_name = i_queue_name and l.node_name = i_node_new;
    select l.* into old_place from pgq_node.node_location l
     where l.queue_name = i_queue_name and l.node_name = i_node_old;
    if not found then
        ret_code := case when new_place.node_name is null then 404 else 201 end;
        ret_note := case when new_place.node_name is null then 'Unknown node: ' || i_node_old
                         else 'Node already renamed: ' || i_node_new end;
        return;
    end if;
    if new_place.node_location <> old_place.node_location then
        ret_code := 403;
        ret_note := 'Node exists already: ' || i_node_new;
        return;
    end if;

    if new_place.node_name is null then
        perform pgq_node.register_location(i_queue_name, i_node_new, old_place.node_location, old_place.dead);
    end if;
    select s.* into sub from pgq_node.subscriber_info s
     where s.queue_name = i_queue_name and s.subscriber_node = i_node_old;
    if found and not exists (
            select from pgq_node.subscriber_info s
             where s.queue_name = i_queue_name and s.subscriber_node = i_node_new) then
        perform pgq.register_consumer_at(i_queue_name, '.' || i_node_new || '.watermark',
            pgqueue.consumer_tick(i_queue_name, sub.watermark_name));
        insert into pgq_node.subscriber_info
        values (i_queue_name, i_node_new, sub.worker_name, '.' || i_node_new || '.watermark');
    end if;
    ret_code := 200;
    ret_note := 'Step 1: node ' || i_node_old || ' is also known as ' || i_node_new;
end $$;

-- pgq_node.rename_node_step2(i_queue_name, i_node_old, i_node_new) - forget the old name of a node
--
-- 200; 201 when it is forgotten here already; 404 when this database is no node of the
-- queue; 401 when step 1 has not been done here.
-- Writes all tables of pgq_node, pgq.subscription.
create or replace function pgq_node.rename_node_step2(
    in i_queue_name text, in i_node_old text, in i_node_new text,
    out ret_code int4, out ret_note text)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    sub pgq_node.subscriber_info;
begin
    perform from pgq_node.node_info n where n.queue_name = i_queue_name for update;
    if not found then
        ret_code := 404;
        ret_note := 'Unknown queue: ' || i_queue_name;
        return;
    end if;
    select s.* into sub from pgq_node.subscriber_info s
     where s.queue_name = i_queue_name and s.subscriber_node = i_node_old;
    if not exists (select from pgq_node.node_location l
                    where l.queue_name = i_queue_name and l.node_name = i_node_new)
       or sub.subscriber_node is not null and not exists (
            select from pgq_node.subscriber_info s
             where s.queue_name = i_queue_name and s.subscriber_node = i_node_new) then
        ret_code := 401;
        ret_note := 'Step 1 not done for: ' || i_node_old;
        return;
    end if;
    if not exists (select from pgq_node.node_location l
                    where l.queue_name = i_queue_name and l.node_name = i_node_old) then
        ret_code := 201;
        ret_note := 'Node already renamed: ' || i_node_new;
        return;
    end if;

    update pgq_node.node_info n set node_name = i_node_new
     where n.queue_name = i_queue_name and n.node_name = i_node_old;
    update pgq_node.local_state s set provider_node = i_node_new
     where s.queue_name = i_queue_name and s.provider_node = i_node_old;
    -- not by unregister_subscriber: the worker goes on under the new name
    delete from pgq_node.subscriber_info s
     where s.queue_name = i_queue_name and s.subscriber_node = i_node_old;
    perform pgq.unregister_consumer(i_queue_name, sub.watermark_name);
    perform pgq_node.unregister_location(i_queue_name, i_node_old);
    ret_code := 200;
    ret_note := 'Step 2: node ' || i_node_old || ' renamed to ' || i_node_new;
end $$;
