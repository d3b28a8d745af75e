package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/lightpgq/pgqueue"
)

func newConsumerCommand(p *program) *cobra.Command {
	return group(&cobra.Command{Use: "consumer", Short: "Register consumers on queues, and look at them"},
		newConsumerRegisterCommand(p),
		newConsumerUnregisterCommand(p),
		newConsumerListCommand(p),
	)
}

func newConsumerRegisterCommand(p *program) *cobra.Command {
	var at int64
	cmd := &cobra.Command{
		Use:   use("register", "QUEUE", "CONSUMER"),
		Short: "Register a consumer on a queue",
		Long: `Register a consumer on a queue: it gets every event that the queue's newest tick has not
seen, and all later ones. When it is registered already, nothing changes.`,
		Args:              takes("QUEUE", "CONSUMER"),
		ValidArgsFunction: p.completeQueue,
	}
	cmd.Flags().Int64Var(&at, "at", 0, "begin at this tick; a consumer that is registered is moved there")
	cmd.RunE = run(func(ctx context.Context, args []string) error {
		pool, err := p.open(ctx)
		if err != nil {
			return err
		}
		var created bool
		moved := cmd.Flags().Changed("at")
		q := pgqueue.NewQueue(args[0])
		if moved {
			created, err = q.RegisterAt(ctx, pool, args[1], at)
		} else {
			created, err = q.Register(ctx, pool, args[1])
		}
		if err != nil {
			return err
		}
		said := "consumer %q was registered on queue %q already; nothing was changed"
		switch {
		case created:
			said = "registered consumer %q on queue %q"
		case moved:
			said = "moved consumer %q on queue %q"
		}
		return p.say(map[string]any{"queue": args[0], "consumer": args[1], "created": created}, said, args[1], args[0])
	})
	return cmd
}

func newConsumerUnregisterCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:               use("unregister", "QUEUE", "CONSUMER"),
		Short:             "End a consumer's subscription, with its parked events",
		Args:              takes("QUEUE", "CONSUMER"),
		ValidArgsFunction: p.completeQueue,
		RunE: run(func(ctx context.Context, args []string) error {
			pool, err := p.open(ctx)
			if err != nil {
				return err
			}
			q := pgqueue.NewQueue(args[0])
			if _, err := q.Info(ctx, pool); err != nil {
				return err
			}
			removed, err := q.Unregister(ctx, pool, args[1])
			switch {
			case err != nil:
				return err
			case removed == 0:
				f := p.noConsumer(ctx, args[0], args[1])
				f.try = p.command("consumer list", args[0])
				return f
			}
			return p.say(map[string]any{"queue": args[0], "consumer": args[1], "removed": removed},
				"unregistered consumer %q from queue %q", args[1], args[0])
		}),
	}
}

func newConsumerListCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:               use("list", "[QUEUE]"),
		Short:             "List the consumers of a queue, or of all",
		Args:              takes("[QUEUE]"),
		ValidArgsFunction: p.completeQueue,
		RunE:              run(func(ctx context.Context, args []string) error { return p.listConsumers(ctx, args) }),
	}
}

func (p *program) listConsumers(ctx context.Context, args []string) error {
	pool, err := p.open(ctx)
	if err != nil {
		return err
	}
	var infos []pgqueue.ConsumerInfo
	if len(args) > 0 {
		infos, err = pgqueue.NewQueue(args[0]).Consumers(ctx, pool)
	} else {
		infos, err = pgqueue.Consumers(ctx, pool)
	}
	if err != nil {
		return err
	}
	if p.json {
		return p.printJSON(append([]pgqueue.ConsumerInfo{}, infos...))
	}
	rows := [][]string{}
	for _, i := range infos {
		batch := "-"
		if i.Batch != 0 {
			batch = fmt.Sprintf("%d (to tick %d)", i.Batch, i.NextTick)
		}
		rows = append(rows, []string{
			display(i.Queue), display(i.Name), strconv.FormatInt(i.Pending, 10), short(i.Lag), short(i.LastSeen),
			strconv.FormatInt(i.LastTick, 10), batch,
		})
	}
	return p.printTable([]string{"QUEUE", "CONSUMER", "PENDING", "LAG", "LAST SEEN", "TICK", "OPEN BATCH"}, rows)
}
