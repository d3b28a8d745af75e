-- The subscriber's side: consumers whose work is done in this database, the worker among them.
--
-- uptodate is an answer: whoever changes paused or provider_node clears it, the consumer
-- sets it when it has seen the change, between two batches.

-- pgq_node.register_consumer(i_queue_name, i_consumer_name, i_provider_node, i_custom_tick_id) - add a cascaded consumer
--
-- It reads from the node i_provider_node and has completed the tick i_custom_tick_id. 200; 201
-- when it exists: then both are overwritten. 404 without a node. SQL error for a
-- provider that is not on the map. Writes pgq_node.local_state.
create or replace function pgq_node.register_consumer(
    in i_queue_name text, in i_consumer_name text, in i_provider_node text, in i_custom_tick_id int8,
    out ret_code int4, out ret_note text)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform from pgq_node.node_info n where n.queue_name = i_queue_name for update;
    if not found then
        ret_code := 404;
        ret_note := 'Unknown queue: ' || i_queue_name;
        return;
    end if;
    update pgq_node.local_state s
       set provider_node = i_provider_node, last_tick_id = i_custom_tick_id
     where s.queue_name = i_queue_name and s.consumer_name = i_consumer_name;
    if found then
        ret_code := 201;
        ret_note := 'Consumer already registered: ' || i_queue_name || '/' || i_consumer_name;
        return;
    end if;
    insert into pgq_node.local_state (queue_name, consumer_name, provider_node, last_tick_id)
    values (i_queue_name, i_consumer_name, i_provider_node, i_custom_tick_id);
    ret_code := 200;
    ret_note := 'Consumer ' || i_consumer_name || ' registered on queue ' || i_queue_name;
end $$;

-- pgq_node.unregister_consumer(i_queue_name, i_consumer_name) - remove a cascaded consumer
--
-- Here only: its registration at the provider stays. 200, also when there was none; 404
-- without a node. Writes pgq_node.local_state.
create or replace function pgq_node.unregister_consumer(
    in i_queue_name text, in i_consumer_name text,
    out ret_code int4, out ret_note text)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform from pgq_node.node_info n where n.queue_name = i_queue_name for update;
    if not found then
        ret_code := 404;
        ret_note := 'Unknown queue: ' || i_queue_name;
        return;
    end if;
    delete from pgq_node.local_state s
     where s.queue_name = i_queue_name and s.consumer_name = i_consumer_name;
    ret_code := 200;
    ret_note := 'Consumer ' || i_consumer_name || ' unregistered from ' || i_queue_name;
end $$;

-- pgq_node.change_consumer_provider(i_queue_name, i_consumer_name, i_new_provider) - make a consumer read from another node
--
-- Its tick stays; uptodate is cleared. 200; 404 when the node is not on the map
-- or the consumer unknown. Writes pgq_node.local_state.
create or replace function pgq_node.change_consumer_provider(
    in i_queue_name text, in i_consumer_name text, in i_new_provider text,
    out ret_code int4, out ret_note text)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    ret_code := 404;
    perform from pgq_node.node_location l where l.queue_name = i_queue_name and l.node_name = i_new_provider;
    if not found then
        ret_note := 'New node not found: ' || i_new_provider;
        return;
    end if;
    update pgq_node.local_state s
       set provider_node = i_new_provider, uptodate = false
     where s.queue_name = i_queue_name and s.consumer_name = i_consumer_name;
    if not found then
        ret_note := 'Unknown consumer: ' || i_queue_name || '/' || i_consumer_name;
        return;
    end if;
    ret_code := 200;
    ret_note := 'Consumer provider node set to : ' || i_new_provider;
end $$;

-- pgq_node.set_consumer_uptodate(i_queue_name, i_consumer_name, i_uptodate) - the consumer has seen its settings
--
-- 200; 404 for an unknown consumer. Writes pgq_node.local_state.
create or replace function pgq_node.set_consumer_uptodate(
    in i_queue_name text, in i_consumer_name text, in i_uptodate boolean,
    out ret_code int4, out ret_note text)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    update pgq_node.local_state s
       set uptodate = i_uptodate
     where s.queue_name = i_queue_name and s.consumer_name = i_consumer_name;
    if not found then
        ret_code := 404;
        ret_note := 'Consumer not known: ' || i_queue_name || '/' || i_consumer_name;
        return;
    end if;
    ret_code := 200;
    ret_note := 'Consumer uptodate = ' || i_uptodate::int4;
end $$;

-- pgq_node.set_consumer_paused(i_queue_name, i_consumer_name, i_paused) - ask a consumer to pause, or to go on
--
-- It is paused when it has set uptodate again. 200; 201 when it is so already: then uptodate
-- stays. 404 for an unknown consumer. Writes pgq_node.local_state.
create or replace function pgq_node.set_consumer_paused(
    in i_queue_name text, in i_consumer_name text, in i_paused boolean,
    out ret_code int4, out ret_note text)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    now_paused boolean;
begin
    select s.paused into now_paused
      from pgq_node.local_state s
     where s.queue_name = i_queue_name and s.consumer_name = i_consumer_name
       for update;
    if not found then
        ret_code := 404;
        ret_note := 'Unknown consumer: ' || i_consumer_name;
        return;
    end if;
    if now_paused = i_paused then
        ret_code := 201;
        ret_note := 'Consumer ' || i_consumer_name || ' already ' || case when i_paused then 'paused' else 'resumed' end;
        return;
    end if;
    update pgq_node.local_state s
       set paused = i_paused, uptodate = false
     where s.queue_name = i_queue_name and s.consumer_name = i_consumer_name;
    ret_code := 200;
    ret_note := 'Consumer ' || i_consumer_name || ' tagged as ' || case when i_paused then 'paused' else 'resumed' end;
end $$;

-- pgq_node.set_consumer_completed(i_queue_name, i_consumer_name, i_tick_id) - the consumer has done everything up to a tick
--
-- Called in the transaction that has the work, so that both are true together. Clears
-- the error. 100; 404 for an unknown consumer. Writes pgq_node.local_state.
create or replace function pgq_node.set_consumer_completed(
    in i_queue_name text, in i_consumer_name text, in i_tick_id int8,
    out ret_code int4, out ret_note text)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    update pgq_node.local_state s
       set last_tick_id = i_tick_id, cur_error = null
     where s.queue_name = i_queue_name and s.consumer_name = i_consumer_name;
    if not found then
        ret_code := 404;
        ret_note := 'Consumer not known: ' || i_queue_name || '/' || i_consumer_name;
        return;
    end if;
    ret_code := 100;
    ret_note := 'Consumer ' || i_consumer_name || ' completed tick = ' || i_tick_id;
end $$;

-- pgq_node.set_consumer_error(i_queue_name, i_consumer_name, i_error_msg) - say what went wrong; NULL: nothing any more
--
-- 100; 101 for an unknown consumer. Writes pgq_node.local_state.
create or replace function pgq_node.set_consumer_error(
    in i_queue_name text, in i_consumer_name text, in i_error_msg text,
    out ret_code int4, out ret_note text)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    update pgq_node.local_state s
       set cur_error = i_error_msg
     where s.queue_name = i_queue_name and s.consumer_name = i_consumer_name;
    if not found then
        ret_code := 101;
        ret_note := 'Consumer not known, ignoring: ' || i_queue_name || '/' || i_consumer_name;
        return;
    end if;
    ret_code := 100;
    ret_note := 'Consumer ' || i_consumer_name || ' error = ' || i_error_msg;
end $$;
