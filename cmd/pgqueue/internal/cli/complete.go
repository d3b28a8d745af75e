package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/lightpgq/pgqueue"
)

// completeQueue completes the first argument with the database's queues, if it can be
// reached quickly.
func (p *program) completeQueue(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), time.Second)
	defer cancel()
	pool, err := p.open(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	infos, err := pgqueue.Queues(ctx, pool)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, info := range infos {
		names = append(names, info.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func newManCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   use("man", "DIRECTORY"),
		Short: "Write the manual pages of all commands into a directory",
		Args:  takes("DIRECTORY"),
	}
	cmd.RunE = run(func(_ context.Context, args []string) error {
		return doc.GenManTree(cmd.Root(), &doc.GenManHeader{Title: "PGQUEUE", Section: "1", Source: "pgqueue"}, args[0])
	})
	return cmd
}
