-- pgqueue.version() - the version of this schema, a number that rises with each release that changes it
create or replace function pgqueue.version()
returns int4
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select max(version_id) from pgqueue.schema_version;
$$;
