package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/connection"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

// echo sends back what comes.
func echo(c *connection.Conn) {
	for {
		b, err := c.RecvBytes(0)
		if err != nil || c.SendBytes(b) != nil {
			return
		}
	}
}

func TestOpenConn(t *testing.T) {
	for _, addr := range []string{"tcp://127.0.0.1:0", "tcp+plain://127.0.0.1:0", "pipe"} {
		t.Run(addr, func(t *testing.T) {
			served := make(chan error, 1)
			at, key := serveOn(t, addr, func(s *managers.Server) {
				s.HandleConn("echo", echo)
				s.HandleConn("panics", func(*connection.Conn) { panic("boom") })
				s.HandleConn("reads", func(c *connection.Conn) {
					_, err := c.RecvBytes(0)
					served <- err
				})
			})
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			m := connect(t, at, key)
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					c, err := m.OpenConn(ctx, "echo")
					if err != nil {
						t.Error(err)
						return
					}
					defer c.Close()
					for _, n := range []int{0, 1, 300, 700_000} {
						sent := bytes.Repeat([]byte{byte(i)}, n)
						sending := make(chan error, 1)
						go func() { sending <- c.SendBytes(sent) }()
						got, err := c.RecvBytes(0)
						if err := errors.Join(err, <-sending); err != nil || !bytes.Equal(got, sent) {
							t.Errorf("conn %d: %d bytes came back as %d, %v", i, n, len(got), err)
						}
					}
					if err := c.Send(map[string]int{"n": i}); err != nil {
						t.Error(err)
					}
					var back map[string]int
					if err := c.Recv(&back); err != nil || back["n"] != i {
						t.Errorf("conn %d: value %v, %v", i, back, err)
					}
				})
				wg.Go(func() {
					if _, err := m.Ping(ctx); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()

			c, err := m.OpenConn(ctx, "panics")
			must(t, err)
			if _, err := c.RecvBytes(0); err != io.EOF {
				t.Errorf("a handler that panics: the client reads %v, want EOF", err)
			}
			c.Close()

			c, err = m.OpenConn(ctx, "reads")
			must(t, err)
			c.Close()
			if err := <-served; err != io.EOF {
				t.Errorf("the server reads %v after the client closed, want EOF", err)
			}

			c, err = m.OpenConn(ctx, "echo")
			must(t, err)
			m.Close()
			if _, err := c.RecvBytes(0); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("a raw connection of a closed Manager: %v, want %v", err, io.ErrUnexpectedEOF)
			}
			_, err = m.OpenConn(ctx, "echo")
			wantErr(t, "OpenConn of a closed Manager", err, proxy.ErrClosed)
		})
	}
}

func TestOpenConnRefused(t *testing.T) {
	reader := auth.Generate()
	hold := make(chan struct{})
	addr, key := serve(t, func(s *managers.Server) {
		s.HandleConn("echo", echo)
		s.HandleConn("mute", func(*connection.Conn) { <-hold })
	})
	defer close(hold)
	ctx := context.Background()
	m := connect(t, addr, key)

	_, err := m.OpenConn(ctx, "nobody")
	wantErr(t, "an unknown name", err, proxy.ErrNotFound)
	for _, name := range []string{"", strings.Repeat("x", 1025)} {
		_, err := m.OpenConn(ctx, name)
		wantErr(t, fmt.Sprintf("a name of %d bytes", len(name)), err, proxy.ErrValue)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	_, err = m.OpenConn(over, "echo")
	wantErr(t, "a context that is over", err, context.Canceled)

	var open []*connection.Conn
	for range 128 {
		c, err := m.OpenConn(ctx, "mute")
		must(t, err)
		open = append(open, c)
	}
	_, err = m.OpenConn(ctx, "echo")
	wantErr(t, "one above the limit", err, proxy.ErrOverloaded)
	for _, c := range open {
		c.Close()
	}

	keys, err := auth.NewKeyring(auth.Entry{Name: "r", Credential: reader, Role: auth.RoleRead})
	must(t, err)
	srv := managers.NewServer(managers.Config{Keyring: keys})
	srv.HandleConn("echo", echo)
	must(t, srv.Listen(ctx, "pipe"))
	serving := make(chan error, 1)
	go func() { serving <- srv.Serve(ctx) }()
	defer func() { srv.Close(); <-serving }()
	r, err := proxy.Connect(ctx, srv.Addrs()[0], proxy.Config{AuthKey: reader, KeyName: "r"})
	must(t, err)
	defer r.Close()
	_, err = r.OpenConn(ctx, "echo")
	wantErr(t, "the role read", err, proxy.ErrDenied)
}
