package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
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
	line  func(string) // gets each line of its output; may be nil

	mu      sync.Mutex
	process *os.Process // nil when it does not run
	killed  bool
}

func newChild(name string, args []string, order childOrder) *child {
	return &child{name: name, args: args, order: order}
}

// run keeps the process running until ctx is done; then it asks it to end, and kills
// it when it does not. An error means that it cannot be kept running.
func (c *child) run(ctx context.Context) error {
	for failures := 0; ctx.Err() == nil; {
		began := time.Now()
		said, err := c.live(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case c.wasKilled() || time.Since(began) > childTooShort:
			failures = 0
			continue
		}
		failures++
		if failures == childFailures {
			return fmt.Errorf("the process of %s ended %d times at once: %w\n%s", c.name, failures, err, said)
		}
		sleep(ctx, childFailPause)
	}
	return nil
}

// live is one life of the process. It returns what it said on standard error.
func (c *child) live(ctx context.Context) (said string, err error) {
	program, err := os.Executable()
	if err != nil {
		return "", err
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, c.args...)
	cmd.Args[0] = os.Args[0]
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	cmd.Cancel = stdin.Close // the end of its input asks it to end
	cmd.WaitDelay = childDrain
	if err := cmd.Start(); err != nil {
		return "", err
	}
	c.set(cmd.Process)
	err = json.NewEncoder(stdin).Encode(c.order) // fails when it is dead already
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if c.line != nil {
			c.line(lines.Text())
		}
	}
	c.set(nil)
	if waitErr := cmd.Wait(); waitErr != nil {
		err = waitErr
	}
	return strings.TrimSpace(stderr.String()), err
}

func (c *child) set(p *os.Process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.process = p
	if p != nil {
		c.killed = false
	}
}

func (c *child) wasKilled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.killed
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

// RunChild is what a child process does. It reads its order from in, writes what the
// parent wants to know to out, and ends when in ends, so also with its parent, however
// that dies, or when ctx is done.
func RunChild(ctx context.Context, in io.Reader, out io.Writer) error {
	input := json.NewDecoder(in)
	var order childOrder
	if err := input.Decode(&order); err != nil {
		return fmt.Errorf("demo: order: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, in) // an error is an end too
	}()
	pool, err := newPool(ctx, order.DSN, order.Schema, "pgqueue demo "+order.Role, 4)
	if err != nil {
		return err
	}
	defer pool.Close()
	if order.Role == roleTicker {
		return runTicker(ctx, pool)
	}
	return runKilled(ctx, pool, order.Queue, out)
}
