package hostile

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/connection"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

// keys is a server with several keys.
type keys struct {
	*server
	entries []auth.Entry
}

func serveKeys(t testing.TB, cfg managers.Config, setup ...func(*managers.Server)) *keys {
	t.Helper()
	k := &keys{entries: []auth.Entry{
		{Name: "admin", Credential: auth.Generate(), Role: auth.RoleAdmin},
		{Name: "write", Credential: auth.Generate(), Role: auth.RoleWrite},
		{Name: "read", Credential: auth.Generate(), Role: auth.RoleRead},
		{Name: "team", Credential: auth.Generate(), Role: auth.RoleWrite, Prefixes: []string{"team/", "shared/"}},
	}}
	ring, err := auth.NewKeyring(k.entries...)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Keyring = ring
	k.server = serve(t, plain, cfg, setup...)
	return k
}

func (k *keys) config(name string) proxy.Config {
	for _, e := range k.entries {
		if e.Name == name {
			return proxy.Config{KeyName: name, AuthKey: e.Credential, Program: "test-" + name}
		}
	}
	k.Fatalf("no key %q", name)
	panic("unreachable")
}

// as connects with the key of that name.
func (k *keys) as(name string) *proxy.Manager {
	k.Helper()
	return k.client(k.config(name))
}

// denied checks a refusal, and that it says why.
func denied(t testing.TB, what string, err error, words ...string) {
	t.Helper()
	is(t, what, err, proxy.ErrDenied)
	for _, w := range words {
		if err != nil && !strings.Contains(err.Error(), w) {
			t.Errorf("%s: error %q does not say %q", what, err, w)
		}
	}
}

// Counter is a registered type of which one method only reads.
type Counter struct{ n int }

func (c *Counter) Add(n int) int { c.n += n; return c.n }
func (c *Counter) Count() int    { return c.n }

// TestRoles: read reads, write writes, admin administers, and each refusal says
// which key may not do what.
func TestRoles(t *testing.T) {
	k := serveKeys(t, managers.Config{}, func(srv *managers.Server) {
		if err := srv.RegisterValue("Counter", &Counter{}, managers.TypeOptions{Reads: []string{"Count"}}); err != nil {
			t.Fatal(err)
		}
		srv.HandleConn("echo", func(c *connection.Conn) { _ = c.SendBytes([]byte("hello")) })
	})
	ctx := k.ctx
	admin, write, read := k.as("admin"), k.as("write"), k.as("read")
	for m, role := range map[*proxy.Manager]string{admin: "admin", write: "write", read: "read"} {
		if m.Role() != role {
			t.Errorf("role %q, want %q", m.Role(), role)
		}
	}
	d := must1[*proxy.Dict[string, int]](t)(proxy.OpenDict[string, int](ctx, write, "d"))
	k.must(d.Set(ctx, "k", 1))
	q := must1[*proxy.Queue[int]](t)(proxy.OpenQueue[int](ctx, write, "q", 0))
	k.must(q.Put(ctx, 1))
	must1[*proxy.Lock](t)(proxy.OpenLock(ctx, write, "l"))

	rd := must1[*proxy.Dict[string, int]](t)(proxy.OpenDict[string, int](ctx, read, "d"))
	rq := must1[*proxy.Queue[int]](t)(proxy.OpenQueue[int](ctx, read, "q", 0))
	rl := must1[*proxy.Lock](t)(proxy.OpenLock(ctx, read, "l"))
	if v, err := rd.Get(ctx, "k"); v != 1 || err != nil {
		t.Errorf("a reader reads %d, %v", v, err)
	}
	if n, err := rq.QSize(ctx); n != 1 || err != nil {
		t.Errorf("a reader counts %d, %v", n, err)
	}
	if v, err := rq.Peek(ctx); v != 1 || err != nil {
		t.Errorf("a reader peeks %d, %v", v, err)
	}
	denied(t, "set", rd.Set(ctx, "k", 2), "dict.set", `key "read"`)
	denied(t, "get of a queue", errOf(rq.TryGet(ctx)), "Queue.get", `key "read"`)
	denied(t, "put", rq.Put(ctx, 2))
	denied(t, "acquire", errOf(rl.Acquire(ctx)), "acquire", `key "read"`)
	denied(t, "create", errOf(read.Create(ctx, "dict")), `key "read"`)
	denied(t, "open of a new name", errOf(read.Open(ctx, "new", "dict")), `key "read"`)
	denied(t, "remove", read.Remove(ctx, "d"))
	denied(t, "a raw connection", errOf(read.OpenConn(ctx, "echo")), "role write")
	c := must1[*connection.Conn](t)(write.OpenConn(ctx, "echo"))
	c.Close()

	wc := must1[*proxy.Ref](t)(write.Create(ctx, "Counter"))
	rc, err := read.Attach(ctx, wc.Token())
	k.must(err)
	if n, err := proxy.Call[int](ctx, wc, "Add", 2); n != 2 || err != nil {
		t.Errorf("Add: %d, %v", n, err)
	}
	if n, err := proxy.Call[int](ctx, rc, "Count"); n != 2 || err != nil {
		t.Errorf("a reader calls a method that reads: %d, %v", n, err)
	}
	denied(t, "a custom method", errOf(proxy.Call[int](ctx, rc, "Add", 2)), "Counter.Add", `key "read"`)

	for m, why := range map[*proxy.Manager]string{read: `key "read" may only read`, write: `key "write" has write`} {
		denied(t, "objects", errOf(m.Objects(ctx, 0, 10)), "objects", "role admin")
		denied(t, "sessions", errOf(m.Sessions(ctx, 0, 10)), "sessions", "role admin")
		denied(t, "kick", m.Kick(ctx, admin.SessionID()), "kick", why)
		denied(t, "collect", errOf(m.Collect(ctx)), "collect", why)
		denied(t, "shutdown", m.Shutdown(ctx), "shutdown", why)
	}
	must1[proxy.Page[proxy.SessionInfo]](t)(admin.Sessions(ctx, 0, 10))
	must1[int](t)(admin.Collect(ctx))
}

// TestPrefixes: a bound key opens, lists and removes only what begins with one of
// its prefixes, raw connections included; what it makes without a name counts for
// itself.
func TestPrefixes(t *testing.T) {
	k := serveKeys(t, managers.Config{Limits: managers.Limits{Objects: 3}}, func(srv *managers.Server) {
		for _, name := range []string{"echo", "team/echo"} {
			srv.HandleConn(name, func(c *connection.Conn) { _ = c.SendBytes([]byte("hello")) })
		}
	})
	ctx := k.ctx
	write, team := k.as("write"), k.as("team")
	for _, name := range []string{"other", "team/a", "shared/b"} {
		must1[*proxy.Ref](t)(write.Open(ctx, name, "dict"))
	}
	for _, name := range []string{"team/a", "shared/b"} {
		must1[*proxy.Ref](t)(team.Open(ctx, name, "dict"))
	}
	for what, err := range map[string]error{
		"open":   errOf(team.Open(ctx, "other", "dict")),
		"lookup": errOf(team.Lookup(ctx, "other")),
		"remove": team.Remove(ctx, "other"),
		"new":    errOf(team.Open(ctx, "tea", "dict")),
		// The refusal does not tell whether somebody serves the name.
		"connection":         errOf(team.OpenConn(ctx, "echo")),
		"unknown connection": errOf(team.OpenConn(ctx, "nobody")),
	} {
		denied(t, what, err, `key "team"`, "team/, shared/")
	}
	for m, name := range map[*proxy.Manager]string{write: "echo", team: "team/echo"} {
		c := must1[*connection.Conn](t)(m.OpenConn(ctx, name))
		if b, err := c.RecvBytes(10); string(b) != "hello" || err != nil {
			t.Errorf("%s answers %q, %v", name, b, err)
		}
		c.Close()
	}
	var names []string
	for _, o := range must1[[]proxy.ObjectInfo](t)(team.Names(ctx, "")) {
		names = append(names, o.Name)
	}
	if strings.Join(names, " ") != "shared/b team/a" {
		t.Errorf("names for a bound key: %q", names)
	}
	var refs []*proxy.Ref
	for range 3 {
		refs = append(refs, must1[*proxy.Ref](t)(team.Create(ctx, "list")))
	}
	overloaded(t, errOf(team.Create(ctx, "list")), "the limit is 3")
	refs[0].Drop()
	k.must(team.Remove(ctx, "team/a"))
}

// TestReplacedKeys: after ReplaceKeys the sessions of a removed key and of one
// that was changed end with a word, also one without a connection; a key with
// other rights gives them to its sessions; the others notice nothing.
func TestReplacedKeys(t *testing.T) {
	k := serveKeys(t, managers.Config{})
	ctx := k.ctx
	admin := k.as("admin")
	expired := make(map[string]chan error)
	clients := make(map[string]*proxy.Manager)
	dicts := make(map[string]*proxy.Dict[string, int])
	for _, name := range []string{"write", "read", "team"} {
		cfg := k.config(name)
		over := make(chan error, 1)
		cfg.OnExpired = func(err error) { over <- err }
		expired[name] = over
		clients[name] = k.client(cfg)
	}
	for name, m := range clients {
		if name == "read" {
			must1[*proxy.Ref](t)(admin.Open(ctx, "team/d", "dict"))
		}
		dicts[name] = must1[*proxy.Dict[string, int]](t)(func() (*proxy.Dict[string, int], error) {
			must1[*proxy.Ref](t)(admin.Open(ctx, "team/d", "dict"))
			return proxy.OpenDict[string, int](ctx, m, "team/d")
		}())
	}
	q := must1[*proxy.Queue[int]](t)(proxy.OpenQueue[int](ctx, clients["write"], "q", 0))
	waiting := make(chan error, 1)
	go func() { waiting <- errOf(q.Get(ctx)) }()
	until(t, "a call waits", func() bool { return info(t, admin, "parked") == 1 })

	// write is removed; team gets another key; read may write, below a prefix.
	next := []auth.Entry{
		k.entries[0],
		{Name: "read", Credential: k.entries[2].Credential, Role: auth.RoleWrite, Prefixes: []string{"team/"}},
		{Name: "team", Credential: auth.Generate(), Role: auth.RoleWrite},
	}
	old := k.entries
	k.must(k.srv.ReplaceKeys(next...))
	for _, name := range []string{"write", "team"} {
		denied(t, name+": OnExpired", soon(t, name+" is over", expired[name]), "key", "removed")
		if err := dicts[name].Set(ctx, "k", 1); err == nil {
			t.Errorf("%s: a call after its key was removed works", name)
		}
	}
	if err := soon(t, "the waiting call ends", waiting); err == nil {
		t.Error("a waiting call of a removed key was served")
	}
	k.must(dicts["read"].Set(ctx, "k", 1))
	denied(t, "another prefix", errOf(clients["read"].Open(ctx, "other", "dict")), `key "read"`)
	if _, err := k.dial(proxy.Config{KeyName: "write", AuthKey: old[1].Credential}); !errors.Is(err, proxy.ErrAuthentication) {
		t.Errorf("a removed key: %v", err)
	}
	k.entries = next
	k.as("team")
	until(t, "the ended sessions are gone", func() bool { return info(t, admin, "sessions") == 3 })
	if k.log.find("session ended", "removed", "key=write") == "" || k.log.find("other rights", "key=read", "role=write") == "" {
		t.Error("the log does not tell what became of the sessions")
	}
	// And less again.
	next[1].Role = auth.RoleRead
	k.must(k.srv.ReplaceKeys(next...))
	denied(t, "set after the role was taken back", dicts["read"].Set(ctx, "k", 2))
	// A set that is no good changes nothing.
	if err := k.srv.ReplaceKeys(); err == nil {
		t.Error("no keys at all were accepted")
	}
	if _, err := admin.Ping(ctx); err != nil {
		t.Error(err)
	}
}

// TestKeysReplacedDuringHandshakes: a session that opens while the keys change
// has the rights of the new ones or does not live.
func TestKeysReplacedDuringHandshakes(t *testing.T) {
	k := serveKeys(t, managers.Config{})
	write := k.config("write")
	narrow := append([]auth.Entry(nil), k.entries...)
	narrow[1].Role = auth.RoleRead
	without := append([]auth.Entry{k.entries[0]}, k.entries[2:]...)
	for round := range 20 {
		k.must(k.srv.ReplaceKeys(k.entries...))
		opened := make(chan *proxy.Manager)
		for range 4 {
			go func() {
				m, err := k.dial(write)
				if err != nil {
					m = nil // the key was gone already
				}
				opened <- m
			}()
		}
		time.Sleep(time.Duration(round) * 100 * time.Microsecond)
		after := narrow
		if round%5 == 4 { // not often: whoever comes too late waits for his refusal
			after = without
		}
		k.must(k.srv.ReplaceKeys(after...))
		for range 4 {
			m := soon(t, "a client connects or not", opened)
			if m == nil {
				continue
			}
			ctx, cancel := context.WithTimeout(k.ctx, limit)
			_, err := m.Create(ctx, "dict")
			cancel()
			if err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("round %d: a session that opened while its key lost its rights has them still: %v", round, err)
			}
			m.Close()
		}
	}
}

// TestAdministrationIsLogged: who ended a session, removed an object, collected or
// shut the server down stands in the log, with session, key, address and program.
func TestAdministrationIsLogged(t *testing.T) {
	k := serveKeys(t, managers.Config{})
	ctx := k.ctx
	admin, victim := k.as("admin"), k.as("write")
	must1[*proxy.Ref](t)(admin.Open(ctx, "n", "dict"))
	k.must(admin.Kick(ctx, victim.SessionID()))
	k.must(admin.Remove(ctx, "n"))
	must1[int](t)(admin.Collect(ctx))
	until(t, "the kicked client knows", func() bool { return victim.Err() != nil })
	is(t, "the kicked client", victim.Err(), proxy.ErrSessionExpired)
	k.must(admin.Shutdown(ctx))
	if err := soon(t, "the server ends", k.done); !errors.Is(err, managers.ErrServerClosed) {
		t.Errorf("the server ended with %v", err)
	}
	k.done <- managers.ErrServerClosed
	for _, words := range [][]string{
		{"act=kick", "session", "key \\\"write\\\""}, {"act=remove", "dict", "n"}, {"act=collect"}, {"act=shutdown"},
	} {
		if k.log.find(append(words, "level=INFO", "key=admin", "remote=127.0.0.1:", "program=test-admin")...) == "" {
			t.Errorf("the log has no record with %q", words)
		}
	}
}
