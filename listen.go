package pgqueue

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

// listener turns notifications on one channel into a Go channel. A notification is only a
// hint: whoever waits on wake also polls. It has a connection of its own.
type listener struct {
	conn    *pgx.ConnConfig
	channel string
	wake    chan struct{}
	log     *slog.Logger
}

func newListener(conn *pgx.ConnConfig, channel string, log *slog.Logger) *listener {
	return &listener{conn: conn, channel: channel, wake: make(chan struct{}, 1), log: log}
}

// run listens until ctx is done, connecting again when the connection is lost.
func (l *listener) run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; failures++ {
		began := time.Now()
		err := l.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			failures = 0
		}
		l.log.WarnContext(ctx, "listening interrupted, polling meanwhile", "channel", l.channel, "err", err)
		pause(ctx, backoff(failures), nil)
	}
}

// listen listens on one connection until it fails.
func (l *listener) listen(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, l.conn.Copy())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "listen "+pgx.Identifier{l.channel}.Sanitize()); err != nil {
		return err
	}
	for {
		l.signal() // also once at the start: what came before LISTEN was not heard
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
	}
}

// signal wakes the waiter; one signal outstanding is enough.
func (l *listener) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}
