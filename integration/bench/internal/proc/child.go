// Package proc runs the processes of a benchmark: servers and load generators.
//
// A child speaks one JSON object a line. It first writes its Ready line, then
// answers each line on its standard input with one line on its standard output,
// in order, and ends when its standard input does. So a child never outlives
// the benchmark, whatever ends that. A line {"error": "..."} is a failure.
package proc

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

const (
	// maxLine bounds one line of a child.
	maxLine = 1 << 20
	// maxStderr is how much of the end of a child's standard error is kept
	// for error messages.
	maxStderr = 4 << 10
	// closeWait is how long a child may take to end by itself.
	closeWait = 5 * time.Second
)

// Ready is a child's first line: the addresses that it serves, by transport.
type Ready struct {
	Addrs map[string]string `json:"addrs,omitempty"`
	PID   int               `json:"pid"`
}

// Child is a running process. Do is safe for concurrent use, one exchange
// after the other.
type Child struct {
	// Fixed at creation.
	Ready
	name   string
	cmd    *exec.Cmd
	stderr tail
	exited chan struct{} // closed once the process was waited for

	mu    sync.Mutex // held for one exchange
	in    io.WriteCloser
	lines *bufio.Scanner
}

// Start runs argv, writes first as its first input line (nothing if first is
// nil) and waits for its Ready line. name is what errors call it. The end of
// ctx ends the process as Close does.
func Start(ctx context.Context, name string, first any, argv ...string) (*Child, error) {
	if len(argv) == 0 {
		return nil, fmt.Errorf("%s: no program to start", name)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c := &Child{name: name, cmd: cmd, exited: make(chan struct{})}
	cmd.Stderr = &c.stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	// Killed at once, a guard could not end its program.
	cmd.Cancel, cmd.WaitDelay = in.Close, closeWait
	// A pipe of our own: cmd.StdoutPipe would be closed by Wait while the last
	// line is still being read.
	out, outW, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	cmd.Stdout = outW
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), out.Close(), outW.Close())
	}
	outW.Close()
	c.in, c.lines = in, bufio.NewScanner(out)
	c.lines.Buffer(nil, maxLine)
	go func() {
		// How it ended shows in its lines and its standard error.
		_ = cmd.Wait()
		close(c.exited)
	}()
	if err := c.exchange(first, &c.Ready); err != nil {
		c.Close()
		// What it has printed usually says more than how it ended.
		if text := c.stderr.String(); text != "" && !strings.Contains(err.Error(), text) {
			err = fmt.Errorf("%w: %s", err, text)
		}
		return nil, err
	}
	if c.PID == 0 {
		c.PID = cmd.Process.Pid
	}
	return c, nil
}

// Do sends one request and reads its answer into resp. A child that reports
// an error, or has ended, gives an error that names it.
func (c *Child) Do(req, resp any) error {
	return c.exchange(req, resp)
}

func (c *Child) exchange(req, resp any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if req != nil {
		line, err := json.Marshal(req)
		if err != nil {
			return fmt.Errorf("%s: request: %w", c.name, err)
		}
		if _, err := c.in.Write(append(line, '\n')); err != nil {
			return c.ended(err)
		}
	}
	if !c.lines.Scan() {
		return c.ended(c.lines.Err())
	}
	var failure struct {
		Error string `json:"error"`
	}
	line := c.lines.Bytes()
	if err := json.Unmarshal(line, &failure); err != nil {
		return fmt.Errorf("%s: answered %.100q, which is not JSON: %w", c.name, line, err)
	}
	if failure.Error != "" {
		return fmt.Errorf("%s: %s", c.name, failure.Error)
	}
	if err := json.Unmarshal(line, resp); err != nil {
		return fmt.Errorf("%s: answered %.100q: %w", c.name, line, err)
	}
	return nil
}

// ended is the error of a child that does not answer any more.
func (c *Child) ended(cause error) error {
	select {
	case <-c.exited: // what it wrote to standard error is complete
	case <-time.After(time.Second):
	}
	if text := c.stderr.String(); text != "" {
		return fmt.Errorf("%s: ended: %s", c.name, text)
	}
	if cause != nil {
		return fmt.Errorf("%s: ended: %w", c.name, cause)
	}
	return fmt.Errorf("%s: ended without a word", c.name)
}

// Close ends the child: its standard input is closed, and it is killed if it
// does not end within five seconds. Closing twice is fine.
func (c *Child) Close() {
	c.in.Close()
	select {
	case <-c.exited:
	case <-time.After(closeWait):
		// Already gone is as good.
		_ = c.cmd.Process.Kill()
		<-c.exited
	}
}

// Kill ends the child at once. A Do under way fails.
func (c *Child) Kill() {
	// Already gone is as good.
	_ = c.cmd.Process.Kill()
}

// tail keeps the last bytes written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - maxStderr; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(bytes.ToValidUTF8(t.buf, []byte("?"))))
}
