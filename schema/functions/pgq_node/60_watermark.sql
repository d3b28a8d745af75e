-- Watermarks: how far every node is, so that events are kept until all have them.
--
-- Each node reports its local watermark to its provider; so the root's is the lowest of the set.
-- The root announces it by an event (pgq.global-watermark), and every branch keeps its copy
-- of the queue from there on, by the consumer .global_watermark.

-- pgq_node.set_global_watermark(i_queue_name, i_watermark) - move the global watermark of the local node
--
-- On a root NULL stands for its local watermark; it is announced to the other nodes,
-- and its worker's tick becomes it. On a branch a tick that is not, or no longer, here
-- changes nothing. 200; 100 on a leaf, which has none; 404 without a node; 500 for
-- NULL on a branch. SQL errors on a root: PQ009 for a tick that it has not, PQ006
-- while it is being demoted. Writes pgq.subscription, pgq_node.local_state.
create or replace function pgq_node.set_global_watermark(
    in i_queue_name text, in i_watermark int8,
    out ret_code int4, out ret_note text)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    own pgq_node.node_info;
    tick int8 := i_watermark;
begin
    select n.* into own from pgq_node.node_info n where n.queue_name = i_queue_name for update;
    if not found then
        ret_code := 404;
        ret_note := 'Queue' || i_queue_name || ' not found';
        return;
    end if;

    if own.node_type = 'leaf' then
        ret_code := 100;
        ret_note := 'Ignoring global watermark in leaf';
        return;
    elsif own.node_type = 'branch' then
        if tick is null then
            ret_code := 500;
            ret_note := 'bad usage: wm=null on branch node';
            return;
        end if;
        perform from pgq.queue q join pgq.tick t on t.tick_queue = q.queue_id
          where q.queue_name = i_queue_name and t.tick_id = tick;
        if not found then
            ret_code := 200;
            ret_note := 'Skipping global watermark update to ' || tick;
            return;
        end if;
    elsif tick is null then
        select w.local_watermark into tick from pgqueue.watermarks(i_queue_name) w;
    end if;

    perform pgq.register_consumer_at(i_queue_name, '.global_watermark', tick);
    if own.node_type = 'root' then
        perform pgq.insert_event(i_queue_name, 'pgq.global-watermark', tick::text, i_queue_name, null, null, null);
        update pgq_node.local_state s
           set last_tick_id = tick
         where s.queue_name = i_queue_name and s.consumer_name = own.worker_name;
    end if;
    ret_code := 200;
    ret_note := 'Global watermark set to ' || tick;
end $$;

-- pgq_node.set_partition_watermark(i_combined_queue_name, i_part_queue_name, i_watermark)
-- - the events of a part queue have arrived by way of the combined queue
--
-- What the worker of a combined branch does for pgq.tick-id: the leaf of the part queue, which
-- does not copy here, is taken to that tick, so that it can go on there if
-- the combined queue becomes root. 200; 201 when there is no such leaf, or the combined
-- queue is no branch; 401 when the leaf's worker has no row. Writes pgq_node.local_state.
create or replace function pgq_node.set_partition_watermark(
    in i_combined_queue_name text, in i_part_queue_name text, in i_watermark int8,
    out ret_code int4, out ret_note text)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    worker text;
begin
    select p.worker_name into worker
      from pgq_node.node_info p
      join pgq_node.node_info c on c.queue_name = p.combined_queue
     where p.queue_name = i_part_queue_name and p.node_type = 'leaf'
       and c.queue_name = i_combined_queue_name and c.node_type = 'branch';
    if not found then
        ret_code := 201;
        ret_note := 'Part-queue does not exist';
        return;
    end if;
    update pgq_node.local_state s
       set last_tick_id = i_watermark
     where s.queue_name = i_part_queue_name and s.consumer_name = worker;
    if not found then
        ret_code := 401;
        ret_note := 'Worker registration not found';
        return;
    end if;
    ret_code := 200;
    ret_note := 'Ok';
end $$;

-- pgq_node.maint_watermark(i_queue_name) - announce the global watermark of a root when nobody does
--
-- Called by the ticker daemon through pgq.maint_operations(). Acts when .global_watermark is five
-- minutes behind, and inserts are allowed: not in the middle of a demotion, where it would
-- end the daemon's whole round. Always returns 0.
create or replace function pgq_node.maint_watermark(i_queue_name text)
returns int4
language plpgsql as $$
declare
    behind interval;
begin
    perform from pgq_node.node_info n
      where n.queue_name = i_queue_name and n.node_type = 'root' for update;
    if not found then
        return 0;
    end if;
    select c.lag into behind
      from pgq.get_consumer_info(i_queue_name, '.global_watermark') c
      join pgq.queue q on q.queue_name = c.queue_name and not q.queue_disable_insert;
    if behind >= interval '5 minutes' then
        perform pgq_node.set_global_watermark(i_queue_name, null);
    end if;
    return 0;
end $$;
