package pgqueue_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/lightpgq/pgqueue"
	"github.com/lightpgq/pgqueue/pgqueuetest"
)

// calls returns the statements of calls.go by name.
func calls(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "calls.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			found[spec.Names[0].Name] = text
		}
		return true
	})
	if len(found) < 20 {
		t.Fatalf("only %d statements in calls.go", len(found))
	}
	return found
}

func TestCallsPrepare(t *testing.T) {
	t.Parallel()
	db := pgqueuetest.NewDB(t)
	conn, err := db.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for name, sql := range calls(t) {
		if _, err := conn.Conn().Prepare(t.Context(), name, sql); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestErrorCodesMatchSchema(t *testing.T) {
	t.Parallel()
	raised := map[string]bool{}
	code := regexp.MustCompile(`errcode = '(PQ\d{3})'`)
	err := filepath.WalkDir("schema", func(path string, d os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".sql" {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range code.FindAllStringSubmatch(string(text), -1) {
			raised[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"PQ014": true, "PQ015": true, "PQ016": true, "PQ017": true} // of package schema
	for code := range pgqueue.Kinds {
		if strings.HasPrefix(code, "PQ") {
			known[code] = true
		}
	}
	if got, want := fmt.Sprint(known), fmt.Sprint(raised); got != want {
		t.Errorf("codes known in Go:  %s\ncodes raised by SQL: %s", got, want)
	}
}
