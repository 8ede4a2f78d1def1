package managers

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/client"
	"github.com/syncmanager/syncmanager/internal/link"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// local is the server's client of its own: proxies that arrive as arguments of
// user methods work through it. It is opened when the first type is
// registered, since nothing else needs it.
type local struct {
	mu      sync.Mutex
	session *client.Session
}

// localKey is what the in-process session is listed under.
const localKey = "server"

// openLocal makes sure that the in-process session exists.
func (s *Server) openLocal() error {
	s.local.mu.Lock()
	defer s.local.mu.Unlock()
	if s.local.session != nil {
		return nil
	}
	session, err := client.Open(s.context, client.Config{
		Dial: s.dialLocal, Program: s.config.Version, Lease: MaxLease, Logger: s.log, MaxMessage: s.config.MaxMessage,
		Errors: s.config.Errors,
	})
	s.local.session = session
	return err
}

// dialLocal connects the in-process session. It does not authenticate: both
// ends are this process. An empty binding, which no handshake gives, marks it.
func (s *Server) dialLocal(context.Context) (net.Conn, auth.Peer, error) {
	who := auth.Peer{KeyName: localKey, Role: auth.RoleAdmin}
	ours, theirs := link.Pipe()
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		s.serveConn(theirs, who, origin{remote: "in process"})
	}()
	return ours, who, nil
}

// valueContext is what proxies among the arguments of user methods work
// through.
func (s *Server) valueContext() any {
	s.local.mu.Lock()
	defer s.local.mu.Unlock()
	if s.local.session == nil {
		return nil
	}
	return s.local.session
}

func (s *Server) closeLocal() {
	s.local.mu.Lock()
	session := s.local.session
	s.local.mu.Unlock()
	if session != nil {
		session.Close()
	}
}

// attach gives the in-process session a reference to each object among the
// arguments of a user's method, so that they decode to working proxies. The
// method may keep those; what it does not keep is released. Without such
// objects release is nil.
func (s *Server) attach(ctx context.Context, args []byte) (release func(), err error) {
	if wire.ForEachRefView(args, foundRef) == nil {
		return nil, nil
	}
	var refs []client.Ref
	release = func() {
		for _, r := range refs {
			r.Drop()
		}
	}
	err = wire.ForEachRef(args, func(r wire.Ref) error {
		s.local.mu.Lock()
		session := s.local.session
		s.local.mu.Unlock()
		c := session.NewServerCall(&client.ServerAttach, 1)
		c.ArgRef(r)
		ref, err := client.Invoke[client.Ref](ctx, c)
		if err == nil {
			refs = append(refs, ref)
		}
		return err
	})
	return release, err
}

var errFound = errors.New("there is a reference")

// foundRef stops a search at the first reference.
func foundRef(wire.RefView) error { return errFound }
