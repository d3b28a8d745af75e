package conformance

import "testing"

// TestTriggerTables changes tables under their triggers. What the triggers know
// of a table is kept for a session; it must never be older than the table.
func TestTriggerTables(t *testing.T) { runCases(t, triggerTableCases) }

var triggerTableCases = []testCase{
	{id: "trigger-alter", script: queueQ + `
		create table t (nr int primary key, a text);
	` + watch(afterAll, "t") + `
		insert into t values (1, 'a');
		delete from t;
		delete from pgq.event_template;
		\c other
		alter table t add column b numeric default 5;
		\c main
		insert into t values (1, 'a');
		\c other
		alter table t rename column a to "A";
		alter table t rename to "T";
		\c main
		delete from "T";
		\c other
		alter table "T" drop column "A", alter column b type int;
		\c main
		insert into "T" values (2, 3);
		\c other
		alter table "T" drop constraint t_pkey, add primary key (b, nr);
		\c main
		update "T" set b = b;
		update "T" set b = 4;
		--> E: primary key update not allowed
	` + events + `
		--> {"op":"INSERT","table":["public","t"],"pkey":["nr"]}|{"nr":1,"a":"a","b":"5"}|public.t|NULL|NULL|NULL
		--> I:nr|nr=1&a=a&b=5|public.t|NULL|NULL|NULL
		--> I|(nr,a,b) values ('1','a','5')|public.t|NULL|NULL|NULL
		--> {"op":"DELETE","table":["public","T"],"pkey":["nr"]}|{"nr":1,"A":"a","b":"5"}|public.T|NULL|NULL|NULL
		--> D:nr|nr=1&A=a&b=5|public.T|NULL|NULL|NULL
		--> D|nr='1'|public.T|NULL|NULL|NULL
		--> {"op":"INSERT","table":["public","T"],"pkey":["nr"]}|{"nr":2,"b":3}|public.T|NULL|NULL|NULL
		--> I:nr|nr=2&b=3|public.T|NULL|NULL|NULL
		--> I|(nr,b) values ('2','3')|public.T|NULL|NULL|NULL
		--> {"op":"UPDATE","table":["public","T"],"pkey":["b","nr"]}|{"nr":2,"b":3}|public.T|NULL|NULL|NULL
		--> U:b,nr|nr=2&b=3|public.T|NULL|NULL|NULL
		--> U|nr='2' where nr='2' and b='3'|public.T|NULL|NULL|NULL
	`},
	{id: "trigger-replace", script: queueQ + `
		create table t (nr int primary key, a text);
	` + one("after insert", "t") + `
		insert into t values (1, 'a');
	` + one("after insert", "t", "'ignore=a'") + `
		insert into t values (2, 'a');
		create trigger y after insert on t for each row execute function pgq.logutriga('q', 'pkey=a', 'ev_extra1=$$é\\$$');
		insert into t values (3, 'a');
		begin;
		alter table t add column b int;
		insert into t values (4, 'a', 5);
		select ev_data from pgq.event_template where ev_data like 'nr=4%' order by ev_id;
		--> nr=4&b=5
		--> nr=4&a=a&b=5
		rollback;
		insert into t values (6, 'a');
		select ev_type, ev_data, ev_extra1 from pgq.event_template order by ev_id;
		--> I:nr|nr=1&a=a|public.t
		--> I:nr|nr=2|public.t
		--> I:nr|nr=3|public.t
		--> I:a|nr=3&a=a|é\\
		--> I:nr|nr=6|public.t
		--> I:a|nr=6&a=a|é\\
	`},
	// A transaction whose snapshot is older than the change of the table.
	{id: "trigger-snapshot", script: queueQ + `
		create domain something as text not null;
		create table t (nr int primary key, a something);
		create table keyless (nr int);
	` + one("after insert", "t") + `
		create trigger x after insert on keyless for each row execute function pgq.logutriga('q');
		\c old
		begin isolation level repeatable read;
		select count(*) from pgq.queue;
		\c main
		alter table t add column b int default 7;
		alter table keyless add primary key (nr);
		\c old
		insert into keyless values (1);
		insert into t values (1, 'a');
		--> $snapshot
		rollback;
		begin isolation level repeatable read;
		insert into t values (2, 'a');
		insert into keyless values (2);
		commit;
		select ev_type, ev_data from pgq.event_template order by ev_id;
		--> I:nr|nr=2&a=a&b=7
		--> $snapshot/key
	`},
	// A row routed to a partition that is changed after the statement's snapshot.
	{id: "trigger-routed", run: func(c *caseRun) {
		c.script(queueQ + `
			create table t (nr int, a text) partition by range (nr);
			create table low partition of t for values from (0) to (10);
		` + one("after insert", "t"))
		c.session("main").ok("begin")
		c.session("main").ok("alter table low add primary key (nr)")
		insert := c.start("other", "insert into t values (1, 'a')")
		if !insert.waits() {
			c.Error("the insert did not wait for the change of the partition")
		}
		c.session("main").ok("commit")
		insert.want()
		c.session("other").ok("insert into t values (2, 'b')")
		c.session("main").want("select ev_type, ev_data from pgq.event_template order by ev_id", "I:nr|nr=1&a=a", "I:nr|nr=2&a=b")
	}},
	{id: "trigger-wide", run: func(c *caseRun) {
		c.script(queueQ)
		main := c.session("main")
		for _, width := range []string{"1", "31", "32", "33", "127", "128", "129", "300"} {
			main.ok(`do $$ begin execute 'create table t (' || (select string_agg(format('c%s %s', i, case i % 3 when 0 then 'numeric' else 'text' end), ', ')
				from generate_series(1, ` + width + `) i) || ')'; end $$`)
			for _, sql := range splitStatements(watch("after insert", "t")) {
				main.ok(sql)
			}
			main.ok(`do $$ begin execute 'insert into t values (' || (select string_agg(case i % 4 when 0 then 'null' else quote_literal(i || '.50') end, ', ')
				from generate_series(1, ` + width + `) i) || ')'; end $$`)
			main.want(`select '{' || string_agg(format('"c%s":%s', i, case i % 4 when 0 then 'null' else '"' || i || '.50"' end), ',' order by i) || '}'
				= (select ev_data from pgq.event_template where ev_type like '{%') from generate_series(1, `+width+`) i`, "t")
			main.want(`select string_agg('c' || i || case i % 4 when 0 then '' else '=' || i || '.50' end, '&' order by i)
				= (select ev_data from pgq.event_template where ev_type = 'I:') from generate_series(1, `+width+`) i`, "t")
			main.want(`select string_agg(case i % 4 when 0 then 'null' else quote_literal(i || '.50') end, ',' order by i)
				= (select substring(ev_data from 'values .(.*).$') from pgq.event_template where ev_type = 'I') from generate_series(1, `+width+`) i`, "t")
			main.ok("delete from pgq.event_template; drop table t")
		}
	}},
}
