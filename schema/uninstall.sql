-- Removes the schemas pgq and pgqueue. The roles stay: they belong to the server,
-- and other databases may use them.
do $do$
begin
    if to_regclass('pgqueue.schema_version') is null then
        raise exception 'pgqueue is not installed in this database' using errcode = 'PQ017';
    end if;
    if exists (select from pgq.queue) then
        raise exception 'there are queues: %', (select string_agg(quote_literal(queue_name), ', ' order by queue_name) from pgq.queue)
            using errcode = 'PQ016', hint = 'Drop them first.';
    end if;
end $do$;
drop schema pgq cascade;
drop schema pgqueue cascade;
