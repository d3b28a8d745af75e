-- What a node knows about itself, its consumers and its subscribers.

-- pgq_node.get_node_info(i_queue_name) - the local node of a set
--
-- global_watermark: lowest tick that any node of the set still needs, as last announced (root,
-- branch). local_watermark: lowest tick that this node or a reader of it needs: of
-- all consumers but .global_watermark, the newest tick without any; on a leaf
-- what its worker has completed. worker_last_tick: what the worker has completed; on a
-- root the newest tick. combined_*: the node whose queue a leaf's events
-- go into; target_for: the queues whose events come into this one.
-- 100; 404 without a node. Reads all tables of pgq_node.
create or replace function pgq_node.get_node_info(
    in i_queue_name text,
    out ret_code int4, out ret_note text, out node_type text, out node_name text,
    out global_watermark int8, out local_watermark int8,
    out provider_node text, out provider_location text,
    out combined_queue text, out combined_type text,
    out worker_name text, out worker_paused boolean, out worker_uptodate boolean, out worker_last_tick int8,
    out node_attrs text, out target_for text[])
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    select 100, 'Ok', n.node_type, n.node_name, s.provider_node, l.node_location,
           c.queue_name, c.node_type, n.worker_name, s.paused, s.uptodate, s.last_tick_id, n.node_attrs
      into ret_code, ret_note, node_type, node_name, provider_node, provider_location,
           combined_queue, combined_type, worker_name, worker_paused, worker_uptodate, worker_last_tick, node_attrs
      from pgq_node.node_info n
      left join pgq_node.local_state s on s.queue_name = n.queue_name and s.consumer_name = n.worker_name
      left join pgq_node.node_location l on l.queue_name = n.queue_name and l.node_name = s.provider_node
      left join pgq_node.node_info c on c.queue_name = n.combined_queue
     where n.queue_name = i_queue_name;
    if not found then
        ret_code := 404;
        ret_note := 'Unknown queue: ' || i_queue_name;
        return;
    end if;

    if node_type = 'leaf' then
        local_watermark := worker_last_tick;
        return;
    end if;
    select w.global_watermark, w.local_watermark into global_watermark, local_watermark
      from pgqueue.watermarks(i_queue_name) w;
    target_for := (select array_agg(p.queue_name order by p.queue_name)
                     from pgq_node.node_info p where p.combined_queue = i_queue_name);
    if node_type = 'root' then
        worker_last_tick := pgqueue.queue_top(i_queue_name);
    end if;
end $$;

-- pgqueue.watermarks(i_queue_name) - the watermarks of a node that holds its queue
create or replace function pgqueue.watermarks(
    in i_queue_name text, out global_watermark int8, out local_watermark int8)
returns record
language sql stable set search_path = pg_catalog, pg_temp as $$
    select min(s.sub_last_tick) filter (where c.co_name = '.global_watermark'),
           coalesce(min(s.sub_last_tick) filter (where c.co_name <> '.global_watermark'),
                    pgqueue.queue_top(i_queue_name))
      from pgq.queue q
      join pgq.subscription s on s.sub_queue = q.queue_id
      join pgq.consumer c on c.co_id = s.sub_consumer
     where q.queue_name = i_queue_name;
$$;

-- pgq_node.get_subscriber_info(i_queue_name) - who reads from the local node, by name
--
-- node_watermark: lowest tick that the subscriber or a node below it needs.
create or replace function pgq_node.get_subscriber_info(
    in i_queue_name text,
    out node_name text, out worker_name text, out node_watermark int8)
returns setof record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    return query
    select s.subscriber_node, s.worker_name, pgqueue.consumer_tick(i_queue_name, s.watermark_name)
      from pgq_node.subscriber_info s
     where s.queue_name = i_queue_name
     order by s.subscriber_node;
end $$;

-- pgq_node.get_consumer_info(i_queue_name) - the cascaded consumers of the local node, by name
create or replace function pgq_node.get_consumer_info(
    in i_queue_name text,
    out consumer_name text, out provider_node text, out last_tick_id int8,
    out paused boolean, out uptodate boolean, out cur_error text)
returns setof record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    return query
    select s.consumer_name, s.provider_node, s.last_tick_id, s.paused, s.uptodate, s.cur_error
      from pgq_node.local_state s
     where s.queue_name = i_queue_name
     order by s.consumer_name;
end $$;

-- pgq_node.get_consumer_state(i_queue_name, i_consumer_name) - what a cascaded consumer has to know
--
-- completed_tick: the last tick whose events it has done. 100; 404 when the node or
-- the consumer is unknown, with the columns known up to there.
create or replace function pgq_node.get_consumer_state(
    in i_queue_name text, in i_consumer_name text,
    out ret_code int4, out ret_note text, out node_type text, out node_name text, out completed_tick int8,
    out provider_node text, out provider_location text, out paused boolean, out uptodate boolean, out cur_error text)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    ret_code := 404;
    select n.node_type, n.node_name into node_type, node_name
      from pgq_node.node_info n where n.queue_name = i_queue_name;
    if not found then
        ret_note := 'Unknown queue: ' || i_queue_name;
        return;
    end if;
    select s.last_tick_id, s.provider_node, l.node_location, s.paused, s.uptodate, s.cur_error
      into completed_tick, provider_node, provider_location, paused, uptodate, cur_error
      from pgq_node.local_state s
      join pgq_node.node_location l on l.queue_name = s.queue_name and l.node_name = s.provider_node
     where s.queue_name = i_queue_name and s.consumer_name = i_consumer_name;
    if not found then
        ret_note := 'Unknown consumer: ' || i_queue_name || '/' || i_consumer_name;
        return;
    end if;
    ret_code := 100;
    ret_note := 'Ok';
end $$;

-- pgq_node.get_worker_state(i_queue_name) - what the local node's worker has to know
--
-- get_consumer_state of the worker with the node's watermarks; local_queue_top: the newest tick of
-- the queue here (root, branch). 100; 404 when the node, its worker's row or
-- the node of the combined queue is missing, with the columns known up to there.
create or replace function pgq_node.get_worker_state(
    in i_queue_name text,
    out ret_code int4, out ret_note text, out node_type text, out node_name text, out completed_tick int8,
    out provider_node text, out provider_location text, out paused boolean, out uptodate boolean, out cur_error text,
    out worker_name text, out global_watermark int8, out local_watermark int8, out local_queue_top int8,
    out combined_queue text, out combined_type text)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    own pgq_node.node_info;
begin
    select n.* into own from pgq_node.node_info n where n.queue_name = i_queue_name;
    worker_name := own.worker_name;
    combined_queue := own.combined_queue;
    select f.* into ret_code, ret_note, node_type, node_name, completed_tick,
                    provider_node, provider_location, paused, uptodate, cur_error
      from pgq_node.get_consumer_state(i_queue_name, own.worker_name) f;
    if ret_code <> 100 then
        return;
    end if;

    if own.combined_queue is not null then
        select c.node_type into combined_type
          from pgq_node.node_info c where c.queue_name = own.combined_queue;
        if not found then
            ret_code := 404;
            ret_note := 'Combinde queue node not found: ' || own.combined_queue; -- spelt as PgQ does
            return;
        end if;
    end if;
    if node_type = 'leaf' then
        local_watermark := completed_tick;
    else
        select w.global_watermark, w.local_watermark into global_watermark, local_watermark
          from pgqueue.watermarks(i_queue_name) w;
        local_queue_top := pgqueue.queue_top(i_queue_name);
    end if;
end $$;
