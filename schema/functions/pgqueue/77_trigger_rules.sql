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

-- pgqueue.row_changes(p, i_old_row, i_new_row, i_old, i_new) - the watched columns that an UPDATE changed
--
-- i_old and i_new are the rows' columns as text. Returns the changed ones of the data by number, and 0 when
-- an ignored one changed. Changed means: NULL in one of the rows, or not equal for
-- the type's operator, which is asked where the texts cannot tell. PQ005 when a key column changed.
create or replace function pgqueue.row_changes(
    p pgqueue.trigger_plan, i_old_row anyelement, i_new_row anyelement, i_old text[], i_new text[])
returns int4[]
language plpgsql stable as $$
declare
    changed int4[] := '{}';
    same boolean[]; -- the operators' answers
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
            if same is null then
                execute p.equal_sql into same using i_old_row, i_new_row;
            end if;
            continue when same[c];
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

-- pgqueue.apply_magic(p, i_field, i_row) - put the values of magic columns into the fields of the event
create or replace function pgqueue.apply_magic(p pgqueue.trigger_plan, i_field text[], i_row text[])
returns text[]
language plpgsql immutable as $$
declare
    field text[] := i_field;
begin
    for i in 1 .. pg_catalog.cardinality(p.magic_fields) loop
        field[p.magic_fields[i]] := i_row[p.magic_columns[i]];
    end loop;
    return field;
end $$;

-- pgqueue.apply_expressions(p, i_field, i_row) - put the results of expressions into the fields of the event
--
-- Returns the fields, NULL when the when= condition is false. PQ005 when it is not a boolean
-- or NULL, and when the expressions do not give one row; their own errors.
create or replace function pgqueue.apply_expressions(p pgqueue.trigger_plan, i_field text[], i_row anyelement)
returns text[]
language plpgsql as $$
declare
    n int4 := pg_catalog.cardinality(p.expr_fields);
    field text[] := i_field;
    result record;
    results text[];
    found_rows int4;
    message text;
begin
    execute p.expr_sql into result using i_row;
    get diagnostics found_rows = row_count;
    results := pgqueue.row_texts(result, n + 1, null); -- the last one is the type of the condition
    for i in 1 .. n loop
        field[p.expr_fields[i]] := results[i];
    end loop;
    if found_rows <> 1 then
        message := 'Expect 1 row from override query, got ' || found_rows::text;
    elsif p.expr_fields[n] < 7 or field[7] = 't' and results[n + 1] = '16' then
        return field;
    elsif results[n + 1] <> '16' then
        message := 'when= query result must be boolean, got=' || results[n + 1];
    elsif field[7] is null then
        message := 'when= should not be NULL';
    end if;
    if message is not null then
        raise exception '%', message using errcode = 'PQ005', detail = pg_catalog.format('Table %s', p.table_name);
    end if;
    return null;
end $$;
