package cli

import (
	"github.com/spf13/cobra"
)

func newDemoCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:    "demo",
		Short:  "Show the whole system at work and prove its books",
		Hidden: true,
		RunE: func(*cobra.Command, []string) error {
			return failed("demo is not there yet", "")
		},
	}
}
