-- What the triggers allow, and which changes count. As in 75_trigger_data.sql, these
-- functions run for every row: no fixed search_path, names qualified, operators exact.

-- pgqueue.choose_plan(i_plans, i_kind, i_table, i_args) - the plan for these arguments
--
-- One of those at hand, or a new one.
create or replace function pgqueue.choose_plan(
    i_plans pgqueue.trigger_plan[], i_kind text, i_table regclass, i_args text[])
returns pgqueue.trigger_plan
language plpgsql as $$
declare
    p pgqueue.trigger_plan;
begin
    foreach p in array coalesce(i_plans, '{}') loop
        if p.args operator(pg_catalog.=) i_args and not p.transient then
            return p;
        end if;
    end loop;
    return pgqueue.trigger_plan(i_kind, i_table, i_args);
end $$;

-- pgqueue.trigger_refuse(p, i_op, i_when) - raise what forbids an operation, return when nothing does
create or replace function pgqueue.trigger_refuse(p pgqueue.trigger_plan, i_op text, i_when text)
returns void
language plpgsql stable as $$
declare
    message text := p.refusal;
begin
    if message is null and p.after_only and i_when <> 'AFTER' then
        message := 'pgq.logtriga must be fired AFTER';
    elsif message is null and p.skip and i_when = 'AFTER' then
        message := 'SKIP does not work in AFTER trigger.';
    elsif message is null and p.keyless and (i_op = 'UPDATE' or i_op = 'DELETE') then
        message := 'Update/Delete on table without pkey';
    elsif message is null and p.deny then
        message := pg_catalog.format('Table ''%s'' to queue ''%s'': change not allowed (%s)', p.table_name, p.queue, i_op);
    end if;
    if message is not null or p.refusal_late is not null then
        raise exception '%', coalesce(message, p.refusal_late)
            using errcode = 'PQ005', detail = pg_catalog.format('Table %s', p.table_name);
    end if;
end $$;

-- pgqueue.trigger_statement(i_kind, i_op, i_when, i_table, i_args) - a trigger FOR EACH STATEMENT: on TRUNCATE
create or replace function pgqueue.trigger_statement(i_kind text, i_op text, i_when text, i_table regclass, i_args text[])
returns void
language plpgsql as $$
declare
    p pgqueue.trigger_plan;
    opt record;
begin
    if i_op <> 'TRUNCATE' then
        raise exception 'pgq Ins/Upd/Del trigger must be fired FOR EACH ROW' using errcode = 'PQ005';
    end if;
    p := pgqueue.trigger_plan(i_kind, i_table, i_args);
    p.refusal_late := null; -- columns do not matter here
    if i_kind <> 'log' and p.refusal is null and not (p.skip and i_when = 'AFTER') then
        opt := pgqueue.trigger_options(i_args, '{}');
        p.refusal := case
            when p.expr_sql is not null then 'Custom expressions do not make sense for truncater trigger'
            when opt.ignore is not null then 'Column ignore does not make sense for truncate trigger'
            when opt.pkey is not null then 'Custom pkey_list does not make sense for truncate trigger'
            when opt.backup then 'Backup does not make sense for truncate trigger' end;
    end if;
    perform pgqueue.trigger_refuse(p, i_op, i_when);
    perform pgq.insert_event(p.queue, p.type_truncate, case i_kind when 'json' then '{}' else '' end,
                             p.table_name, null, null, null);
end $$;

-- pgqueue.row_changes(p, i_old, i_new, i_same) - the watched columns that an UPDATE changed
--
-- Those of the data by number, and 0 when an ignored one changed. Changed means: NULL in one
-- of the rows, or not equal for the type's operator; where the texts cannot
-- tell, i_same has the operator's answer. NULL: i_same is needed to tell.
-- PQ005 when a key column changed.
create or replace function pgqueue.row_changes(p pgqueue.trigger_plan, i_old text[], i_new text[], i_same boolean[])
returns int4[]
language plpgsql stable as $$
declare
    changed int4[] := '{}';
    -- settings that can hide a difference in the texts
    lossy boolean := p.inexact and (pg_catalog.current_setting('extra_float_digits')::int4 < 1
                                    or not pg_catalog.starts_with(pg_catalog.current_setting('DateStyle'), 'ISO'));
    how text;
    c int4;
begin
    foreach c in array p.watch loop
        how := p.compare[c];
        if i_new[c] is not distinct from i_old[c] then
            continue when not lossy or i_new[c] is null or how is null or how = 'number';
        elsif how = 'number' then
            continue when i_new[c]::numeric = i_old[c]::numeric;
        end if;
        if (how = 'operator' or how = 'time' and lossy) and i_new[c] is not null and i_old[c] is not null then
            if i_same is null then
                return null;
            end if;
            continue when i_same[c];
        end if;
        if c = any (p.keys) then
            raise exception 'primary key update not allowed'
                using errcode = 'PQ005', detail = pg_catalog.format('Table %s, column %s', p.table_name, p.columns[c]),
                      hint = 'Delete the row and insert another one.';
        end if;
        changed := pg_catalog.array_append(changed, case when p.names[c] is null then 0 else c end);
    end loop;
    return changed;
end $$;

-- pgqueue.apply_expressions(p, i_field, i_rows, i_results) - put the results of expressions into the fields
--
-- i_rows: how many rows they gave; i_results: the row, and the type of the when= condition.
-- Returns the fields, NULL when that condition is false.
create or replace function pgqueue.apply_expressions(p pgqueue.trigger_plan, i_field text[], i_rows int4, i_results text[])
returns text[]
language plpgsql stable as $$
declare
    n int4 := pg_catalog.cardinality(p.expr_fields);
    field text[] := i_field;
begin
    if i_rows <> 1 then
        raise exception 'Expect 1 row from override query, got %', i_rows
            using errcode = 'PQ005', detail = pg_catalog.format('Table %s', p.table_name);
    end if;
    for i in 1 .. n loop
        field[p.expr_fields[i]] := i_results[i];
    end loop;
    if p.expr_fields[n] < 7 then
        return field;
    elsif i_results[n + 1] <> '16' then
        raise exception 'when= query result must be boolean, got=%', i_results[n + 1]
            using errcode = 'PQ005', detail = pg_catalog.format('Table %s', p.table_name);
    elsif field[7] is null then
        raise exception 'when= should not be NULL'
            using errcode = 'PQ005', detail = pg_catalog.format('Table %s', p.table_name);
    elsif field[7] = 't' then
        return field;
    end if;
    return null;
end $$;
