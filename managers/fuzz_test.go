package managers

import (
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/link"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// FuzzSession drives the session state machine: connections of one key open,
// resume, lose, close and take over sessions, and send any messages in between.
// Whatever comes, the server answers or ends the connection, a session has one
// connection at most, and all is gone once the sessions are.
//
// A program is a run of steps of two bytes: what, and with which of four
// connections. A step for raw bytes takes as many as its next byte says.
func FuzzSession(f *testing.F) {
	const (
		opens = iota
		resumes
		steals
		breaks
		closes
		calls
		waits
		cancels
		acks
		pings
		raw
		kicks
		steps
	)
	f.Add([]byte{opens, 0, calls, 0, waits, 0, breaks, 0, resumes, 1, calls, 1, closes, 1})
	f.Add([]byte{opens, 0, waits, 0, resumes, 1, resumes, 2, calls, 0, calls, 1, calls, 2, breaks, 2, breaks, 1})
	f.Add([]byte{opens, 0, opens, 1, steals, 2, kicks, 0, resumes, 0, calls, 1, closes, 1})
	f.Add([]byte{opens, 0, cancels, 0, acks, 0, waits, 0, cancels, 0, pings, 0, breaks, 0, resumes, 0, waits, 0})
	f.Add([]byte{opens, 0, raw, 0, 6, 0, 0, 0, 2, 8, 1, raw, 0, 4, 0xff, 0xff, 0xff, 0xff, opens, 1})
	f.Add([]byte{resumes, 0, calls, 1, raw, 2, 5, 0, 0, 0, 1, 11, opens, 3, closes, 3, resumes, 3})
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 400 {
			return
		}
		s := NewServer(Config{AuthKey: testKey, HandshakeTimeout: time.Minute})
		defer s.Close()
		w := fuzzWorld{t: t, s: s}
		for len(program) >= 2 {
			op, c := program[0]%steps, &w.conns[program[1]%4]
			program = program[2:]
			switch op {
			case opens:
				w.connect(c)
				c.write(wire.AppendOpen(nil, &wire.Open{Version: wire.Version}))
				w.greeted(c)
			case resumes, steals:
				from := w.last
				w.connect(c)
				proof := auth.ResumeProof(from.SessionKey, w.session, c.who.Binding)
				if op == steals {
					proof = auth.ResumeProof(c.who.SessionKey, w.session, c.who.Binding)
				}
				c.write(wire.AppendResume(nil, &wire.Resume{Version: wire.Version, Session: w.session, Generation: w.s.generation, Proof: proof}))
				if w.greeted(c) {
					w.last = from
					if op == steals {
						t.Fatal("a session was taken over without its secret")
					}
				}
			case breaks:
				c.close()
			case closes:
				c.write(wire.AppendClose(nil))
			case calls, waits:
				w.serial++
				call := wire.Call{Serial: w.serial, Name: []byte("open"), Args: []byte("\x92\xa1e\xa5Event")}
				if op == waits {
					call = wire.Call{Serial: w.serial, Object: 2 + w.serial%3, Name: []byte("wait"), Args: []byte{0x90}}
				}
				c.write(wire.AppendCall(nil, &call))
			case cancels:
				c.write(wire.AppendCancel(nil, w.serial+1, wire.CancelAbandon))
			case acks:
				c.write(wire.AppendAck(nil, &wire.Ack{Watermark: w.serial / 2, Ranges: []wire.Range{{From: w.serial, To: w.serial}}}))
			case pings:
				c.write(wire.AppendPing(nil, wire.KindPing, w.serial))
			case raw:
				n := 0
				if len(program) > 0 {
					n = min(int(program[0]), len(program)-1)
					program = program[1:]
				}
				c.write(program[:n])
				program = program[n:]
			case kicks:
				s.endSession(w.session, wire.ErrDenied)
			}
			w.check()
		}
		// A good client is served as ever, and what the others had goes.
		var good fuzzConn
		w.connect(&good)
		good.write(wire.AppendOpen(nil, &wire.Open{Version: wire.Version}))
		if !w.greeted(&good) {
			t.Fatal("a good client was not welcome")
		}
		good.close()
		for i := range w.conns {
			w.conns[i].close()
		}
		s.mu.Lock()
		var all []uint64
		for id := range s.sessions {
			all = append(all, id)
		}
		s.mu.Unlock()
		for _, id := range all {
			s.endSession(id, wire.ErrSessionExpired)
		}
		if st := s.stats(); st.Sessions != 0 || st.Parked != 0 || st.Objects > 1 || st.Objects != st.Names {
			t.Fatalf("after all sessions ended: %+v", st)
		}
		s.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.conns)+len(s.sessions)+len(s.hosts) != 0 {
			t.Fatalf("%d connections, %d sessions and %d addresses are left", len(s.conns), len(s.sessions), len(s.hosts))
		}
	})
}

// fuzzWorld is what FuzzSession knows.
type fuzzWorld struct {
	t       *testing.T
	s       *Server
	conns   [4]fuzzConn
	nonce   byte
	last    auth.Peer // of the connection that opened the last session
	session uint64
	serial  uint64
}

// fuzzConn is one of the connections.
type fuzzConn struct {
	script
	who  auth.Peer
	gone chan struct{} // closed when the server's side has ended and all was read
}

// connect replaces the connection.
func (w *fuzzWorld) connect(c *fuzzConn) {
	c.close()
	w.nonce++
	c.who = someone
	c.who.Binding, c.who.SessionKey = [32]byte{1, w.nonce}, [32]byte{2, w.nonce}
	ours, theirs := link.Pipe()
	w.s.running.Add(1)
	go func() {
		defer w.s.running.Done()
		w.s.serveConn(theirs, c.who, origin{remote: "fuzz", host: "fuzz"})
	}()
	c.script = script{t: w.t, nc: ours, in: link.NewReader(ours, 0)}
	c.gone = nil
}

// greeted reads the answer to OPEN or RESUME, and reports whether it was WELCOME.
// From then on what comes is thrown away.
func (w *fuzzWorld) greeted(c *fuzzConn) bool {
	c.nc.SetReadDeadline(time.Now().Add(10 * time.Second))
	kind, body, err := c.in.Next()
	if err != nil {
		w.t.Fatalf("no answer to OPEN or RESUME: %v", err)
	}
	ok := kind == wire.KindWelcome
	if ok {
		m, err := wire.ParseWelcome(body)
		if err != nil {
			w.t.Fatal(err)
		}
		if m.Session != w.session {
			w.session, w.last, w.serial = m.Session, c.who, 0
		}
	}
	gone, in := make(chan struct{}), c.in
	c.gone = gone
	c.nc.SetReadDeadline(time.Time{})
	go func() {
		defer close(gone)
		for {
			if _, _, err := in.Next(); err != nil {
				return
			}
		}
	}()
	return ok
}

// write sends bytes; the server may have ended the connection already.
func (c *fuzzConn) write(b []byte) {
	if c.nc == nil || len(b) == 0 {
		return
	}
	c.nc.SetWriteDeadline(time.Now().Add(10 * time.Second))
	_, _ = c.nc.Write(b)
}

func (c *fuzzConn) close() {
	if c.nc == nil {
		return
	}
	c.nc.Close()
	if c.gone != nil {
		<-c.gone
	}
	c.nc = nil
}

// check holds what is always true: a session has a connection of its own, or
// none.
func (w *fuzzWorld) check() {
	k := w.s.core
	w.s.mu.Lock()
	var ids []uint64
	for id := range w.s.sessions {
		ids = append(ids, id)
	}
	w.s.mu.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	peers := make(map[any]uint64)
	for _, id := range ids {
		es := k.engine.Session(id)
		if es == nil || es.Peer == nil {
			continue
		}
		if other, ok := peers[es.Peer]; ok {
			w.t.Fatalf("sessions %d and %d have one connection", id, other)
		}
		peers[es.Peer] = id
		if !es.Connected() {
			w.t.Fatalf("session %d has a connection and is not connected", id)
		}
	}
}
