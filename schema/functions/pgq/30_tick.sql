-- Ticking by PgQ's rules, for PgQ's ticker daemon and for calls by hand.

-- pgq.ticker(i_queue_name) - tick a queue if it is due
--
-- Due: no tick yet; or new events, and max_count of them or the last tick max_lag
-- old; or none, and the gap between ticks may double (at most idle_period). A
-- transaction that was running at the last tick and has ended counts as new
-- events. Returns the tick's id, or NULL when none was made; takes a
-- transaction id only when one is made. Waits for another session ticking the queue.
-- PQ001 no such queue; PQ011 external or paused; PQ012 transaction ids went
-- back; PQ013 snapshot isolation. Writes pgq.tick.
create or replace function pgq.ticker(i_queue_name text)
returns int8
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    q pgq.queue;
    last pgq.tick;
    prior_time timestamptz;
    seq int8;
    new_events int8;
    lag interval;
    fresh boolean := txid_current_if_assigned() is null;
begin
    q := pgqueue.lock_ticks(i_queue_name);
    seq := pgq.seq_getval(q.queue_event_seq);
    select * into last from pgq.tick t where t.tick_queue = q.queue_id order by t.tick_id desc limit 1;
    if found then
        perform pgqueue.check_txids(q.queue_id);
        new_events := seq - last.tick_event_seq;
        if new_events < 0 then
            raise warning 'Negative new_events?  old=% cur=%', last.tick_event_seq, seq;
        elsif new_events = 0 and pgqueue.settling(last.tick_snapshot, last.tick_seq_txid, txid_current_snapshot()) then
            new_events := 1;
        end if;
        lag := now() - last.tick_time;
        if new_events > 0 then
            if new_events < q.queue_ticker_max_count and lag < q.queue_ticker_max_lag then
                return null;
            end if;
        else
            select t.tick_time into prior_time from pgq.tick t
             where t.tick_queue = q.queue_id and t.tick_id < last.tick_id order by t.tick_id desc limit 1;
            if found and (lag < q.queue_ticker_max_lag / 2
                          or lag < 2 * (last.tick_time - prior_time) and lag < q.queue_ticker_idle_period) then
                return null;
            end if;
        end if;
    end if;
    return pgqueue.add_tick(q.queue_id, nextval(q.queue_tick_seq), now(), seq, case when fresh then txid_current() end);
end $$;

-- pgq.ticker() - tick all queues that are due, by the rules of pgq.ticker(queue)
--
-- A queue that cannot be ticked is reported by a warning and does not keep
-- the others from theirs. Returns how many ticks were made.
create or replace function pgq.ticker()
returns int8
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    name text;
    made int8 := 0;
begin
    for name in
        select queue_name from pgq.queue
         where not queue_external_ticker and not queue_ticker_paused
         order by queue_name
    loop
        begin
            if pgq.ticker(name) is not null then
                made := made + 1;
            end if;
        exception when others then
            raise warning 'queue %: %', name, sqlerrm using errcode = sqlstate;
        end;
    end loop;
    return made;
end $$;

-- pgq.ticker(i_queue_name, i_tick_id, i_orig_timestamp, i_event_seq) - a tick from elsewhere
--
-- For queues with external_ticker, whose events and ticks are copied from another
-- node. The snapshot is this node's; a tick that comes after a higher one gets the
-- snapshot of its neighbour below, as snapshots must rise with ids (D3). Raises
-- the queue's sequences to the given values, never lowers them.
-- Returns i_tick_id. PQ011 when the queue is unknown, not external or paused;
-- unique_violation for a tick that exists.
create or replace function pgq.ticker(i_queue_name text, i_tick_id int8, i_orig_timestamp timestamptz, i_event_seq int8)
returns int8
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    q pgq.queue;
begin
    select * into q from pgq.queue
     where queue_name = i_queue_name and queue_external_ticker and not queue_ticker_paused;
    if not found then
        raise exception 'queue not found or ticker disabled: %', i_queue_name using errcode = 'PQ011';
    end if;
    perform pg_advisory_xact_lock(1885827444, q.queue_id);
    if i_tick_id < (select max(t.tick_id) from pgq.tick t where t.tick_queue = q.queue_id) then
        insert into pgq.tick (tick_queue, tick_id, tick_time, tick_snapshot, tick_event_seq)
        select q.queue_id, i_tick_id, i_orig_timestamp, t.tick_snapshot, i_event_seq
          from pgq.tick t where t.tick_queue = q.queue_id
         order by t.tick_id > i_tick_id, abs(t.tick_id - i_tick_id) limit 1;
    else
        perform pgqueue.add_tick(q.queue_id, i_tick_id, i_orig_timestamp, i_event_seq, null);
    end if;
    perform pgq.seq_setval(q.queue_tick_seq, i_tick_id);
    perform pgq.seq_setval(q.queue_event_seq, i_event_seq);
    return i_tick_id;
end $$;

-- pgq.force_tick(i_queue_name) - make the next run of the ticker tick
--
-- Moves the event sequence so far that the ticker sees many new events; makes
-- no tick itself. Returns the newest tick's id, NULL for an unknown queue or one
-- without ticks; callers wait until it changes. External and paused queues
-- are left as they are.
create or replace function pgq.force_tick(i_queue_name text)
returns int8
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    q pgq.queue;
begin
    select * into q from pgq.queue where queue_name = i_queue_name;
    if found and not q.queue_external_ticker and not q.queue_ticker_paused then
        perform setval(q.queue_event_seq, nextval(q.queue_event_seq) + q.queue_ticker_max_count * 2 + 1000);
        perform pgqueue.wake(q.queue_id);
    end if;
    return (select max(t.tick_id) from pgq.tick t where t.tick_queue = q.queue_id);
end $$;
