-- 0001: the tables of a fresh database.
--
-- Schema pgq carries PgQ's relations under PgQ's names. Schema pgqueue holds
-- what PgQ's relations have no room for. pgq.subscription is a view: the row of
-- a subscription changes with every batch, and a row that changes in place
-- leaves a version behind that nobody can remove while any session holds an
-- older snapshot. So what is fixed about a subscription stands in
-- pgqueue.subscription, and where it has got to is appended to
-- pgqueue.position, whose newest row per subscription is found in one step
-- however many older ones are still there.

create schema pgq;

create table pgq.consumer (
    co_id       serial not null,
    co_name     text not null,
    constraint consumer_pkey primary key (co_id),
    constraint consumer_name_uq unique (co_name)
);

create table pgq.queue (
    queue_id                    serial not null,
    queue_name                  text not null,
    queue_ntables               integer not null default 3,
    queue_cur_table             integer not null default 0,
    queue_rotation_period       interval not null default '2 hours',
    queue_switch_step1          bigint not null default txid_current(),
    queue_switch_step2          bigint default txid_current(),
    queue_switch_time           timestamptz not null default now(),
    queue_external_ticker       boolean not null default false,
    queue_disable_insert        boolean not null default false,
    queue_ticker_paused         boolean not null default false,
    queue_ticker_max_count      integer not null default 500,
    queue_ticker_max_lag        interval not null default '3 seconds',
    queue_ticker_idle_period    interval not null default '1 minute',
    queue_per_tx_limit          integer,
    queue_data_pfx              text not null,
    queue_event_seq             text not null,
    queue_tick_seq              text not null,
    queue_extra_maint           text[],
    -- ours: transaction ids went back under this queue; it is not ticked until it is re-based
    queue_needs_rebase          boolean not null default false,
    constraint queue_pkey primary key (queue_id),
    constraint queue_name_uq unique (queue_name)
);

-- tick_seq_txid is ours: the transaction that made the first tick with this
-- tick_event_seq. Every event counted by tick_event_seq has a smaller
-- transaction id, so once tick_snapshot has nothing below it in progress the
-- queue is quiet (design: trailing tick). NULL in rows written by others.
create table pgq.tick (
    tick_queue      integer not null,
    tick_id         bigint not null,
    tick_time       timestamptz not null default now(),
    tick_snapshot   txid_snapshot not null default txid_current_snapshot(),
    tick_event_seq  bigint not null,
    tick_seq_txid   bigint,
    constraint tick_pkey primary key (tick_queue, tick_id),
    constraint tick_queue_fkey foreign key (tick_queue) references pgq.queue (queue_id)
);

create table pgq.event_template (
    ev_id       bigint not null,
    ev_time     timestamptz not null,
    ev_txid     bigint not null default txid_current(),
    ev_owner    integer,
    ev_retry    integer,
    ev_type     text,
    ev_data     text,
    ev_extra1   text,
    ev_extra2   text,
    ev_extra3   text,
    ev_extra4   text
);

create table pgq.retry_queue (
    ev_retry_after  timestamptz not null,
    ev_queue        integer not null,
    ev_id           bigint not null,
    ev_time         timestamptz not null,
    ev_txid         bigint,
    ev_owner        integer not null,
    ev_retry        integer,
    ev_type         text,
    ev_data         text,
    ev_extra1       text,
    ev_extra2       text,
    ev_extra3       text,
    ev_extra4       text,
    constraint rq_pkey primary key (ev_owner, ev_id),
    constraint rq_queue_id_fkey foreign key (ev_queue) references pgq.queue (queue_id)
);
create index rq_retry_idx on pgq.retry_queue (ev_retry_after);

create sequence pgq.batch_id_seq;
create sequence pgq.subscription_sub_id_seq as integer;

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
