package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"unicode/utf8"

	"github.com/lightpgq/pgqueue"
)

// Formats of events as lines.
const (
	formatAuto  = "auto"
	formatJSON  = "json"
	formatLines = "lines"
)

const (
	maxBatchSize = 100_000
	chunkBytes   = 1 << 20 // enough for one round trip, so that memory stays flat
	readBuffer   = 256 << 10
)

// maxLine is far below what PostgreSQL takes as one value. A variable for the tests.
var maxLine = 256 << 20

// source reads events from lines.
type source struct {
	r      *bufio.Reader
	format string        // formatAuto until the first line has decided it
	common pgqueue.Event // what lines do not say
	line   int64         // lines read
	bytes  atomic.Int64  // of them
}

func newSource(r io.Reader, format string, common pgqueue.Event) *source {
	return &source{r: bufio.NewReaderSize(r, readBuffer), format: format, common: common}
}

// lineError is a line that is not an event.
type lineError struct {
	line int64
	what string
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.what) }

// chunk is some events in the order of their lines.
type chunk struct {
	events []pgqueue.Event
	line   int64 // all lines up to this one are in this chunk or in an earlier one
	format string
	err    error // why no more come: io.EOF, a *lineError, or an error of reading
}

// chunks reads events in the background. A chunk ends when it has size events or much
// data, and when reading on may have to wait: lines that trickle in are not held
// back. The last chunk has an error.
func (s *source) chunks(ctx context.Context, size int) <-chan chunk {
	out := make(chan chunk, 1)
	go func() {
		c, volume := chunk{}, 0
		for c.err == nil {
			ev, err := s.next()
			switch {
			case err == nil:
				c.events = append(c.events, ev)
				c.line = s.line
				volume += len(ev.Data)
				if len(c.events) < size && volume < chunkBytes && !s.mayWait() {
					continue
				}
			case errors.Is(err, io.EOF):
				c.line = s.line // empty lines at the end
			}
			c.err, c.format = err, s.format
			select {
			case out <- c:
			case <-ctx.Done():
				return
			}
			c.events, volume = nil, 0
		}
	}()
	return out
}

// mayWait reports whether the next line is not at hand as a whole.
func (s *source) mayWait() bool {
	buffered, _ := s.r.Peek(s.r.Buffered())
	return bytes.IndexByte(buffered, '\n') < 0
}

// next returns the event of the next line. io.EOF: there is none.
func (s *source) next() (pgqueue.Event, error) {
	for {
		line, err := s.readLine()
		if err != nil {
			return pgqueue.Event{}, err
		}
		if s.format == formatAuto {
			s.format = formatOf(line)
		}
		ev := s.common
		switch {
		case s.format == formatLines:
			ev.Data = append([]byte{}, line...) // never nil: that would be NULL
			err = storable(line)
		case len(bytes.TrimSpace(line)) == 0:
			continue
		default:
			err = parseEvent(line, &ev)
		}
		if err != nil {
			return pgqueue.Event{}, &lineError{s.line, err.Error()}
		}
		return ev, nil
	}
}

// readLine returns the next line without its newline, valid until the next call. The
// last line may have none.
func (s *source) readLine() ([]byte, error) {
	line, err := s.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		long := bytes.Clone(line)
		for errors.Is(err, bufio.ErrBufferFull) && len(long) <= maxLine {
			line, err = s.r.ReadSlice('\n')
			long = append(long, line...)
		}
		line = long
	}
	switch {
	case len(line) > maxLine:
		s.line++
		return nil, &lineError{s.line, fmt.Sprintf("longer than %d bytes", maxLine)}
	case err != nil && (len(line) == 0 || !errors.Is(err, io.EOF)):
		return nil, err
	}
	s.line++
	s.bytes.Add(int64(len(line)))
	return bytes.TrimSuffix(line, []byte("\n")), nil
}

// storable says what PostgreSQL could not store of a text.
func storable(text []byte) error {
	if i := bytes.IndexByte(text, 0); i >= 0 {
		return fmt.Errorf("byte %d is zero, which PostgreSQL's text cannot hold", i+1)
	}
	if utf8.Valid(text) {
		return nil
	}
	for i := 0; ; {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return fmt.Errorf("byte %d is not valid UTF-8", i+1)
		}
		i += size
	}
}
