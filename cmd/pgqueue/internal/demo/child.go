package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	roleTicker   = "ticker"
	roleConsumer = "consumer"
)

const (
	consumerDrain  = 3 * time.Second        // what a consumer may take for the batch in hand when all ends
	childDrain     = 5 * time.Second        // what a child may take to end by itself
	childTooShort  = 200 * time.Millisecond // a life that short is a failure, unless it was killed
	childFailures  = 10                     // in a row; then the demo gives up
	childFailPause = 100 * time.Millisecond
)

// childOrder tells a child what to do. It goes through standard input, since
// everybody can read command lines and it may have a password.
type childOrder struct {
	Role   string
	DSN    string
	Schema string
	Queue  string
}

// child is a process that is started again whenever it ends.
type child struct {
	name  string
	args  []string
	order childOrder
	log   *slog.Logger  // gets what it says on standard error
	line  func(string)  // gets each line of its standard output; may be nil
	dead  time.Duration // how long it stays dead after it was killed

	mu      sync.Mutex
	process *os.Process // nil when it does not run
	input   io.Writer   // its standard input
	killed  bool
	words   string // its last line on standard error, of all lives
}

// Write takes what the process says on standard error.
func (c *child) Write(text []byte) (int, error) {
	if said := strings.TrimSpace(string(text)); said != "" {
		c.log.Error("a process of the demo is in trouble", "process", c.name, "said", said)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.words = said[strings.LastIndexByte(said, '\n')+1:]
	}
	return len(text), nil
}

// lastWords returns its last line on standard error, "" if it said nothing.
func (c *child) lastWords() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.words
}

// run keeps the process running until ctx is done; then it asks it to end, and kills
// it when it does not. An error means that it cannot be kept running.
func (c *child) run(ctx context.Context) error {
	for failures := 0; ctx.Err() == nil; {
		began := time.Now()
		err := c.live(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case c.wasKilled():
			failures = 0
			sleep(ctx, c.dead)
			continue
		case time.Since(began) > childTooShort:
			failures = 0
			continue
		}
		failures++
		if failures == childFailures {
			return fmt.Errorf("the process of %s ended %d times at once: %w: %s", c.name, failures, err, c.lastWords())
		}
		sleep(ctx, childFailPause)
	}
	return nil
}

// live is one life of the process.
func (c *child) live(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, c.args...)
	cmd.Args[0] = os.Args[0]
	cmd.Stderr = c
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Cancel = stdin.Close // the end of its input asks it to end
	cmd.WaitDelay = childDrain
	if err := cmd.Start(); err != nil {
		return err
	}
	err = json.NewEncoder(stdin).Encode(c.order) // fails when it is dead already
	c.set(cmd.Process, stdin)
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if c.line != nil {
			c.line(lines.Text())
		}
	}
	c.set(nil, nil)
	if waitErr := cmd.Wait(); waitErr != nil {
		err = waitErr
	}
	return err
}

func (c *child) set(p *os.Process, input io.Writer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.process, c.input = p, input
	if p != nil {
		c.killed = false
	}
}

func (c *child) wasKilled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.killed
}

// dawdle asks the process to dawdle in the middle of its next batch, if it runs.
func (c *child) dawdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.input != nil {
		_, _ = io.WriteString(c.input, "dawdle\n") // one that has just died need not
	}
}

// kill kills the process as kill -9 does. It reports whether there was one.
func (c *child) kill() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process == nil || c.killed || c.process.Kill() != nil {
		return false
	}
	c.killed = true
	return true
}

// RunChild is what a child process does. It reads its order from in, where further lines ask
// it to dawdle, writes what the parent wants to know to out and errors to errs. It ends when in
// ends, so also with its parent, however that dies, or when ctx is done.
func RunChild(ctx context.Context, in io.Reader, out, errs io.Writer) error {
	input := bufio.NewReader(in)
	line, err := input.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("demo: order: %w", err)
	}
	var order childOrder
	if err := json.Unmarshal(line, &order); err != nil {
		return fmt.Errorf("demo: order: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var dawdle atomic.Bool
	go func() {
		defer cancel()
		for {
			if _, err := input.ReadString('\n'); err != nil { // an error is an end too
				return
			}
			dawdle.Store(true)
		}
	}()
	pool, err := newPool(ctx, order.DSN, order.Schema, "pgqueue demo "+order.Role, 4)
	if err != nil {
		return err
	}
	defer pool.Close()
	log := slog.New(slog.NewTextHandler(errs, &slog.HandlerOptions{Level: slog.LevelError}))
	if order.Role == roleTicker {
		return runTicker(ctx, pool, log)
	}
	return runKilled(ctx, pool, order.Queue, &dawdle, out, log)
}
