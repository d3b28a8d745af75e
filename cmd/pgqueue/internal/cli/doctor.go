package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lightpgq/pgqueue"
)

func newDoctorCommand(p *program) *cobra.Command {
	var repair bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what goes wrong, or soon will, and say what to do",
		Long: `Look for what goes wrong, or soon will, and say what to do: queues that are not ticked,
rotation that is held back and by whom, consumers that do not keep up, missing roles, and
transaction ids that went back, as after a restore into a younger server. The exit
code is 1 when there are problems.

With --repair, queues whose transaction ids went back are re-based: every consumer
keeps exactly the events that it had not finished, and those that were inserted since
the restore are new to all. Their producers and consumers wait meanwhile.`,
		Args: takes(),
		RunE: run(func(ctx context.Context, _ []string) error { return p.doctor(ctx, repair) }),
	}
	cmd.Flags().BoolVar(&repair, "repair", false, "re-base queues whose transaction ids went back")
	return cmd
}

func (p *program) doctor(ctx context.Context, repair bool) error {
	pool, err := p.open(ctx)
	if err != nil {
		return err
	}
	problems, err := pgqueue.Diagnose(ctx, pool)
	if err != nil {
		return err
	}
	if repair {
		if err := p.repair(ctx, problems); err != nil {
			return err
		}
		if problems, err = pgqueue.Diagnose(ctx, pool); err != nil {
			return err
		}
	}
	if err := p.printProblems(problems); err != nil || len(problems) == 0 {
		return err
	}
	return failed(fmt.Sprintf("%s in database %s", count(int64(len(problems)), "problem"), p.database()), "")
}

// repair re-bases the queues that need it.
func (p *program) repair(ctx context.Context, problems []pgqueue.Problem) error {
	for _, problem := range problems {
		if !slices.Contains(strings.Fields(problem.Remedy), "--repair") {
			continue
		}
		n, err := pgqueue.NewQueue(problem.Queue).Rebase(ctx, p.pool)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.err, "re-based queue %q: %s\n", problem.Queue, count(n, "event"))
	}
	return nil
}

func (p *program) printProblems(problems []pgqueue.Problem) error {
	switch {
	case p.json:
		return p.printJSON(append([]pgqueue.Problem{}, problems...))
	case len(problems) == 0:
		return p.say(nil, "all is well in database %s", p.database())
	}
	var rows [][]string
	for _, problem := range problems {
		rows = append(rows, []string{problem.What, problem.Queue, problem.Detail, problem.Remedy})
	}
	return p.printTable([]string{"PROBLEM", "QUEUE", "DETAIL", "REMEDY"}, rows)
}
