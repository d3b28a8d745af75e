package cli

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/lightpgq/pgqueue/schema"
)

// versionInfo is what version prints.
type versionInfo struct {
	Version   string `json:"version"`
	Go        string `json:"go"`
	Schema    int    `json:"schema"`              // of this build
	Installed *int   `json:"installed,omitempty"` // of the database, with --dsn
}

func newVersionCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of the program and its schema; with --dsn, also the installed one",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.printVersion(cmd.Context())
		},
	}
}

func (p *program) printVersion(ctx context.Context) error {
	info := versionInfo{Version: buildVersion(p.version), Go: runtime.Version(), Schema: schema.Version}
	_ = ctx
	if p.json {
		return p.printJSON(info)
	}
	fmt.Fprintf(p.out, "pgqueue %s, schema %d, %s\n", info.Version, info.Schema, info.Go)
	return nil
}

// buildVersion is what the linker was told, else what go install knows.
func buildVersion(linked string) string {
	if info, ok := debug.ReadBuildInfo(); ok && linked == "" {
		linked = info.Main.Version
	}
	return cmp.Or(linked, "unknown")
}
