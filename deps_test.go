package pgqueue_test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// deps lists all packages that a build of pkg takes in, without those of the
// standard library unless std is set.
func deps(t *testing.T, dir, pkg string, std bool) []string {
	t.Helper()
	format := "{{if not .Standard}}{{.ImportPath}}{{end}}"
	if std {
		format = "{{.ImportPath}}"
	}
	cmd := exec.Command("go", "list", "-deps", "-f", format, pkg)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		var stderr string
		if e, ok := errors.AsType[*exec.ExitError](err); ok {
			stderr = string(e.Stderr)
		}
		t.Fatalf("go list: %v\n%s", err, stderr)
	}
	return strings.Fields(string(out))
}

// below says whether pkg is one of the roots or inside one of them.
func below(pkg string, roots ...string) bool {
	for _, root := range roots {
		if pkg == root || strings.HasPrefix(pkg, root+"/") {
			return true
		}
	}
	return false
}

// The library is pgx, what pgx brings, and ourselves.
func TestLibraryDeps(t *testing.T) {
	list := deps(t, ".", ".", false)
	for _, pkg := range list {
		if !below(pkg, "github.com/jackc/pgx/v5", "github.com/jackc/pgpassfile", "github.com/jackc/pgservicefile",
			"github.com/jackc/puddle/v2", "golang.org/x/sync", "golang.org/x/text",
			"github.com/lightpgq/pgqueue") {
			t.Errorf("the library depends on %s", pkg)
		}
		if below(pkg, "github.com/lightpgq/pgqueue/internal", "github.com/lightpgq/pgqueue/pgqueuetest",
			"github.com/lightpgq/pgqueue/cascade", "github.com/lightpgq/pgqueue/stdsql", "github.com/lightpgq/pgqueue/cmd") {
			t.Errorf("the library depends on %s, which stands above it", pkg)
		}
	}
	if len(list) < 5 {
		t.Errorf("only %q: the list cannot be right", list)
	}
}

// What is for tests does not get into the program that people run, by
// whatever way.
func TestProgramHasNoTestPackages(t *testing.T) {
	list := deps(t, "cmd/pgqueue", ".", true)
	for _, pkg := range list {
		if below(pkg, "testing", "github.com/stretchr/testify", "github.com/google/go-cmp", "go.uber.org/goleak",
			"pgregory.net/rapid", "github.com/rogpeppe/go-internal/testscript",
			"github.com/lightpgq/pgqueue/pgqueuetest", "github.com/lightpgq/pgqueue/internal/conformance") {
			t.Errorf("the program contains %s", pkg)
		}
	}
	if len(list) < 50 {
		t.Errorf("only %q: the list cannot be right", list)
	}
}
