package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lightpgq/pgqueue"
	"github.com/lightpgq/pgqueue/pgqueuetest"
)

// TestMain makes the test binary the program itself, under its own name on PATH, and exits,
// which runs a command and compares its exit code.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"pgqueue": main, "exits": exits})
}

// exits CODE COMMAND... succeeds when the command exits with the code.
func exits() {
	cmd := exec.Command(os.Args[2], os.Args[3:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	code := 0
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		code = -1
	}
	if strconv.Itoa(code) != os.Args[1] {
		fmt.Fprintf(os.Stderr, "exit code %d, want %s\n", code, os.Args[1])
		os.Exit(1)
	}
}

// TestScripts runs each script with a database of its own in DATABASE_URL.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "internal/cli/testdata",
		Setup: func(env *testscript.Env) error {
			tb := env.T().(testing.TB)
			env.Values["t"] = tb
			env.Setenv("GORACE", "atexit_sleep_ms=0") // a second for each command otherwise
			env.Setenv("DATABASE_URL", pgqueuetest.DSN(pgqueuetest.NewDB(tb)))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"emptydb": emptyDB,
			"sql":     sql,
			"sqlfile": sqlFile,
			"tick":    tick,
		},
	})
}

// emptyDB VAR sets a variable to the address of a database without the schema.
func emptyDB(ts *testscript.TestScript, _ bool, args []string) {
	tb := ts.Value("t").(testing.TB)
	ts.Setenv(args[0], pgqueuetest.DSN(pgqueuetest.NewEmptyDB(tb)))
}

// sql STATEMENT [VALUE] runs a statement in DATABASE_URL, and compares the first value of
// its first row, as text.
func sql(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(connected(ts.Getenv("DATABASE_URL"), func(conn *pgx.Conn) error {
		if len(args) == 1 {
			_, err := conn.Exec(context.Background(), args[0])
			return err
		}
		var got any
		if err := conn.QueryRow(context.Background(), args[0]).Scan(&got); err != nil {
			return err
		}
		if fmt.Sprint(got) != args[1] {
			return fmt.Errorf("%s\nis %v, want %s", args[0], got, args[1])
		}
		return nil
	}))
}

// sqlfile FILE DSN runs a file as psql would.
func sqlFile(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(connected(args[1], func(conn *pgx.Conn) error {
		_, err := conn.PgConn().Exec(context.Background(), ts.ReadFile(args[0])).ReadAll()
		return err
	}))
}

// tick QUEUE makes a tick.
func tick(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(connected(ts.Getenv("DATABASE_URL"), func(conn *pgx.Conn) error {
		_, err := pgqueue.NewQueue(args[0]).ForceTick(context.Background(), conn)
		return err
	}))
}

func connected(dsn string, fn func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	return fn(conn)
}
