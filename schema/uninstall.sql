-- Removes the schemas pgq, pgq_coop, pgq_ext, pgq_node and pgqueue. The roles stay: they belong to the server,
-- and other databases may use them.
do $do$
declare
    nodes text;
begin
    if to_regclass('pgqueue.schema_version') is null then
        raise exception 'pgqueue is not installed in this database' using errcode = 'PQ017';
    end if;
    if exists (select from pgq.queue) then
        raise exception 'there are queues: %', (select string_agg(quote_literal(queue_name), ', ' order by queue_name) from pgq.queue)
            using errcode = 'PQ016', hint = 'Drop them first.';
    end if;
    if to_regclass('pgq_node.node_info') is not null then
        select string_agg(quote_literal(queue_name), ', ' order by queue_name) into nodes from pgq_node.node_info;
        if nodes is not null then
            raise exception 'this database is a node of: %', nodes
                using errcode = 'PQ016', hint = 'Drop the nodes first, with pgq_node.drop_node().';
        end if;
    end if;
end $do$;
drop schema if exists pgq_node cascade;
drop schema if exists pgq_coop cascade;
drop schema if exists pgq_ext cascade;
drop schema pgq cascade;
drop schema pgqueue cascade;
