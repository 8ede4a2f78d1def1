package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"github.com/syncmanager/syncmanager/integration/bench/internal/load"
	"github.com/syncmanager/syncmanager/integration/bench/internal/proc"
	"github.com/syncmanager/syncmanager/integration/bench/internal/profile"
	"github.com/syncmanager/syncmanager/integration/bench/internal/serve"
)

// childArg makes this program a child of a benchmark; the role follows it.
const childArg = "child"

// The roles of a child.
const (
	roleEcho    = "echo"    // raw echo and raw copy
	roleRPC     = "net/rpc" // net/rpc
	roleManager = "manager" // the embedded manager server
	roleLoad    = "load"    // a load generator
	roleGuard   = "guard"   // a foreign program
)

// runChild is a child's life: one line of input configures it, then it answers.
func runChild(role string, stdin io.Reader, stdout io.Writer) error {
	in := proc.Lines(stdin)
	if !in.Scan() {
		return errors.Join(errors.New("no configuration on standard input"), in.Err())
	}
	run, ok := map[string]func([]byte, *bufio.Scanner, io.Writer) error{
		roleEcho: childEcho, roleRPC: childRPC, roleManager: childManager, roleLoad: childLoad, roleGuard: childGuard,
	}[role]
	if !ok {
		return fmt.Errorf("no child role %q", role)
	}
	var how struct {
		Profile bool `json:"profile"`
	}
	if err := json.Unmarshal(in.Bytes(), &how); err == nil && how.Profile { // a role tells what is wrong with its line
		profile.Fine()
	}
	err := run(in.Bytes(), in, stdout)
	if err != nil {
		proc.Fail(stdout, err)
	}
	return err
}

// serverConfig configures the servers that this program is itself.
type serverConfig struct {
	Dir     string `json:"dir"`               // for unix sockets
	Key     string `json:"key,omitempty"`     // the authkey
	Profile bool   `json:"profile,omitempty"` // profiles will be asked for
}

func childEcho(config []byte, in *bufio.Scanner, out io.Writer) error {
	var c serverConfig
	if err := json.Unmarshal(config, &c); err != nil {
		return err
	}
	return answerOn(c, in, out, map[string]func(net.Listener) error{"tcp": serve.Echo, "copy": serve.Copy, "framed": serve.Framed, "unix": serve.Echo})
}

func childRPC(config []byte, in *bufio.Scanner, out io.Writer) error {
	var c serverConfig
	if err := json.Unmarshal(config, &c); err != nil {
		return err
	}
	return answerOn(c, in, out, map[string]func(net.Listener) error{"tcp": serve.RPC})
}

// answerOn listens for each of doors, by name, until in ends.
func answerOn(c serverConfig, in *bufio.Scanner, out io.Writer, doors map[string]func(net.Listener) error) error {
	addrs := make(map[string]string)
	for name, door := range doors {
		network, addr := "tcp", "127.0.0.1:0"
		if name == "unix" {
			network, addr = "unix", filepath.Join(c.Dir, fmt.Sprintf("raw-%d.sock", os.Getpid()))
		}
		l, err := net.Listen(network, addr)
		if err != nil {
			return err
		}
		defer l.Close()
		addrs[name] = l.Addr().String()
		// A door ends with its listener, and that with this process.
		go func() { _ = door(l) }()
	}
	return proc.Answer(in, out, proc.Ready{Addrs: addrs}, aboutItself())
}

// serverRequest is what a server process is asked.
type serverRequest struct {
	Collect bool   `json:"collect,omitempty"` // force a collection first
	Profile string `json:"profile,omitempty"` // start profiles with this prefix of their files
	Stop    bool   `json:"stop,omitempty"`    // end and write them
}

// aboutItself answers serverRequests.
func aboutItself() proc.Handle {
	stop := func() error { return nil }
	return func(line []byte, _ func() error) (any, error) {
		var r serverRequest
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, err
		}
		var err error
		switch {
		case r.Profile != "":
			if stop, err = profile.Start(r.Profile); err != nil {
				stop = func() error { return nil }
				return nil, err
			}
		case r.Stop:
			if err := stop(); err != nil {
				return nil, err
			}
		case r.Collect:
			return proc.Own()
		}
		return proc.Counters(), nil
	}
}

func childLoad(config []byte, in *bufio.Scanner, out io.Writer) error {
	var spec load.Spec
	if err := json.Unmarshal(config, &spec); err != nil {
		return err
	}
	ctx := context.Background()
	d, err := load.Connect(ctx, spec)
	if err != nil {
		return err
	}
	defer d.Close()
	return proc.Answer(in, out, proc.Ready{}, func(line []byte, pause func() error) (any, error) {
		var r load.Request
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, err
		}
		return load.Run(ctx, d, r, pause)
	})
}

func childGuard(config []byte, in *bufio.Scanner, out io.Writer) error {
	var g proc.Guarded
	if err := json.Unmarshal(config, &g); err != nil {
		return err
	}
	return proc.Guard(g, in, out)
}

// childManager serves the embedded manager.
func childManager(config []byte, in *bufio.Scanner, out io.Writer) error {
	var c serverConfig
	if err := json.Unmarshal(config, &c); err != nil {
		return err
	}
	m, addrs, err := serve.StartManager(c.Dir, fmt.Sprintf("manager-%d", os.Getpid()), []byte(c.Key))
	if err != nil {
		return err
	}
	defer m.Close()
	return proc.Answer(in, out, proc.Ready{Addrs: addrs}, aboutItself())
}
