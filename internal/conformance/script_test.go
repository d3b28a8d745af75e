package conformance

import (
	"fmt"
	"strings"
)

// A script is what one would type into psql, with the answers:
//
//	select pgq.create_queue('q');
//	--> 1
//	select pgq.create_queue(null);
//	--> E: Invalid NULL value
//
// A statement ends with a semicolon at the end of a line (outside $$ quotes)
// and is a transaction of its own unless the script says begin. Each line after --> is one line of
// the transcript: a row, a warning (W: text), an error the engine raised
// (E: text), an error of the server (E code name). (none) means no row at
// all, $D5 what the table of differences says under that key for this case.
// A statement without an answer must succeed without a warning.
//
// Lines that begin with a backslash are orders to the test:
//
//	\c name      go on on the connection of that name; the first is main
//	\fresh q     a queue that ticks at each call and is always due to rotate
//	\settle      wait until all transactions begun so far are over
type step struct {
	line  int
	order []string // fields of a backslash line, or
	sql   string
	want  []string
	any   bool // no answer was given
}

// parseScript splits a script into steps.
func parseScript(script string) ([]step, error) {
	var steps []step
	var sql []string
	for i, raw := range strings.Split(script, "\n") {
		line := strings.TrimSpace(raw)
		answer, isAnswer := strings.CutPrefix(line, "-->")
		switch {
		case isAnswer && (len(sql) > 0 || len(steps) == 0 || steps[len(steps)-1].sql == ""):
			return nil, fmt.Errorf("line %d: answer without a statement", i+1)
		case isAnswer:
			last := &steps[len(steps)-1]
			last.any = false
			if answer = strings.TrimPrefix(answer, " "); answer != "(none)" {
				last.want = append(last.want, answer)
			}
		case len(sql) == 0 && strings.HasPrefix(line, `\`):
			steps = append(steps, step{line: i + 1, order: strings.Fields(line[1:])})
		case len(sql) == 0 && line == "":
		default:
			sql = append(sql, raw)
			text := strings.Join(sql, "\n")
			if strings.HasSuffix(line, ";") && strings.Count(text, "$$")%2 == 0 {
				steps = append(steps, step{line: i + 1, sql: text, any: true})
				sql = nil
			}
		}
	}
	if len(sql) > 0 {
		return nil, fmt.Errorf("the last statement has no end: %s", strings.Join(sql, "\n"))
	}
	return steps, nil
}

// script runs a script; it stops at the first answer that is not the expected
// one, as later ones depend on it.
func (c *caseRun) script(text string) {
	c.Helper()
	steps, err := parseScript(text)
	if err != nil {
		c.Fatal(err)
	}
	on := c.session("main")
	for _, st := range steps {
		if st.order != nil {
			on = c.order(st, on)
			continue
		}
		c.statement(st, on)
	}
}

func (c *caseRun) order(st step, on *session) *session {
	c.Helper()
	switch o := st.order; {
	case o[0] == "c" && len(o) == 2:
		return c.session(o[1])
	case o[0] == "fresh" && len(o) == 2:
		c.fresh(o[1])
	case o[0] == "settle" && len(o) == 1:
		c.settle()
	default:
		c.Fatalf("line %d: no such order: %v", st.line, o)
	}
	return on
}

func (c *caseRun) statement(st step, on *session) {
	c.Helper()
	if st.any {
		on.ok(st.sql)
		return
	}
	var want []string
	for _, line := range st.want {
		if key, ok := strings.CutPrefix(line, "$"); ok {
			want = append(want, answerLines(c.differs(key))...)
			continue
		}
		want = append(want, line)
	}
	if diff := diffTranscript(want, on.do(st.sql)); diff != "" {
		c.Fatalf("line %d: %s\n%s", st.line, strings.TrimSpace(st.sql), diff)
	}
}

// answerLines splits an answer of the table of differences into lines.
func answerLines(answer string) []string {
	if answer == "(none)" {
		return nil
	}
	return strings.Split(answer, "\n")
}
