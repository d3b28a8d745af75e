insert into pgqueue.schema_version (version_id) values ({{version}}) on conflict do nothing;

do $do$
declare
    cmd text;
begin
    for cmd in select pgqueue.apply_grants() loop
        raise warning 'left to do for a role that may: %', cmd;
    end loop;
end $do$;
