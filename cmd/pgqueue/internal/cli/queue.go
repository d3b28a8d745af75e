package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/lightpgq/pgqueue"
)

// settings are what a queue's settings are for, by their names.
var settings = []struct{ name, what string }{
	{"ticker_max_count", "with a PgQ ticker: tick when there are this many new events (500)"},
	{"ticker_max_lag", "with a PgQ ticker: tick when the last tick is this old and something is new (3 seconds)"},
	{"ticker_idle_period", "with a PgQ ticker: longest time between ticks without events (1 minute)"},
	{"ticker_paused", "no ticks (false)"},
	{"rotation_period", "least time between two switches of tables (2 hours)"},
	{"external_ticker", "ticks come from another node (false)"},
}

const settingsHelp = `Settings, with their defaults:

%s
Periods are as PostgreSQL reads them: ticker_max_lag='1 second'.`

func newQueueCommand(p *program) *cobra.Command {
	return group(&cobra.Command{Use: "queue", Short: "Create, change and look at queues"},
		newQueueCreateCommand(p),
		newQueueDropCommand(p),
		newQueueSetCommand(p),
		newQueueListCommand(p),
		newQueueInfoCommand(p),
	)
}

func newQueueCreateCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   use("create", "QUEUE", "[SETTING=VALUE]..."),
		Short: "Create a queue",
		Long:  "Create a queue. Any text is a name. When the queue exists nothing is changed.\n\n" + describeSettings(),
		Args:  takes("QUEUE", "[SETTING=VALUE]..."),
		RunE: run(func(ctx context.Context, args []string) error {
			s, err := parseSettings(args[1:])
			if err != nil {
				return err
			}
			pool, err := p.open(ctx)
			if err != nil {
				return err
			}
			created, err := pgqueue.NewQueue(args[0]).Create(ctx, pool, s)
			switch {
			case err != nil:
				return badSetting(err)
			case !created && len(s) > 0:
				return failed(fmt.Sprintf("queue %q exists already; its settings were left as they are", args[0]),
					p.command("queue set", args...))
			}
			said := "created queue %q"
			if !created {
				said = "queue %q exists already; nothing was changed"
			}
			return p.say(map[string]any{"queue": args[0], "created": created}, said, args[0])
		}),
	}
}

func newQueueDropCommand(p *program) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:               use("drop", "QUEUE"),
		Short:             "Drop a queue with its events",
		Args:              takes("QUEUE"),
		ValidArgsFunction: p.completeQueue,
		RunE: run(func(ctx context.Context, args []string) error {
			pool, err := p.open(ctx)
			if err != nil {
				return err
			}
			if err := pgqueue.NewQueue(args[0]).Drop(ctx, pool, force); err != nil {
				return err
			}
			return p.say(map[string]any{"queue": args[0], "dropped": true}, "dropped queue %q", args[0])
		}),
	}
	cmd.Flags().BoolVar(&force, "force", false, "unregister its consumers first")
	return cmd
}

func newQueueSetCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:               use("set", "QUEUE", "SETTING=VALUE..."),
		Short:             "Change settings of a queue",
		Long:              "Change settings of a queue: all that are given or, when one is wrong, none.\n\n" + describeSettings(),
		Args:              takes("QUEUE", "SETTING=VALUE..."),
		ValidArgsFunction: p.completeQueue,
		RunE: run(func(ctx context.Context, args []string) error {
			s, err := parseSettings(args[1:])
			if err != nil {
				return err
			}
			pool, err := p.open(ctx)
			if err != nil {
				return err
			}
			if err := pgqueue.NewQueue(args[0]).Set(ctx, pool, s); err != nil {
				return badSetting(err)
			}
			return p.say(map[string]any{"queue": args[0], "set": s}, "queue %q: set %s", args[0], strings.Join(args[1:], ", "))
		}),
	}
}

func newQueueListCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the queues",
		Args:  takes(),
		RunE:  run(func(ctx context.Context, _ []string) error { return p.listQueues(ctx) }),
	}
}

func newQueueInfoCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:               use("info", "QUEUE"),
		Short:             "Show settings and state of a queue",
		Args:              takes("QUEUE"),
		ValidArgsFunction: p.completeQueue,
		RunE:              run(func(ctx context.Context, args []string) error { return p.showQueue(ctx, args[0]) }),
	}
}

// describeSettings is the part of a help text about settings.
func describeSettings() string {
	var b strings.Builder
	for _, s := range settings {
		fmt.Fprintf(&b, "  %-20s %s\n", s.name, s.what)
	}
	return fmt.Sprintf(settingsHelp, b.String())
}

// parseSettings reads SETTING=VALUE arguments.
func parseSettings(args []string) (pgqueue.Settings, error) {
	var known []string
	for _, s := range settings {
		known = append(known, s.name)
	}
	parsed := pgqueue.Settings{}
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, usage(fmt.Sprintf("%q is not SETTING=VALUE", arg), "ticker_max_lag='1 second'")
		}
		is := false
		for _, k := range known {
			is = is || k == name
		}
		if !is {
			what := fmt.Sprintf("there is no setting %q; there are %s", name, strings.Join(known, ", "))
			if close := similar(name, known); len(close) > 0 {
				return nil, usage(what, close[0]+"="+shellQuote(value))
			}
			return nil, usage(what, "pgqueue queue set --help")
		}
		if _, twice := parsed[name]; twice {
			return nil, usage(fmt.Sprintf("setting %s is given twice", name), "give it once")
		}
		parsed[name] = value
	}
	return parsed, nil
}

// badSetting makes wrong usage of the server's refusal to read a value.
func badSetting(err error) error {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && strings.HasPrefix(pgErr.Code, "22") { // data exception
		return usage("nothing was set: "+pgErr.Message, "pgqueue queue set --help")
	}
	return err
}

// queueJSON is a queue as --json shows it.
type queueJSON struct {
	pgqueue.QueueInfo
	RotationPeriod   float64 `json:"rotation_period_sec"`
	TickerMaxLag     float64 `json:"ticker_max_lag_sec"`
	TickerIdlePeriod float64 `json:"ticker_idle_period_sec"`
}

func newQueueJSON(i pgqueue.QueueInfo) queueJSON {
	return queueJSON{i, i.RotationPeriod.Seconds(), i.TickerMaxLag.Seconds(), i.TickerIdlePeriod.Seconds()}
}

func (p *program) listQueues(ctx context.Context) error {
	pool, err := p.open(ctx)
	if err != nil {
		return err
	}
	infos, err := pgqueue.Queues(ctx, pool)
	if err != nil {
		return err
	}
	list, rows := []queueJSON{}, [][]string{}
	for _, i := range infos {
		list = append(list, newQueueJSON(i))
		rows = append(rows, []string{
			display(i.Name), strconv.Itoa(i.Consumers), strconv.FormatInt(i.NewEvents, 10),
			strconv.FormatFloat(i.EventsPerSecond, 'f', 1, 64), strconv.FormatInt(i.LastTick, 10), short(i.TickerLag),
		})
	}
	if p.json {
		return p.printJSON(list)
	}
	return p.printTable([]string{"QUEUE", "CONSUMERS", "NEW", "EVENTS/S", "LAST TICK", "TICK AGE"}, rows)
}

func (p *program) showQueue(ctx context.Context, name string) error {
	pool, err := p.open(ctx)
	if err != nil {
		return err
	}
	i, err := pgqueue.NewQueue(name).Info(ctx, pool)
	if err != nil {
		return err
	}
	if p.json {
		return p.printJSON(newQueueJSON(i))
	}
	return p.printTable([]string{"queue", display(i.Name)}, [][]string{
		{"consumers", strconv.Itoa(i.Consumers)},
		{"events since the last tick", strconv.FormatInt(i.NewEvents, 10)},
		{"events per second", strconv.FormatFloat(i.EventsPerSecond, 'f', 1, 64)},
		{"last tick", fmt.Sprintf("%d, %s ago", i.LastTick, short(i.TickerLag))},
		{"tables", fmt.Sprintf("%d of pgq.event_%d_*, number %d in use since %s", i.Tables, i.ID, i.CurrentTable, i.SwitchTime.Format(time.DateTime))},
		{"ticker_max_count", strconv.Itoa(i.TickerMaxCount)},
		{"ticker_max_lag", i.TickerMaxLag.String()},
		{"ticker_idle_period", i.TickerIdlePeriod.String()},
		{"ticker_paused", strconv.FormatBool(i.TickerPaused)},
		{"rotation_period", i.RotationPeriod.String()},
		{"external_ticker", strconv.FormatBool(i.ExternalTicker)},
	})
}
