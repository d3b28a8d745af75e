-- The map of a set: which nodes there are, and how to reach them.
--
-- Functions of pgq_node answer with ret_code and ret_note: 1xx fine, 2xx fine and
-- something changed, 3xx odd, 4xx and 5xx refused. A broken map (no location, no such
-- tick) is an SQL error instead. What changes the map at the root is
-- told to the other nodes by an event in the queue itself (pgq.location-info,
-- pgq.unregister-location), which travels in order with the data; so at a root that is being
-- demoted these calls fail with PQ006.

-- pgq_node.register_location(i_queue_name, i_node_name, i_node_location, i_dead) - add a node to the map, or change it
--
-- i_node_location NULL: only the flag of a known node is changed.
-- Always 200. A root emits pgq.location-info at each call.
-- Writes pgq_node.node_location.
create or replace function pgq_node.register_location(
    in i_queue_name text, in i_node_name text, in i_node_location text, in i_dead boolean,
    out ret_code int4, out ret_note text)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    own pgq_node.node_info;
begin
    select n.* into own from pgq_node.node_info n where n.queue_name = i_queue_name for update;
    update pgq_node.node_location l
       set node_location = coalesce(i_node_location, l.node_location), dead = i_dead
     where l.queue_name = i_queue_name and l.node_name = i_node_name;
    if not found and i_node_location is not null then
        insert into pgq_node.node_location values (i_queue_name, i_node_name, i_node_location, i_dead);
    end if;
    if own.node_type = 'root' then
        perform pgq.insert_event(i_queue_name, 'pgq.location-info', i_node_name,
            i_queue_name, i_node_location, i_dead::text, null);
    end if;
    ret_code := 200;
    ret_note := 'Location registered';
end $$;

-- pgq_node.unregister_location(i_queue_name, i_node_name) - take a node off the map
--
-- If it reads from this node, its subscription ends first. 200; 301 when it was not on
-- the map; 403 for this node itself and for the one its worker reads from.
-- A root emits pgq.unregister-location with 200 and with 301.
-- Writes pgq_node.node_location, pgq_node.subscriber_info.
create or replace function pgq_node.unregister_location(
    in i_queue_name text, in i_node_name text,
    out ret_code int4, out ret_note text)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    own pgq_node.node_info;
begin
    select n.* into own from pgq_node.node_info n where n.queue_name = i_queue_name for update;
    if own.node_name = i_node_name then
        ret_code := 403;
        ret_note := 'Cannot drop node''s own location';
        return;
    end if;
    if pgqueue.node_provider(i_queue_name) = i_node_name then
        ret_code := 403;
        ret_note := 'Cannot drop location of node''s parent';
        return;
    end if;

    perform pgq_node.unregister_subscriber(i_queue_name, i_node_name);
    delete from pgq_node.node_location l where l.queue_name = i_queue_name and l.node_name = i_node_name;
    if found then
        ret_code := 200;
        ret_note := 'Ok';
    else
        ret_code := 301;
        ret_note := 'Location not found: ' || i_queue_name || '/' || i_node_name;
    end if;
    if own.node_type = 'root' then
        perform pgq.insert_event(i_queue_name, 'pgq.unregister-location', i_node_name,
            i_queue_name, null, null, null);
    end if;
end $$;

-- pgq_node.get_queue_locations(i_queue_name) - the map of a set
--
-- One row for each node, by name. Reads pgq_node.node_location.
create or replace function pgq_node.get_queue_locations(
    in i_queue_name text,
    out node_name text, out node_location text, out dead boolean)
returns setof record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    return query
    select l.node_name, l.node_location, l.dead
      from pgq_node.node_location l
     where l.queue_name = i_queue_name
     order by l.node_name;
end $$;
