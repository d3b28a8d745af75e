-- Refuses what it must not touch, before anything is changed.
set local client_min_messages = warning;
set local search_path = pg_catalog, pg_temp;
set local check_function_bodies = off; -- they name each other across files
do $do$ begin perform pg_advisory_xact_lock(1885827449, 0); end $do$; -- one install at a time

do $do$
declare
    installed int4;
begin
    if exists (select from pg_extension where extname = 'pgq') then
        raise exception 'this database has the original pgq extension'
            using errcode = 'PQ015', hint = 'Take it over with pgqueue install --adopt, or use another database.';
    end if;
    if to_regclass('pgqueue.schema_version') is null then
        if current_setting('pgqueue.adopt', true) is distinct from 'on'
           and (to_regnamespace('pgq') is not null or to_regnamespace('pgqueue') is not null) then
            raise exception 'this database has a schema pgq or pgqueue that pgqueue did not make'
                using errcode = 'PQ015', hint = 'Drop or rename that schema, or use another database.';
        end if;
        return;
    end if;
    select max(version_id) into installed from pgqueue.schema_version;
    if installed > {{version}} then
        raise exception 'the installed schema is version %, newer than this one ({{version}})', installed
            using errcode = 'PQ014', hint = 'Use a program at least as new as the schema.';
    end if;
end $do$;

create schema if not exists pgqueue;
create table if not exists pgqueue.schema_version (
    version_id      integer primary key,
    version_time    timestamptz not null default now()
);
create table if not exists pgqueue.migration (
    migration_name  text primary key,
    migration_time  timestamptz not null default now()
);

-- what is taken over has PgQ's own relations already
insert into pgqueue.migration (migration_name)
select '0001_pgq' where current_setting('pgqueue.adopt', true) = 'on' on conflict do nothing;

-- Schemas that a migration makes are not there before it, unless they are taken over too.
do $do$
declare
    foreign_schema text;
begin
    select s.name into foreign_schema
      from (values ('pgq_node', '0003_node'), ('pgq_coop', '0004_coop_ext'), ('pgq_ext', '0004_coop_ext')) s (name, migration)
     where to_regnamespace(s.name) is not null
       and current_setting('pgqueue.adopt', true) is distinct from 'on'
       and not exists (select from pgqueue.migration m where m.migration_name = s.migration);
    if found then
        raise exception 'this database has a schema % that pgqueue did not make', foreign_schema
            using errcode = 'PQ015', hint = 'Drop or rename that schema, or use another database.';
    end if;
end $do$;
