-- Producing. The insert functions themselves are made in functions/pgqueue/20_insert.sql.

-- pgq.current_event_table(x_queue_name) - name of the table to write events to now
--
-- For bulk loading by COPY or INSERT in this same transaction, by a role that may
-- insert there (pgq_admin). Rows give ev_time; ev_id and ev_txid have defaults.
-- Takes the transaction's id first and, with a snapshot of its own, checks that no
-- rotation has overtaken it, for the reasons said at the insert functions (D1).
-- PQ001 Event queue not found; PQ006 Writing to queue disabled; 40001.
create or replace function pgq.current_event_table(x_queue_name text)
returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    q pgq.queue;
begin
    perform txid_current();
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        perform pgqueue.check_switch(x_queue_name);
    end if;
    select * into q from pgq.queue where queue_name = x_queue_name;
    if not found then
        raise exception 'Event queue not found'
            using errcode = 'PQ001', detail = format('Queue: %s', x_queue_name);
    end if;
    if q.queue_disable_insert and current_setting('session_replication_role') <> 'replica' then
        raise exception 'Writing to queue disabled'
            using errcode = 'PQ006', detail = format('Queue: %s', x_queue_name);
    end if;
    if not pg_try_advisory_xact_lock_shared(1885827435, 0) then
        perform pgqueue.wake(q.queue_id);
    end if;
    return q.queue_data_pfx || '_' || q.queue_cur_table;
end $$;
