package proc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Guarded says how to run a program that knows nothing of Ready lines.
type Guarded struct {
	Argv  []string          `json:"argv"`
	Env   []string          `json:"env,omitempty"` // in addition to the own environment
	Addrs map[string]string `json:"addrs"`         // what the program will serve: host:port, or the absolute path of a unix socket
}

// guardWait is how long a guarded program may take until it accepts
// connections, and until it ends.
const guardWait = 15 * time.Second

// Guard runs a foreign program for as long as in has not ended: it waits until
// every address in g accepts a connection, writes the Ready line with the
// program's own process id, and ends the program when in ends.
func Guard(g Guarded, in *bufio.Scanner, out io.Writer) error {
	if len(g.Argv) == 0 {
		return errors.New("guard: no program")
	}
	cmd := exec.Command(g.Argv[0], g.Argv[1:]...)
	cmd.Env = append(os.Environ(), g.Env...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	if err := reachable(g.Addrs, exited); err != nil {
		// Already gone is as good.
		_ = cmd.Process.Kill()
		return fmt.Errorf("%s: %w", g.Argv[0], err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := fmt.Fprintf(out, "{\"pid\":%d}\n", cmd.Process.Pid)
		for err == nil && in.Scan() {
			_, err = io.WriteString(out, "{\"error\":\"a guarded program answers nothing\"}\n")
		}
		answered <- err
	}()
	select {
	case err := <-exited:
		return fmt.Errorf("%s ended by itself: %v", g.Argv[0], err)
	case <-answered:
	}
	// A program that cannot take the signal is killed below.
	_ = cmd.Process.Signal(os.Interrupt)
	select {
	case <-exited:
	case <-time.After(closeWait / 2):
		_ = cmd.Process.Kill()
		<-exited
	}
	return nil
}

// reachable waits until each address accepts a connection.
func reachable(addrs map[string]string, exited <-chan error) error {
	deadline := time.Now().Add(guardWait)
	for _, addr := range addrs {
		network := "tcp"
		if filepath.IsAbs(addr) {
			network = "unix"
		}
		for {
			conn, err := net.DialTimeout(network, addr, time.Second)
			if err == nil {
				conn.Close()
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("does not accept connections: %w", err)
			}
			select {
			case err := <-exited:
				return fmt.Errorf("ended while starting: %v", err)
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	return nil
}

// FreePort returns a TCP port of the loopback address that nobody listened on
// a moment ago.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
