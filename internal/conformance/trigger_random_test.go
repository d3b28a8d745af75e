package conformance

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lightpgq/pgqueue/internal/devpg"
)

var triggerSeed = flag.Uint64("triggers.seed", 0, "seed of the random tables of TestRandomTriggers; 0: another one each time")

// TestRandomTriggers does the same to the same random tables on both engines,
// and compares outcomes and events. What the engines do differently on purpose it avoids:
// names that need quotes in expressions, key changes beside ignored columns.
func TestRandomTriggers(t *testing.T) {
	if devpg.WithoutReference() {
		t.Skip("no reference to compare with")
	}
	seed := *triggerSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("to repeat: -triggers.seed=%d", seed)
	r := &randomTables{rand.New(rand.NewPCG(seed, 0))}
	reference := connect(t, newDatabase(t, engines[0]), engines[0])
	ours := connect(t, newDatabase(t, engines[1]), engines[1])
	for _, s := range []*session{reference, ours} {
		s.ok("select pgq.create_queue('q')")
		s.ok("create type mood as enum ('sad', 'so, so', 'happy')")
		s.ok("create type pair as (x int, y text)")
		s.ok("create domain whole as int")
		s.ok("create domain moment as timestamptz")
	}
	for n := range 60 {
		script := r.script()
		for i, sql := range script {
			want, got := withoutCode(reference.do(sql)), withoutCode(ours.do(sql))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("table %d: %s;\n%s\n(-reference +ours)\n%s", n, strings.Join(script[:i], ";\n"), sql, diff)
			}
		}
	}
}

// withoutCode takes the SQLSTATE out of errors of the server that the reference passes on.
func withoutCode(lines []string) []string {
	for i, line := range lines {
		if errorCode.MatchString(line) {
			_, lines[i], _ = strings.Cut(line, ": ")
		}
		lines[i] = strings.TrimPrefix(lines[i], "E: ")
	}
	return lines
}

type randomTables struct{ *rand.Rand }

func (r *randomTables) one(list ...string) string { return list[r.IntN(len(list))] }

// columnType has literals of a type, as SQL.
type columnType struct {
	name   string
	values []string
}

var columnTypes = []columnType{
	{"int", []string{"0", "-5", "2147483647"}},
	{"bigint", []string{"1", "-9223372036854775808"}},
	{"smallint", []string{"7", "-32768"}},
	{"whole", []string{"3", "4"}},
	{"bool", []string{"true", "false"}},
	{"numeric", []string{"1", "1.0", "1.00", "-0.5", "'NaN'", "1e30"}},
	{"float8", []string{"0", "'-0'", "0.1", "0.10000000000000002", "1e100", "'NaN'", "'-Infinity'"}},
	{"float4", []string{"0.1", "3.14159265"}},
	{"text", []string{
		"''", "'a'", "'some words'", "'quo''te \"double\"'", `'back\slash'`, `e'tab\tline\nbell\x07'`, "'漢字 é'", "'a=1&b=2%20+'", "'.-_'", "'NULL'", "'{a,b}'", "'(1,2)'",
	}},
	{"varchar(9)", []string{"'x'", "''", "' y '"}},
	{"char(4)", []string{"'x'", "'xy  '", "''"}},
	{`"char"`, []string{"'c'"}},
	{"bytea", []string{`'\x00ff'`, `'abc'`}},
	{"date", []string{"'2001-02-03'", "'infinity'", "'0044-03-15 BC'"}},
	{"timestamp", []string{"'2001-02-03 04:05:06.7'", "'-infinity'", "'12001-01-01'"}},
	{"timestamptz", []string{"'2009-09-19 11:59:48.599+00'", "'2021-11-07 05:30+00'", "'2021-11-07 06:30+00'", "'1800-01-01'"}},
	{"moment", []string{"'2009-09-19 11:59:48.599+00'"}},
	{"interval", []string{"'1 day'", "'24 hours'", "'-1 month 2 days'"}},
	{"time", []string{"'10:00'"}},
	{"timetz", []string{"'10:00+02'", "'09:00+01'"}},
	{"json", []string{`'{"a": 1}'`, `'{"a":1}'`, "'null'", `'"x"'`, "'[1, 2]'"}},
	{"jsonb", []string{`'{"a": 1.0}'`, `'{"a": 1.00}'`, "'null'", `'"x"'`}},
	{"int[]", []string{"'{1,2}'", "'{1,null}'", "'{}'"}},
	{"text[]", []string{`'{a,"b c",null}'`, `'{"\"",""}'`}},
	{"mood", []string{"'sad'", "'so, so'"}},
	{"pair", []string{"row(1, 'a b')", "row(null, null)", `row(2, '"')`}},
	{"uuid", []string{"'6ecd8c99-4036-403d-bf84-cf8400f67836'"}},
	{"inet", []string{"'10.0.0.1'", "'10.0.0.0/8'"}},
	{"point", []string{"'(1,2)'", "'(1,2.5)'"}},
	{"box", []string{"'(1,1),(0,0)'", "'(3,3),(2,2)'"}},
	{"int4range", []string{"'[1,5)'", "'[1,4]'", "'empty'"}},
	{"numrange", []string{"'[1,5)'", "'[1.0,5)'"}},
	{"money", []string{"12.5", "3"}},
	{"oid", []string{"77"}},
	{"name", []string{"'a name'"}},
	{"bit(3)", []string{"'101'"}},
	{"tsvector", []string{"'a b'"}},
	{"xml", []string{"'<a/>'", "'<b>x</b>'"}},
}

// keyTypes are column types that can be in a primary key and whose values are few.
var keyTypes = []string{"int", "bigint", "numeric", "float8", "text", "char(4)", "date", "timestamptz", "uuid", "mood", "whole"}

type column struct {
	name string
	columnType
}

func (r *randomTables) value(c column, null bool) string {
	if null && r.IntN(5) == 0 {
		return "null"
	}
	return r.one(c.values...)
}

// script makes a table with triggers, changes rows in it, and reads the events.
func (r *randomTables) script() []string {
	columns := r.columns()
	var definitions, names []string
	for _, c := range columns {
		definitions = append(definitions, c.name+" "+c.columnType.name)
		names = append(names, c.name)
	}
	key := r.IntN(3) // how many of the first columns
	if key > 0 {
		definitions = append(definitions, "primary key ("+strings.Join(names[:key], ", ")+")")
	}
	script := []string{
		"drop table if exists t",
		fmt.Sprintf("set datestyle = '%s'", r.one("ISO, MDY", "SQL, DMY", "German", "Postgres, MDY")),
		fmt.Sprintf("set timezone = '%s'", r.one("UTC", "America/New_York", "Asia/Kolkata")),
		fmt.Sprintf("set intervalstyle = '%s'", r.one("postgres", "postgres_verbose", "iso_8601", "sql_standard")),
		fmt.Sprintf("set extra_float_digits = %s", r.one("1", "0", "3")),
		fmt.Sprintf("set bytea_output = %s", r.one("hex", "escape")),
		"create table t (" + strings.Join(definitions, ", ") + ")",
	}
	options, ignores := r.options(names, key)
	script = append(script, splitStatements(strings.ReplaceAll(watch(r.one(afterAll, beforeAll), "t", options...), ";", ""))...)
	for range 2 + r.IntN(6) {
		script = append(script, r.change(columns, key, ignores), strings.TrimSuffix(events, ";"))
	}
	return script
}

// columns returns up to eight columns. The first two can be the key.
func (r *randomTables) columns() []column {
	list := make([]column, 2+r.IntN(7))
	for i := range list {
		c := columnTypes[r.IntN(len(columnTypes))]
		for i < 2 && !slices.Contains(keyTypes, c.name) {
			c = columnTypes[r.IntN(len(columnTypes))]
		}
		list[i] = column{r.one("id", "name", "Value", "sort of", "select", "ключ", `q"x`, "a&b") + fmt.Sprint(i), c}
		if r.IntN(2) == 0 {
			list[i].name = fmt.Sprintf("c%d", i)
		}
		list[i].name = `"` + strings.ReplaceAll(list[i].name, `"`, `""`) + `"`
	}
	return list
}

// options returns arguments for the triggers, and whether columns are ignored.
func (r *randomTables) options(names []string, key int) (options []string, ignores bool) {
	plain := func() string { return strings.Trim(names[r.IntN(len(names))], `"`) }
	if r.IntN(4) == 0 && !strings.Contains(strings.Join(names, ""), "sort of") {
		options, ignores = append(options, quote("ignore="+plain()+","+plain())), true
	}
	if r.IntN(4) == 0 {
		options = append(options, quote("pkey="+plain()))
	}
	if r.IntN(3) == 0 {
		options = append(options, "'backup'")
	}
	if r.IntN(8) == 0 {
		options = append(options, "'SKIP'")
	}
	if r.IntN(4) == 0 {
		options = append(options, quote("ev_extra3=1 + 2.50"), quote("ev_extra4=date '2001-02-03'"))
	}
	if key > 0 && strings.HasPrefix(names[0], `"c`) && r.IntN(3) == 0 {
		options = append(options, quote("ev_extra1=c0"), quote("when=c0 is not null or c0 is null"))
	}
	return options, ignores
}

func (r *randomTables) change(columns []column, key int, ignores bool) string {
	switch r.IntN(5) {
	case 0, 1:
		var values []string
		for i, c := range columns {
			values = append(values, r.value(c, i >= key))
		}
		return "insert into t values (" + strings.Join(values, ", ") + ")"
	case 2, 3:
		var sets []string
		for i, c := range columns {
			if r.IntN(2) == 0 && !(ignores && i < 2) {
				sets = append(sets, c.name+" = "+r.value(c, i >= key))
			}
		}
		if len(sets) == 0 {
			sets = []string{columns[0].name + " = " + columns[0].name}
		}
		return "update t set " + strings.Join(sets, ", ")
	}
	return "delete from t where ctid = (select min(ctid) from t)"
}
