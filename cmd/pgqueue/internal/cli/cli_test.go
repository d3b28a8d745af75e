package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lightpgq/pgqueue"
	"github.com/lightpgq/pgqueue/pgqueuetest"
)

// runIt runs the program in this process, and returns what it printed.
func runIt(t *testing.T, in string, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := Main(t.Context(), "test", args, strings.NewReader(in), &out, &errs); code != exitOK {
		t.Fatalf("%q: exit code %d: %s", args, code, errs.String())
	}
	return out.String()
}

// Any text is a name.
func TestNames(t *testing.T) {
	db := pgqueuetest.NewDB(t)
	dsn := pgqueuetest.DSN(db)
	for _, name := range []string{
		"with.dot", "With Space ", `"quoted"`, "it's", "'; drop schema pgq cascade; --", "$1", "%s%d", "--yes=", "-", "../..",
		"ünï-漢字-😀", "new\nline\ttab", `back\slash`, "QUEUE", "null", strings.Repeat("long", 300), "{}", "x=y", "*",
	} {
		consumer := name + "!"
		cli := func(in string, args ...string) string {
			// behind --, so that a name may begin with it
			return runIt(t, in, append([]string{"--dsn", dsn}, args...)...)
		}
		cli("", "queue", "create", "--", name, "ticker_max_lag=1s")
		cli("", "consumer", "register", "--", name, consumer)
		cli("", "insert", "--", name, name)
		cli(name+"\n", "insert", "--format", "lines", "--", name)
		pgqueuetest.Tick(t, db, pgqueue.NewQueue(name))
		if out := cli("", "consume", "--once", "--format", "lines", "--", name, consumer); out != name+"\n"+name+"\n" {
			// two lines of a name are two events
			if !strings.Contains(name, "\n") {
				t.Errorf("%q: consumed %q", name, out)
			}
		}
		cli("", "queue", "set", "--", name, "ticker_paused=true")
		var info queueJSON
		if err := json.Unmarshal([]byte(cli("", "queue", "info", "--json", "--", name)), &info); err != nil {
			t.Fatal(err)
		}
		if info.Name != name || !info.TickerPaused || info.TickerMaxLag != 1 || info.Consumers != 1 {
			t.Errorf("%q: %+v", name, info)
		}
		var consumers []pgqueue.ConsumerInfo
		if err := json.Unmarshal([]byte(cli("", "consumer", "list", "--json", "--", name)), &consumers); err != nil {
			t.Fatal(err)
		}
		if len(consumers) != 1 || consumers[0].Name != consumer {
			t.Errorf("%q: %+v", name, consumers)
		}
		if lines := strings.Count(cli("", "queue", "list"), "\n"); lines != 2 {
			t.Errorf("%q: the list has %d lines", name, lines)
		}
		cli("", "consumer", "unregister", "--", name, consumer)
		cli("", "queue", "drop", "--", name)
	}
	if out := runIt(t, "", "queue", "list", "--json", "--dsn", dsn); out != "[]\n" {
		t.Errorf("left: %s", out)
	}
}

// What an error proposes for a shell is one word each.
func TestShellQuote(t *testing.T) {
	for in, want := range map[string]string{
		"orders": "orders", "a.b-c/d@e:1=2%": "a.b-c/d@e:1=2%", "": "''", "-x": "'-x'", "a b": "'a b'", "it's": `'it'\''s'`, "$(x)": "'$(x)'", "é": "'é'", "a\nb": "'a\nb'",
	} {
		if got := shellQuote(in); got != want {
			t.Errorf("%q is quoted as %s, want %s", in, got, want)
		}
	}
}

func TestSimilar(t *testing.T) {
	names := []string{"orders", "orders_eu", "mail", "Mails", "x"}
	for in, want := range map[string][]string{
		"order": {"orders", "orders_eu"}, "ordres": {"orders"}, "mial": nil, "maill": {"mail", "Mails"}, "X": {"x"}, "zzz": nil,
		strings.Repeat("y", 500): nil,
	} {
		if diff := cmp.Diff(want, similar(in, names)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in, diff)
		}
	}
}

func TestDisplay(t *testing.T) {
	for in, want := range map[string]string{"orders": "orders", "with space": "with space", " x": `" x"`, "": `""`, "a\tb": `"a\tb"`, "漢": "漢", `"q"`: `"\"q\""`} {
		if got := display(in); got != want {
			t.Errorf("%q is shown as %s, want %s", in, got, want)
		}
	}
}

func TestShort(t *testing.T) {
	for in, want := range map[time.Duration]string{
		1234567: "1ms", 999 * time.Millisecond: "999ms", 12345 * time.Millisecond: "12.3s", 2*time.Hour + 1600*time.Millisecond: "2h0m2s",
	} {
		if got := short(in); got != want {
			t.Errorf("%d is %s, want %s", in, got, want)
		}
	}
}

func TestProgress(t *testing.T) {
	l := &loader{}
	l.events.Store(5000)
	src := newSource(strings.NewReader(""), formatAuto, pgqueue.Event{})
	src.bytes.Store(25_000_000)
	bar := &progress{src: src, l: l}
	if got, want := bar.text(2*time.Second), "25.0 MB  5000 events in, 2500/s"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	bar.total = 50_000_000
	if got, want := bar.text(2*time.Second), "[===============               ]  50% of 50.0 MB  5000 events in, 2500/s"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// The bar is painted and wiped; where there is no terminal there is none.
func TestProgressPaints(t *testing.T) {
	var out bytes.Buffer
	p := &program{in: strings.NewReader(""), err: &out}
	p.startProgress(newSource(p.in, formatAuto, pgqueue.Event{}), &loader{}).stop()
	if out.Len() > 0 {
		t.Errorf("painted %q without a terminal", out.String())
	}
	painted := make(chan string)
	bar := &progress{
		out: writerFunc(func(b []byte) (int, error) { painted <- string(b); return len(b), nil }),
		src: newSource(p.in, formatAuto, pgqueue.Event{}), l: &loader{},
		quit: make(chan struct{}), done: make(chan struct{}),
	}
	go bar.run()
	if got := <-painted; !strings.HasPrefix(got, "\r\x1b[K0.0 MB") {
		t.Errorf("painted %q", got)
	}
	go bar.stop()
	for got := ""; got != "\r\x1b[K"; got = <-painted { // ends when it is wiped
	}
	<-bar.done
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestInputSize(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("0123456789"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(4, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if file, pipe, other := inputSize(f), inputSize(r), inputSize(strings.NewReader("x")); file != 6 || pipe != 0 || other != 0 {
		t.Errorf("file %d, pipe %d, other %d; want 6, 0, 0", file, pipe, other)
	}
}

// An error is one line, whatever is in it.
func TestOneLine(t *testing.T) {
	var errs bytes.Buffer
	code := Main(context.Background(), "test", []string{"no\nsuch\r\ncommand"}, nil, io.Discard, &errs)
	if code != exitUsage || strings.Count(errs.String(), "\n") != 1 {
		t.Errorf("exit code %d: %q", code, errs.String())
	}
}

// docs/program.md has every command and every flag.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/program.md")
	if err != nil {
		t.Fatal(err)
	}
	check := func(text string) {
		if !strings.Contains(string(page), text) {
			t.Errorf("docs/program.md does not have %q", text)
		}
	}
	commands := 0
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if !cmd.IsAvailableCommand() {
			return
		}
		if !cmd.HasSubCommands() {
			commands++
			check(cmd.CommandPath())
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			switch {
			case strings.HasPrefix(f.Name, "extra"): // "--extra1 to --extra4"
			default:
				check("--" + f.Name)
			}
		})
		for _, child := range cmd.Commands() {
			walk(child)
		}
	}
	for _, cmd := range newRoot(&program{}).Commands() {
		walk(cmd)
	}
	if commands < 15 {
		t.Errorf("only %d commands: that cannot be right", commands)
	}
}
