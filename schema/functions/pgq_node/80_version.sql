-- pgq_node.version() - the version of pgq_node whose interface this is
create or replace function pgq_node.version()
returns text
language sql immutable as $$
    select '3.5'::text;
$$;

-- pgq_node.upgrade_schema() - nothing to do here; kept for scripts that call it. Returns 0.
create or replace function pgq_node.upgrade_schema()
returns int4
language sql as $$
    select 0;
$$;
