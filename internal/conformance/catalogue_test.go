package conformance

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lightpgq/pgqueue/internal/devpg"
)

type question struct{ id, sql string }

// catalogue are questions to the server's catalogues. Both engines must give
// the same lines but for those in the table of differences, where an entry
// with the question's id lists the lines that only one of them has.
var catalogue = []question{
	{"columns", `
		select c.relname, row_number() over (partition by c.oid order by a.attnum), a.attname,
			format_type(a.atttypid, a.atttypmod), case when a.attnotnull then 'not null' else 'null' end,
			pg_get_expr(d.adbin, d.adrelid)
		from pg_class c join pg_attribute a on a.attrelid = c.oid
		left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
		where c.relnamespace = 'pgq'::regnamespace and c.relkind in ('r', 'v', 'p') and a.attnum > 0 and not a.attisdropped`},
	{"relations", `
		select c.relname, c.relkind, c.relpersistence, pg_get_userbyid(c.relowner), c.relrowsecurity,
			array(select inhparent::regclass::text from pg_inherits where inhrelid = c.oid)
		from pg_class c where c.relnamespace = 'pgq'::regnamespace and c.relkind <> 'i'`},
	{"constraints", `
		select conrelid::regclass, conname, pg_get_constraintdef(oid) from pg_constraint
		where connamespace = 'pgq'::regnamespace and contype <> 't'`},
	{"indexes", `
		select indexrelid::regclass, pg_get_indexdef(indexrelid), indisunique, indisprimary from pg_index
		where indrelid in (select oid from pg_class where relnamespace = 'pgq'::regnamespace)`},
	{"sequences", `
		select s.seqrelid::regclass, format_type(s.seqtypid, null), s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache,
			s.seqcycle, (select d.refobjid::regclass || '.' || d.refobjsubid from pg_depend d
				where d.objid = s.seqrelid and d.classid = 'pg_class'::regclass and d.deptype = 'a')
		from pg_sequence s join pg_class c on c.oid = s.seqrelid where c.relnamespace = 'pgq'::regnamespace`},
	{"functions", `
		select p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid)
		from pg_proc p where p.pronamespace = 'pgq'::regnamespace`},
	{"attributes", `
		select p.proname, p.pronargs, oidvectortypes(p.proargtypes),
			case when p.prosecdef then 'definer' else 'invoker' end,
			case when p.proisstrict then 'strict' else 'called on null' end,
			case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
			p.proparallel
		from pg_proc p where p.pronamespace = 'pgq'::regnamespace`},
	{"execute", `
		select p.proname, oidvectortypes(p.proargtypes), case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee) end
		from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
		where p.pronamespace = 'pgq'::regnamespace and a.grantee <> p.proowner`},
	{"privileges", `
		select c.relname, case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee) end, a.privilege_type, a.is_grantable
		from pg_class c, aclexplode(coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner))) a
		where c.relnamespace = 'pgq'::regnamespace and c.relkind in ('r', 'v', 'S') and a.grantee <> c.relowner
		union all
		select 'schema ' || n.nspname, case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee) end, a.privilege_type, a.is_grantable
		from pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
		where n.nspname = 'pgq' and a.grantee <> n.nspowner`},
}

func needsReference(t *testing.T) {
	t.Helper()
	if devpg.WithoutReference() {
		t.Skip("no reference to compare with")
	}
}

// TestCatalogue compares what the engines have in schema pgq, two queues
// included: relations, signatures, attributes and rights.
func TestCatalogue(t *testing.T) {
	needsReference(t)
	databases := make([]*session, len(engines))
	for i, e := range engines {
		databases[i] = connect(t, newDatabase(t, e), e)
		databases[i].want("select pgq.create_queue('first'), pgq.create_queue('second')", "1|1")
	}
	for _, q := range catalogue {
		t.Run(q.id, func(t *testing.T) { compareCatalogues(t, q.id, databases[0].do(q.sql), databases[1].do(q.sql)) })
	}
}

// compareCatalogues compares two answers to the question id, as sets of lines.
func compareCatalogues(t *testing.T, id string, reference, ours []string) {
	t.Helper()
	if len(reference) < 4 || len(ours) < 4 {
		t.Fatalf("hardly an answer: %q, %q", reference, ours)
	}
	wantReference, wantOurs := listedFor(id)
	check := func(what string, want, got []string) {
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("only %s has (-listed +found)\n%s", what, diff)
		}
	}
	check("the reference", wantReference, without(reference, ours))
	check("ours", wantOurs, without(ours, reference))
}

// listedFor returns the lines that the table of differences lists under id,
// and marks them as used.
func listedFor(id string) (reference, ours []string) {
	for i, d := range differences {
		if d.id != id {
			continue
		}
		reference = append(reference, answerLines(d.reference)...)
		ours = append(ours, answerLines(d.ours)...)
		for _, e := range engines {
			usedDifferences.Store([2]any{i, e.name}, true)
		}
	}
	return reference, ours
}

// without returns the lines of a that b has not.
func without(a, b []string) []string {
	var left []string
	for _, line := range a {
		if !slices.Contains(b, line) {
			left = append(left, line)
		}
	}
	return left
}

// TestDefinersAreClosed: a function that runs with its owner's rights looks
// names up in a fixed path, or qualifies each of them. The insert functions do
// the latter, as a path of their own costs a third of the call; case D9 attacks
// them.
func TestDefinersAreClosed(t *testing.T) {
	ours := engines[len(engines)-1]
	s := connect(t, newDatabase(t, ours), ours)
	s.want(`
		select p.oid::regproc, p.pronargs from pg_proc p
		where p.pronamespace::regnamespace::text in ('pgq', 'pgq_coop', 'pgq_ext', 'pgq_node', 'pgqueue') and p.prosecdef
			and not exists (select from unnest(p.proconfig) c where c like 'search_path=pg_catalog%, pg_temp')
		order by 1, 2`,
		"pgq.insert_event|7", "pgq.insert_event_raw|11", "pgqueue.insert_events|7")
}

// TestRoles: PgQ's three roles cannot log in, and the admin has the others' rights.
func TestRoles(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			s := connect(t, newDatabase(t, e), e)
			s.want("select rolname, rolcanlogin, rolsuper, rolinherit from pg_roles where rolname in ('pgq_reader', 'pgq_writer', 'pgq_admin') order by 1",
				"pgq_admin|f|f|t", "pgq_reader|f|f|t", "pgq_writer|f|f|t")
			for _, role := range []string{"pgq_reader", "pgq_writer"} {
				s.want(fmt.Sprintf("select pg_has_role('pgq_admin', '%s', 'usage')", role), "t")
			}
		})
	}
}

// TestTheTable: each case stands in the suite once, and each line of the
// table of differences belongs to a case.
func TestTheTable(t *testing.T) {
	known := map[string]bool{}
	for _, q := range slices.Concat(catalogue, nodeCatalogue()) {
		known[q.id] = true
	}
	for _, cases := range [][]testCase{
		queueCases, produceCases, subscribeCases, batchCases, eventCases, retryCases, tickCases,
		rotateCases, infoCases, lossCases, defectCases, dropInCases,
		nodeCases, nodeConsumerCases, nodeRoleCases,
		triggerCases, triggerRuleCases, triggerDefectCases, triggerTableCases, triggerPlanCases,
		coopCases, coopDefectCases, extCases,
	} {
		for _, tc := range cases {
			if known[tc.id] {
				t.Errorf("case %s stands twice", tc.id)
			}
			known[tc.id] = true
		}
	}
	for _, d := range differences {
		if !known[d.id] {
			t.Errorf("difference %s %s belongs to no case", d.id, d.key)
		}
		if d.reference == d.ours || d.why == "" {
			t.Errorf("difference %s %s says nothing", d.id, d.key)
		}
	}
	for _, id := range strings.Fields(specified + nodeSpecified) {
		if !known[id] {
			t.Errorf("case %s of the specification is missing", id)
		}
	}
}

// specified are the cases of the specification, sections 8.1 to 8.11. The table
// of find_tick_helper is one case here, ft.
const specified = `
	cq1 cq2 cq3 cq4 cq5 cq6 cq7 dq1 dq2 dq3 dq4 dq5 qc1 qc2 qc3 qc4 qc5 qc6
	ie1 ie2 ie3 ie4 ie5 ie6 ie7 ie8 ie9 ir1 ct1 ct2 ct3
	rc1 rc2 rc3 rc4 rc5 rc6 rc7 ra1 ra2 ra3 ra4 uc1 uc2 uc3 uc4
	nb1 nb2 nb3 nb4 nb5 nb6 nb7 ft ge1 ge2 ge3 ge4 ge5 ge6 ge7
	gc1 gc2 gc3 gc4 gc5 gc6 gc7 bt1 bt2 bt3 bt4 bi1 bi2 fb1 fb2
	er1 er2 er3 er4 er5 er6 er7 br1 br2 rr1 rr2 rr3 rr4 rr5 mr1 mr2
	tk1 tk2 tk3 tk4 tk5 tk6 tk7 tk8 tk9 tk10 tk11 tx1 tx2 tx3 tx4 fo1 fo2 fo3 fo4
	ro1 ro2 ro3 ro4 ro5 ro6 ro7 ro8 ro9 ro10 mo1 mo2 mo3 mo4 mv1
	qi1 qi2 qi3 qi4 qi5 ci1 ci2 ci3 qf1 sv1 sv2 sv3 ts1 gp1 up1 ve1 pm1
	5.7 tr1 tr2 tr3 tr4 tr5 tr6 tr7 tr8 tr9 tr10 tr11 tr12 tr13 tr14 tr15 tr16
	co1 co2 co3 co4 co5 co6 co7 co8 co9 co10 co11 co12 co13 co14 co15 co16 co17
	ex1 ex2 ex3 ex4 ex5 ex6 ex7 ex8 ex9`
