-- What pgq.jsontriga, logutriga and sqltriga have in common.
--
-- A trigger function runs once for each row, so what can be known before is
-- kept in a plan (pgqueue.trigger_plan), and the plan is kept where PL/pgSQL
-- keeps prepared expressions: for each session and each trigger. The expression is
--
--     case when tg_relid = pgqueue.row_table(null_new) then pgqueue.trigger_plans(kind, null_new) end
--
-- with null_new being  case when false then new end : a NULL of the table's row
-- type, which the planner knows to be constant. Both functions are declared
-- immutable, so the planner calls them once and keeps what they return. The
-- table's oid stays in the expression as a constant, and PostgreSQL throws such
-- an expression away as soon as anything about that table changes: a column, the
-- key, a trigger. So a plan is never older than its table, and costs nothing per row.

-- pgqueue.row_table(i_row) - oid of the table whose row type i_row has, NULL for another type
--
-- Immutable only for the planner, as said above.
create or replace function pgqueue.row_table(i_row anyelement)
returns oid
language sql immutable set search_path = pg_catalog, pg_temp as $$
    select t.typrelid from pg_type t where t.oid = pg_typeof(i_row) and t.typrelid <> 0;
$$;

-- pgqueue.trigger_plans(i_kind, i_row) - plans of all triggers of a kind on the table of i_row
--
-- i_kind: json, url, sql, or log for pgq.logtriga. One plan for each list of arguments.
-- Immutable only for the planner, as said above.
create or replace function pgqueue.trigger_plans(i_kind text, i_row anyelement)
returns pgqueue.trigger_plan[]
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    rel oid := pgqueue.row_table(i_row);
    fn regproc := case i_kind when 'json' then 'pgq.jsontriga' when 'url' then 'pgq.logutriga'
                              when 'sql' then 'pgq.sqltriga' else 'pgq.logtriga' end;
begin
    return array(
        select pgqueue.trigger_plan(i_kind, rel, pgqueue.trigger_args(a.tgargs))
          from (select distinct t.tgargs from pg_trigger t where t.tgrelid = rel and t.tgfoid = fn) a);
end $$;

-- pgqueue.trigger_plan(i_kind, i_table, i_args) - what a trigger with these arguments does on a table
--
-- i_kind as in pgqueue.trigger_plans. What is wrong stands in the plan and is raised when the
-- trigger fires, so that one trigger does not break another.
-- 40001 when the table was changed after the transaction's snapshot.
create or replace function pgqueue.trigger_plan(i_kind text, i_table regclass, i_args text[])
returns pgqueue.trigger_plan
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    p pgqueue.trigger_plan;
    opt record;
    cols record;
    encoding text := case i_kind when 'log' then 'sql' else i_kind end;
begin
    p.args := i_args;
    select array_agg(c.name order by c.no) as names, array_agg(c.type order by c.no) as types,
           array_agg(c.kind order by c.no) as kinds, array_agg(c.plain order by c.no) as plain,
           array_agg(c.compare order by c.no) as compare, array_agg(c.equality order by c.no) as equality,
           array_agg(c.name order by c.key_no) filter (where c.key_no is not null) as key_names
      into cols
      from pgqueue.trigger_columns(i_table) c;
    p.columns := coalesce(cols.names, '{}');
    p.width := cardinality(p.columns);
    if i_kind = 'log' then
        opt := pgqueue.logtriga_options(i_args, p.columns);
    else
        opt := pgqueue.trigger_options(i_args, p.columns);
    end if;
    p.refusal := opt.refusal;
    p.queue := i_args[0];
    p.deny := opt.deny;
    p.skip := opt.skip;
    p.after_only := i_kind = 'log';
    p.backup := opt.backup;
    p.transient := pgqueue.check_columns(i_table, cols.names, cols.types, cols.key_names);
    if p.width > 128 then
        p.texts_sql := 'select array[' || (
            select string_agg(format('case when pg_catalog.num_nulls(($1).%1$I) = 0 then pg_catalog.format(''%%s'', ($1).%1$I) end', name),
                              ', ' order by no)
              from unnest(p.columns) with ordinality c (name, no)) || ']';
    end if;

    p := pgqueue.plan_event_types(p, encoding, i_table, coalesce(opt.pkey, array_to_string(cols.key_names, ',')),
                                  case when opt.pkey is null then cols.key_names else regexp_split_to_array(opt.pkey, ',') end);
    p := pgqueue.plan_columns(p, encoding, coalesce(opt.keys, cols.key_names), opt.ignore);
    p.kinds := cols.kinds;
    p.plain := encoding = 'json' and array_position(p.names, null) is null and true = all (cols.plain);
    p.has_time := exists (select from unnest(p.names, p.kinds) c (name, kind) where c.name is not null and c.kind = 'time');
    p.compare := cols.compare;
    p.inexact := exists (select from unnest(p.watch) w where p.compare[w] in ('operator', 'time'));
    p.equal_sql := 'select array[' || (
        select string_agg(case when c.compare in ('operator', 'time') then format('($1).%1$I %2$s ($2).%1$I', c.name, c.equality)
                               else 'null' end, ', ' order by c.no)
          from unnest(p.columns, cols.compare, cols.equality) with ordinality c (name, compare, equality, no)) || ']';
    return pgqueue.plan_expressions(p, opt.exprs);
end $$;

-- pgqueue.check_columns(...) - are these names, types and key of a table those of this moment?
--
-- Catalogue tables are read with the transaction's snapshot, which may be older than
-- the last change of the table; a plan made from that would stay wrong. Names and types
-- are compared with what the parser knows, which is always current: 40001 when
-- they differ. A key that is missing cannot be asked for that way:
-- true means that the answer holds for this statement only.
create or replace function pgqueue.check_columns(i_table regclass, i_names text[], i_types regtype[], i_key text[])
returns boolean
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    now_row record;
    now_names text[];
    now_types regtype[];
    now_key text[];
begin
    if current_setting('transaction_isolation') not in ('repeatable read', 'serializable') then
        return false;
    end if;
    execute format('select (null::%s).*', i_table) into now_row;
    now_names := array(select k from json_object_keys(row_to_json(now_row)) k);
    if now_names = coalesce(i_names, '{}') then
        execute format('select array[%s]::regtype[] from (select null::%s as r) t',
                (select string_agg(format('pg_typeof((t.r).%I)', name), ', ') from unnest(i_names) name), i_table)
           into now_types;
    end if;
    if i_key is not null then
        select array_agg(pg_get_indexdef(i.indexrelid, k, true)) into now_key
          from pg_index i, generate_series(1, i.indnkeyatts) k
         where i.indrelid = i_table and i.indisprimary;
    end if;
    if now_types is distinct from i_types
       or array(select quote_ident(name) from unnest(i_key) name) is distinct from coalesce(now_key, '{}') then
        raise exception 'could not serialize access: table % was changed after this transaction''s snapshot', i_table
            using errcode = 'serialization_failure', hint = 'Run the transaction again.';
    end if;
    return i_key is null;
end $$;

-- pgqueue.plan_event_types(...) - fill in what ev_type and ev_extra1 will say
--
-- i_key is the key in one text, i_keys in many. The texts are the same for each row.
create or replace function pgqueue.plan_event_types(
    p pgqueue.trigger_plan, i_kind text, i_table regclass, i_key text, i_keys text[])
returns pgqueue.trigger_plan
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    schema_name text;
    rel_name text;
    pattern text;
begin
    select n.nspname, c.relname into schema_name, rel_name
      from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = i_table;
    p.table_name := schema_name || '.' || rel_name;
    p.keyless := coalesce(i_key, '') = '';
    if i_kind = 'json' then
        pattern := format(',"table":[%s,%s],"pkey":[%s]}', to_json(schema_name), to_json(rel_name),
            (select string_agg(to_json(k)::text, ',' order by no) from unnest(i_keys) with ordinality u (k, no)));
        p.type_insert := '{"op":"INSERT"' || pattern;
        p.type_update := '{"op":"UPDATE"' || pattern;
        p.type_delete := '{"op":"DELETE"' || pattern;
        p.type_truncate := '{"op":"TRUNCATE"' || pattern;
    else
        pattern := case i_kind when 'url' then ':' || coalesce(i_key, '') else '' end;
        p.type_insert := 'I' || pattern;
        p.type_update := 'U' || pattern;
        p.type_delete := 'D' || pattern;
        p.type_truncate := 'R';
    end if;
    return p;
end $$;

-- pgqueue.plan_columns(...) - fill in which columns are data, key, magic, or left out
--
-- In an UPDATE the key is compared always, other columns where it matters: for
-- ignored ones, and, in SQL, to know what to set. A magic column counts as ignored then.
create or replace function pgqueue.plan_columns(
    p pgqueue.trigger_plan, i_kind text, i_key text[], i_ignore text[])
returns pgqueue.trigger_plan
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    fields constant text[] := '{_pgq_ev_type,_pgq_ev_data,_pgq_ev_extra1,_pgq_ev_extra2,_pgq_ev_extra3,_pgq_ev_extra4}';
    col text;
    magic boolean;
    encoded text;
begin
    p.names := '{}';
    p.url_names := '{}';
    p.keys := '{}';
    p.watch := '{}';
    for i in 1 .. p.width loop
        col := p.columns[i];
        magic := starts_with(col, '_pgq_ev_');
        if magic then
            p.magic_fields := p.magic_fields || array_position(fields, col);
            p.magic_columns := p.magic_columns || i;
            if array_position(fields, col) is null then
                p.refusal_late := coalesce(p.refusal_late, 'Unknown magic column: ' || col);
            end if;
        elsif col = any (i_key) then
            p.keys := p.keys || i;
        end if;
        if i_kind = 'sql' or i_ignore is not null or i = any (p.keys) then
            p.watch := p.watch || i;
        end if;
        encoded := case i_kind when 'json' then to_json(col) || ':' when 'url' then pgqueue.url_encode(col) else quote_ident(col) end;
        if magic or col = any (i_ignore) then
            encoded := null;
        end if;
        p.names := p.names || encoded;
        p.url_names := p.url_names || case when encoded is not null then pgqueue.url_encode(col) end;
    end loop;
    return p;
end $$;

-- pgqueue.plan_expressions(p, i_exprs) - fill in the query for fields that are expressions
--
-- i_exprs: by field, NULL for none. Each is what may follow SELECT, with the row's columns in
-- scope, also as r; one query evaluates them all. $1 is the row. An expression may end in a comment.
-- As in PgQ a column "Up" can be called Up, unless there is a column up.
-- Last in the result is the type of the when= condition, or 0.
create or replace function pgqueue.plan_expressions(p pgqueue.trigger_plan, i_exprs text[])
returns pgqueue.trigger_plan
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    results text := '';
    sources text := '';
begin
    for i in 1 .. 7 loop
        continue when i_exprs[i] is null;
        p.expr_fields := p.expr_fields || i;
        if btrim(i_exprs[i], E' \t\r\n') = '' then
            results := results || ', null';
        else
            results := results || format(', pgqueue_%1$s.pgqueue_%1$s', i);
            sources := sources || format(E', lateral (select %s\n) pgqueue_%2$s (pgqueue_%2$s)', i_exprs[i], i);
        end if;
    end loop;
    if p.expr_fields is not null then
        results := results || case when btrim(i_exprs[7], E' \t\r\n') <> ''
                                   then ', pg_catalog.pg_typeof(pgqueue_7.pgqueue_7)::pg_catalog.oid' else ', 0' end;
        p.expr_sql := 'select ' || substr(results, 3) || ' from (select ($1).*' || coalesce((
            select string_agg(format(', ($1).%I as %I', low.name, low.lower), '')
              from (select min(c.name) as name, lower(c.name) from unnest(p.columns) c (name)
                     where lower(c.name) <> all (p.columns) group by lower(c.name) having count(*) = 1) low), '') || ') r' || sources;
    end if;
    return p;
end $$;
