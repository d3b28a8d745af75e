-- 0004: cooperative consumers and completion tracking. A database that is taken over from the original has them already.

-- Sub-consumers are rows of pgqueue.subscription: the schema has functions only.
create schema if not exists pgq_coop;

-- In the database that a consumer writes to, which need not have queues.
-- An empty subconsumer_id stands for a consumer without sub-consumers.
create schema if not exists pgq_ext;

create table if not exists pgq_ext.completed_tick (
    consumer_id     text not null,
    subconsumer_id  text not null,
    last_tick_id    bigint not null,
    constraint completed_tick_pkey primary key (consumer_id, subconsumer_id)
);

create table if not exists pgq_ext.completed_batch (
    consumer_id     text not null,
    subconsumer_id  text not null,
    last_batch_id   bigint not null,
    constraint completed_batch_pkey primary key (consumer_id, subconsumer_id)
);

create table if not exists pgq_ext.completed_event (
    consumer_id     text not null,
    subconsumer_id  text not null,
    batch_id        bigint not null,
    event_id        bigint not null,
    constraint completed_event_pkey primary key (consumer_id, subconsumer_id, batch_id, event_id)
);

create table if not exists pgq_ext.partial_batch (
    consumer_id     text not null,
    subconsumer_id  text not null,
    cur_batch_id    bigint not null,
    constraint partial_batch_pkey primary key (consumer_id, subconsumer_id)
);

-- sub_handed_back: no consumer, but the keeper of a batch that a sub-consumer handed back.
alter table pgqueue.subscription add column sub_handed_back boolean not null default false;
