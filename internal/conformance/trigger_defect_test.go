package conformance

import (
	"fmt"
	"testing"
)

// TestTriggerDefects has what the specification says of triggers besides its cases: defects,
// options in odd places, and tables that change under a trigger.
func TestTriggerDefects(t *testing.T) { runCases(t, triggerDefectCases) }

var triggerDefectCases = []testCase{
	{id: "D19", script: queueQ + `
		create table t (a text, nr int primary key, b text);
		insert into t values ('a', 1, 'b');
		create trigger x after update on t for each row execute function pgq.logutriga('q', 'ignore=b');
		update t set nr = 2;
		--> E: primary key update not allowed
		update t set a = 'c', nr = 2;
		--> $D19
		select nr from t;
		--> $D19/nr
	`},
	{id: "D20", script: queueQ + `
		create function lower_of(text) returns text language sql as 'select lower($1)';
		create function "Up"(text) returns text language sql as 'select upper($1)';
		create table t (nr int primary key, "Up" text, "a b" text);
	` + one("after insert", "t", "'ev_extra1=Up||nr'") + `
		insert into t values (1, 'x', 'y');
	` + one("after insert", "t", `'ev_extra1="a b"'`) + `
		insert into t values (2, 'x', 'y');
		--> $D20
	` + one("after insert", "t", `'ev_extra1=lower_of("Up")'`) + `
		insert into t values (3, 'X', 'y');
		--> $D20
	` + one("after insert", "t", `'ev_extra1="Up"(r."a b")'`) + `
		insert into t values (4, 'x', 'y');
		--> $D20
	` + one("after insert", "t", `'ev_extra1=nr -- its number'`, `'ev_extra2=/* Up */ 1'`) + `
		insert into t values (5, 'x', 'y');
		with taken as (delete from pgq.event_template returning *)
		select ev_data, ev_extra1, ev_extra2 from taken order by ev_id;
		--> $D20/events
	`},
	{id: "include", script: queueQ + `
		create table t (nr int, a text, primary key (nr) include (a));
	` + one("after insert or update", "t") + `
		insert into t values (1, 'a');
		update t set a = 'b';
		--> $include
		select ev_type, ev_data from pgq.event_template order by ev_id;
		--> $include/events
	`},
	{id: "trigger-arguments", script: queueQ + `
		create table t (nr int primary key, a text);
	` + one("after insert", "t", "'foo'") + refused("bad param to pgq trigger") +
		one("after insert", "t", "'extra1=1'") + refused("bad param to pgq trigger") +
		one("after insert", "t", "'skip'") + refused("bad param to pgq trigger") +
		one("after insert", "t", "''") + refused("bad param to pgq trigger") +
		one("after insert", "t", "'ignore =a'") + refused("bad param to pgq trigger") +
		one("after insert", "t", "'when='") + refused("when= query result must be boolean, got=0") +
		one("after insert", "t", "'when=1'") + refused("when= query result must be boolean, got=23") +
		one("after insert", "t", "'when=null'") + refused("when= query result must be boolean, got=25") +
		one("after insert", "t", "'ev_type=generate_series(1,3)'") + refused("Expect 1 row from override query, got 3") +
		one("after insert", "t", "'ev_type=1 where false'") + refused("Expect 1 row from override query, got 0") + `
		create trigger other after insert on t for each row execute function pgq.logutriga();
		drop trigger x on t;` + refused("pgq trigger must have destination queue as argument") + `
		drop trigger other on t;
	` + one("after insert", "t", "'when=false'", "'ev_type=1/0'") + `
		insert into t values (1, 'a');
		--> E 22012
	` + one("after insert", "t", "'ev_data=a'", "'ev_extra1='", "'ev_extra2=nr=1'", "'ev_extra3=count(*) from generate_series(1,nr)'",
		"'ev_extra4=1'", "'ev_extra4=2'", "'pkey=a'", "'pkey=nr, a'") + `
		insert into t values (3, 'x');` + events + `
		--> I:nr, a|x|NULL|f|3|1
		drop trigger x on t;
		create trigger x after insert on t for each statement execute function pgq.logutriga('q');
	` + refused("pgq Ins/Upd/Del trigger must be fired FOR EACH ROW")},
	{id: "trigger-truncate", script: queueQ + `
		create table t (nr int primary key, a text);
		insert into t values (1, 'a');
	` + truncating("'ignore=a'") + "--> E: Column ignore does not make sense for truncate trigger\n" +
		truncating("'pkey=a'", "'backup'") + "--> E: Custom pkey_list does not make sense for truncate trigger\n" +
		truncating("'backup'") + "--> E: Backup does not make sense for truncate trigger\n" +
		truncating("'when=true'", "'ignore=a'") + "--> E: Custom expressions do not make sense for truncater trigger\n" + `
		drop trigger x on t;
		create trigger x before truncate on t for each statement execute function pgq.jsontriga('q', 'SKIP');
		truncate t;
		select count(*) from t;
		--> 0
	` + events + `
		--> {"op":"TRUNCATE","table":["public","t"],"pkey":["nr"]}|{}|public.t|NULL|NULL|NULL
	`},
	{id: "trigger-equal", script: queueQ + `
		create table t (nr numeric primary key, f float8, j jsonb, c char(5), js json, p point, a numeric[], b box, i interval);
		insert into t values (1.0, 0, '{"a":1.0}', 'x', '{"a": 1}', '(1,2)', '{1.0}', '(1,1),(0,0)', '1 day');
		create trigger x after update on t for each row execute function pgq.sqltriga('q');
		update t set nr = 1.00;
		update t set f = '-0', j = '{"a":1.00}', c = 'x ', p = '(1,2.0)', i = '24 hours';
		update t set js = '{"a":1}';
		update t set p = '(1,2.5)';
		update t set a = '{1.00}';
		update t set b = '(3,3),(2,2)';
		update t set i = null, f = '1e-300';
		select ev_data from pgq.event_template order by ev_id;
		--> nr='1.0' where nr='1.0'
		--> nr='1.00' where nr='1.00'
		--> js='{"a":1}' where nr='1.00'
		--> p='(1,2.5)' where nr='1.00'
		--> a='{1.00}' where nr='1.00'
		--> b='(3,3),(2,2)' where nr='1.00'
		--> f='1e-300',i=NULL where nr='1.00'
		set extra_float_digits = 0;
		update t set f = 0.1;
		delete from pgq.event_template;
		update t set f = 0.10000000000000002;
		update t set f = 0.10000000000000002;
		select ev_data from pgq.event_template order by ev_id;
		--> f='0.1' where nr='1.00'
		--> nr='1.00' where nr='1.00'
	`},
	// The call is made by name, whoever replaces the function.
	{id: "trigger-stub", script: queueQ + `
		create table t (nr int primary key, a text);
	` + watch(afterAll, "t") + watchTruncate("t") + `
		insert into t values (1, 'a');
		create or replace function pgq.insert_event(queue_name text, ev_type text, ev_data text,
			ev_extra1 text, ev_extra2 text, ev_extra3 text, ev_extra4 text) returns int8 language plpgsql as $$
		begin
			raise warning 'insert_event(%, %, %, %, %, %, %)', queue_name, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4;
			return 1;
		end $$;
		update t set a = 'b';
		--> W: insert_event(q, {"op":"UPDATE","table":["public","t"],"pkey":["nr"]}, {"nr":1,"a":"b"}, public.t, <NULL>, <NULL>, <NULL>)
		--> W: insert_event(q, U:nr, nr=1&a=b, public.t, <NULL>, <NULL>, <NULL>)
		--> W: insert_event(q, U, a='b' where nr='1', public.t, <NULL>, <NULL>, <NULL>)
		truncate t;
		--> W: insert_event(q, {"op":"TRUNCATE","table":["public","t"],"pkey":["nr"]}, {}, public.t, <NULL>, <NULL>, <NULL>)
		--> W: insert_event(q, R, , public.t, <NULL>, <NULL>, <NULL>)
		--> W: insert_event(q, R, , public.t, <NULL>, <NULL>, <NULL>)
	`},
	// Expressions are looked up where the statement that fires the trigger would look.
	{id: "trigger-path", script: queueQ + `
		create schema s1;
		create schema s2;
		create function s1.tag() returns text language sql as $$ select 'one'::text $$;
		create function s2.tag() returns text language sql as $$ select 'two'::text $$;
		create table t (nr int primary key);
		create trigger x after insert on t for each row execute function pgq.logutriga('q', 'ev_extra1=tag()');
		set search_path = s1;
		insert into public.t values (1);
		set search_path = s2;
		insert into public.t values (2);
		reset search_path;
		insert into public.t values (3);
		--> E 42883
		select ev_data, ev_extra1 from pgq.event_template order by ev_id;
		--> nr=1|one
		--> nr=2|two
	`},
}

// one puts a single logutriga on a table, in place of the one before.
func one(timing, table string, args ...string) string {
	return fmt.Sprintf("drop trigger if exists x on %s;\ncreate trigger x %s on %s for each row execute function pgq.logutriga('q'%s);\n",
		table, timing, table, prefixed(args))
}

// truncating puts a single logutriga for TRUNCATE on t, and truncates it.
func truncating(args ...string) string {
	return fmt.Sprintf("drop trigger if exists x on t;\ncreate trigger x before truncate on t for each statement execute function pgq.logutriga('q'%s);\ntruncate t;\n",
		prefixed(args))
}

func prefixed(args []string) (list string) {
	for _, a := range args {
		list += ", " + a
	}
	return list
}

func refused(message string) string {
	return "\ninsert into t values (1, 'a');\n--> E: " + message + "\n"
}
