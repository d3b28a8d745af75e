-- The insert path.
--
-- A statement with a fixed table is planned once per session; one that is put
-- together at run time is planned at every call and costs three times as much.
-- So the inserts of every queue are written out in generated functions. Queues
-- are spread over 64 of them by id, so that creating a queue re-writes little
-- and a session compiles no more than it uses:
--
--   pgq.insert_event, pgq.insert_event_raw   check the queue, choose the shard
--   pgqueue.insert_<shard>                   one event into the queue's table
--   pgqueue.insert_many_<shard>              arrays into the queue's table
--
-- The order of the checks is part of the promise (no event is lost):
--   * the transaction has its id before it reads the queue row. A transaction
--     that reads queue_cur_table before a rotation and gets its id after it
--     would write where nobody looks any more (D1);
--   * with a snapshot of its own (REPEATABLE READ, SERIALIZABLE) the queue row it reads
--     may be out of date: pgqueue.check_switch (D1);
--   * the id is taken before the event id, so that a tick that counts an
--     event id knows that its transaction is older than the tick's own.

-- pgqueue.write_insert_shard(i_shard) - generate the insert functions of a shard
--
-- Called when a queue of the shard is created or dropped. Replaces
-- pgqueue.insert_<shard> and pgqueue.insert_many_<shard>.
create or replace function pgqueue.write_insert_shard(i_shard int4)
returns void
language plpgsql as $fn$
declare
    one text := '';
    many text := '';
    q record;
begin
    -- Two creations in the same shard would overwrite each other's branch. The
    -- update makes the second wait, or, with an older snapshot, end with 40001.
    update pgqueue.insert_shard set shard_txid = txid_current() where shard_id = i_shard;
    for q in
        select queue_id, queue_data_pfx, queue_event_seq, tab
          from pgq.queue, generate_series(0, queue_ntables - 1) tab
         where queue_id & 63 = i_shard
         order by queue_id, tab
    loop
        one := one || format($sql$
    if i_queue operator(pg_catalog.=) %1$s and i_table operator(pg_catalog.=) %4$s then
        v_id := pg_catalog.nextval(%3$L);
        v_id := coalesce(i_id, v_id);
        insert into %2$s_%4$s
        values (v_id, coalesce(i_time, pg_catalog.now()), i_txid, i_owner, i_retry,
                i_type, i_data, i_extra1, i_extra2, i_extra3, i_extra4);
        return v_id;
    end if;$sql$, q.queue_id, q.queue_data_pfx, q.queue_event_seq, q.tab);
        many := many || format($sql$
    if i_queue operator(pg_catalog.=) %1$s and i_table operator(pg_catalog.=) %4$s then
        with new as (
            insert into %2$s_%4$s
            select pg_catalog.nextval(%3$L), pg_catalog.now(), i_txid, null, null, u.*
              from rows from (
                       pg_catalog.unnest(i_type), pg_catalog.unnest(i_data), pg_catalog.unnest(i_extra1),
                       pg_catalog.unnest(i_extra2), pg_catalog.unnest(i_extra3), pg_catalog.unnest(i_extra4)) u
            returning ev_id)
        select pg_catalog.array_agg(new.ev_id) into v_ids from new;
        return v_ids;
    end if;$sql$, q.queue_id, q.queue_data_pfx, q.queue_event_seq, q.tab);
    end loop;

    execute format($sql$
create or replace function pgqueue.insert_%1$s(
    i_queue int4, i_table int4, i_txid int8, i_id int8, i_time timestamptz, i_owner int4, i_retry int4,
    i_type text, i_data text, i_extra1 text, i_extra2 text, i_extra3 text, i_extra4 text)
returns int8
language plpgsql as $body$
declare
    v_id bigint;
begin%2$s
    perform pgqueue.refuse_stale(i_queue, i_table);
end $body$;
create or replace function pgqueue.insert_many_%1$s(
    i_queue int4, i_table int4, i_txid int8,
    i_type text[], i_data text[], i_extra1 text[], i_extra2 text[], i_extra3 text[], i_extra4 text[])
returns int8[]
language plpgsql as $body$
declare
    v_ids bigint[];
begin%3$s
    perform pgqueue.refuse_stale(i_queue, i_table);
end $body$;
revoke all on function
    pgqueue.insert_%1$s(int4, int4, int8, int8, timestamptz, int4, int4, text, text, text, text, text, text),
    pgqueue.insert_many_%1$s(int4, int4, int8, text[], text[], text[], text[], text[], text[]) from public;
$sql$, i_shard, one, many);
end $fn$;

-- pgqueue.refuse_stale(i_queue, i_table) - there is no branch for this queue and table
--
-- A session may see the row of a queue an instant before it hears that the insert functions
-- were replaced, as the queue was created; or the queue is being dropped. Nothing was
-- inserted: 40001, and in a new transaction all is known.
create or replace function pgqueue.refuse_stale(i_queue int4, i_table int4)
returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise exception 'could not serialize access: queue % (table %) is being created or dropped', i_queue, i_table
        using errcode = 'serialization_failure', hint = 'Run the transaction again.';
end $$;

-- pgqueue.check_switch(i_queue_name) - may a transaction with this snapshot write to the queue?
--
-- The caller has its transaction id. Rotation step 2 first raises the queue's switch sequence and then
-- takes the id it stores. So a producer that sees the sequence as its snapshot
-- has the row took its own id before that: what it writes to the old table is
-- older than step 2, and will be looked for there. One that sees a later value gets
-- serialization_failure (40001): in a new transaction it sees the new table.
create or replace function pgqueue.check_switch(i_queue_name text)
returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform from pgq.queue q
      where q.queue_name = i_queue_name
        and pg_sequence_last_value(('pgqueue.switch_' || q.queue_id)::regclass) > q.queue_switch_count;
    if found then
        raise exception 'could not serialize access: the queue''s tables were rotated since this transaction''s snapshot'
            using errcode = 'serialization_failure', hint = 'Run the transaction again.';
    end if;
end $$;

-- pgqueue.wake(i_queue) - tell the sleeping ticker that a queue has an event
--
-- An inserting transaction shares the wake lock (1885827435, 0) while the ticker
-- is awake: the ticker cannot fall asleep before it has ended. A transaction
-- that does not get the lock finds the ticker asleep, as only a sleeping ticker
-- holds it, and calls this function: the ticker is notified at its commit.
-- A transaction that has notified cannot be prepared for two-phase commit, so
-- where the server allows prepared transactions nothing is notified, and the
-- ticker looks more often instead.
create or replace function pgqueue.wake(i_queue int4)
returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if current_setting('max_prepared_transactions') = '0' then
        perform pg_notify('pgq_wake', i_queue::text);
    end if;
end $$;

-- pgqueue.count_in_tx(i_queue, i_limit, i_events) - hold a transaction to its queue_per_tx_limit
--
-- Counts events of one queue in one transaction, in a setting that lives as long
-- as the transaction. A rolled-back savepoint takes its count back with it.
-- As in PgQ, a refused call uses up an event id.
create or replace function pgqueue.count_in_tx(i_queue int4, i_limit int4, i_events int4)
returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    setting text := 'pgqueue.count_' || i_queue;
    seen text := current_setting(setting, true);
    n int4 := i_events;
    q pgq.queue;
begin
    if split_part(seen, ':', 1) = txid_current()::text then
        n := n + split_part(seen, ':', 2)::int4;
    end if;
    if n > i_limit then
        select * into q from pgq.queue where queue_id = i_queue;
        perform nextval(q.queue_event_seq);
        raise exception 'Queue ''%'' allows max % events from one TX', q.queue_name, i_limit
            using errcode = 'PQ007', hint = 'Insert in several transactions, or raise queue_per_tx_limit.';
    end if;
    perform set_config(setting, txid_current() || ':' || n, true);
end $$;

-- pgqueue.refuse_insert(i_queue_name, i_owner) - say why a queue takes no event
--
-- Called when the queue was not found or has inserts disabled. As in PgQ, an
-- event id is used up by the refused call. Returns when the insert is allowed
-- after all: with session_replication_role = replica, and for an event that comes back to
-- one consumer, as that is no part of what other nodes copy.
create or replace function pgqueue.refuse_insert(i_queue_name text, i_owner int4)
returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if i_queue_name is null then
        raise exception 'Queue name must not be NULL' using errcode = 'PQ005';
    end if;
    if not exists (select from pgq.queue q where q.queue_name = i_queue_name) then
        raise exception 'No such queue'
            using errcode = 'PQ001', detail = format('Queue: %s', i_queue_name),
                  hint = 'Create it with pgq.create_queue().';
    end if;
    if i_owner is null and current_setting('session_replication_role') <> 'replica' then
        perform nextval(q.queue_event_seq) from pgq.queue q where q.queue_name = i_queue_name;
        raise exception 'Insert into queue disallowed'
            using errcode = 'PQ006', detail = format('Queue: %s', i_queue_name),
                  hint = 'queue_disable_insert is set: another node is the root of this queue.';
    end if;
end $$;

-- The three ways in differ in their arguments only; what they have in common
-- is written once, here, and the functions are made from it. They run with the
-- rights of their owner and without a fixed search_path (setting one costs a
-- third of the call), so every name and operator in them is qualified.
--
-- pgq.insert_event(queue, type, data, extra1 ... extra4)
--      adds an event, returns its id
-- pgq.insert_event_raw(queue, id, time, owner, retry, type, data, extra1 ... extra4)
--      adds an event with its system fields given; id NULL: the next one,
--      time NULL: now(). An event id is used up in any case.
-- pgqueue.insert_events(queue, types, datas, extras1 ... extras4)
--      adds one event for each element, in their order, with one statement;
--      returns their ids, NULL for no elements. Shorter arrays count as NULLs.
-- Errors: PQ001 No such queue, PQ005 Queue name must not be NULL, PQ006 Insert
-- into queue disallowed, PQ007 per-transaction limit (for which events that come back
-- to one consumer do not count), 40001 as said above.
do $do$
declare
    way record;
    tree text[];
    next_tree text[];
    width int4;
begin
    for way in select * from (values
        ($$function pgq.insert_event(queue_name text, ev_type text, ev_data text,
            ev_extra1 text, ev_extra2 text, ev_extra3 text, ev_extra4 text) returns int8$$,
         'null', '1', 'insert_', 'null, null, null, null, $2, $3, $4, $5, $6, $7'),
        ($$function pgq.insert_event_raw(queue_name text, ev_id int8, ev_time timestamptz, ev_owner int4, ev_retry int4,
            ev_type text, ev_data text, ev_extra1 text, ev_extra2 text, ev_extra3 text, ev_extra4 text) returns int8$$,
         '$4', 'case when $4 is null then 1 else 0 end', 'insert_', '$2, $3, $4, $5, $6, $7, $8, $9, $10, $11'),
        ($$function pgqueue.insert_events(i_queue_name text, i_type text[], i_data text[],
            i_extra1 text[], i_extra2 text[], i_extra3 text[], i_extra4 text[]) returns int8[]$$,
         'null', $$greatest(pg_catalog.cardinality($2), pg_catalog.cardinality($3))$$, 'insert_many_', '$2, $3, $4, $5, $6, $7')
        ) w (declaration, owner, events, shard_fn, args)
    loop
        -- which of the 64 shards: a decision tree, six comparisons deep
        tree := array(select format('return pgqueue.%s%s(v_queue, v_table, v_txid, %s);', way.shard_fn, k, way.args)
                        from generate_series(0, 63) k order by k);
        width := 1;
        while width < 64 loop
            next_tree := '{}';
            for i in 0 .. cardinality(tree) / 2 - 1 loop
                next_tree := next_tree || format('if v_shard operator(pg_catalog.<) %s then %s else %s end if;',
                    (2 * i + 1) * width, tree[2 * i + 1], tree[2 * i + 2]);
            end loop;
            tree := next_tree;
            width := width * 2;
        end loop;

        execute format($sql$
create or replace %s
language plpgsql security definer as $body$
declare
    v_txid bigint := pg_catalog.txid_current();
    v_queue integer;
    v_shard integer;
    v_table integer;
    v_disabled boolean;
    v_limit integer;
begin
    if pg_catalog.current_setting('transaction_isolation') operator(pg_catalog.=) 'repeatable read'
       or pg_catalog.current_setting('transaction_isolation') operator(pg_catalog.=) 'serializable' then
        perform pgqueue.check_switch($1);
    end if;
    select q.queue_id, q.queue_cur_table, q.queue_disable_insert, q.queue_per_tx_limit
      into v_queue, v_table, v_disabled, v_limit
      from pgq.queue q where q.queue_name operator(pg_catalog.=) $1;
    if v_disabled or v_disabled is null then -- "is distinct from" would look its operator up in the caller's path
        perform pgqueue.refuse_insert($1, %s);
    end if;
    if v_limit is not null then
        perform pgqueue.count_in_tx(v_queue, v_limit, %s);
    end if;
    if not pg_catalog.pg_try_advisory_xact_lock_shared(1885827435, 0) then
        perform pgqueue.wake(v_queue);
    end if;
    v_shard := v_queue operator(pg_catalog.&) 63;
    %s
end $body$
$sql$, way.declaration, way.owner, way.events, tree[1]);
    end loop;

    -- an install repeated writes the shards again, as their text may have changed
    perform pgqueue.write_insert_shard(k) from generate_series(0, 63) k;
end $do$;

-- pgq.insert_event(queue, type, data) - adds an event without extra fields, returns its id
--
-- Runs with the caller's rights, so that the planner can replace it by the call of
-- the long form.
create or replace function pgq.insert_event(queue_name text, ev_type text, ev_data text)
returns int8
language sql as $$
    select pgq.insert_event(queue_name, ev_type, ev_data, null, null, null, null);
$$;
