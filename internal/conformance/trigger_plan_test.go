package conformance

import "testing"

// TestTriggerPlans is about how our triggers work: what they know of a table is worked out
// once and kept, and nobody's names get in their way.
func TestTriggerPlans(t *testing.T) { runOurs(t, triggerPlanCases) }

var triggerPlanCases = []testCase{
	// Kept in the session: worked out by the first INSERT or UPDATE and the first DELETE, and
	// again after the table was changed. A server that evaluates it for every row would be right, and slow.
	{id: "trigger-plan", script: queueQ + `
		create table t (nr int primary key, a numeric);
	` + watch(afterAll, "t", "'ignore=a'") + `
		set track_functions = 'pl';
		begin;
		insert into t select i, i from generate_series(1, 50) i;
		update t set a = 2;
		select calls from pg_stat_xact_user_functions where funcname in ('trigger_plans', 'trigger_plan', 'choose_plan');
		--> 3
		--> 3
		delete from t where nr < 40;
		select calls from pg_stat_xact_user_functions where funcname = 'trigger_plans';
		--> 6
		alter table t add column b int;
		update t set b = 2;
		select calls from pg_stat_xact_user_functions where funcname = 'trigger_plans';
		--> 9
		commit;
		\c other
		set track_functions = 'pl';
		begin isolation level repeatable read;
		insert into t select i from generate_series(100, 150) i;
		select calls from pg_stat_xact_user_functions where funcname in ('trigger_plans', 'trigger_plan', 'choose_plan');
		--> 3
		--> 3
		commit;
	`},
	// Functions and operators that fit the calls of the triggers better than those of pg_catalog.
	{id: "trigger-names", script: queueQ + `
		create table t (nr int primary key, a text, f float8, j json, _pgq_ev_extra4 text);
		create function trap(anyelement) returns bool language plpgsql as $$ begin raise exception 'trapped by %', $1; end $$;
		create function trap(a text[], b text[]) returns bool language sql as 'select trap(a)';
		create function trap(a int[], b int) returns int[] language sql as 'select case when trap(a) then a end';
		create function trap(a oid, b regclass) returns bool language sql as 'select trap(a)';
		create function trap(a text[], b text) returns text[] language sql as 'select case when trap(a) then a end';
		create operator = (leftarg = text[], rightarg = text[], function = trap);
		create operator <> (leftarg = text[], rightarg = text[], function = trap);
		create operator = (leftarg = oid, rightarg = regclass, function = trap);
		create operator || (leftarg = int[], rightarg = int, function = trap);
		create operator || (leftarg = text[], rightarg = text, function = trap);
		create function format(text, t) returns text language sql as $$ select trap($1)::text $$;
		create function row_to_json(t) returns json language sql as $$ select to_json(trap($1)) $$;
		create function to_json(text) returns json language sql as $$ select to_json(trap($1)) $$;
		create function quote_literal(text) returns text language sql as $$ select trap($1)::text $$;
		create function cardinality(text[]) returns int language sql as $$ select trap($1)::int $$;
		create function array_to_string(text[], text, text) returns text language sql as $$ select trap($1)::text $$;
		create function array_append(int[], int) returns int[] language sql as $$ select trap($1, $2) $$;
		create function pg_typeof(bool) returns regtype language sql as $$ select trap($1)::int::regtype $$;
		create function insert_event(text, text, text, text, text, text, text) returns int8 language sql as $$ select trap($1)::int::int8 $$;
	` + watch(afterAll, "t", "'ignore=f'", "'backup'", "'ev_extra3=a'", "'when=a is not null'") + watchTruncate("t") + `
		insert into t values (1, 'a', 1.5, '{}');
		update t set f = 0.5;
		update t set a = 'b&', f = 2.5, j = '[]';
		delete from t;
		truncate t;
		select count(*) from pgq.event_template;
		--> 12
	`},
}
