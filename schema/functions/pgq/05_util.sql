-- Utilities of schema pgq.

-- pgq.quote_fqname(i_name) - quote a dotted name as identifiers; without a dot: in schema public
create or replace function pgq.quote_fqname(i_name text)
returns text
language plpgsql strict immutable as $$
declare
    dot int4 := strpos(i_name, '.');
begin
    if dot = 0 then
        return 'public.' || quote_ident(i_name);
    end if;
    return quote_ident(left(i_name, dot - 1)) || '.' || quote_ident(substr(i_name, dot + 1));
end $$;

-- pgq.seq_getval(i_seq_name) - last_value of a sequence, whether or not it was called
create or replace function pgq.seq_getval(i_seq_name text)
returns int8
language plpgsql strict as $$
declare
    v int8;
begin
    execute 'select last_value from ' || pgq.quote_fqname(i_seq_name) into v;
    return v;
end $$;

-- pgq.seq_setval(i_seq_name, i_new_value) - raise a sequence to a value, never lower it; returns its value
create or replace function pgq.seq_setval(i_seq_name text, i_new_value int8)
returns int8
language plpgsql strict as $$
declare
    v int8 := pgq.seq_getval(i_seq_name);
begin
    if v < i_new_value then
        return setval(pgq.quote_fqname(i_seq_name), i_new_value);
    end if;
    return v;
end $$;

-- pgq.upgrade_schema() - nothing to do here; kept for scripts that call it. Returns 0.
create or replace function pgq.upgrade_schema()
returns int4
language sql as $$
    select 0;
$$;
