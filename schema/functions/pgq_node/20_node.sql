-- Nodes: creating and dropping the local one, and what it is.

-- pgqueue.node_provider(i_queue_name) - the node that the local worker reads from, NULL without one
create or replace function pgqueue.node_provider(i_queue_name text)
returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
    select s.provider_node
      from pgq_node.node_info n
      join pgq_node.local_state s on s.queue_name = n.queue_name and s.consumer_name = n.worker_name
     where n.queue_name = i_queue_name;
$$;

-- pgqueue.queue_top(i_queue_name) - the newest tick of a queue, NULL without one
create or replace function pgqueue.queue_top(i_queue_name text)
returns int8
language sql stable set search_path = pg_catalog, pg_temp as $$
    select t.tick_id
      from pgq.queue q join pgq.tick t on t.tick_queue = q.queue_id
     where q.queue_name = i_queue_name
     order by t.tick_id desc limit 1;
$$;

-- pgqueue.consumer_tick(i_queue_name, i_consumer_name) - where a consumer stands, NULL when it is not registered
create or replace function pgqueue.consumer_tick(i_queue_name text, i_consumer_name text)
returns int8
language sql stable set search_path = pg_catalog, pg_temp as $$
    select s.sub_last_tick
      from pgq.subscription s
      join pgq.queue q on q.queue_id = s.sub_queue
      join pgq.consumer c on c.co_id = s.sub_consumer
     where q.queue_name = i_queue_name and c.co_name = i_consumer_name;
$$;

-- pgqueue.queue_in_use(i_queue_name) - has a queue a consumer, a tick after its first, or events?
create or replace function pgqueue.queue_in_use(i_queue_name text)
returns boolean
language sql volatile set search_path = pg_catalog, pg_temp as $$
    select exists (select from pgq.subscription s where s.sub_queue = q.queue_id)
        or 1 is distinct from (select count(*) from pgq.tick t where t.tick_queue = q.queue_id)
        or pgq.seq_getval(q.queue_event_seq) > (select max(t.tick_event_seq) from pgq.tick t where t.tick_queue = q.queue_id)
      from pgq.queue q
     where q.queue_name = i_queue_name;
$$;

-- pgq_node.create_node(...) - make this database a node of a set
--
--   i_node_type         root: the queue is written to here. branch: it is a copy, with
--                       the same events and ticks. leaf: events are only read
--   i_node_name         its name, on the map already (register_location)
--   i_worker_name       the consumer that will maintain the node
--   i_provider_name     branch, leaf: the node to read from
--   i_global_watermark  branch, leaf: the tick to begin at, as register_subscriber gave it
--   i_combined_queue    leaf: the local queue that its events are copied into
--
-- 200; 401 with the reason, having changed nothing. A root takes over a queue that exists;
-- a branch only one that nobody has used, since the ticks of a branch are
-- those of its root. SQL error when the node or its provider is not on the map.
-- Writes pgq_node.node_info, pgq_node.local_state; creates the queue.
create or replace function pgq_node.create_node(
    in i_queue_name text, in i_node_type text, in i_node_name text, in i_worker_name text,
    in i_provider_name text, in i_global_watermark int8, in i_combined_queue text,
    out ret_code int4, out ret_note text)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    provider text := i_provider_name;
    first_tick int8 := i_global_watermark;
begin
    ret_code := 401;
    if exists (select from pgq_node.node_info n where n.queue_name = i_queue_name) then
        ret_note := 'Node already initialized';
        return;
    end if;

    if i_node_type = 'root' then
        if coalesce(i_provider_name, i_combined_queue, i_global_watermark::text) is not null then
            ret_note := 'unexpected args for root';
            return;
        end if;
        perform pgq.create_queue(i_queue_name);
        perform pgq.register_consumer(i_queue_name, '.global_watermark');
        provider := i_node_name;
        first_tick := pgqueue.consumer_tick(i_queue_name, '.global_watermark');
    elsif i_node_type = 'branch' then
        if i_provider_name is null then
            ret_note := 'provider not set for branch';
            return;
        elsif i_global_watermark is null then
            ret_note := 'global watermark not set for branch';
            return;
        elsif pgq.create_queue(i_queue_name) = 0 and pgqueue.queue_in_use(i_queue_name) then
            ret_note := 'queue is in use: ' || i_queue_name;
            return;
        end if;
        update pgq.queue q
           set queue_external_ticker = true, queue_disable_insert = true
         where q.queue_name = i_queue_name;
        if i_global_watermark > 1 then
            perform pgq.ticker(i_queue_name, i_global_watermark, now(), 1);
        end if;
        perform pgq.register_consumer_at(i_queue_name, '.global_watermark', i_global_watermark);
    elsif i_node_type = 'leaf' then
        if i_combined_queue is not null
           and not exists (select from pgq.queue q where q.queue_name = i_combined_queue) then
            ret_note := 'non-existing queue on leaf side: ' || i_combined_queue;
            return;
        end if;
    else
        ret_note := 'bad node type: ' || coalesce(i_node_type, 'NULL');
        return;
    end if;

    insert into pgq_node.node_info (queue_name, node_type, node_name, worker_name, combined_queue)
    values (i_queue_name, i_node_type, i_node_name, i_worker_name, i_combined_queue);
    perform pgq_node.register_consumer(i_queue_name, i_worker_name, provider, first_tick);
    ret_code := 200;
    ret_note := format('Node "%s" initialized for queue "%s" with type "%s"', i_node_name, i_queue_name, i_node_type);
end $$;

-- pgq_node.drop_node(i_queue_name, i_node_name) - remove a node, from where it is and from the map of others
--
-- Called for the local node, it removes all that the set has in this database: the
-- queue with its events and consumers too, if it is the node's (a root's, a branch's, or one
-- that has the consumer .global_watermark; a queue that only happens to have
-- the name stays). Called for another node, it ends its subscription and takes
-- it off the map. 200, also when this database is not in the set: PgQ's tools call it
-- again where they have just dropped the node. 405 for the node that the local
-- worker reads from. Writes all tables of pgq_node.
create or replace function pgq_node.drop_node(
    in i_queue_name text, in i_node_name text,
    out ret_code int4, out ret_note text)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    own pgq_node.node_info;
begin
    select n.* into own from pgq_node.node_info n where n.queue_name = i_queue_name for update;
    if own.node_name is null or own.node_name = i_node_name then
        delete from pgq_node.subscriber_info s where s.queue_name = i_queue_name;
        delete from pgq_node.local_state s where s.queue_name = i_queue_name;
        delete from pgq_node.node_info n where n.queue_name = i_queue_name;
        perform pgq.drop_queue(i_queue_name, true) from pgq.queue q
          where q.queue_name = i_queue_name
            and (own.node_type <> 'leaf' or pgqueue.consumer_tick(i_queue_name, '.global_watermark') is not null);
        delete from pgq_node.node_location l where l.queue_name = i_queue_name;
    elsif pgqueue.node_provider(i_queue_name) = i_node_name then
        ret_code := 405;
        ret_note := 'Cannot drop provider node: ' || i_node_name;
        return;
    else
        perform pgq_node.unregister_location(i_queue_name, i_node_name);
    end if;
    ret_code := 200;
    ret_note := 'Node dropped: ' || i_node_name;
end $$;

-- pgq_node.set_node_attrs(i_queue_name, i_node_attrs) - set the attributes of the local node
--
-- Text for the worker: urlencoded key=value pairs. 200; 404 without a node.
create or replace function pgq_node.set_node_attrs(
    in i_queue_name text, in i_node_attrs text,
    out ret_code int4, out ret_note text)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    update pgq_node.node_info n set node_attrs = i_node_attrs where n.queue_name = i_queue_name;
    if not found then
        ret_code := 404;
        ret_note := 'Node not found';
        return;
    end if;
    ret_code := 200;
    ret_note := 'Node attributes updated';
end $$;

-- pgq_node.is_root_node(i_queue_name) - is the local node the root? PQ001 queue does not exist
create or replace function pgq_node.is_root_node(i_queue_name text)
returns boolean
language plpgsql as $$
declare
    kind text;
begin
    select n.node_type into kind from pgq_node.node_info n where n.queue_name = i_queue_name;
    if not found then
        raise exception 'queue does not exist: %', i_queue_name
            using errcode = 'PQ001', hint = 'This database is no node of such a queue.';
    end if;
    return kind = 'root';
end $$;

-- pgq_node.is_leaf_node(i_queue_name) - is the local node a leaf? PQ001 queue does not exist
create or replace function pgq_node.is_leaf_node(i_queue_name text)
returns boolean
language plpgsql as $$
declare
    kind text;
begin
    select n.node_type into kind from pgq_node.node_info n where n.queue_name = i_queue_name;
    if not found then
        raise exception 'queue does not exist: %', i_queue_name
            using errcode = 'PQ001', hint = 'This database is no node of such a queue.';
    end if;
    return kind = 'leaf';
end $$;
