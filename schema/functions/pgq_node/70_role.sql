-- Handing the root over: one node is demoted, another promoted.
--
-- In between nobody takes inserts. The order is demote_root 1, 2; the new root's worker reads up to
-- the last tick; promote_branch there; demote_root 3. Nothing of the old root may be
-- written after its last tick, as nobody would read it:
--   * transactions that have written before step 2 are waited for (table lock);
--   * one with an older snapshot of its own fails, as the queue row has changed under it;
--   * one that was told before step 1 that it may write, and does so after step 2, is
--     stopped at the data table itself, by a trigger that step 2 puts there.
-- The trigger does not concern the worker, which writes with session_replication_role = replica.

-- pgqueue.refuse_demoted() - trigger: no insert into a queue that was demoted since the inserter asked
--
-- Argument: the queue's id. Parked events that come back to one consumer are its own matter.
-- It looks at queue_disable_insert itself, so that clearing that is enough to go back.
-- PQ006; 40001 with a snapshot older than the demotion.
create or replace function pgqueue.refuse_demoted()
returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if new.ev_owner is not null then
        return new;
    end if;
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        perform from pgq.queue q where q.queue_id = tg_argv[0]::int4 for share;
    end if;
    perform from pgq.queue q where q.queue_id = tg_argv[0]::int4 and q.queue_disable_insert;
    if found then
        raise exception 'Insert into queue disallowed'
            using errcode = 'PQ006', hint = 'Another node is becoming the root of this queue: insert there.';
    end if;
    return new;
end $$;

-- pgqueue.guard_queue(i_queue, i_on) - put the trigger on a queue's data tables, or switch it off
--
-- Switching off waits for writers, not for readers; what is not there stays so.
create or replace function pgqueue.guard_queue(i_queue pgq.queue, i_on boolean)
returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    tab text;
begin
    for i in 0 .. i_queue.queue_ntables - 1 loop
        tab := i_queue.queue_data_pfx || '_' || i;
        if i_on then
            execute format('create or replace trigger refuse_demoted before insert on %s'
                           ' for each row execute function pgqueue.refuse_demoted(%s)', tab, i_queue.queue_id);
            execute format('alter table %s enable trigger refuse_demoted', tab);
        elsif exists (
                select from pg_trigger t
                 where t.tgrelid = tab::regclass and t.tgname = 'refuse_demoted' and t.tgenabled <> 'D') then
            execute format('alter table %s disable trigger refuse_demoted', tab);
        end if;
    end loop;
end $$;

-- pgq_node.demote_root(i_queue_name, i_step, i_new_provider) - make the root a branch, in three transactions
--
--   1  inserts and ticks end here
--   2  waits for open writers and makes the last tick, which holds all they wrote
--   3  the node is a branch, and its worker reads from i_new_provider, after the last tick
--
-- Steps 1 and 2 may be repeated; each step 2 makes a tick. To go back before step 3, set queue_disable_insert
-- and queue_external_ticker of pgq.queue to false. 200; 404 without a node; 301 when it is not the
-- root. PQ005 steps in wrong order, incorrect step number; PQ013 in a
-- transaction with a snapshot of its own; SQL error when the provider is not on the map.
-- Writes pgq.queue, pgq.tick, pgq_node.node_info, pgq_node.local_state.
create or replace function pgq_node.demote_root(
    in i_queue_name text, in i_step int4, in i_new_provider text,
    out ret_code int4, out ret_note text, out last_tick int8)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    own pgq_node.node_info;
    q pgq.queue;
begin
    select n.* into own from pgq_node.node_info n where n.queue_name = i_queue_name for update;
    if not found then
        ret_code := 404;
        ret_note := 'Node not initialized for queue: ' || i_queue_name;
        return;
    elsif own.node_type <> 'root' then
        ret_code := 301;
        ret_note := 'Node not root';
        return;
    end if;
    perform pgqueue.check_isolation();
    select k.* into q from pgq.queue k where k.queue_name = i_queue_name;
    if i_step > 1 and not (q.queue_disable_insert and q.queue_external_ticker) then
        raise exception 'steps in wrong order'
            using errcode = 'PQ005', detail = format('Queue: %s', i_queue_name), hint = 'Begin with step 1.';
    end if;

    ret_code := 200;
    if i_step = 1 then
        update pgq.queue k
           set queue_disable_insert = true, queue_external_ticker = true
         where k.queue_id = q.queue_id;
        ret_note := 'Step 1: Writing disabled for: ' || i_queue_name;
    elsif i_step = 2 then
        execute format('lock table %s in exclusive mode', q.queue_data_pfx);
        perform pgqueue.guard_queue(q, true);
        last_tick := pgq.ticker(i_queue_name, nextval(q.queue_tick_seq), now(), nextval(q.queue_event_seq));
        ret_note := 'Step 2: Inserted last tick: ' || i_queue_name;
    elsif i_step = 3 then
        last_tick := pgqueue.queue_top(i_queue_name);
        update pgq_node.node_info n set node_type = 'branch' where n.queue_name = i_queue_name;
        update pgq_node.local_state s
           set provider_node = i_new_provider, last_tick_id = last_tick, uptodate = false
         where s.queue_name = i_queue_name and s.consumer_name = own.worker_name;
        ret_note := 'Step 3: Demoted root to branch: ' || i_queue_name;
    else
        raise exception 'incorrect step number'
            using errcode = 'PQ005', detail = format('Step: %s', i_step), hint = 'Steps are 1, 2 and 3.';
    end if;
end $$;

-- pgqueue.highest_event(i_queue) - the highest event id that a queue's tables and ticks know of
--
-- A worker that was started anew makes ticks that count fewer events than there are, until the next
-- event arrives. Only batches that end in such ticks, and events after the newest tick, can
-- have ids that the event sequence was not raised to. So only these are read, by their
-- transaction ids, which are indexed.
create or replace function pgqueue.highest_event(i_queue pgq.queue)
returns int8
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    highest int8 := (select max(t.tick_event_seq) from pgq.tick t where t.tick_queue = i_queue.queue_id);
    part record;
    id int8;
begin
    for part in
        select coalesce(w.prev_xmin, 0) as lo, txid_snapshot_xmax(w.tick_snapshot) as hi
          from (select t.tick_event_seq, t.tick_snapshot,
                       lag(t.tick_event_seq) over ticks as prev_seq,
                       lag(txid_snapshot_xmin(t.tick_snapshot)) over ticks as prev_xmin
                  from pgq.tick t where t.tick_queue = i_queue.queue_id
                window ticks as (order by t.tick_id)) w
         where w.tick_event_seq = 0 or w.tick_event_seq < w.prev_seq
        union all
        (select txid_snapshot_xmin(t.tick_snapshot), txid_snapshot_xmax(txid_current_snapshot())
           from pgq.tick t where t.tick_queue = i_queue.queue_id order by t.tick_id desc limit 1)
    loop
        execute format('select max(ev_id) from %s where ev_txid between $1 and $2', i_queue.queue_data_pfx)
           into id using part.lo, part.hi;
        highest := greatest(highest, id);
    end loop;
    return highest;
end $$;

-- pgq_node.promote_branch(i_queue_name) - make the local branch the root of its set
--
-- It takes inserts and ticks from now on. A batch whose events are here but whose tick is
-- not, as its worker ended in between, gets its tick first: the old root's
-- other readers know it. Ids and ticks go on above all that are here. 200; 404 without a node; 301
-- when it is not a branch. PQ013 in a transaction with a snapshot of its own.
-- Writes pgq.queue, pgq.tick, pgq_node.node_info, pgq_node.local_state.
create or replace function pgq_node.promote_branch(
    in i_queue_name text,
    out ret_code int4, out ret_note text)
returns record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    own pgq_node.node_info;
    q pgq.queue;
    top int8;
    completed int8;
begin
    select n.* into own from pgq_node.node_info n where n.queue_name = i_queue_name for update;
    if not found then
        ret_code := 404;
        ret_note := 'Node not initialized for queue: ' || i_queue_name;
        return;
    elsif own.node_type <> 'branch' then
        ret_code := 301;
        ret_note := 'Node not branch';
        return;
    end if;
    perform pgqueue.check_isolation();
    select s.last_tick_id into completed from pgq_node.local_state s
     where s.queue_name = i_queue_name and s.consumer_name = own.worker_name for update;
    select k.* into q from pgq.queue k where k.queue_name = i_queue_name;
    perform pgq.seq_setval(q.queue_event_seq, pgqueue.highest_event(q));
    top := pgqueue.queue_top(i_queue_name);
    if completed > top then
        top := pgq.ticker(i_queue_name, completed, now(), pgq.seq_getval(q.queue_event_seq));
    end if;

    perform pgqueue.guard_queue(q, false);
    update pgq.queue k
       set queue_disable_insert = false, queue_external_ticker = false
     where k.queue_id = q.queue_id;
    perform pgq.seq_setval(q.queue_tick_seq, top);
    update pgq_node.node_info n set node_type = 'root' where n.queue_name = i_queue_name;
    update pgq_node.local_state s
       set provider_node = own.node_name, last_tick_id = top, uptodate = false
     where s.queue_name = i_queue_name and s.consumer_name = own.worker_name;
    ret_code := 200;
    ret_note := 'Branch node promoted to root';
end $$;
