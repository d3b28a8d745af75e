-- 0002: what PgQ's relations have no room for, in schema pgqueue.
--
-- The row of a subscription changes with every batch, and a row that changes in
-- place leaves a version behind that nobody can remove while any session holds
-- an older snapshot. So what is fixed about a subscription goes to
-- pgqueue.subscription, and where it has got to is appended to
-- pgqueue.position, whose newest row per subscription is found in one step
-- however many older ones are still there. pgq.subscription becomes a view.

-- Of older releases of PgQ.
alter table pgq.queue add column if not exists queue_extra_maint text[];

-- The order in which parked events are given back, also of very many with one time.
drop index pgq.rq_retry_idx;
create index rq_retry_idx on pgq.retry_queue (ev_retry_after, ev_id);

-- Transaction ids went back under this queue: it is not ticked until it is re-based.
alter table pgq.queue add column queue_needs_rebase boolean not null default false;

-- How often tables were switched, raised by rotation step 1. Step 2 copies it to the
-- sequence pgqueue.switch_<queue id>, which, unlike the row, every transaction sees as it
-- is now: so a producer with an older snapshot can tell that it is out of date.
alter table pgq.queue add column queue_switch_count bigint not null default 0;

do $$
declare
    id integer;
begin
    for id in select queue_id from pgq.queue loop
        execute format('create sequence pgqueue.switch_%s minvalue 0 start 0', id);
        perform setval(format('pgqueue.switch_%s', id), 0);
    end loop;
end $$;

-- The transaction that made the first tick with this tick_event_seq. Every event counted
-- by tick_event_seq has a smaller transaction id, so once tick_snapshot has nothing
-- below it in progress the queue is quiet (pgqueue.settling). NULL: not known.
alter table pgq.tick add column tick_seq_txid bigint;

-- What is fixed about a subscription. Its row is also the lock of the consumer:
-- whoever moves a position holds it.
--   sub_key   key of its positions, never used again
--   sub_id    PgQ's id, owner of its retry events; sub-consumers share it
--   sub_of    for a sub-consumer: sub_key of its main consumer
create table pgqueue.subscription (
    sub_key         integer generated always as identity,
    sub_queue       integer not null,
    sub_consumer    integer not null,
    sub_id          integer not null,
    sub_of          integer,
    constraint subscription_pkey primary key (sub_queue, sub_consumer),
    constraint subscription_key_uq unique (sub_key),
    constraint sub_queue_fkey foreign key (sub_queue) references pgq.queue (queue_id),
    constraint sub_consumer_fkey foreign key (sub_consumer) references pgq.consumer (co_id),
    constraint sub_of_fkey foreign key (sub_of) references pgqueue.subscription (sub_key)
);
create index subscription_sub_id_idx on pgqueue.subscription (sub_queue, sub_id);

-- Where a subscription has got to: one row per step, never updated. The row
-- with the highest pos_no is the position, in whichever of the two data tables
-- it stands. The unique index is a guard too: two sessions that both believe to
-- know the newest row collide on its successor.
create table pgqueue.position (
    pos_key         integer not null,
    pos_no          bigint not null,
    pos_last_tick   bigint,
    pos_next_tick   bigint,
    pos_batch       bigint,
    pos_active      timestamptz not null
);
create index position_idx on pgqueue.position (pos_key, pos_no);
create index position_batch_idx on pgqueue.position (pos_batch) where pos_batch is not null;

create table pgqueue.position_0 () inherits (pgqueue.position) with (autovacuum_enabled = off);
create unique index position_0_idx on pgqueue.position_0 (pos_key, pos_no);
create index position_0_batch_idx on pgqueue.position_0 (pos_batch) where pos_batch is not null;

create table pgqueue.position_1 () inherits (pgqueue.position) with (autovacuum_enabled = off);
create unique index position_1_idx on pgqueue.position_1 (pos_key, pos_no);
create index position_1_batch_idx on pgqueue.position_1 (pos_batch) where pos_batch is not null;

-- Rotation of the position log: the table written to now, and the transaction
-- after which no newest position stood in the other one (NULL until then, and
-- after the other one was emptied).
create table pgqueue.position_log (
    log_cur_table   integer not null,
    log_moved_txid  bigint,
    log_only        boolean not null default true primary key check (log_only)
);
insert into pgqueue.position_log (log_cur_table) values (0);

-- The generated insert functions, and who wrote them last: a lock, no more.
create table pgqueue.insert_shard (
    shard_id        integer not null primary key,
    shard_txid      bigint
);
insert into pgqueue.insert_shard (shard_id) select generate_series(0, 63);

-- The server whose transaction ids the queues have. Another one, after a
-- restore, may be behind: then the queues are looked at before they are ticked.
create table pgqueue.cluster (
    cluster_id      bigint not null,
    cluster_only    boolean not null default true primary key check (cluster_only)
);
insert into pgqueue.cluster (cluster_id) select system_identifier from pg_control_system();

-- Take over what is in the table, then put the view in its place. A sub-consumer shares
-- the sub_id of its main consumer, and has its name with a dot and more behind it.
insert into pgqueue.subscription (sub_queue, sub_consumer, sub_id)
select sub_queue, sub_consumer, sub_id from pgq.subscription;

update pgqueue.subscription s
   set sub_of = m.sub_key
  from pgq.consumer sc, pgqueue.subscription m, pgq.consumer mc
 where sc.co_id = s.sub_consumer and mc.co_id = m.sub_consumer
   and m.sub_queue = s.sub_queue and m.sub_id = s.sub_id and m.sub_key <> s.sub_key
   and left(sc.co_name, length(mc.co_name) + 1) = mc.co_name || '.';

insert into pgqueue.position_0 (pos_key, pos_no, pos_last_tick, pos_next_tick, pos_batch, pos_active)
select s.sub_key, 1, o.sub_last_tick, o.sub_next_tick, o.sub_batch, o.sub_active
  from pgqueue.subscription s
  join pgq.subscription o on o.sub_queue = s.sub_queue and o.sub_consumer = s.sub_consumer;

alter table pgq.subscription rename to subscription_before;
alter sequence pgq.subscription_sub_id_seq owned by none;

create view pgq.subscription as
select s.sub_id,
       s.sub_queue,
       s.sub_consumer,
       p.pos_last_tick as sub_last_tick,
       p.pos_active as sub_active,
       p.pos_batch as sub_batch,
       p.pos_next_tick as sub_next_tick
  from pgqueue.subscription s
 cross join lateral (
        select n.pos_last_tick, n.pos_active, n.pos_batch, n.pos_next_tick
          from pgqueue.position n
         where n.pos_key = s.sub_key
         order by n.pos_no desc
         limit 1) p;

do $$
declare
    g record;
begin
    for g in
        select a.privilege_type, case a.grantee when 0 then 'public' else a.grantee::regrole::text end as grantee,
               case when a.is_grantable then ' with grant option' else '' end as option
          from pg_class c, aclexplode(c.relacl) a
         where c.oid = 'pgq.subscription_before'::regclass and a.grantee <> c.relowner
    loop
        execute format('grant %s on pgq.subscription to %s%s', g.privilege_type, g.grantee, g.option);
    end loop;
end $$;
drop table pgq.subscription_before;
