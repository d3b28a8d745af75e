package cli

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/lightpgq/pgqueue"
)

func newTickerCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "ticker",
		Short: "Run the ticker of a database, until it is stopped",
		Long: `Run the ticker of a database, until it is stopped by SIGINT or SIGTERM: it makes the ticks
that consumers need, gives back parked events when they are due, and rotates tables.

Several may run: one leads, the others stand by and take over when it ends. What happens is
logged on standard error, with --json as JSON.`,
		Args: takes(),
		RunE: run(func(ctx context.Context, _ []string) error {
			pool, err := p.open(ctx)
			if err != nil {
				return err
			}
			t, err := pgqueue.NewTicker(pool, pgqueue.TickerConfig{Logger: p.logger(slog.LevelInfo)})
			if err != nil {
				return err
			}
			return t.Run(ctx)
		}),
	}
}

// logger writes to standard error.
func (p *program) logger(level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if p.json {
		return slog.New(slog.NewJSONHandler(p.err, options))
	}
	return slog.New(slog.NewTextHandler(p.err, options))
}
