package conformance

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lightpgq/pgqueue/internal/devpg"
	"github.com/lightpgq/pgqueue/schema"
)

// engine is one implementation of schema pgq.
type engine struct {
	name      string
	reference bool
	install   func(ctx context.Context, conn *pgx.Conn) error
}

var engines = []engine{
	{name: "reference", reference: true, install: installReference},
	{name: "pgqueue", install: installOurs},
}

func installOurs(ctx context.Context, conn *pgx.Conn) error {
	report, err := schema.Install(ctx, conn)
	if err == nil && len(report.GrantsLeft) > 0 {
		err = fmt.Errorf("a superuser's installation left grants undone: %q", report.GrantsLeft)
	}
	return err
}

// installReference installs PgQ itself. Without it half of the suite would
// say nothing, so that is an error and no reason to skip.
func installReference(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, "create extension pgq; create extension pgq_node"); err != nil {
		return fmt.Errorf("the original PgQ extensions are needed to compare with, and this server has them not. "+
			"Try: scripts/setup-test (on Debian it installs postgresql-NN-pgq3 and postgresql-NN-pgq-node): %w", err)
	}
	return nil
}

// copyStrategy makes cloning quick; before version 15 there was no other way, and no word for it.
var copyStrategy string

// server is the suite's own: its transaction ids are nobody else's.
var server *devpg.Server

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := runSuite(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		code = 1
	}
	os.Exit(code)
}

func runSuite(m *testing.M) (code int, err error) {
	ctx := context.Background()
	if devpg.WithoutReference() {
		engines = engines[1:]
	}
	server, err = devpg.Start(ctx, devpg.Config{Settings: map[string]string{
		"autovacuum_naptime":        "2147483", // on, as a case asks for, but never at work
		"max_connections":           "200",
		"max_prepared_transactions": "20",
	}})
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	if err := makeTemplates(ctx); err != nil {
		return 1, err
	}
	if code = m.Run(); code != 0 {
		return code, nil
	}
	// Only a whole run can tell that a line of the table is of no use.
	if unused := unusedDifferences(); wholeRun() && !devpg.WithoutReference() && len(unused) > 0 {
		return 1, fmt.Errorf("no case asserted these differences:\n\t%s", strings.Join(unused, "\n\t"))
	}
	return 0, nil
}

func wholeRun() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list"} {
		if flag.Lookup(name).Value.String() != "" {
			return false
		}
	}
	return true
}

// makeTemplates makes a database with each engine, to be cloned for each case,
// and the roles of the cases about rights.
func makeTemplates(ctx context.Context) error {
	if err := adminExec(ctx, "create database strategy_test strategy file_copy"); err == nil {
		copyStrategy = " strategy file_copy"
	}
	for _, e := range engines {
		if err := adminExec(ctx, "create database template_"+e.name); err != nil {
			return err
		}
		conn, err := pgx.Connect(ctx, server.DSN("template_"+e.name))
		if err != nil {
			return err
		}
		err = e.install(ctx, conn)
		if err == nil {
			templateContents[e.name], err = readContents(ctx, conn)
		}
		if err := errors.Join(err, conn.Close(ctx)); err != nil {
			return fmt.Errorf("install %s: %w", e.name, err)
		}
	}
	return adminExec(ctx, "create role conf_nobody; create role conf_reader in role pgq_reader; "+
		"create role conf_writer in role pgq_writer; create role conf_admin in role pgq_admin")
}

func adminExec(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, server.DSN("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	return err
}
