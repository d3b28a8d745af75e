package conformance

import "testing"

// TestTriggerRules goes on with section 8.9: when triggers make an event, for whom, and of what.
func TestTriggerRules(t *testing.T) { runCases(t, triggerRuleCases) }

var triggerRuleCases = []testCase{
	{id: "tr7", script: queueQ + `
		create table t (nr int primary key, col2 text);
	` + watch(afterAll, "t", "'when=col2=''foo'''") + `
		insert into t values (1, 'foo'), (2, 'bar');
		delete from t;` + events + `
		--> {"op":"INSERT","table":["public","t"],"pkey":["nr"]}|{"nr":1,"col2":"foo"}|public.t|NULL|NULL|NULL
		--> I:nr|nr=1&col2=foo|public.t|NULL|NULL|NULL
		--> I|(nr,col2) values ('1','foo')|public.t|NULL|NULL|NULL
		--> {"op":"DELETE","table":["public","t"],"pkey":["nr"]}|{"nr":1,"col2":"foo"}|public.t|NULL|NULL|NULL
		--> D:nr|nr=1&col2=foo|public.t|NULL|NULL|NULL
		--> D|nr='1'|public.t|NULL|NULL|NULL
		insert into t values (3, null);
		--> E: when= should not be NULL
	`},
	{id: "tr8", script: queueQ + `
		create table t (nr int primary key, col1 text, col2 text);
	` + watch(afterAll, "t", "'ev_extra1=(nr+3)::text'", "'ev_extra2=col1||col2'", "'ev_extra3=$$333$$'", "'ev_type=$$badidea$$'") + `
		insert into t values (1, 'a', 'b');
		delete from t;` + events + `
		--> badidea|{"nr":1,"col1":"a","col2":"b"}|4|ab|333|NULL
		--> badidea|nr=1&col1=a&col2=b|4|ab|333|NULL
		--> badidea|(nr,col1,col2) values ('1','a','b')|4|ab|333|NULL
		--> badidea|{"nr":1,"col1":"a","col2":"b"}|4|ab|333|NULL
		--> badidea|nr=1&col1=a&col2=b|4|ab|333|NULL
		--> badidea|nr='1'|4|ab|333|NULL
	`},
	{id: "tr9", script: queueQ + `
		create table t (nr int primary key, col1 text);
		create trigger x after insert on t for each row execute function pgq.logutriga('q');
		update pgq.queue set queue_disable_insert = true;
		insert into t values (1, 'a');
		--> E: Insert into queue disallowed
		set session_replication_role = 'local';
		insert into t values (2, 'b');
		set session_replication_role = 'replica';
		insert into t values (3, 'c');
		set session_replication_role = 'origin';
		insert into t values (4, 'd');
		--> E: Insert into queue disallowed
		select * from t order by nr;
		--> 2|b
		--> 3|c
	` + events + `
		--> (none)
	`},
	{id: "tr10", script: queueQ + `
		create table t (nr int primary key, col1 text);
		create trigger x after insert on t for each row execute function pgq.logutriga('q');
		create trigger y before insert or delete on t for each row execute function pgq.logutriga('q', 'SKIP', 'deny');
		alter table t enable always trigger x;
		set session_replication_role = 'replica';
		insert into t values (1, 'a');` + events + `
		--> I:nr|nr=1&col1=a|public.t|NULL|NULL|NULL
		alter table t enable always trigger y;
		set session_replication_role = 'local';
		insert into t values (2, 'b');
		delete from t where nr = 1;` + events + `
		--> (none)
		select * from t;
		--> 2|b
	`},
	{id: "tr11", script: queueQ + `
		set datestyle = 'ISO, MDY';
		set extra_float_digits = 0;
		set intervalstyle = 'postgres_verbose';
		create table t (id int primary key, b bool, by bytea, ts timestamptz, iv interval, f float8, s int2, l int8,
			js json, bx box, ba bool[], tx text);
	` + watch(afterAll, "t") + `
		insert into t values (1, true, '\x00ff01', '2009-09-19 11:59:48.599+00', '2 minutes', 100100.6005005665, 32767,
			9223372036854775807, '[1,2,3]', '((1.1,2.1),(5.6,5.7))', '{true,true}', '''"quoted\string$%,@"''');` + events + `
		--> {"op":"INSERT","table":["public","t"],"pkey":["id"]}|{"id":1,"b":true,"by":"\\x00ff01","ts":"2009-09-19T11:59:48.599+00:00","iv":"@ 2 mins","f":"100100.600500567","s":32767,"l":9223372036854775807,"js":"[1,2,3]","bx":"(5.6,5.7),(1.1,2.1)","ba":"{t,t}","tx":"'\"quoted\\string$%,@\"'"}|public.t|NULL|NULL|NULL
		--> I:id|id=1&b=t&by=%5cx00ff01&ts=2009-09-19+11%3a59%3a48.599%2b00&iv=%40+2+mins&f=100100.600500567&s=32767&l=9223372036854775807&js=%5b1%2c2%2c3%5d&bx=%285.6%2c5.7%29%2c%281.1%2c2.1%29&ba=%7bt%2ct%7d&tx=%27%22quoted%5cstring%24%25%2c%40%22%27|public.t|NULL|NULL|NULL
		--> I|(id,b,by,ts,iv,f,s,l,js,bx,ba,tx) values ('1','t',E'\\x00ff01','2009-09-19 11:59:48.599+00','@ 2 mins','100100.600500567','32767','9223372036854775807','[1,2,3]','(5.6,5.7),(1.1,2.1)','{t,t}',E'''"quoted\\string$%,@"''')|public.t|NULL|NULL|NULL
		update t set b = false, f = 1e100, tx = null;` + events + `
		--> {"op":"UPDATE","table":["public","t"],"pkey":["id"]}|{"id":1,"b":false,"by":"\\x00ff01","ts":"2009-09-19T11:59:48.599+00:00","iv":"@ 2 mins","f":"1e+100","s":32767,"l":9223372036854775807,"js":"[1,2,3]","bx":"(5.6,5.7),(1.1,2.1)","ba":"{t,t}","tx":null}|public.t|NULL|NULL|NULL
		--> U:id|id=1&b=f&by=%5cx00ff01&ts=2009-09-19+11%3a59%3a48.599%2b00&iv=%40+2+mins&f=1e%2b100&s=32767&l=9223372036854775807&js=%5b1%2c2%2c3%5d&bx=%285.6%2c5.7%29%2c%281.1%2c2.1%29&ba=%7bt%2ct%7d&tx|public.t|NULL|NULL|NULL
		--> U|b='f',f='1e+100',tx=NULL where id='1'|public.t|NULL|NULL|NULL
	`},
	{id: "tr12", script: queueQ + `
		create table t (nr int primary key, col1 text);
		insert into t values (1, 'a');
		create trigger x before insert or update or delete on t for each row execute function pgq.logutriga('q', 'SKIP');
		insert into t values (2, 'b');
		update t set col1 = 'c';
		delete from t;
		select * from t;
		--> 1|a
	` + events + `
		--> I:nr|nr=2&col1=b|public.t|NULL|NULL|NULL
		--> U:nr|nr=1&col1=c|public.t|NULL|NULL|NULL
		--> D:nr|nr=1&col1=a|public.t|NULL|NULL|NULL
		drop trigger x on t;
		create trigger x after insert on t for each row execute function pgq.logutriga('q', 'SKIP');
		insert into t values (2, 'b');
		--> E: SKIP does not work in AFTER trigger.
	`},
	{id: "tr13", script: queueQ + `
		create table t (nr int primary key, a int, twice int generated always as (a * 2) stored);
	` + watch(beforeAll, "t") + `
		insert into t (nr, a) values (1, 5);` + events + `
		--> {"op":"INSERT","table":["public","t"],"pkey":["nr"]}|{"nr":1,"a":5,"twice":null}|public.t|NULL|NULL|NULL
		--> I:nr|nr=1&a=5&twice|public.t|NULL|NULL|NULL
		--> I|(nr,a,twice) values ('1','5',null)|public.t|NULL|NULL|NULL
		delete from t;
		select count(*) from t;
		--> 0
	` + events + `
		--> {"op":"DELETE","table":["public","t"],"pkey":["nr"]}|{"nr":1,"a":5,"twice":10}|public.t|NULL|NULL|NULL
		--> D:nr|nr=1&a=5&twice=10|public.t|NULL|NULL|NULL
		--> D|nr='1'|public.t|NULL|NULL|NULL
	`},
	{id: "tr14", script: queueQ + `
		create table base (a int, b text);
		insert into base values (1, 'x');
		create view v as select * from base;
		create trigger x instead of insert or update or delete on v for each row execute function pgq.jsontriga('q', 'pkey=a');
		insert into v values (2, 'y') returning a, b;
		--> 2|y
		update v set b = 'z' returning a, b;
		--> 1|z
		delete from v returning a, b;
		--> 1|x
		select * from base;
		--> 1|x
	` + events + `
		--> {"op":"INSERT","table":["public","v"],"pkey":["a"]}|{"a":2,"b":"y"}|public.v|NULL|NULL|NULL
		--> {"op":"UPDATE","table":["public","v"],"pkey":["a"]}|{"a":1,"b":"z"}|public.v|NULL|NULL|NULL
		--> {"op":"DELETE","table":["public","v"],"pkey":["a"]}|{"a":1,"b":"x"}|public.v|NULL|NULL|NULL
	`},
	{id: "tr15", script: queueQ + `
		create table t (nr int primary key, col1 text) partition by range (nr);
		create table low (junk int, col1 text, nr int not null);
		alter table low drop column junk;
		alter table t attach partition low for values from (0) to (10);
		create table high partition of t for values from (10) to (20);
	` + watch(afterAll, "t") + `
		insert into t values (1, 'a'), (11, 'b');` + events + `
		--> {"op":"INSERT","table":["public","low"],"pkey":["nr"]}|{"col1":"a","nr":1}|public.low|NULL|NULL|NULL
		--> I:nr|col1=a&nr=1|public.low|NULL|NULL|NULL
		--> I|(col1,nr) values ('a','1')|public.low|NULL|NULL|NULL
		--> {"op":"INSERT","table":["public","high"],"pkey":["nr"]}|{"nr":11,"col1":"b"}|public.high|NULL|NULL|NULL
		--> I:nr|nr=11&col1=b|public.high|NULL|NULL|NULL
		--> I|(nr,col1) values ('11','b')|public.high|NULL|NULL|NULL
	`},
	{id: "tr16", script: queueQ + onEach(`
		create table {fn}_t (nr int primary key);
		grant insert on {fn}_t to conf_nobody, conf_writer;
		create trigger x after insert on {fn}_t for each row execute function pgq.{fn}('q', 'ev_extra1=nr');
		set role conf_nobody;
		insert into {fn}_t values (1);
		--> E 42501: permission denied for function insert_event
		set role conf_writer;
		insert into {fn}_t values (1);
		reset role;
	`) + events + `
		--> {"op":"INSERT","table":["public","jsontriga_t"],"pkey":["nr"]}|{"nr":1}|1|NULL|NULL|NULL
		--> I:nr|nr=1|1|NULL|NULL|NULL
		--> I|(nr) values ('1')|1|NULL|NULL|NULL
	`},
}
