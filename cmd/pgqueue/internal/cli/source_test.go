package cli

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/lightpgq/pgqueue"
)

// drain reads a source to its end, and returns its data and what ended it.
func drain(s *source) (data []string, err error) {
	for {
		ev, err := s.next()
		if err != nil {
			return data, err
		}
		data = append(data, string(ev.Data))
	}
}

func TestLines(t *testing.T) {
	long := strings.Repeat("x", 3*readBuffer)
	for name, tc := range map[string]struct {
		in   string
		want []string
	}{
		"nothing":         {"", nil},
		"one":             {"a\n", []string{"a"}},
		"no newline":      {"a\nb", []string{"a", "b"}},
		"empty lines":     {"\n\na\n\n", []string{"", "", "a", ""}},
		"carriage return": {"a\r\nb\r", []string{"a\r", "b\r"}},
		"long":            {"a\n" + long + "\nb\n" + long, []string{"a", long, "b", long}},
	} {
		for _, r := range []io.Reader{strings.NewReader(tc.in), iotest.HalfReader(strings.NewReader(tc.in))} {
			got, err := drain(newSource(r, formatLines, pgqueue.Event{}))
			if !errors.Is(err, io.EOF) {
				t.Errorf("%s: %v", name, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

func TestLineTooLong(t *testing.T) {
	was := maxLine
	maxLine = 2 * readBuffer
	t.Cleanup(func() { maxLine = was })
	s := newSource(strings.NewReader("a\n"+strings.Repeat("x", maxLine-1)+"\n"+strings.Repeat("x", 3*maxLine)+"\n"), formatLines, pgqueue.Event{})
	got, err := drain(s)
	if len(got) != 2 || err == nil || err.Error() != "line 3: longer than 524288 bytes" {
		t.Errorf("%d events, then %v", len(got), err)
	}
}

func TestReadError(t *testing.T) {
	broken := errors.New("disk on fire")
	got, err := drain(newSource(io.MultiReader(strings.NewReader("a\nhalf"), iotest.ErrReader(broken)), formatLines, pgqueue.Event{}))
	if len(got) != 1 || !errors.Is(err, broken) {
		t.Errorf("%q, then %v; half a line is no event", got, err)
	}
}

func TestFormatOf(t *testing.T) {
	for line, want := range map[string]string{
		``:                              formatLines,
		`hello`:                         formatLines,
		`[1]`:                           formatLines,
		`{"order": 17}`:                 formatLines,
		`{"order": 17, "type": "paid"}`: formatJSON, // and refused: an unknown field
		` {"data": null}`:               formatJSON,
		"\ufeff{\"extra4\": \"\"}":      formatJSON,
		`{"data": "x"`:                  formatJSON, // and refused: broken
		`{broken}`:                      formatJSON,
	} {
		if got := formatOf([]byte(line)); got != want {
			t.Errorf("%q is read as %s, want %s", line, got, want)
		}
	}
}

func TestParseEvent(t *testing.T) {
	common := pgqueue.Event{Type: "common", Extra4: "e4"}
	for line, want := range map[string]pgqueue.Event{
		`{}`:               {Type: "common", Extra4: "e4"},
		`{"data": ""}`:     {Type: "common", Data: []byte{}, Extra4: "e4"},
		`{"data": "null"}`: {Type: "common", Data: []byte("null"), Extra4: "e4"},
		`{"data": [ 1, {} ], "type": "t", "extra1": "1", "extra2": "2", "extra3": "3", "extra4": ""}`: {
			Type: "t", Data: []byte("[ 1, {} ]"), Extra1: "1", Extra2: "2", Extra3: "3",
		},
		`{"data": "\ud83d\ude00\n\u00e9\\ud800\u2028", "id": 5, "time": "x", "txid": 1, "retry": 2}`: {
			Type: "common", Data: []byte("😀\né\\ud800\u2028"), Extra4: "e4",
		},
		"\ufeff {\"data\": false} ": {Type: "common", Data: []byte("false"), Extra4: "e4"},
	} {
		got := common
		if err := parseEvent([]byte(line), &got); err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
	}
}

func TestParseEventErrors(t *testing.T) {
	for line, want := range map[string]string{
		`{"data": "x"`:                     "broken JSON: it ends too early",
		`{"data": x}`:                      "broken JSON at byte 10",
		`null`:                             "null, not a JSON object",
		`"text"`:                           "a JSON string, not an object",
		`[]`:                               "a JSON array, not an object",
		`{} {}`:                            "more than one JSON object",
		`{}}`:                              "more than one JSON object",
		`{"user": 1}`:                      `unknown field "user"`,
		`{"extra2": {}}`:                   `"extra2" is a JSON object, not text`,
		`{"data": "\ud800"}`:               "without its other half",
		`{"data": "\udc00\ud800"}`:         "without its other half",
		`{"type": "\ud83d x\ude00"}`:       "without its other half",
		`{"data": "a\u0000"}`:              "byte 2 is zero",
		`{"extra1": "\u0000"}`:             "byte 1 is zero",
		"{\"data\": \"\xff\"}":             "byte 11 is not valid UTF-8",
		"{\"data\": \"\xed\xa0\x80\"}":     "byte 11 is not valid UTF-8",
		"{\"data\": {\"a\": \"\xc3\x28\"}": "byte 17 is not valid UTF-8",
	} {
		err := parseEvent([]byte(line), &pgqueue.Event{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", line, err, want)
		}
	}
}

// A chunk ends when it is full, when it is large, and when more input is not at hand.
func TestChunks(t *testing.T) {
	read, write := io.Pipe()
	s := newSource(read, formatAuto, pgqueue.Event{})
	chunks := s.chunks(t.Context(), 3)
	for _, step := range []struct {
		write string
		want  []int // events in each chunk
		line  int64
	}{
		{"1\n2\n", []int{2}, 2},
		{"3\n4\n5\n6\nand half", []int{3, 1}, 6},
		{" a line\n", []int{1}, 7},
		{strings.Repeat("x", chunkBytes) + "\n", []int{1}, 8},
	} {
		if _, err := io.WriteString(write, step.write); err != nil {
			t.Fatal(err)
		}
		for i, n := range step.want {
			c := <-chunks
			if len(c.events) != n || c.err != nil || c.format != formatLines || i == len(step.want)-1 && c.line != step.line {
				t.Errorf("chunk up to line %d of %d events, %v, format %s; want up to line %d, %d events", c.line, len(c.events), c.err, c.format, step.line, n)
			}
		}
	}
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	if c := <-chunks; len(c.events) != 0 || !errors.Is(c.err, io.EOF) || c.line != 8 {
		t.Errorf("at the end: %+v", c)
	}
}
