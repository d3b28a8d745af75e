package conformance

import (
	"fmt"
	"strings"
	"testing"
)

// TestTriggers has section 8.9 of the specification, and the worked examples of section 5.7.
func TestTriggers(t *testing.T) { runCases(t, triggerCases) }

// triggerFunctions in the order in which watch lets them fire.
var triggerFunctions = []string{"jsontriga", "logutriga", "sqltriga"}

// watch puts all three triggers on a table, to fire in the order of triggerFunctions.
func watch(timing, table string, args ...string) string {
	var b strings.Builder
	for i, fn := range triggerFunctions {
		fmt.Fprintf(&b, "create trigger t%d_%s %s on %s for each row execute function pgq.%s('q'%s);\n",
			i, fn, timing, table, fn, strings.Join(append([]string{""}, args...), ", "))
	}
	return b.String()
}

// onEach repeats a script for each trigger function: {fn} stands for its name.
func onEach(script string) string {
	var b strings.Builder
	for _, fn := range triggerFunctions {
		b.WriteString(strings.ReplaceAll(script, "{fn}", fn))
	}
	return b.String()
}

const (
	afterAll  = "after insert or update or delete"
	beforeAll = "before insert or update or delete"

	queueQ = "\tselect pgq.create_queue('q');\n\t--> 1\n"

	// events takes what has been written since the last time.
	events = `
		with taken as (delete from pgq.event_template returning *)
		select ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4 from taken order by ev_id;`
)

var triggerCases = []testCase{
	{id: "5.7", script: queueQ + `
		create table t (id serial primary key, txt text, val float);
	` + watch(afterAll, "t") + watchTruncate("t") + `
		insert into t (txt) values ('text1');
		insert into t (val) values (1.5);` + events + `
		--> {"op":"INSERT","table":["public","t"],"pkey":["id"]}|{"id":1,"txt":"text1","val":null}|public.t|NULL|NULL|NULL
		--> I:id|id=1&txt=text1&val|public.t|NULL|NULL|NULL
		--> I|(id,txt,val) values ('1','text1',null)|public.t|NULL|NULL|NULL
		--> {"op":"INSERT","table":["public","t"],"pkey":["id"]}|{"id":2,"txt":null,"val":"1.5"}|public.t|NULL|NULL|NULL
		--> I:id|id=2&txt&val=1.5|public.t|NULL|NULL|NULL
		--> I|(id,txt,val) values ('2',null,'1.5')|public.t|NULL|NULL|NULL
		update t set txt = 'text2' where id = 1;` + events + `
		--> {"op":"UPDATE","table":["public","t"],"pkey":["id"]}|{"id":1,"txt":"text2","val":null}|public.t|NULL|NULL|NULL
		--> U:id|id=1&txt=text2&val|public.t|NULL|NULL|NULL
		--> U|txt='text2' where id='1'|public.t|NULL|NULL|NULL
		update t set txt = txt where id = 1;` + events + `
		--> {"op":"UPDATE","table":["public","t"],"pkey":["id"]}|{"id":1,"txt":"text2","val":null}|public.t|NULL|NULL|NULL
		--> U:id|id=1&txt=text2&val|public.t|NULL|NULL|NULL
		--> U|id='1' where id='1'|public.t|NULL|NULL|NULL
		delete from t where id = 2;` + events + `
		--> {"op":"DELETE","table":["public","t"],"pkey":["id"]}|{"id":2,"txt":null,"val":"1.5"}|public.t|NULL|NULL|NULL
		--> D:id|id=2&txt&val=1.5|public.t|NULL|NULL|NULL
		--> D|id='2'|public.t|NULL|NULL|NULL
		truncate t;` + events + `
		--> {"op":"TRUNCATE","table":["public","t"],"pkey":["id"]}|{}|public.t|NULL|NULL|NULL
		--> R||public.t|NULL|NULL|NULL
		--> R||public.t|NULL|NULL|NULL
	`},
	{id: "5.7-bytes", run: func(c *caseRun) {
		c.script(queueQ + `
			create schema "Sch";
			create table "Sch"."T b" ("I d" int primary key, "select" text, "a&b=c" text);
		` + watch(afterAll, `"Sch"."T b"`))
		main := c.session("main")
		main.ok(`insert into "Sch"."T b" values (1, e'a\nb\t\\"''é漢/\x01\x7f~*()!', '')`)
		main.want(strings.TrimSuffix(events, ";"),
			`{"op":"INSERT","table":["Sch","T b"],"pkey":["I d"]}|{"I d":1,"select":"a\nb\t\\\"'é漢/\u0001`+"\x7f"+`~*()!","a&b=c":""}|Sch.T b|NULL|NULL|NULL`,
			`I:I d|I+d=1&select=a%0ab%09%5c%22%27%c3%a9%e6%bc%a2%2f%01%7f%7e%2a%28%29%21&a%26b%3dc=|Sch.T b|NULL|NULL|NULL`,
			`I|("I d","select","a&b=c") values ('1',E'a`+"\n"+`b`+"\t"+`\\"''é漢/`+"\x01\x7f"+`~*()!','')|Sch.T b|NULL|NULL|NULL`)
		main.ok(`update "Sch"."T b" set "select" = null`)
		main.want(strings.TrimSuffix(events, ";"),
			`{"op":"UPDATE","table":["Sch","T b"],"pkey":["I d"]}|{"I d":1,"select":null,"a&b=c":""}|Sch.T b|NULL|NULL|NULL`,
			`U:I d|I+d=1&select&a%26b%3dc=|Sch.T b|NULL|NULL|NULL`,
			`U|"select"=NULL where "I d"='1'|Sch.T b|NULL|NULL|NULL`)
	}},
	{id: "5.7-pk2", script: queueQ + `
		create table pk2 (a int, b text, c text, primary key (b, a));
	` + watch(afterAll, "pk2") + `
		insert into pk2 values (1, 'x', 'y');` + events + `
		--> {"op":"INSERT","table":["public","pk2"],"pkey":["b","a"]}|{"a":1,"b":"x","c":"y"}|public.pk2|NULL|NULL|NULL
		--> I:b,a|a=1&b=x&c=y|public.pk2|NULL|NULL|NULL
		--> I|(a,b,c) values ('1','x','y')|public.pk2|NULL|NULL|NULL
		update pk2 set c = 'z';` + events + `
		--> {"op":"UPDATE","table":["public","pk2"],"pkey":["b","a"]}|{"a":1,"b":"x","c":"z"}|public.pk2|NULL|NULL|NULL
		--> U:b,a|a=1&b=x&c=z|public.pk2|NULL|NULL|NULL
		--> U|c='z' where a='1' and b='x'|public.pk2|NULL|NULL|NULL
		delete from pk2;` + events + `
		--> {"op":"DELETE","table":["public","pk2"],"pkey":["b","a"]}|{"a":1,"b":"x","c":"z"}|public.pk2|NULL|NULL|NULL
		--> D:b,a|a=1&b=x&c=z|public.pk2|NULL|NULL|NULL
		--> D|a='1' and b='x'|public.pk2|NULL|NULL|NULL
	`},
	{id: "5.7-ignore", script: queueQ + `
		create table ig (dat1 text primary key, col1 text, col2 text);
	` + watch(afterAll, "ig", "'ignore=col2'") + `
		insert into ig values ('a', 'col1', 'col2');` + events + `
		--> {"op":"INSERT","table":["public","ig"],"pkey":["dat1"]}|{"dat1":"a","col1":"col1"}|public.ig|NULL|NULL|NULL
		--> I:dat1|dat1=a&col1=col1|public.ig|NULL|NULL|NULL
		--> I|(dat1,col1) values ('a','col1')|public.ig|NULL|NULL|NULL
		update ig set col2 = 'x';` + events + `
		--> (none)
		update ig set col1 = 'c', col2 = 'y';` + events + `
		--> {"op":"UPDATE","table":["public","ig"],"pkey":["dat1"]}|{"dat1":"a","col1":"c"}|public.ig|NULL|NULL|NULL
		--> U:dat1|dat1=a&col1=c|public.ig|NULL|NULL|NULL
		--> U|col1='c' where dat1='a'|public.ig|NULL|NULL|NULL
		update ig set col2 = col2;` + events + `
		--> {"op":"UPDATE","table":["public","ig"],"pkey":["dat1"]}|{"dat1":"a","col1":"c"}|public.ig|NULL|NULL|NULL
		--> U:dat1|dat1=a&col1=c|public.ig|NULL|NULL|NULL
		--> U|dat1='a' where dat1='a'|public.ig|NULL|NULL|NULL
		create table ig_all (a int primary key, b int);
	` + watch(afterAll, "ig_all", "'ignore=a, b'") + `
		insert into ig_all values (1, 2);` + events + `
		--> {"op":"INSERT","table":["public","ig_all"],"pkey":["a"]}|{}|public.ig_all|NULL|NULL|NULL
		--> I:a||public.ig_all|NULL|NULL|NULL
		--> I|() values ()|public.ig_all|NULL|NULL|NULL
	`},
	{id: "tr1", script: queueQ + onEach(`
		create table {fn}_t (nr int, col1 text);
		create trigger x after insert or update or delete on {fn}_t for each row execute function pgq.{fn}('q');
		insert into {fn}_t values (1, 'a');
		update {fn}_t set col1 = 'b';
		--> E: Update/Delete on table without pkey
		delete from {fn}_t;
		--> E: Update/Delete on table without pkey
	`) + events + `
		--> {"op":"INSERT","table":["public","jsontriga_t"],"pkey":[]}|{"nr":1,"col1":"a"}|public.jsontriga_t|NULL|NULL|NULL
		--> I:|nr=1&col1=a|public.logutriga_t|NULL|NULL|NULL
		--> I|(nr,col1) values ('1','a')|public.sqltriga_t|NULL|NULL|NULL
	`},
	{id: "tr2", script: queueQ + onEach(`
		create table {fn}_t (nr int primary key, col1 text);
		create trigger x after update on {fn}_t for each row execute function pgq.{fn}('q');
		insert into {fn}_t values (1, 'a');
		update {fn}_t set nr = 2;
		--> E: primary key update not allowed
		update {fn}_t set nr = 2, col1 = 'b';
		--> E: primary key update not allowed
		update {fn}_t set nr = 1;
	`)},
	{id: "tr3", script: queueQ + `
		create table t (nr int, col1 text, col2 text);
	` + watch(afterAll, "t", "'pkey=nr,col1'") + `
		insert into t values (1, 'col1', 'col2');` + events + `
		--> {"op":"INSERT","table":["public","t"],"pkey":["nr","col1"]}|{"nr":1,"col1":"col1","col2":"col2"}|public.t|NULL|NULL|NULL
		--> I:nr,col1|nr=1&col1=col1&col2=col2|public.t|NULL|NULL|NULL
		--> I|(nr,col1,col2) values ('1','col1','col2')|public.t|NULL|NULL|NULL
		update t set col2 = 'col2x';` + events + `
		--> {"op":"UPDATE","table":["public","t"],"pkey":["nr","col1"]}|{"nr":1,"col1":"col1","col2":"col2x"}|public.t|NULL|NULL|NULL
		--> U:nr,col1|nr=1&col1=col1&col2=col2x|public.t|NULL|NULL|NULL
		--> U|col2='col2x' where nr='1' and col1='col1'|public.t|NULL|NULL|NULL
		delete from t;` + events + `
		--> {"op":"DELETE","table":["public","t"],"pkey":["nr","col1"]}|{"nr":1,"col1":"col1","col2":"col2x"}|public.t|NULL|NULL|NULL
		--> D:nr,col1|nr=1&col1=col1&col2=col2x|public.t|NULL|NULL|NULL
		--> D|nr='1' and col1='col1'|public.t|NULL|NULL|NULL
		insert into t values (2);
		update t set col2 = 'x';
		--> E: logtriga: Unexpected NULL key value
	`},
	{id: "tr4", script: queueQ + onEach(`
		create table {fn}_deny (nr int primary key, col1 text);
		insert into {fn}_deny values (1, 'a');
		create trigger x after insert or update or delete on {fn}_deny for each row execute function pgq.{fn}('q', 'deny');
		create trigger y after truncate on {fn}_deny for each statement execute function pgq.{fn}('q', 'deny');
		insert into {fn}_deny values (2, 'a');
		--> E: Table 'public.{fn}_deny' to queue 'q': change not allowed (INSERT)
		update {fn}_deny set col1 = 'b';
		--> E: Table 'public.{fn}_deny' to queue 'q': change not allowed (UPDATE)
		delete from {fn}_deny;
		--> E: Table 'public.{fn}_deny' to queue 'q': change not allowed (DELETE)
		truncate {fn}_deny;
		--> E: Table 'public.{fn}_deny' to queue 'q': change not allowed (TRUNCATE)
	`)},
	{id: "tr5", script: queueQ + `
		create table t (nr int primary key, col1 text, stamp date);
	` + watch(afterAll, "t", "'backup'") + `
		insert into t values (1, 'text', '1999-02-03');
		delete from pgq.event_template where ev_extra2 is null;
		update t set col1 = 'col1x';` + events + `
		--> {"op":"UPDATE","table":["public","t"],"pkey":["nr"]}|{"nr":1,"col1":"col1x","stamp":"1999-02-03"}|public.t|{"nr":1,"col1":"text","stamp":"1999-02-03"}|NULL|NULL
		--> U:nr|nr=1&col1=col1x&stamp=1999-02-03|public.t|nr=1&col1=text&stamp=1999-02-03|NULL|NULL
		--> U|col1='col1x' where nr='1'|public.t|nr=1&col1=text&stamp=1999-02-03|NULL|NULL
		delete from t;` + events + `
		--> {"op":"DELETE","table":["public","t"],"pkey":["nr"]}|{"nr":1,"col1":"col1x","stamp":"1999-02-03"}|public.t|NULL|NULL|NULL
		--> D:nr|nr=1&col1=col1x&stamp=1999-02-03|public.t|NULL|NULL|NULL
		--> D|nr='1'|public.t|NULL|NULL|NULL
	`},
	{id: "tr6", script: queueQ + `
		create table t (nr int primary key, col1 text, _pgq_ev_type text, _pgq_ev_extra1 text,
			_pgq_ev_extra2 text default 'e2', _pgq_ev_extra3 text default 'e3', _pgq_ev_extra4 text default 'e4');
	` + watch(afterAll, "t") + `
		insert into t values (1, 'a', 'xt', 'E1');` + events + `
		--> xt|{"nr":1,"col1":"a"}|E1|e2|e3|e4
		--> xt|nr=1&col1=a|E1|e2|e3|e4
		--> xt|(nr,col1) values ('1','a')|E1|e2|e3|e4
		update t set _pgq_ev_type = 'yt', _pgq_ev_extra4 = null, col1 = 'b';` + events + `
		--> yt|{"nr":1,"col1":"b"}|E1|e2|e3|NULL
		--> yt|nr=1&col1=b|E1|e2|e3|NULL
		--> yt|col1='b' where nr='1'|E1|e2|e3|NULL
		update t set _pgq_ev_type = 'zt';` + events + `
		--> zt|{"nr":1,"col1":"b"}|E1|e2|e3|NULL
		--> zt|nr=1&col1=b|E1|e2|e3|NULL
		delete from t;` + events + `
		--> zt|{"nr":1,"col1":"b"}|E1|e2|e3|NULL
		--> zt|nr=1&col1=b|E1|e2|e3|NULL
		--> zt|nr='1'|E1|e2|e3|NULL
		create table bad (nr int primary key, _pgq_ev_color text);
	` + watch(afterAll, "bad") + `
		insert into bad values (1);
		--> E: Unknown magic column: _pgq_ev_color
	`},
}

// watchTruncate is watch for TRUNCATE.
func watchTruncate(table string, args ...string) string {
	return strings.ReplaceAll(strings.ReplaceAll(watch("after truncate", table, args...), "for each row", "for each statement"),
		"create trigger ", "create trigger r")
}

// splitStatements cuts a text with a statement on each line.
func splitStatements(text string) []string {
	return strings.Split(strings.TrimSpace(text), "\n")
}
