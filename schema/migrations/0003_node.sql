-- 0003: the tables of schema pgq_node, under PgQ's names.
--
-- A set is all databases that carry one queue of the same name; a database's
-- membership in a set is a node. Every node knows the members of its sets
-- (node_location), what it is itself (node_info), how far its cascaded
-- consumers have got (local_state), and who reads from it (subscriber_info).
--
-- A database that is taken over from the original extension has them already.

create schema if not exists pgq_node;

-- node_location is a connect string, by which other nodes reach this one. Dead nodes
-- are not contacted, but keep their row.
create table if not exists pgq_node.node_location (
    queue_name      text not null,
    node_name       text not null,
    node_location   text not null,
    dead            boolean not null default false,
    constraint node_location_pkey primary key (queue_name, node_name)
);

-- The local node of each set. combined_queue, of a leaf alone: the local queue, of
-- another set, that this node's events are copied into. node_attrs is text for
-- the worker, urlencoded.
create table if not exists pgq_node.node_info (
    queue_name      text not null,
    node_type       text not null,
    node_name       text not null,
    worker_name     text,
    combined_queue  text,
    node_attrs      text,
    constraint node_info_pkey primary key (queue_name),
    constraint node_info_queue_name_node_name_fkey foreign key (queue_name, node_name)
        references pgq_node.node_location (queue_name, node_name),
    constraint node_info_node_type_check check (node_type in ('root', 'branch', 'leaf')),
    constraint node_info_check check (
        worker_name is not null
        and (node_type = 'leaf' or node_type in ('root', 'branch') and combined_queue is null))
);

-- One row for each consumer whose work is done in this database, the node's worker
-- among them. last_tick_id is committed together with that work: it is what
-- makes a batch happen once. uptodate: the consumer has seen the other settings.
-- The row changes with every batch, hence the room in its page.
create table if not exists pgq_node.local_state (
    queue_name      text not null,
    consumer_name   text not null,
    provider_node   text not null,
    last_tick_id    bigint not null,
    cur_error       text,
    paused          boolean not null default false,
    uptodate        boolean not null default false,
    constraint local_state_pkey primary key (queue_name, consumer_name),
    constraint local_state_queue_name_fkey foreign key (queue_name) references pgq_node.node_info (queue_name),
    constraint local_state_queue_name_provider_node_fkey foreign key (queue_name, provider_node)
        references pgq_node.node_location (queue_name, node_name)
);
alter table pgq_node.local_state set (fillfactor = 50);

-- Nodes that read from this one. worker_name and watermark_name are consumers here:
-- where the subscriber reads, and the lowest tick that it and the nodes
-- below it still need.
create table if not exists pgq_node.subscriber_info (
    queue_name      text not null,
    subscriber_node text not null,
    worker_name     text not null,
    watermark_name  text not null,
    constraint subscriber_info_pkey primary key (queue_name, subscriber_node),
    constraint subscriber_info_queue_name_fkey foreign key (queue_name) references pgq_node.node_info (queue_name),
    constraint subscriber_info_queue_name_subscriber_node_fkey foreign key (queue_name, subscriber_node)
        references pgq_node.node_location (queue_name, node_name),
    constraint subscriber_info_worker_name_fkey foreign key (worker_name) references pgq.consumer (co_name),
    constraint subscriber_info_watermark_name_fkey foreign key (watermark_name) references pgq.consumer (co_name)
);

-- Of older releases of PgQ.
alter table pgq_node.node_info add column if not exists node_attrs text;
do $$
begin
    if exists (select from pg_proc p
                where p.oid = to_regprocedure('pgq_node.get_node_info(text)') and 'target_for' <> all (p.proargnames)) then
        drop function pgq_node.get_node_info(text);
    end if;
end $$;
