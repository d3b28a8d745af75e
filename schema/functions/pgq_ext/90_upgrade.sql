-- pgq_ext.upgrade_schema() - bring tables of an older pgq_ext up to date
--
-- Adds subconsumer_id to tables and keys that have none, and its default '' where it is
-- missing. Returns the number of changes: 8 for the tables of pgq_ext 2, 0 when all is done.
create or replace function pgq_ext.upgrade_schema()
returns int4
language plpgsql as $$
declare
    tab text;
    has_column boolean;
    has_default boolean;
    n int4 := 0;
begin
    foreach tab in array '{completed_tick,completed_batch,completed_event,partial_batch}'::text[] loop
        select true, a.atthasdef into has_column, has_default
          from pg_catalog.pg_attribute a
         where a.attrelid = ('pgq_ext.' || tab)::regclass and a.attname = 'subconsumer_id' and not a.attisdropped;
        if has_column is null then
            execute format('alter table pgq_ext.%1$s add column subconsumer_id text not null default '''','
                           ' drop constraint %1$s_pkey, add constraint %1$s_pkey primary key (consumer_id, subconsumer_id%2$s)',
                           tab, case when tab = 'completed_event' then ', batch_id, event_id' else '' end);
            n := n + 2;
        elsif not has_default then
            execute format('alter table pgq_ext.%s alter column subconsumer_id set default ''''', tab);
            n := n + 1;
        end if;
    end loop;
    return n;
end $$;

do $do$ begin perform pgq_ext.upgrade_schema(); end $do$;
