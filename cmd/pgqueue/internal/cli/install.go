package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lightpgq/pgqueue"
	"github.com/lightpgq/pgqueue/schema"
)

func newInstallCommand(p *program) *cobra.Command {
	var adopt, dryRun bool
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Install the schema in a database, or bring it up to date",
		Long: `Install the schema in a database, or bring it up to date.

It runs in one transaction, and running it again changes nothing. It needs a role that may
create schemas in the database (its owner), no superuser. Where that role may not create
roles, the grants that are left to do are printed.

With --adopt it takes over a database that has the original extension pgq, in place:
queues, positions, open batches, parked events, events, triggers and grants are kept.
It needs the owner of the extension. With --dry-run it says what it would do.`,
		Args: takes(),
		RunE: run(func(ctx context.Context, _ []string) error {
			if dryRun {
				return p.installPlan(ctx, adopt)
			}
			return p.install(ctx, adopt)
		}),
	}
	cmd.Flags().BoolVar(&adopt, "adopt", false, "take over from the original extension")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be done")
	return cmd
}

// installPlan says what install would do.
func (p *program) installPlan(ctx context.Context, adopt bool) error {
	pool, err := p.connect(ctx)
	if err != nil {
		return err
	}
	var plan []string
	switch err := schema.Check(ctx, pool); {
	case adopt:
		if plan, err = p.adoptPlan(ctx); err != nil {
			return err
		}
	case err == nil:
		plan = []string{fmt.Sprintf("re-create the functions of schema %d, which is up to date", schema.Version)}
	case errors.Is(err, schema.ErrMissing):
		plan = []string{fmt.Sprintf("create the schemas pgq and pgqueue, version %d", schema.Version)}
	case errors.Is(err, schema.ErrOld):
		plan = []string{fmt.Sprintf("upgrade the schema to version %d", schema.Version)}
	default:
		return err
	}
	return p.say(map[string]any{"database": pool.Config().ConnConfig.Database, "plan": plan},
		"install would, in database %s:\n  %s", p.database(), strings.Join(plan, "\n  "))
}

func (p *program) adoptPlan(ctx context.Context) ([]string, error) {
	plan, err := schema.AdoptPlan(ctx, p.pool)
	if errors.Is(err, schema.ErrMissing) {
		return nil, failed(fmt.Sprintf("database %s does not have the original pgq extension", p.database()), p.command("install"))
	}
	return plan, err
}

// installed is what install has done.
type installed struct {
	Database   string   `json:"database"`
	Schema     int      `json:"schema"`
	Before     string   `json:"before"` // "missing", "old", "current" or "original extension"
	GrantsLeft []string `json:"grants_left"`
}

func (p *program) install(ctx context.Context, adopt bool) error {
	pool, err := p.connect(ctx)
	if err != nil {
		return err
	}
	before, said := "current", "renewed schema %d in database %q, which was up to date\n"
	switch err := schema.Check(ctx, pool); {
	case errors.Is(err, schema.ErrMissing):
		before, said = "missing", "installed schema %d in database %q\n"
	case errors.Is(err, schema.ErrOld):
		before, said = "old", "upgraded to schema %d in database %q\n"
	}
	install := schema.Install
	if adopt {
		if _, err := p.adoptPlan(ctx); err != nil {
			return err
		}
		before, said, install = "original extension", "took over from the original extension: schema %d in database %q\n", schema.Adopt
	}
	report, err := install(ctx, pool)
	if err != nil {
		return err
	}
	done := installed{
		Database: pool.Config().ConnConfig.Database, Schema: schema.Version, Before: before,
		GrantsLeft: append([]string{}, report.GrantsLeft...),
	}
	if p.json {
		return p.printJSON(done)
	}
	fmt.Fprintf(p.out, said, done.Schema, done.Database)
	if len(done.GrantsLeft) > 0 {
		fmt.Fprintf(p.out, "This role could not do all grants. Until somebody who may create roles has run\n\n    %s\n\nand you have run pgqueue install again, only %s can use the queues.\n",
			strings.Join(done.GrantsLeft, "\n    "), pool.Config().ConnConfig.User)
	}
	return nil
}

func newUninstallCommand(p *program) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Remove the schema from a database that has no queues any more",
		Long: `Remove the schemas pgq and pgqueue from a database that has no queues any more.

Without --yes it only says what it would do. The roles pgq_reader, pgq_writer and pgq_admin
stay: they belong to the whole server.`,
		Args: takes(),
		RunE: run(func(ctx context.Context, _ []string) error { return p.uninstall(ctx, yes) }),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}

func (p *program) uninstall(ctx context.Context, yes bool) error {
	pool, err := p.connect(ctx)
	if err != nil {
		return err
	}
	// An older schema can be removed too.
	if err := schema.Check(ctx, pool); err != nil && !errors.Is(err, schema.ErrOld) {
		return err
	}
	infos, err := pgqueue.Queues(ctx, pool)
	if err != nil {
		return err
	}
	var names []string
	for _, info := range infos {
		names = append(names, info.Name)
	}
	switch {
	case len(names) > 0:
		return failed(fmt.Sprintf("there are queues in database %s: %s; nothing was removed", p.database(), quoteAll(names)),
			p.command("queue drop", names[0]))
	case !yes:
		return usage(fmt.Sprintf("this would remove the schemas pgq and pgqueue from database %s, which has no queues", p.database()),
			p.command("uninstall --yes"))
	}
	if err := schema.Uninstall(ctx, pool); err != nil {
		return err
	}
	return p.say(map[string]any{"database": pool.Config().ConnConfig.Database, "removed": true},
		"removed the schemas pgq and pgqueue from database %s", p.database())
}

func newSQLCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "sql",
		Short: "Print the schema as plain SQL, for psql and other migration tools",
		Args:  takes(),
		RunE: run(func(context.Context, []string) error {
			_, err := io.WriteString(p.out, schema.Script())
			return err
		}),
	}
}
