package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"

	"github.com/lightpgq/pgqueue"
)

// outputError says that a batch could not be written as a whole.
type outputError struct{ err error }

func (e *outputError) Error() string {
	return fmt.Sprintf("the output is lost (%v); the batch in hand is not finished and comes again", e.err)
}

func (e *outputError) Unwrap() error { return e.err }

// printer is a handler that prints events. It holds the batch's transaction open while
// it writes.
type printer struct {
	out   *bufio.Writer
	print func(pgqueue.Event) error
	stop  context.CancelCauseFunc
}

func newPrinter(out io.Writer, format string, stop context.CancelCauseFunc) *printer {
	p := &printer{out: bufio.NewWriterSize(out, 64<<10), stop: stop}
	if format == formatLines {
		p.print = func(ev pgqueue.Event) error {
			_, _ = p.out.Write(ev.Data) // bufio keeps the error
			return p.out.WriteByte('\n')
		}
		return p
	}
	enc := json.NewEncoder(p.out)
	enc.SetEscapeHTML(false)
	p.print = func(ev pgqueue.Event) error { return enc.Encode(newEventOut(ev)) }
	return p
}

// HandleBatch prints the batch. It succeeds only when everything was written.
func (p *printer) HandleBatch(ctx context.Context, tx pgx.Tx, b *pgqueue.Batch) error {
	for ev, err := range b.Events(ctx, tx) {
		if err != nil {
			return err
		}
		if err := p.print(ev); err != nil {
			return p.lost(err)
		}
	}
	if err := p.out.Flush(); err != nil {
		return p.lost(err)
	}
	return nil
}

// lost ends the program: a lost output does not come back.
func (p *printer) lost(err error) error {
	lost := &outputError{err}
	p.stop(lost)
	return lost
}
