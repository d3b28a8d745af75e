package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

const paintPeriod = 200 * time.Millisecond

// progress is a line on a terminal that says how far an insert is.
type progress struct {
	out   io.Writer
	src   *source
	l     *loader
	total int64 // bytes of the input, 0 when that is not known
	began time.Time
	quit  chan struct{}
	done  chan struct{}
}

// startProgress shows a progress bar when standard error is a terminal and standard
// input is not.
func (p *program) startProgress(src *source, l *loader) *progress {
	bar := &progress{
		out: p.err, src: src, l: l, total: inputSize(p.in),
		began: time.Now(), quit: make(chan struct{}), done: make(chan struct{}),
	}
	if !isTerminal(p.err) || isTerminal(p.in) {
		close(bar.done)
		return bar
	}
	go bar.run()
	return bar
}

// stop wipes the bar, if there was one.
func (b *progress) stop() {
	close(b.quit)
	<-b.done
}

func (b *progress) run() {
	defer close(b.done)
	tick := time.NewTicker(paintPeriod)
	defer tick.Stop()
	for {
		select {
		case <-b.quit:
			fmt.Fprint(b.out, "\r\x1b[K")
			return
		case <-tick.C:
			fmt.Fprint(b.out, "\r\x1b[K"+b.text(time.Since(b.began)))
		}
	}
}

// text is the bar after a time.
func (b *progress) text(after time.Duration) string {
	const megabyte = 1e6
	read, events := float64(b.src.bytes.Load()), b.l.events.Load()
	rate := float64(events) / max(after.Seconds(), 0.001)
	figures := fmt.Sprintf("%d events in, %.0f/s", events, rate)
	if b.total <= 0 {
		return fmt.Sprintf("%.1f MB  %s", read/megabyte, figures)
	}
	const width = 30
	part := min(read/float64(b.total), 1)
	full := int(part * width)
	return fmt.Sprintf("[%s%s] %3.0f%% of %.1f MB  %s", strings.Repeat("=", full), strings.Repeat(" ", width-full),
		part*100, float64(b.total)/megabyte, figures)
}

// inputSize is the number of bytes to come, 0 when that cannot be known.
func inputSize(in io.Reader) int64 {
	f, ok := in.(*os.File)
	if !ok {
		return 0
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0
	}
	return info.Size() - at
}
