package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/lightpgq/pgqueue/pgqueuetest"
)

// TestDocs runs the console blocks of the documents, each document in one shell with an
// empty database, and compares what they print. "..." stands for anything.
func TestDocs(t *testing.T) {
	for _, file := range []string{"../../README.md", "../../docs/program.md"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			steps := consoleSteps(string(text))
			if len(steps) < 5 {
				t.Fatalf("only %d commands: that cannot be right", len(steps))
			}
			for i, got := range runSteps(t, steps) {
				if !looksLike(got, steps[i].want) {
					t.Errorf("$ %s\nprints\n%s\nthe document says\n%s", steps[i].command, got, steps[i].want)
				}
			}
		})
	}
}

// step is a command of a document, with what it prints.
type step struct{ command, want string }

func consoleSteps(text string) (steps []step) {
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(block[1]) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				steps = append(steps, step{command: strings.TrimSuffix(command, "\n")})
			} else {
				steps[len(steps)-1].want += line
			}
		}
	}
	return steps
}

// runSteps runs the commands and returns what each of them printed.
func runSteps(t *testing.T, steps []step) []string {
	t.Helper()
	db := pgqueuetest.NewEmptyDB(t)
	const mark = "--- next command ---\n"
	var script strings.Builder
	script.WriteString("exec 2>&1\n")
	for _, s := range steps {
		fmt.Fprintf(&script, "printf '%%s' '%s'\n%s\n", mark, s.command)
	}
	script.WriteString("jobs -p | xargs kill\nwait\n")
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script.String())
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "DATABASE_URL="+pgqueuetest.DSN(db), "GORACE=atexit_sleep_ms=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	printed := strings.ReplaceAll(string(out), db.Config().ConnConfig.Database, "shop")
	return strings.Split(printed, mark)[1:]
}

// looksLike compares a text with a pattern whose "..." stand for anything.
func looksLike(text, pattern string) bool {
	quoted := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\.\.\.`, `.*`)
	return regexp.MustCompile("^" + quoted + "$").MatchString(text)
}
