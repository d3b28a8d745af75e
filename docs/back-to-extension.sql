-- The way back: from pgqueue's schema to the original extension pgq 3.5, in place.
--
-- Queues, positions, open batches, parked events, events and nodes are kept. Stop producers,
-- consumers and tickers first, run it with psql as a superuser, and re-create triggers
-- that called functions of schema pgq: they go with the functions.

begin;

alter schema pgq rename to pgq_was;
create extension pgq;

insert into pgq.consumer select * from pgq_was.consumer;
insert into pgq.queue
select queue_id, queue_name, queue_ntables, queue_cur_table, queue_rotation_period, queue_switch_step1, queue_switch_step2,
       queue_switch_time, queue_external_ticker, queue_disable_insert, queue_ticker_paused, queue_ticker_max_count,
       queue_ticker_max_lag, queue_ticker_idle_period, queue_per_tx_limit, queue_data_pfx, queue_event_seq, queue_tick_seq,
       queue_extra_maint
  from pgq_was.queue;
insert into pgq.tick select tick_queue, tick_id, tick_time, tick_snapshot, tick_event_seq from pgq_was.tick;
insert into pgq.subscription select * from pgq_was.subscription;
insert into pgq.retry_queue select * from pgq_was.retry_queue;
select setval('pgq.queue_queue_id_seq', nextval('pgq_was.queue_queue_id_seq')),
       setval('pgq.consumer_co_id_seq', nextval('pgq_was.consumer_co_id_seq')),
       setval('pgq.subscription_sub_id_seq', nextval('pgq_was.subscription_sub_id_seq')),
       setval('pgq.batch_id_seq', nextval('pgq_was.batch_id_seq'));

do $$
declare
    q record;
begin
    for q in select split_part(queue_data_pfx, '.', 2) as tab, queue_ntables from pgq.queue loop
        execute format('alter table pgq_was.%1$I no inherit pgq_was.event_template', q.tab);
        execute format('alter table pgq_was.%1$I set schema pgq', q.tab);
        execute format('alter table pgq.%1$I inherit pgq.event_template', q.tab);
        for i in 0 .. q.queue_ntables - 1 loop
            execute format('alter table pgq_was.%I set schema pgq', q.tab || '_' || i);
        end loop;
        execute format('alter sequence pgq_was.%I set schema pgq', q.tab || '_id_seq');
        execute format('alter sequence pgq_was.%I set schema pgq', q.tab || '_tick_seq');
    end loop;
end $$;

-- nodes of cascaded queues, if there are any
alter schema pgq_node rename to pgq_node_was;
do $$
begin
    if exists (select from pgq_node_was.node_location) then
        create extension pgq_node;
        insert into pgq_node.node_location select queue_name, node_name, node_location, dead from pgq_node_was.node_location;
        insert into pgq_node.node_info
        select queue_name, node_type, node_name, worker_name, combined_queue, node_attrs from pgq_node_was.node_info;
        insert into pgq_node.local_state
        select queue_name, consumer_name, provider_node, last_tick_id, cur_error, paused, uptodate from pgq_node_was.local_state;
        insert into pgq_node.subscriber_info
        select queue_name, subscriber_node, worker_name, watermark_name from pgq_node_was.subscriber_info;
    end if;
end $$;

-- Functions of cooperative consumers: install PgQ's pgq_coop for them. pgq_ext is independent, and stays.
drop schema pgq_coop cascade;

drop schema pgq_node_was cascade;
drop schema pgqueue cascade;
drop schema pgq_was cascade;
commit;
