-- pgqueue.trigger_grants() - the grants for triggers, as pgqueue.grants() has them
--
-- A trigger runs with the rights of whoever changes its table, and so does what it calls.
-- The functions open to PUBLIC only read catalogues and turn values into text; the
-- right that counts is the one to pgq.insert_event.
create or replace function pgqueue.trigger_grants()
returns setof text
language sql stable set search_path = pg_catalog, pg_temp as $$
    values
    ('grant execute on function pgq.jsontriga(), pgq.logutriga(), pgq.sqltriga(), pgq.logtriga() to pgq_writer'),
    ('grant execute on function pgqueue.row_table(anyelement), pgqueue.trigger_plans(text, anyelement),'
     ' pgqueue.trigger_args(bytea), pgqueue.trigger_options(text[], text[]), pgqueue.logtriga_options(text[], text[]),'
     ' pgqueue.in_list(text, text), pgqueue.equality_operator(oid), pgqueue.trigger_columns(regclass),'
     ' pgqueue.trigger_plan(text, regclass, text[]), pgqueue.check_columns(regclass, text[], regtype[], text[]),'
     ' pgqueue.plan_event_types(pgqueue.trigger_plan, text, regclass, text, text[]),'
     ' pgqueue.plan_columns(pgqueue.trigger_plan, text, text[], text[]),'
     ' pgqueue.plan_expressions(pgqueue.trigger_plan, text[]),'
     ' pgqueue.choose_plan(pgqueue.trigger_plan[], text, regclass, text[]),'
     ' pgqueue.row_texts(anyelement, int4, text), pgqueue.url_encode(text), pgqueue.url_row(text[], text[]),'
     ' pgqueue.json_row(anyelement, pgqueue.trigger_plan, text[]), pgqueue.sql_insert(text[], text[]),'
     ' pgqueue.sql_key(pgqueue.trigger_plan, text[]), pgqueue.sql_update(pgqueue.trigger_plan, text[], text[], int4[]),'
     ' pgqueue.trigger_refuse(pgqueue.trigger_plan, text, text),'
     ' pgqueue.trigger_statement(text, text, text, regclass, text[]),'
     ' pgqueue.row_changes(pgqueue.trigger_plan, anyelement, anyelement, text[], text[]),'
     ' pgqueue.apply_magic(pgqueue.trigger_plan, text[], text[]),'
     ' pgqueue.apply_expressions(pgqueue.trigger_plan, text[], anyelement) to public');
$$;
