-- Takes a database over from the original extension: before the rest of the script, in
-- the same transaction. The extensions are dissolved; everything that belonged to them
-- stays where it is, and the rest of the script re-creates the functions in place, so
-- that triggers, grants, queues, positions and events are kept.
do $do$
declare
    ext record;
    member record;
begin
    if not exists (select from pg_extension where extname = 'pgq') then
        raise exception 'this database does not have the original pgq extension'
            using errcode = 'PQ017', hint = 'Use pgqueue install without --adopt.';
    end if;
    perform pg_advisory_xact_lock(1885827449, 0);
    -- extensions that need pgq, those that need others first
    for ext in
        with recursive needing as (
            select oid, 0 as depth from pg_extension where extname in ('pgq', 'pgq_ext') -- pgq_ext needs nothing
            union
            select d.objid, n.depth + 1 from needing n
              join pg_depend d on d.refclassid = 'pg_extension'::regclass and d.refobjid = n.oid
               and d.classid = 'pg_extension'::regclass)
        select e.oid, e.extname from needing n join pg_extension e on e.oid = n.oid
         group by e.oid, e.extname order by max(n.depth) desc
    loop
        for member in
            select o.type, o.identity
              from pg_depend d, pg_identify_object(d.classid, d.objid, 0) o
             where d.refclassid = 'pg_extension'::regclass and d.refobjid = ext.oid and d.deptype = 'e'
        loop
            execute format('alter extension %I drop %s %s', ext.extname, member.type, member.identity);
        end loop;
        execute format('drop extension %I', ext.extname);
    end loop;
    perform set_config('pgqueue.adopt', 'on', true);
end $do$;

