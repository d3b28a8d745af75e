package pgqueue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// every calls fn at once and then after each period, until ctx is done. Its errors
// are logged; the next period tries again.
func (t *Ticker) every(ctx context.Context, period time.Duration, what string, fn func(context.Context) error) {
	for ctx.Err() == nil {
		if err := fn(ctx); err != nil && ctx.Err() == nil {
			t.cfg.Logger.ErrorContext(ctx, what+" failed", "err", err)
		}
		pause(ctx, period, nil)
	}
}

// retryEvents gives back all parked events that are due.
func (t *Ticker) retryEvents(ctx context.Context) error {
	return t.again(ctx, sqlMaintRetry)
}

// maintain does what pgq.maint_operations, and on our schema also
// pgqueue.maint_operations, asks for, each in a transaction of its own; one that
// fails does not keep the others from being done.
func (t *Ticker) maintain(engine Engine) func(context.Context) error {
	lists := []string{sqlMaintOps}
	if engine == EngineOurs {
		lists = append(lists, sqlMaintOurs)
	}
	return func(ctx context.Context) error {
		var errs []error
		for _, list := range lists {
			rows, err := t.pool.Query(ctx, list)
			if err != nil {
				return err
			}
			ops, err := pgx.CollectRows(rows, pgx.RowToStructByPos[operation])
			if err != nil {
				return err
			}
			for _, op := range ops {
				errs = append(errs, t.operate(ctx, op))
			}
		}
		return errors.Join(errs...)
	}
}

// operation is a row of pgq.maint_operations.
type operation struct {
	Func string
	Arg  *string
}

func (t *Ticker) operate(ctx context.Context, op operation) error {
	var err error
	arg := deref(op.Arg)
	switch {
	case op.Func == "vacuum" || op.Func == "vacuum analyze":
		_, err = t.pool.Exec(ctx, op.Func+" "+quoteName(arg))
	case op.Arg == nil:
		err = t.again(ctx, "select "+quoteName(op.Func)+"()")
	default:
		err = t.again(ctx, "select "+quoteName(op.Func)+"($1)", arg)
	}
	if err != nil {
		return fmt.Errorf("%s(%s): %w", op.Func, arg, err)
	}
	return nil
}

// quoteName quotes a name that may have a schema before a dot.
func quoteName(name string) string {
	return pgx.Identifier(strings.SplitN(name, ".", 2)).Sanitize()
}

// again calls a maintenance function until it returns 0: others mean "at once again".
func (t *Ticker) again(ctx context.Context, sql string, args ...any) error {
	for more := 1; more != 0; {
		if err := t.pool.QueryRow(ctx, sql, args...).Scan(&more); err != nil {
			return err
		}
	}
	return nil
}
