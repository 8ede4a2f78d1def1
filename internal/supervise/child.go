package supervise

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// Spec says how a child is started.
type Spec struct {
	// Args are the program and its arguments. The program is looked up in PATH.
	Args []string
	// Env is added to the environment of this process.
	Env []string
	// Dir is the working directory; "" is that of this process.
	Dir string
	// Stdin is what the child reads from; nil is nothing.
	Stdin *os.File
	// Output gets each line that the child writes to its standard output and
	// error, without the line's end, cut after 64 KiB. It is called by one
	// goroutine for each of the two. Nil: both go where those of this process go.
	Output func(line []byte, stderr bool)
	// Pipes gives the child two more descriptors, 3 to read from and 4 to write
	// to, whose other ends are Child.In and Child.Out.
	Pipes bool
}

// Exit says how a child ended.
type Exit struct {
	Code   int       // the exit code, or -1 when a signal ended it
	Signal os.Signal // nil, or the signal that ended it
}

// String returns "exit code 3" or "signal: killed".
func (e Exit) String() string {
	if e.Signal != nil {
		return "signal: " + e.Signal.String()
	}
	return fmt.Sprintf("exit code %d", e.Code)
}

// Success reports whether the child ended with code 0.
func (e Exit) Success() bool { return e.Signal == nil && e.Code == 0 }

// Child is a process that was started. Its methods are safe for concurrent use.
type Child struct {
	// Fixed at the start.
	In  *os.File // writes to descriptor 3 of the child; nil without Spec.Pipes
	Out *os.File // reads from descriptor 4 of the child
	cmd *exec.Cmd

	over chan struct{}
	exit Exit // set before over is closed

	// Guards reaped: the number of a group must not be signalled once the kernel
	// may give it to another.
	mu     sync.Mutex
	reaped bool
}

// maxLine bounds the lines that are handed to Spec.Output.
const maxLine = 64 << 10

// Start starts a child. It returns an error that names the program when that
// cannot be run.
func Start(spec Spec) (*Child, error) {
	if len(spec.Args) == 0 {
		return nil, errors.New("supervise: no program to start")
	}
	cmd := exec.Command(spec.Args[0], spec.Args[1:]...)
	cmd.Env = append(os.Environ(), spec.Env...)
	cmd.Dir = spec.Dir
	if spec.Stdin != nil {
		cmd.Stdin = spec.Stdin
	}
	c := &Child{cmd: cmd, over: make(chan struct{})}
	var theirs, ours []*os.File // to be closed after the start, and when it fails
	fail := func(err error) (*Child, error) {
		for _, f := range append(theirs, ours...) {
			f.Close()
		}
		return nil, fmt.Errorf("start %s: %w", spec.Args[0], err)
	}
	pipe := func(childWrites bool) (theirEnd, ourEnd *os.File, err error) {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, nil, err
		}
		if childWrites {
			r, w = w, r
		}
		theirs, ours = append(theirs, r), append(ours, w)
		return r, w, nil
	}
	var lines sync.WaitGroup
	if spec.Output == nil {
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	} else {
		for i, to := range []*io.Writer{&cmd.Stdout, &cmd.Stderr} {
			w, r, err := pipe(true)
			if err != nil {
				return fail(err)
			}
			*to = w
			lines.Go(func() { readLines(r, spec.Output, i == 1) })
		}
	}
	if spec.Pipes {
		r, in, err := pipe(false)
		if err != nil {
			return fail(err)
		}
		w, out, err := pipe(true)
		if err != nil {
			return fail(err)
		}
		cmd.ExtraFiles = []*os.File{r, w}
		c.In, c.Out = in, out
	}
	if err := start(cmd); err != nil {
		return fail(err)
	}
	for _, f := range theirs {
		f.Close()
	}
	go func() {
		await(c)
		c.exit = exitOf(cmd.ProcessState)
		lines.Wait()
		close(c.over)
	}()
	return c, nil
}

// readLines hands out what comes from r line by line, until its end.
func readLines(r *os.File, output func(line []byte, stderr bool), stderr bool) {
	defer r.Close()
	in := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := in.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		if n := len(line); n > 0 && line[n-1] == '\n' {
			line = line[:n-1]
		}
		if len(line) > 0 || err == nil {
			output(line, stderr)
		}
		for long { // the rest of a line that is too long is dropped
			_, err = in.ReadSlice('\n')
			long = errors.Is(err, bufio.ErrBufferFull)
		}
		if err != nil {
			return
		}
	}
}

// Pid returns the child's process id.
func (c *Child) Pid() int { return c.cmd.Process.Pid }

// Done is closed when the child has ended and all that it wrote was handed out.
func (c *Child) Done() <-chan struct{} { return c.over }

// Exit returns how the child ended. It waits until it has.
func (c *Child) Exit() Exit {
	<-c.over
	return c.exit
}

// Signal sends a signal to the child alone. It returns os.ErrProcessDone when
// the child has ended.
func (c *Child) Signal(sig os.Signal) error {
	return c.cmd.Process.Signal(sig)
}

// Kill ends the child and all of its group, at once.
func (c *Child) Kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped {
		endGroup(c.cmd.Process.Pid)
	}
}

// Stop asks the child to end (SIGTERM), kills it and its group when it has not
// ended after the grace period, and waits for the end.
func (c *Child) Stop(grace time.Duration) Exit {
	_ = c.Signal(terminate)
	t := time.AfterFunc(grace, c.Kill)
	defer t.Stop()
	return c.Exit()
}
