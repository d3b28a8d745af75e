package conformance

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// session is one connection of a case. What a statement answers is a
// transcript: a line for each warning, each row and the error, if any.
type session struct {
	t        *testing.T
	engine   engine
	conn     *pgx.Conn
	warnings []string
}

func connect(t *testing.T, dsn string, e engine) *session {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{t: t, engine: e}
	cfg.RuntimeParams["timezone"] = "UTC"
	cfg.RuntimeParams["intervalstyle"] = "postgres"
	cfg.RuntimeParams["lc_messages"] = "C"
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "WARNING" {
			s.warnings = append(s.warnings, "W: "+n.Message)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if s.conn, err = pgx.ConnectConfig(ctx, cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.conn.Close(context.Background()) })
	return s
}

// do runs one statement as text, without preparing it, and returns its
// transcript. Columns are joined by |, NULL is written NULL.
func (s *session) do(sql string) []string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s.warnings = nil
	var rows []string
	results := s.conn.PgConn().Exec(ctx, sql)
	for results.NextResult() {
		r := results.ResultReader()
		for r.NextRow() {
			rows = append(rows, joinRow(r.Values()))
		}
	}
	err := results.Close()
	lines := slices.Concat(s.warnings, rows)
	if err != nil {
		lines = append(lines, s.errorLine(err))
	}
	return lines
}

func joinRow(values [][]byte) string {
	cols := make([]string, len(values))
	for i, v := range values {
		cols[i] = string(v)
		if v == nil {
			cols[i] = "NULL"
		}
	}
	return strings.Join(cols, "|")
}

// errorLine writes an error the way scripts expect it. An error the engine
// raised itself is "E: text": the reference has no codes of its own, ours are
// of class PQ. Any other is "E code name: text", name being the constraint or
// column the server points at.
func (s *session) errorLine(err error) string {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return "E lost: " + err.Error()
	}
	own := strings.HasPrefix(pg.Code, "PQ")
	if s.engine.reference {
		own = pg.Code == "P0001" || pg.Code == "XX000"
	}
	if own {
		return "E: " + pg.Message
	}
	name := pg.ConstraintName + pg.ColumnName
	if name != "" {
		name = " " + name
	}
	return "E " + pg.Code + name + ": " + pg.Message
}

// want runs a statement that must answer exactly these lines. Expected lines
// may hold <n> for a number and <...> for anything; "E code name" stands for
// that error with any text.
func (s *session) want(sql string, lines ...string) {
	s.t.Helper()
	if diff := diffTranscript(lines, s.do(sql)); diff != "" {
		s.t.Errorf("%s\n%s", strings.TrimSpace(sql), diff)
	}
}

// ok runs a statement that must succeed without a warning.
func (s *session) ok(sql string) {
	s.t.Helper()
	for _, line := range s.do(sql) {
		if isTrouble(line) {
			s.t.Fatalf("%s\n%s", strings.TrimSpace(sql), line)
		}
	}
}

// one runs a query that must give one row of one column.
func (s *session) one(sql string) string {
	s.t.Helper()
	lines := s.do(sql)
	if len(lines) != 1 || isTrouble(lines[0]) {
		s.t.Fatalf("%s\nwanted one row, got %q", strings.TrimSpace(sql), lines)
	}
	return lines[0]
}

func isTrouble(line string) bool {
	return strings.HasPrefix(line, "E: ") || strings.HasPrefix(line, "W: ") || errorCode.MatchString(line)
}

var errorCode = regexp.MustCompile(`^E (lost|[0-9A-Z]{5})\b`)

// diffTranscript compares an expected transcript with a real one and returns
// "" when they agree.
func diffTranscript(want, got []string) string {
	if len(want) == len(got) {
		agree := true
		for i := range want {
			agree = agree && lineMatches(want[i], got[i])
		}
		if agree {
			return ""
		}
	}
	return fmt.Sprintf("(-want +got)\n%s", cmp.Diff(want, got))
}

func lineMatches(want, got string) bool {
	if want == got {
		return true
	}
	if errorCode.MatchString(want) && !strings.Contains(want, ": ") {
		return strings.HasPrefix(got, want+": ") || strings.HasPrefix(got, want+" ")
	}
	if !strings.Contains(want, "<n>") && !strings.Contains(want, "<...>") {
		return false
	}
	pattern := regexp.QuoteMeta(want)
	pattern = strings.ReplaceAll(pattern, "<n>", "[0-9]+")
	pattern = strings.ReplaceAll(pattern, `<\.\.\.>`, ".*")
	return regexp.MustCompile("^(?s:" + pattern + ")$").MatchString(got)
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
