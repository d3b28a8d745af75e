package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/lightpgq/pgqueue/cmd/pgqueue/internal/demo"
)

// A proof that failed is printed all the same, and the program ends with 1.
func TestShowProofFailed(t *testing.T) {
	bad := demo.Report{Problems: []string{"books has lost 3 events"}, Consumers: map[string]demo.Consumer{"books": {Lost: 3}}}
	for _, asJSON := range []bool{false, true} {
		var out bytes.Buffer
		p := &program{out: &out, json: asJSON}
		err := p.showProof(bad)
		if err == nil {
			t.Fatalf("json %v: no error", asJSON)
		}
		if f := p.explain(t.Context(), &actionError{err}); f.code != exitFailed || !strings.Contains(f.Error(), "books has lost 3 events") {
			t.Errorf("json %v: code %d, %q", asJSON, f.code, f.Error())
		}
		if !asJSON {
			if !strings.Contains(out.String(), "WRONG") || !strings.Contains(out.String(), "books has lost 3 events") {
				t.Errorf("printed:\n%s", out.String())
			}
			continue
		}
		var printed struct {
			OK        *bool `json:"ok"`
			Balance   *bool `json:"books_balance"`
			Consumers map[string]struct {
				Lost int `json:"lost"`
			} `json:"consumers"`
		}
		if err := json.Unmarshal(out.Bytes(), &printed); err != nil {
			t.Fatal(err)
		}
		if printed.OK == nil || *printed.OK || printed.Balance == nil || *printed.Balance || printed.Consumers["books"].Lost != 3 {
			t.Errorf("printed:\n%s", out.String())
		}
	}
}
