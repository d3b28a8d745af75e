-- How the triggers write rows.
--
-- These functions run for every row and with the rights of whoever changes the table. They have no fixed
-- search_path (setting one costs more than the work); instead each function they call
-- is qualified, and each operator is one that pg_catalog has for exactly these types.

-- pgqueue.row_texts(i_row, i_width, i_sql) - the columns of a row, as text
--
-- In the table's order, each by its type's output function, NULL for NULL. i_width is the number of
-- columns. Up to 128 of them, PostgreSQL's text of the whole row, padded with empty
-- columns, is the text of a row of 32 or 128 texts. For more, i_sql is a query that does it.
do $do$
begin
    execute replace(replace($fn$
create or replace function pgqueue.row_texts(i_row anyelement, i_width int4, i_sql text)
returns text[]
language plpgsql stable as $body$
declare
    line text := pg_catalog.left(pg_catalog.format('%s', i_row), -1);
    narrow pgqueue.row_32;
    wide pgqueue.row_128;
    texts text[];
begin
    if i_width between 1 and 32 then
        narrow := (line || pg_catalog.repeat(',', 32 - i_width) || ')')::pgqueue.row_32;
        return (array[{{narrow}}])[1:i_width];
    elsif i_width between 33 and 128 then
        wide := (line || pg_catalog.repeat(',', 128 - i_width) || ')')::pgqueue.row_128;
        return (array[{{wide}}])[1:i_width];
    elsif i_width > 0 then
        execute i_sql into texts using i_row;
        return texts;
    end if;
    return '{}';
end $body$;
$fn$, '{{narrow}}', (select string_agg('narrow.c' || i, ', ' order by i) from generate_series(1, 32) i)),
      '{{wide}}', (select string_agg('wide.c' || i, ', ' order by i) from generate_series(1, 128) i));
end $do$;

-- pgqueue.url_encode(i_text) - URL encoding, byte by byte
--
-- Letters, digits and _ . - stay, a blank becomes +, any other byte of the server's
-- encoding becomes % and two lower-case hexadecimal digits.
do $do$
declare
    punctuation constant text := '%+!"#$&''()*,/:;<=>?@[\]^`{|}~ '; -- % and + first: they appear in what others become
    expr text := 'i_text';
begin
    for i in 1 .. length(punctuation) loop
        expr := format('pg_catalog.replace(%s, %L, %L)', expr, substr(punctuation, i, 1),
            case substr(punctuation, i, 1) when ' ' then '+' else '%' || to_hex(ascii(substr(punctuation, i, 1))) end);
    end loop;
    execute replace($fn$
create or replace function pgqueue.url_encode(i_text text)
returns text
language plpgsql immutable strict as $body$
declare
    encoded text := {{expr}};
begin
    if encoded ~ '[^!-~]' then -- control characters, and beyond ASCII
        encoded := (
            select pg_catalog.string_agg(part.found[1] || coalesce(pg_catalog.regexp_replace(
                       pg_catalog.encode(pg_catalog.convert_to(part.found[2], pg_catalog.getdatabaseencoding()), 'hex'),
                       '(..)', '%\1', 'g'), ''), '')
              from pg_catalog.regexp_matches(encoded, '([!-~]*)([^!-~]+)?', 'g') part (found));
    end if;
    return encoded;
end $body$;
$fn$, '{{expr}}', expr);
end $do$;

-- pgqueue.url_row(i_names, i_values) - a row in URL encoding: name=value&..., without = for NULL
--
-- i_names are encoded already; a column whose name is NULL is left out.
create or replace function pgqueue.url_row(i_names text[], i_values text[])
returns text
language plpgsql immutable as $$
declare
    -- All values are encoded at once, with a mark between them that the encoding leaves
    -- alone. No part of it repeats in it, so it is found where it was put, and
    -- a value that has it in itself shows in the number of parts.
    mark constant text := '.-_';
    parts text[] := pg_catalog.string_to_array(
        pgqueue.url_encode(pg_catalog.array_to_string(i_values, mark, '')), mark);
    data text := '';
begin
    if pg_catalog.cardinality(parts) <> pg_catalog.cardinality(i_values) then
        for i in 1 .. pg_catalog.cardinality(i_values) loop
            parts[i] := pgqueue.url_encode(i_values[i]);
        end loop;
    end if;
    for i in 1 .. pg_catalog.cardinality(i_names) loop
        if i_names[i] is null then
            continue;
        elsif i_values[i] is null then
            data := data || '&' || i_names[i];
        else
            data := data || '&' || i_names[i] || '=' || parts[i];
        end if;
    end loop;
    return pg_catalog.substr(data, 2);
end $$;

-- pgqueue.json_row(i_row, p, i_values) - a row as a JSON object
--
-- i_values are its columns as text, not needed for a plain table. row_to_json() is right
-- but for numbers with a point, JSON, arrays and the like, which are texts here.
create or replace function pgqueue.json_row(i_row anyelement, p pgqueue.trigger_plan, i_values text[])
returns text
language plpgsql stable as $$
declare
    names text[] := p.names;
    kinds text[] := p.kinds;
    times json;
    data text := '';
begin
    if p.plain then
        return pg_catalog.row_to_json(i_row);
    elsif p.has_time then
        times := pg_catalog.row_to_json(i_row);
    end if;
    for i in 1 .. p.width loop
        continue when names[i] is null;
        data := data || ',' || names[i] || case
            when i_values[i] is null then 'null'
            when kinds[i] = 'bare' then i_values[i]
            when kinds[i] = 'bool' then case i_values[i] when 't' then 'true' else 'false' end
            when kinds[i] = 'time' then pg_catalog.to_json(pg_catalog.json_extract_path_text(times, p.columns[i]))::text
            else pg_catalog.to_json(i_values[i])::text end;
    end loop;
    return '{' || pg_catalog.substr(data, 2) || '}';
end $$;

-- pgqueue.sql_insert(i_names, i_values) - a row as what may follow: insert into t
create or replace function pgqueue.sql_insert(i_names text[], i_values text[])
returns text
language plpgsql immutable as $$
declare
    list text := '';
begin
    for i in 1 .. pg_catalog.cardinality(i_names) loop
        continue when i_names[i] is null;
        list := list || ',' || coalesce(pg_catalog.quote_literal(i_values[i]), 'null');
    end loop;
    return '(' || pg_catalog.array_to_string(i_names, ',') || ') values (' || pg_catalog.substr(list, 2) || ')';
end $$;

-- pgqueue.sql_key(p, i_values) - the condition that finds a row by its key
create or replace function pgqueue.sql_key(p pgqueue.trigger_plan, i_values text[])
returns text
language plpgsql immutable as $$
declare
    condition text := '';
    k int4;
begin
    foreach k in array p.keys loop
        if i_values[k] is null then
            raise exception 'logtriga: Unexpected NULL key value'
                using errcode = 'PQ005', detail = pg_catalog.format('Table %s, column %s', p.table_name, p.columns[k]),
                      hint = 'The columns of pkey= must not be NULL.';
        end if;
        condition := condition || ' and ' || pg_catalog.quote_ident(p.columns[k]) || '=' || pg_catalog.quote_literal(i_values[k]);
    end loop;
    return pg_catalog.substr(condition, 6);
end $$;

-- pgqueue.sql_update(p, i_old, i_new, i_changed) - what may follow: update t set
--
-- i_changed: the columns to set, 0 does not count. When there are none, the first key column is set to itself.
create or replace function pgqueue.sql_update(p pgqueue.trigger_plan, i_old text[], i_new text[], i_changed int4[])
returns text
language plpgsql immutable as $$
declare
    key text := pgqueue.sql_key(p, i_old);
    list text := '';
    c int4;
begin
    foreach c in array i_changed loop
        continue when c = 0;
        list := list || ',' || p.names[c] || '=' || coalesce(pg_catalog.quote_literal(i_new[c]), 'NULL');
    end loop;
    if list = '' then
        c := p.keys[1];
        if c is null then
            raise exception 'logtriga: Unexpected NULL key value'
                using errcode = 'PQ005', detail = pg_catalog.format('Table %s has no column of pkey=', p.table_name);
        end if;
        list := ',' || pg_catalog.quote_ident(p.columns[c]) || '=' || pg_catalog.quote_literal(i_old[c]);
    end if;
    return pg_catalog.substr(list, 2) || ' where ' || key;
end $$;

