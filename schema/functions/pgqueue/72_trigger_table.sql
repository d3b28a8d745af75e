-- What the triggers read of their arguments and of the catalogues: see 70_trigger_plan.sql.

-- pgqueue.trigger_args(i_args) - arguments of a trigger from pg_trigger.tgargs, as in TG_ARGV
--
-- An array that begins at 0; NULL without arguments. There, each ends with a zero byte.
create or replace function pgqueue.trigger_args(i_args bytea)
returns text[]
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    parts text[] := string_to_array(regexp_replace(encode(i_args, 'hex'), '(..)', '\1 ', 'g'), '00 ');
    args text[];
begin
    for i in 1 .. cardinality(parts) - 1 loop -- nothing follows the last zero byte
        args[i - 1] := convert_from(decode(replace(parts[i], ' ', ''), 'hex'), getdatabaseencoding());
    end loop;
    return args;
end $$;

-- pgqueue.in_list(i_list, i_name) - does a list separated by commas or blanks have this name?
--
-- A name with such a character in it is found too.
create or replace function pgqueue.in_list(i_list text, i_name text)
returns boolean
language sql immutable set search_path = pg_catalog, pg_temp as $$
    select coalesce(bool_or(substr(i_list, i, length(i_name)) = i_name
                            and (i = 1 or substr(i_list, i - 1, 1) ~ '[,\s]')
                            and substr(i_list, i + length(i_name), 1) ~ '^[,\s]?$'), false)
      from generate_series(1, length(i_list)) i;
$$;

-- pgqueue.trigger_options(i_args, i_columns) - what the arguments of a trigger ask for
--
-- refusal is NULL, or what is wrong with them. ignore and keys are those of i_columns that the options
-- name, pkey the text of that option. Given twice, an expression counts the first
-- time, ignore and pkey the last time. Arguments are case sensitive.
create or replace function pgqueue.trigger_options(
    i_args text[], i_columns text[],
    out refusal text, out deny boolean, out skip boolean, out backup boolean,
    out ignore text[], out pkey text, out keys text[], out exprs text[])
returns record
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    arg text;
    word text;
    field int4;
begin
    deny := false;
    skip := false;
    backup := false;
    exprs := array_fill(null::text, array[7]);
    if i_args is null then
        refusal := 'pgq trigger must have destination queue as argument';
        return;
    end if;
    foreach arg in array i_args[1:] loop
        word := substring(arg from '^(ev_type|ev_data|ev_extra[1-4]|when|ignore|pkey)=');
        field := array_position('{ev_type,ev_data,ev_extra1,ev_extra2,ev_extra3,ev_extra4,when}', word);
        if field is not null then
            exprs[field] := coalesce(exprs[field], substr(arg, length(word) + 2));
        elsif word = 'ignore' then
            ignore := array(select c from unnest(i_columns) c where pgqueue.in_list(substr(arg, 8), c));
        elsif word = 'pkey' then
            pkey := substr(arg, 6);
            keys := array(select c from unnest(i_columns) c where pgqueue.in_list(pkey, c));
        elsif arg = 'deny' then
            deny := true;
        elsif arg = 'SKIP' then
            skip := true;
        elsif arg = 'backup' then
            backup := true;
        else
            refusal := 'bad param to pgq trigger';
        end if;
    end loop;
end $$;

-- pgqueue.logtriga_options(i_args, i_columns) - the same for the arguments of pgq.logtriga
--
-- The second one has a letter for each column: k key, v value, anything else or nothing: ignore.
create or replace function pgqueue.logtriga_options(
    i_args text[], i_columns text[],
    out refusal text, out deny boolean, out skip boolean, out backup boolean,
    out ignore text[], out pkey text, out keys text[], out exprs text[])
returns record
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    kinds constant text := i_args[1];
begin
    deny := false;
    skip := false;
    backup := false;
    select coalesce(array_agg(c.name order by c.no) filter (where substr(kinds, c.no, 1) = 'k'), '{}'),
           coalesce(array_agg(c.name order by c.no) filter (where substr(kinds, c.no, 1) not in ('k', 'v')), '{}')
      into keys, ignore
      from (select name, no::int4 from unnest(i_columns) with ordinality u (name, no)) c;
    pkey := array_to_string(keys, ',');
    refusal := case
        when i_args is null then 'pgq trigger must have destination queue as argument'
        when cardinality(i_args) not in (2, 3) then 'pgq.logtriga must be used with 2 or 3 args'
        when strpos(kinds, 'k') = 0 then 'need at least one key column'
        when strpos(substr(kinds, cardinality(i_columns) + 1), 'k') > 0 then 'key column does not exist' end;
end $$;

-- pgqueue.equality_operator(i_type) - how values of a type are compared, NULL: by their text
--
-- The operator of the type's default operator class for btree or hash, with its schema.
-- Arrays are compared by their text.
create or replace function pgqueue.equality_operator(i_type oid)
returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    t pg_type;
begin
    select * into t from pg_type where oid = i_type;
    while t.typtype = 'd' loop
        select * into t from pg_type where oid = t.typbasetype;
    end loop;
    if t.typsubscript = 'array_subscript_handler'::regproc then
        return null;
    end if;
    return (
        select format('operator(%s.%s)', o.oprnamespace::regnamespace, o.oprname)
          from pg_opclass c
          join pg_am m on m.oid = c.opcmethod
          join pg_amop a on a.amopfamily = c.opcfamily and a.amoplefttype = c.opcintype and a.amoprighttype = c.opcintype
                        and a.amopstrategy = case m.amname when 'btree' then 3 else 1 end
          join pg_operator o on o.oid = a.amopopr
         where c.opcdefault and m.amname in ('btree', 'hash')
           and c.opcintype = any (
                array[t.oid, case t.typtype when 'e' then 'anyenum'::regtype when 'c' then 'record'::regtype
                                            when 'r' then 'anyrange'::regtype when 'm' then 'anymultirange'::regtype end]
                || array(select k.casttarget from pg_cast k
                          where k.castsource = t.oid and k.castmethod = 'b' and k.castcontext = 'i'))
         order by m.amname, c.opcintype <> t.oid
         limit 1);
end $$;

-- pgqueue.trigger_columns(i_table) - the columns of a table as the triggers see them
--
-- kind: how JSON writes the value (bare, bool, time or text). plain: row_to_json() writes it so
-- by itself. compare: NULL when equal texts mean equal values and different texts different
-- ones; number or time: when only that of them fails; else operator, which is equality.
-- key_no: place in the primary key.
create or replace function pgqueue.trigger_columns(
    i_table regclass,
    out no int4, out name text, out type regtype, out kind text, out plain boolean,
    out compare text, out equality text, out key_no int4)
returns setof record
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    -- types without anything special about their text
    exact constant regtype[] := '{bool,int2,int4,int8,text,varchar,name,uuid,bytea,date,time,timetz,timestamp,inet,cidr,macaddr,bit,varbit}';
    key int2[] := (select (i.indkey::int2[])[0:i.indnkeyatts - 1] from pg_index i where i.indrelid = i_table and i.indisprimary);
begin
    for no, name, type, kind, plain, compare, key_no in
        select row_number() over (order by a.attnum), a.attname, a.atttypid,
               case when a.atttypid = any ('{int2,int4,int8}'::regtype[]) then 'bare'
                    when a.atttypid = 'bool'::regtype then 'bool'
                    when a.atttypid = any ('{date,timestamp,timestamptz}'::regtype[]) then 'time'
                    else 'text' end,
               a.atttypid = any (exact || '{bpchar,timestamptz,interval}'::regtype[])
                   or t.typtype = 'e' and not exists (
                       select from pg_cast k where k.castsource = t.oid and k.casttarget = 'json'::regtype),
               case when a.atttypid = 'numeric'::regtype then 'number'
                    when a.atttypid = 'timestamptz'::regtype then 'time'
                    when (a.atttypid = any (exact) or t.typtype = 'e')
                     and (a.attcollation = 0 or (select c.collisdeterministic from pg_collation c where c.oid = a.attcollation))
                    then null
                    else 'operator' end,
               array_position(key, a.attnum)
          from pg_attribute a
          join pg_type t on t.oid = a.atttypid
         where a.attrelid = i_table and a.attnum > 0 and not a.attisdropped
    loop
        equality := case compare when 'time' then 'operator(pg_catalog.=)' when 'operator' then pgqueue.equality_operator(type) end;
        if equality is null and compare = 'operator' then
            compare := null;
        end if;
        return next;
    end loop;
end $$;
