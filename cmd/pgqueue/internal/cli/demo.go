package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/lightpgq/pgqueue"
	"github.com/lightpgq/pgqueue/cmd/pgqueue/internal/demo"
)

const demoHelp = `Show the whole system at work, and prove at the end that nothing was lost.

Money moves between accounts, and each transfer puts its event into a queue in the same
transaction; some roll back, some stay open for seconds, some are big. Four consumers read
the queue. One of them, and the ticker, are killed by SIGKILL again and again. At the end SQL
compares what was committed with what each consumer was given: lost 0, duplicated 0, and the
balances that were rebuilt from the events equal the accounts row by row. If not, exit code 1.

Without --dsn it starts a private PostgreSQL server, with durable commits, and removes it at
the end; DATABASE_URL and the PG* variables are left alone. With --dsn it makes a queue and a
schema of its own in that database, both named pgqueue_demo_..., and drops them at the end. A
ticker that runs there may lead; otherwise the demo's own do.

Latency is from just before COMMIT is sent to the handler getting the event for the first time,
by this machine's clock, over the consumers books and counter.

Ctrl-C ends early, with the proof; a second Ctrl-C aborts. Nothing is left behind either way.
(Only after kill -9 of the demo itself, with --dsn, its queue and schema are yours to drop.)`

func newDemoCommand(p *program) *cobra.Command {
	cfg := demo.Config{Child: []string{"demo", "child"}}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole system at work, and prove that nothing was lost",
		Long:  demoHelp,
		Args:  takes(),
	}
	cmd.Flags().DurationVar(&cfg.Duration, "duration", 15*time.Second, "how long money is moved")
	cmd.Flags().BoolVar(&cfg.Install, "install", false, "with --dsn: install the schema if it is missing, and remove it at the end")
	cmd.RunE = run(func(ctx context.Context, _ []string) error {
		withDSN := cmd.Flags().Changed("dsn")
		switch {
		case withDSN && p.dsnFlag == "":
			return usage("--dsn needs an address; without --dsn the demo starts a private server", "pgqueue demo")
		case cfg.Install && !withDSN:
			return usage("--install is for the database of --dsn; a private server has the schema anyway", "pgqueue demo")
		case cfg.Duration <= 0:
			return usage(fmt.Sprintf("--duration %v is not positive", cfg.Duration), "pgqueue demo --duration 10s")
		}
		return p.demo(ctx, cfg)
	})
	cmd.AddCommand(&cobra.Command{
		Use:    "child",
		Short:  "What the demo starts as processes of their own, to kill them",
		Hidden: true,
		Args:   takes(),
		RunE: run(func(ctx context.Context, _ []string) error {
			signal.Ignore(os.Interrupt) // Ctrl-C is for the parent, which may need this process to drain
			return demo.RunChild(ctx, p.in, p.out, p.err)
		}),
	})
	return cmd
}

func (p *program) demo(ctx context.Context, cfg demo.Config) error {
	if p.dsnFlag != "" {
		if _, err := p.connect(ctx); err != nil {
			return err
		}
		cfg.DSN = p.dsnFlag
	}
	if !p.json {
		cfg.Live, cfg.Terminal = p.out, isTerminal(p.out)
	}
	cfg.Logger = p.logger(slog.LevelError)
	var later bytes.Buffer
	if cfg.Terminal { // where a log would break the table
		cfg.Logger = slog.New(slog.NewTextHandler(&later, &slog.HandlerOptions{Level: slog.LevelError}))
	}
	working, stop, done := twoSignals(ctx)
	defer done()
	cfg.Stop = stop
	report, err := demo.Run(working, cfg)
	if err != nil || !report.OK {
		_, _ = later.WriteTo(p.err)
	}
	switch {
	case errors.Is(err, demo.ErrStopped):
		return failed("stopped, nothing is proved", "")
	case errors.Is(err, pgqueue.ErrNotInstalled):
		return failed("pgqueue is not installed in database "+p.database(),
			p.command("install")+", or "+p.command("demo --install")+", which removes it at the end")
	case err != nil && p.pool == nil:
		return failed(strings.TrimPrefix(plain(err), "demo: "), "")
	case err != nil:
		return err
	}
	return p.showProof(report)
}

// showProof prints what a demo has proved; it is a failure if that is not what it should.
func (p *program) showProof(report demo.Report) error {
	var err error
	if p.json {
		err = p.printJSON(report)
	} else {
		report.Print(p.out)
	}
	if !report.OK {
		return failed("the proof has failed: "+strings.Join(report.Problems, "; "), "")
	}
	return err
}

// twoSignals tells two signals apart: the first one, or the end of ctx, closes stop; the second
// one ends working. done ends the listening.
func twoSignals(ctx context.Context) (working context.Context, stop <-chan struct{}, done func()) {
	working, abort := context.WithCancel(context.WithoutCancel(ctx))
	stopping := make(chan struct{})
	stopOnce := sync.OnceFunc(func() { close(stopping) })
	context.AfterFunc(ctx, stopOnce)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-signals:
			case <-working.Done():
				return
			}
			stopOnce()
			if n > 0 {
				abort()
			}
		}
	}()
	return working, stopping, func() { signal.Stop(signals); abort() }
}
