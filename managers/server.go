package managers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/objects"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// Server is a manager server. Its methods are safe for concurrent use.
type Server struct {
	// Fixed at creation.
	config     Config
	log        *slog.Logger
	keys       *auth.Keyring
	setupErr   error
	core       *core
	outside    *outside
	strangers  *strangers
	limiter    *auth.Limiter
	places     *places
	generation uint64
	started    time.Time
	context    context.Context // ends when the server is closed at once
	cancel     context.CancelFunc
	stall      stallClock
	local      local
	handlers   connHandlers
	reserve    []byte     // Config.HeapReserve
	broken     chan error // of a listener that can take no more; takes one

	running sync.WaitGroup // goroutines that Close waits for

	beginning sync.Once // of begin
	beginErr  error     // what begin found; set by it
	wantLocal bool      // begin is to open the in-process session; set before it

	granting sync.Mutex // held while a session gets the rights of its key; taken before all others

	mu        sync.Mutex // guards what follows
	listeners map[listener]struct{}
	conns     map[*conn]struct{}
	sessions  map[uint64]*session
	hosts     map[string]int // sessions by address
	rekeyed   uint64         // counts ReplaceKeys
	serving   bool           // Serve has begun
	closing   bool
	python    python
	done      chan struct{} // closed when shutdown was asked for
}

// ErrServerClosed is what Serve and ListenAndServe return after Shutdown or
// Close.
var ErrServerClosed = errors.New("managers: server closed")

// NewServer returns a server with all SyncManager types registered. It does
// nothing until it is told to listen. A mistake in the configuration, such as a
// key that is missing, is the error of every method that returns one, from the
// first call on; Err returns it as well.
func NewServer(config Config) *Server {
	config.setDefaults()
	config.Errors = maps.Clone(config.Errors)
	s := &Server{
		config: config, log: config.Logger, generation: newGeneration(), started: time.Now(),
		listeners: make(map[listener]struct{}),
		conns:     make(map[*conn]struct{}),
		sessions:  make(map[uint64]*session),
		hosts:     make(map[string]int),
		done:      make(chan struct{}),
		reserve:   make([]byte, max(config.HeapReserve, 0)),
		broken:    make(chan error, 1),
		limiter:   auth.NewLimiter(auth.LimiterConfig{Failures: config.Limits.Failures}),
	}
	s.context, s.cancel = context.WithCancel(context.Background())
	var keysErr error
	if s.keys, keysErr = auth.KeyringOf(config.AuthKey, config.Keyring); keysErr == nil && s.keys == nil {
		keysErr = errors.New("no key: Config.AuthKey or Config.Keyring must be set")
	}
	if keysErr != nil {
		keysErr = fmt.Errorf("managers: NewServer: %w", keysErr)
	}
	s.strangers = newStrangers(config.MaxStrangers, config.Limits.Strangers, s.log)
	s.places = newPlaces(&s.running)
	s.core = newCore(s)
	s.outside = newOutside(s)
	s.core.engine = engine.New(objects.Types()...)
	for code, err := range config.Errors {
		if code == "" || err == nil {
			keysErr = errors.Join(keysErr, fmt.Errorf("managers: NewServer: Config.Errors has the code %q for the error %v; it needs a code and an error", code, err))
		}
	}
	if config.Durability != nil {
		s.core.logged = newLogged(s.core, config.Durability)
		s.setupErr = errors.Join(keysErr, registerIterator(s))
		return s
	}
	s.setupErr = errors.Join(keysErr, s.core.configure(config.Limits), registerIterator(s))
	return s
}

// begin loads what the server's data directory has, if it has one, once. It is
// called before anything can reach the server.
func (s *Server) begin(ctx context.Context) error {
	if s.setupErr != nil || s.core.logged == nil {
		return s.setupErr
	}
	s.beginning.Do(func() {
		if s.beginErr = s.core.logged.start(ctx); s.beginErr != nil {
			return
		}
		s.generation = s.config.Durability.Lineage()
		if s.wantLocal {
			s.beginErr = s.openLocal()
		}
	})
	return s.beginErr
}

// Err returns what is wrong with the configuration, nil if nothing is.
func (s *Server) Err() error { return s.setupErr }

// ListenAndServe listens on the addresses and serves until the context ends,
// Shutdown or Close is called, or a listener fails. It returns
// ErrServerClosed after the first three, once all is closed in good order.
func (s *Server) ListenAndServe(ctx context.Context, addrs ...string) error {
	if err := s.Listen(ctx, addrs...); err != nil {
		return err
	}
	return s.Serve(ctx)
}

// Listen listens on the addresses: tcp://host:port, tcp+plain://host:port,
// unix:///path or pipe://name. Serve serves them; once it runs, further ones are
// served from the moment that Listen returns. If one fails, none is kept.
func (s *Server) Listen(ctx context.Context, addrs ...string) error {
	return s.listenAll(ctx, addrs, listen)
}

// listenAll listens on all of the addresses, or on none.
func (s *Server) listenAll(ctx context.Context, addrs []string, listen func(context.Context, string) (listener, error)) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	if len(addrs) == 0 {
		return errors.New("managers: no address to listen on")
	}
	var opened []listener
	closeAll := func() {
		for _, l := range opened {
			l.Close()
		}
	}
	for _, addr := range addrs {
		l, err := listen(ctx, addr)
		if err != nil {
			closeAll()
			return err
		}
		opened = append(opened, l)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		closeAll()
		return ErrServerClosed
	}
	for _, l := range opened {
		s.listeners[l] = struct{}{}
		if s.serving {
			s.acceptLocked(l)
		}
	}
	return nil
}

// acceptLocked takes the connections of a listener, on a goroutine of its own.
func (s *Server) acceptLocked(l listener) {
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		if err := s.accept(l); err != nil {
			select {
			case s.broken <- err:
			default: // another one has failed before
			}
		}
	}()
}

// Addrs returns the addresses that the server listens on, with the ports that
// it was given, in alphabetical order.
func (s *Server) Addrs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var addrs []string
	for l := range s.listeners {
		addrs = append(addrs, l.Addr())
	}
	slices.Sort(addrs)
	return addrs
}

// Serve serves the listeners that Listen opened, as ListenAndServe does. It
// fails at once if a registered type names a typeid that is not registered, or if
// the server is served already.
func (s *Server) Serve(ctx context.Context) error {
	if s.setupErr != nil {
		return s.setupErr
	}
	if err := s.outside.check(); err != nil {
		s.Close()
		return err
	}
	s.mu.Lock()
	switch {
	case s.closing:
		s.mu.Unlock()
		return ErrServerClosed
	case s.serving:
		s.mu.Unlock()
		return errors.New("managers: Serve: the server is served already; Listen adds an address to it")
	}
	s.serving = true
	s.stall.start()
	for l := range s.listeners {
		s.acceptLocked(l)
	}
	for _, f := range []func(){func() { s.stall.watch(s.context.Done()) }, s.collect} {
		s.running.Add(1)
		go func() {
			defer s.running.Done()
			f()
		}()
	}
	s.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-s.done:
	case <-s.context.Done(): // Close
	case err := <-s.broken:
		s.Close()
		return err
	}
	s.Shutdown(context.WithoutCancel(ctx))
	return ErrServerClosed
}

// serves reports whether Serve has begun.
func (s *Server) serves() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.serving
}

// collectEvery is how often containers that hold nothing but each other are
// looked for.
const collectEvery = time.Minute

func (s *Server) collect() {
	t := time.NewTicker(collectEvery)
	defer t.Stop()
	for {
		select {
		case <-s.context.Done():
			return
		case <-t.C:
			_ = s.core.apply(&engine.Command{Op: engine.OpCollect})
		}
	}
}

// accept takes connections until the listener is closed.
func (s *Server) accept(l listener) error {
	for {
		raw, err := l.Accept(s.context)
		switch {
		case errors.Is(err, net.ErrClosed), err != nil && s.context.Err() != nil:
			return nil
		case err != nil:
			// Out of descriptors, most likely: it passes.
			s.log.Warn("accept failed", "address", l.Addr(), "err", err)
			select {
			case <-time.After(50 * time.Millisecond):
				continue
			case <-s.context.Done():
				return nil
			}
		}
		// Here and not on the goroutine: strangers have their places in the
		// order in which they came.
		place, ok := s.strangers.enter(auth.LimiterHost(raw.RemoteAddr()), raw)
		if !ok {
			raw.Close()
			continue
		}
		s.running.Add(1)
		go func() {
			defer s.running.Done()
			s.greet(raw, place)
		}()
	}
}

// greet turns a stranger into a client: the handshakes, and then the
// connection's read loop.
func (s *Server) greet(raw newcomer, place *stranger) {
	if p, ok := raw.(pythonStream); ok {
		s.servePython(p, place)
		return
	}
	remote := remoteText(raw.RemoteAddr())
	host := auth.LimiterHost(raw.RemoteAddr())
	s.mu.Lock()
	rekeyed := s.rekeyed
	s.mu.Unlock()
	nc, who, err := s.authenticate(raw, host)
	s.strangers.leave(place)
	if err != nil {
		raw.Close()
		s.log.Debug("handshake failed", "remote", remote, "err", err)
		return
	}
	s.serveConn(nc, who, origin{remote: remote, host: host, rekeyed: rekeyed})
}

// remoteText says where a connection comes from. The client's end of a unix
// socket has no address.
func remoteText(a net.Addr) string {
	s := a.String()
	if a.Network() == "unix" && (s == "" || s == "@") {
		return "unix"
	}
	return s
}

// authenticate runs the handshakes of the transport and of package auth.
func (s *Server) authenticate(raw newcomer, host string) (net.Conn, auth.Peer, error) {
	ctx, cancel := context.WithTimeout(s.context, s.config.HandshakeTimeout)
	defer cancel()
	nc, channel, err := raw.Handshake(ctx)
	if err != nil {
		return nil, auth.Peer{}, err
	}
	who, err := auth.Server(ctx, nc, auth.ServerConfig{
		Keyring: s.keys, Channel: channel, Timeout: s.config.HandshakeTimeout,
		// Whoever fails waits for his "no", longer each time.
		Refusing: func(ctx context.Context, e *auth.RefusedError) time.Duration {
			delay, shut := s.failed(host, "remote", remoteText(raw.RemoteAddr()), "key", e.KeyName, "known", e.Known)
			select {
			case <-time.After(delay):
			case <-ctx.Done():
			}
			return shut
		},
	})
	return nc, who, err
}

// failed counts a failed attempt to authenticate, logs it, and returns how long
// to keep the host waiting, and for how long its wrong keys are turned away. Once
// they are, the log is spared them.
func (s *Server) failed(host string, about ...any) (delay, shut time.Duration) {
	now := time.Now()
	was := s.limiter.ShutOut(host, now) > 0
	delay = s.limiter.Failed(host, now)
	shut = s.limiter.ShutOut(host, now)
	about = append(about, "delay", delay)
	if was {
		s.log.Debug("authentication failed", about...)
		return delay, shut
	}
	s.log.Warn("authentication failed", about...)
	if shut > 0 {
		s.log.Warn("wrong keys from an address are turned away: too many failed attempts", "host", host, "limit", s.config.Limits.Failures, "for", shut)
	}
	return delay, shut
}

// Shutdown ends the server in good order: no new connections; calls that wait
// fail with ErrShuttingDown; methods that run may finish within the grace
// period or until the context ends; then the connections are closed. It
// returns when all is over.
func (s *Server) Shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.ShutdownGrace)
	defer cancel()
	if !s.beginClose() {
		s.running.Wait()
		return nil
	}
	if s.core.logged != nil {
		// The state stays: who waits goes on waiting, in the next life of the server.
		err := s.outside.drain(ctx)
		s.endConns(errStopping)
		s.finish()
		return err
	}
	_ = s.core.apply(&engine.Command{Op: engine.OpShutdown})
	err := s.outside.drain(ctx)
	s.endConns(wire.ErrShuttingDown)
	s.finish()
	return err
}

// Close ends the server at once.
func (s *Server) Close() error {
	if s.beginClose() {
		why := wire.ErrShuttingDown
		if s.core.logged != nil {
			why = errStopping
		}
		s.endConns(why)
		s.finish()
	}
	s.running.Wait()
	return nil
}

// errStopping is what clients of a server with a data directory hear when it ends:
// they try to resume until it is back, or their lease has run out.
var errStopping = wire.Errorf(wire.CodeUnavailable, "the server has stopped; its state is kept, and sessions go on when it is back within their lease")

// beginClose closes the listeners. It reports whether it was the first.
func (s *Server) beginClose() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.closing = true
	for l := range s.listeners {
		l.Close()
	}
	return true
}

// RequestShutdown makes Serve end in good order, as a client with the role
// admin can.
func (s *Server) RequestShutdown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.done:
	default:
		close(s.done)
	}
}

// endConns tells the clients why, and closes their connections.
func (s *Server) endConns(why *wire.Error) {
	s.mu.Lock()
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	sessions := make([]*session, 0, len(s.sessions))
	for _, ss := range s.sessions {
		sessions = append(sessions, ss)
	}
	s.mu.Unlock()
	for _, c := range conns {
		c.bye(why)
	}
	s.closePython()
	for _, ss := range sessions {
		ss.stop()
	}
}

// finish ends what is left and waits for it.
func (s *Server) finish() {
	s.closeLocal()
	s.strangers.close()
	s.cancel()
	s.outside.shut()
	s.core.stop()
	if l := s.core.logged; l != nil {
		if err := l.log.Close(); err != nil {
			s.log.Error("the log was not closed in good order", "err", err)
		}
	}
	s.running.Wait()
}

// ReplaceKeys takes a new set of keys into use. Sessions whose key is gone, or
// is another one under the same name, end; those whose key has another role or
// other prefixes now go on with these. Python clients of such a key have to
// connect again. The entries are checked as a whole: after an error the old
// ones stay.
func (s *Server) ReplaceKeys(entries ...auth.Entry) error {
	if s.setupErr != nil {
		return s.setupErr
	}
	change, err := s.keys.Replace(entries...)
	if err != nil {
		return err
	}
	changed := slices.Concat(change.Removed, change.Rekeyed, change.Regranted)
	if door := s.pythonDoor(); door != nil {
		door.DropKeys(changed)
	}
	s.mu.Lock()
	s.rekeyed++
	var all []*session
	for _, ss := range s.sessions {
		all = append(all, ss)
	}
	s.mu.Unlock()
	for _, ss := range all {
		if slices.Contains(changed, ss.who.KeyName) {
			s.checkKey(ss)
		}
	}
	return nil
}

// checkKey gives a session the rights that its key has now, or ends it.
func (s *Server) checkKey(ss *session) {
	// Of two changes at once the later one must be applied later.
	s.granting.Lock()
	defer s.granting.Unlock()
	entry, ok := s.keys.Current(ss.who)
	if !ok {
		s.log.Info("session ended: its key was removed", "session", ss.id, "key", ss.who.KeyName)
		s.endSession(ss.id, wire.Errorf(wire.CodeDenied, "key %q of this session was removed", ss.who.KeyName))
		return
	}
	s.log.Info("session has other rights", "session", ss.id, "key", entry.Name, "role", entry.Role.String(), "prefixes", entry.Prefixes)
	_ = s.core.apply(&engine.Command{Op: engine.OpRegrant, Session: ss.id, Open: &engine.SessionInfo{
		Role: engine.Role(entry.Role), Prefixes: entry.Prefixes,
	}}) // one that has ended meanwhile needs none
}

// CreateNamed makes sure that a named object exists, as Open of a client does.
func (s *Server) CreateNamed(ctx context.Context, name, typeid string, args ...any) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	d, err := s.newDirect(engine.SessionInfo{Program: s.config.Version, KeyName: "server", Role: engine.RoleAdmin})
	if err != nil {
		return err
	}
	defer d.close()
	b := wire.AppendArrayHeader(nil, len(args)+2)
	b = wire.AppendStr(b, name)
	b = wire.AppendStr(b, typeid)
	for i, arg := range args {
		if b, err = wire.Marshal(b, arg); err != nil {
			return fmt.Errorf("object %q: argument %d: %w", name, i+1, err)
		}
	}
	if _, err := d.Call(ctx, engine.Command{Method: engine.MethodOpen, Args: b}); err != nil {
		return fmt.Errorf("object %q: %w", name, err)
	}
	return nil
}
