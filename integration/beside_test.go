package integration

import (
	"bytes"
	"fmt"
	"sync/atomic"

	"github.com/syncmanager/syncmanager/connection"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

// registerEcho serves raw connections that send back what comes.
func registerEcho(s *managers.Server) {
	s.HandleConn("echo", func(c *connection.Conn) {
		for {
			b, err := c.RecvBytes(0)
			if err != nil || c.SendBytes(b) != nil {
				return
			}
		}
	})
}

// traffic is a raw connection of a client to the echo. Until it is stopped,
// something is always under way.
type traffic struct {
	stop   atomic.Bool
	echoed atomic.Int64
	ended  chan error
}

// trafficMessage returns message n. Length and bytes follow from the number.
func trafficMessage(n int) []byte {
	return bytes.Repeat([]byte(fmt.Sprint(n, " ")), 1+n*n*7%3001)
}

// startTraffic opens a raw connection to the echo and begins to use it.
func (e *env) startTraffic(m *proxy.Manager) *traffic {
	e.Helper()
	c, err := m.OpenConn(e.ctx, "echo")
	e.must(err)
	r := &traffic{ended: make(chan error, 1)}
	sent := make(chan int, 4) // as many may be under way
	go func() {
		defer close(sent)
		for n := 0; !r.stop.Load(); n++ {
			sent <- n
			if c.SendBytes(trafficMessage(n)) != nil {
				c.Close() // whoever waits for it hears of it
				return
			}
		}
	}()
	go func() {
		defer c.Close()
		for n := range sent {
			got, err := c.RecvBytes(0)
			if want := trafficMessage(n); err != nil || !bytes.Equal(got, want) {
				c.Close()
				for range sent {
				}
				r.ended <- fmt.Errorf("message %d of %d bytes came back as %d bytes, error %v", n, len(want), len(got), err)
				return
			}
			r.echoed.Add(1)
		}
		r.ended <- nil
	}()
	return r
}

// flows waits until something more has come back.
func (e *env) flows(r *traffic) {
	e.Helper()
	before := r.echoed.Load()
	e.until("something comes back on the raw connection", func() bool {
		select {
		case err := <-r.ended:
			e.Fatalf("the raw connection: %v", err)
		default:
		}
		return r.echoed.Load() > before
	})
}

// end stops the traffic and checks that all that was sent came back.
func (e *env) end(r *traffic) {
	e.Helper()
	r.stop.Store(true)
	if err := soon(e, "the echo of what is under way", r.ended); err != nil {
		e.Errorf("the raw connection: %v", err)
	}
}
