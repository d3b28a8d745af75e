-- 0005: types for the triggers.

-- What a trigger function needs to know of its table and its arguments
-- (pgqueue.trigger_plan makes it). Arrays of columns have an element for each
-- column of the table, in the table's order, dropped ones left out. Event fields are
-- numbered: 1 type, 2 data, 3 ... 6 extra1 ... extra4, 7 the when= condition.
create type pgqueue.trigger_plan as (
    args            text[],     -- the trigger's arguments, as in TG_ARGV
    refusal         text,       -- what is wrong with them
    refusal_late    text,       -- what is wrong with the columns; deny comes first
    transient       boolean,    -- true: good for this statement only
    queue           text,
    table_name      text,
    type_insert     text,       -- ev_type by operation
    type_update     text,
    type_delete     text,
    type_truncate   text,
    deny            boolean,
    skip            boolean,
    after_only      boolean,    -- pgq.logtriga
    backup          boolean,
    keyless         boolean,
    width           integer,    -- number of columns
    texts_sql       text,       -- query for the columns as text, for a table too wide for pgqueue.row_texts
    columns         text[],     -- names
    names           text[],     -- names as the encoding writes them; NULL: not in the data
    kinds           text[],     -- how JSON writes the value: bare, bool, time or text
    plain           boolean,    -- row_to_json() gives the data as it is
    has_time        boolean,    -- a column of kind time is in the data
    url_names       text[],     -- sqltriga: names for the backup
    keys            integer[],  -- key columns
    watch           integer[],  -- columns to compare in an UPDATE
    compare         text[],     -- how: NULL by text, else number, time or operator
    inexact         boolean,    -- a watched column compares by operator
    equal_sql       text,       -- query for the result of these operators
    magic_fields    integer[],  -- fields that magic columns replace,
    magic_columns   integer[],  -- and these columns
    expr_sql        text,       -- query for the fields that expressions replace,
    expr_fields     integer[]   -- and these fields
);

-- Rows of text: PostgreSQL's own text of any row, padded to this width, casts to
-- them, and so a row of any type becomes an array without dynamic SQL.
do $do$
declare
    width int4;
begin
    foreach width in array '{32,128}'::int4[] loop
        execute format('create type pgqueue.row_%s as (%s)', width,
            (select string_agg(format('c%s text', i), ', ' order by i) from generate_series(1, width) i));
    end loop;
end $do$;
