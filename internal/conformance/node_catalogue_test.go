package conformance

import (
	"strings"
	"testing"
)

// nodeCatalogue asks about schema pgq_node what catalogue asks about pgq. There
// are no sequences in it, and each answer is one line.
func nodeCatalogue() []question {
	var list []question
	for _, q := range catalogue {
		if q.id != "sequences" {
			sql := strings.ReplaceAll(q.sql, "'pgq'", "'pgq_node'")
			sql = strings.ReplaceAll(sql, "pg_get_constraintdef(oid)", `regexp_replace(pg_get_constraintdef(oid), '\s+', ' ', 'g')`)
			list = append(list, question{"node-" + q.id, sql})
		}
	}
	return list
}

// TestNodeCatalogue compares what the engines have in schema pgq_node.
func TestNodeCatalogue(t *testing.T) {
	needsReference(t)
	databases := make([]*session, len(engines))
	for i, e := range engines {
		databases[i] = connect(t, newDatabase(t, e), e)
	}
	for _, q := range nodeCatalogue() {
		t.Run(q.id, func(t *testing.T) { compareCatalogues(t, q.id, databases[0].do(q.sql), databases[1].do(q.sql)) })
	}
}

// nodeSpecified are the cases of the specification of the node layer, section 9.1.
const nodeSpecified = `
	S-01 S-02 S-03 S-04 S-05 S-06 S-07 S-08 S-09 S-10 S-11 S-12 S-13 S-14 S-15 S-16 S-17 S-18
	S-19 S-20 S-21 S-22 S-23 S-24 S-25 S-26 S-27 S-28 S-29 S-30 S-31 S-32 S-33 S-34 S-35`
