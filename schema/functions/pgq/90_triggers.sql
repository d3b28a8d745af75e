-- Triggers that write changes of tables into queues.
--
-- pgq.jsontriga(queue, option, ...)    ev_type and ev_data in JSON
-- pgq.logutriga(queue, option, ...)    ev_data in URL encoding
-- pgq.sqltriga(queue, option, ...)     ev_data as part of an SQL statement
-- pgq.logtriga(queue, kinds)          the same for AFTER triggers of PgQ's first version: kinds has a
--                                    letter for each column: k key, v value, other: leave it out
--
-- For AFTER or BEFORE triggers FOR EACH ROW on INSERT, UPDATE or DELETE, and FOR EACH STATEMENT
-- on TRUNCATE. Options, each an argument of its own, in any order:
--
--   ignore=a,b      leave these columns out; an UPDATE of nothing else makes no event
--   pkey=a,b        the key, instead of the primary key
--   backup          UPDATE: the old row in ev_extra2
--   deny            refuse every change
--   SKIP            BEFORE: make the event, and do not change the table
--   when=EXPR       make an event only if true
--   ev_type=EXPR    replace a field, also ev_data=, ev_extra1= ... ev_extra4=
--
-- EXPR is SQL over the columns of the new row (the old one for DELETE), also as r.column, and
-- is looked up in the search_path of the statement that fired the trigger; so these functions
-- have no fixed one. A column named _pgq_ev_type (_data, _extra1 ... _extra4)
-- replaces that field. ev_extra1 is schema.table. Nothing happens when
-- session_replication_role is local. The user needs the rights of pgq_writer.
--
-- Errors: PQ005 for wrong arguments, deny, a table without key and a changed key; those
-- of pgq.insert_event. What they share is in functions/pgqueue/7?_trigger_*.sql;
-- names are qualified and operators exact for the reason said there.
do $do$
declare
    fn record;
begin
    for fn in select * from (values
        ('json', 'jsontriga', 'pgqueue.json_row(new, p, v_new)', 'pgqueue.json_row(new, p, v_new)',
                              'pgqueue.json_row(old, p, v_old)', 'pgqueue.json_row(old, p, v_old)'),
        ('url', 'logutriga', 'pgqueue.url_row(p.names, v_new)', 'pgqueue.url_row(p.names, v_new)',
                             'pgqueue.url_row(p.names, v_old)', 'pgqueue.url_row(p.names, v_old)'),
        ('sql', 'sqltriga', 'pgqueue.sql_insert(p.names, v_new)', 'pgqueue.sql_update(p, v_old, v_new, changed)',
                            'pgqueue.sql_key(p, v_old)', 'pgqueue.url_row(p.url_names, v_old)'),
        ('log', 'logtriga', 'pgqueue.sql_insert(p.names, v_new)', 'pgqueue.sql_update(p, v_old, v_new, changed)',
                            'pgqueue.sql_key(p, v_old)', 'null::text')
        ) v (kind, name, on_insert, on_update, on_delete, backup)
    loop
        execute replace(replace(replace(replace(replace(replace($text$
create or replace function pgq.{{name}}()
returns trigger
language plpgsql as $body$
declare
    plans pgqueue.trigger_plan[];
    p pgqueue.trigger_plan;
    v_old text[];       -- the rows' columns as text
    v_new text[];
    changed int4[];     -- columns, see pgqueue.row_changes
    field text[];       -- of the event: type, data, extra1 ... extra4
begin
    <<event>> begin
        exit event when pg_catalog.current_setting('session_replication_role') = 'local';
        if tg_level = 'STATEMENT' then
            perform pgqueue.trigger_statement('{{kind}}', tg_op, tg_when, tg_relid, tg_argv);
            exit event;
        end if;

        -- constants, while the table is not changed: see 70_trigger_plan.sql
        if tg_op = 'DELETE' then
            plans := case when tg_relid = pgqueue.row_table(case when false then old end)
                          then pgqueue.trigger_plans('{{kind}}', case when false then old end) end;
        else
            plans := case when tg_relid = pgqueue.row_table(case when false then new end)
                          then pgqueue.trigger_plans('{{kind}}', case when false then new end) end;
        end if;
        p := plans[1];
        if (p.args operator(pg_catalog.=) tg_argv and not p.transient) is not true then
            p := pgqueue.choose_plan(plans, '{{kind}}', tg_relid, tg_argv);
        end if;
        if p.deny or p.skip or p.after_only or p.keyless or p.refusal is not null or p.refusal_late is not null then
            perform pgqueue.trigger_refuse(p, tg_op, tg_when);
        end if;

        if tg_op <> 'INSERT' and not (p.plain and tg_op = 'DELETE') then
            v_old := pgqueue.row_texts(old, p.width, p.texts_sql);
        end if;
        if tg_op <> 'DELETE' and not (p.plain and tg_op = 'INSERT') then
            v_new := pgqueue.row_texts(new, p.width, p.texts_sql);
        end if;
        if tg_op = 'INSERT' then
            field := array[p.type_insert, {{on_insert}}, p.table_name, null, null, null];
        elsif tg_op = 'DELETE' then
            field := array[p.type_delete, {{on_delete}}, p.table_name, null, null, null];
        else
            changed := pgqueue.row_changes(p, old, new, v_old, v_new);
            exit event when changed[1] is not null and 0 = all (changed); -- ignored columns, nothing else
            field := array[p.type_update, {{on_update}}, p.table_name,
                           case when p.backup then {{backup}} end, null, null];
        end if;

        if p.magic_fields is not null then
            field := pgqueue.apply_magic(p, field, case when tg_op = 'DELETE' then v_old else v_new end);
        end if;
        if p.expr_sql is not null then
            if tg_op = 'DELETE' then
                field := pgqueue.apply_expressions(p, field, old);
            else
                field := pgqueue.apply_expressions(p, field, new);
            end if;
            exit event when field is null; -- when= is false
        end if;
        perform pgq.insert_event(p.queue, field[1], field[2], field[3], field[4], field[5], field[6]);
    end event;

    if tg_when = 'AFTER' or tg_level = 'STATEMENT' or p.skip then
        return null;
    elsif tg_op = 'DELETE' then
        return old;
    end if;
    return new;
end $body$;
$text$, '{{name}}', fn.name), '{{kind}}', fn.kind), '{{on_insert}}', fn.on_insert),
        '{{on_update}}', fn.on_update), '{{on_delete}}', fn.on_delete), '{{backup}}', fn.backup);
    end loop;
end $do$;
