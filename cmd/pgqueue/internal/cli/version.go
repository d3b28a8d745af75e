package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/lightpgq/pgqueue"
	"github.com/lightpgq/pgqueue/schema"
)

// versionInfo is what version prints.
type versionInfo struct {
	Version   string `json:"version"`
	Go        string `json:"go"`
	Schema    int    `json:"schema"`              // of this build
	Installed string `json:"installed,omitempty"` // in the database, with --dsn
}

func newVersionCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of the program and its schema; with --dsn, also the installed one",
		Args:  takes(),
		RunE:  run(func(ctx context.Context, _ []string) error { return p.printVersion(ctx) }),
	}
}

func (p *program) printVersion(ctx context.Context) (err error) {
	info := versionInfo{Version: buildVersion(p.version), Go: runtime.Version(), Schema: schema.Version}
	if p.dsnFlag != "" {
		if info.Installed, err = p.installedSchema(ctx); err != nil {
			return err
		}
	}
	if p.json {
		return p.printJSON(info)
	}
	fmt.Fprintf(p.out, "pgqueue %s, schema %d, %s\n", info.Version, info.Schema, info.Go)
	if info.Installed != "" {
		fmt.Fprintf(p.out, "database %s: %s\n", p.database(), info.Installed)
	}
	return nil
}

// installedSchema says what the database has: "schema 1", "original extension", or "nothing".
func (p *program) installedSchema(ctx context.Context) (string, error) {
	pool, err := p.connect(ctx)
	if err != nil {
		return "", err
	}
	switch engine, err := pgqueue.DetectEngine(ctx, pool); {
	case errors.Is(err, pgqueue.ErrNotInstalled):
		return "nothing", nil
	case err != nil:
		return "", err
	case engine == pgqueue.EngineOriginal:
		var version string
		err := pool.QueryRow(ctx, "select pgq.version()").Scan(&version)
		return "original extension " + version, err
	}
	var version int
	err = pool.QueryRow(ctx, "select pgqueue.version()").Scan(&version)
	return fmt.Sprintf("schema %d", version), err
}

// buildVersion is what the linker was told, else what go install knows.
func buildVersion(linked string) string {
	if info, ok := debug.ReadBuildInfo(); ok && linked == "" {
		linked = info.Main.Version
	}
	return cmp.Or(linked, "unknown")
}
