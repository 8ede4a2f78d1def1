package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

func TestTransports(t *testing.T) {
	ctx := context.Background()
	for _, addr := range []string{"tcp://127.0.0.1:0", "tcp+plain://127.0.0.1:0", "unix://" + filepath.Join(t.TempDir(), "s"), "pipe"} {
		addr, key := serveOn(t, addr)
		m := connect(t, addr, key)
		d, err := proxy.OpenDict[string, string](ctx, m, "d")
		must(t, err)
		big := strings.Repeat("x", 1<<20)
		must(t, d.Set(ctx, "big", big))
		got, err := d.Get(ctx, "big")
		must(t, err)
		if got != big {
			t.Errorf("%s: %d bytes came back", addr, len(got))
		}
		if _, err := m.Ping(ctx); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
		_, err = proxy.Connect(ctx, addr, proxy.Config{AuthKey: auth.Generate()})
		wantErr(t, addr+" with another key", err, proxy.ErrAuthentication)
	}
	if _, err := proxy.Connect(ctx, "pipe://x", proxy.Config{}); err == nil {
		t.Error("connected without a key")
	}
	if _, err := proxy.Connect(ctx, "http://x", proxy.Config{AuthKey: auth.Generate()}); err == nil {
		t.Error("connected to http")
	}
}

func TestNames(t *testing.T) {
	ctx, m := manager(t)
	_, err := m.Lookup(ctx, "d")
	wantErr(t, "Lookup", err, proxy.ErrNotFound)
	d, err := proxy.OpenDict[string, int](ctx, m, "d")
	must(t, err)
	_, err = proxy.OpenList[int](ctx, m, "d")
	wantErr(t, "OpenList", err, proxy.ErrType)
	ref, err := m.Lookup(ctx, "d")
	must(t, err)
	again, err := proxy.As[proxy.Dict[string, int]](ref)
	must(t, err)
	must(t, d.Set(ctx, "a", 1))
	want[int](t, "Get")(again.Get(ctx, "a"))(1)
	_, err = proxy.As[proxy.List[int]](ref)
	wantErr(t, "As", err, proxy.ErrType)
	names, err := m.Names(ctx, "")
	must(t, err)
	if len(names) != 1 || names[0].Name != "d" || names[0].TypeID != "dict" || names[0].Len == nil || *names[0].Len != 1 {
		t.Errorf("names %+v", names)
	}
	must(t, m.Remove(ctx, "d"))
	wantErr(t, "Remove", m.Remove(ctx, "d"), proxy.ErrNotFound)
	_, err = d.Get(ctx, "a")
	wantErr(t, "Get of a removed dict", err, proxy.ErrRemoved)
	_, err = m.Create(ctx, "nothing")
	wantErr(t, "Create", err, proxy.ErrUnknownType)
}

func TestTokens(t *testing.T) {
	ctx := context.Background()
	addr, key := serve(t)
	m, other := connect(t, addr, key), connect(t, addr, key)
	d, err := proxy.NewDict[string, int](ctx, m)
	must(t, err)
	must(t, d.Set(ctx, "a", 1))
	token := d.Token()
	if !strings.HasPrefix(token, "dict@"+addr+"#") {
		t.Errorf("token %q", token)
	}
	if strings.Contains(fmt.Sprint(d), token[len(token)-16:]) {
		t.Errorf("%v shows the secret part", d)
	}
	theirs, err := proxy.Attach[proxy.Dict[string, int]](ctx, other, token)
	must(t, err)
	want[int](t, "Get")(theirs.Get(ctx, "a"))(1)
	_, err = proxy.Attach[proxy.List[int]](ctx, other, token)
	wantErr(t, "AttachList", err, proxy.ErrType)
	guessed := token[:len(token)-16] + "0123456789abcdef"
	_, err = other.Attach(ctx, guessed)
	wantErr(t, "a guessed token", err, proxy.ErrUnknownObject)
	for _, bad := range []string{"", "dict", "dict@x", "dict@x#12", "@x#" + token[len(token)-32:], "dict@x#" + strings.Repeat("z", 32)} {
		if _, err := other.Attach(ctx, bad); !errors.Is(err, proxy.ErrValue) {
			t.Errorf("token %q: %v", bad, err)
		}
	}
	// The object lives on with the other reference.
	d.Drop()
	want[int](t, "Get")(theirs.Get(ctx, "a"))(1)
	_, err = d.Get(ctx, "a")
	wantErr(t, "Get", err, proxy.ErrDropped)
}

func TestProxiesInValues(t *testing.T) {
	ctx, m := manager(t)
	inner, err := proxy.NewList(ctx, m, 1)
	must(t, err)
	type box struct {
		List  *proxy.List[int]
		Value proxy.List[int]
		None  *proxy.List[int]
	}
	boxes, err := proxy.NewDict[string, box](ctx, m)
	must(t, err)
	must(t, boxes.Set(ctx, "a", box{List: inner, Value: *inner}))
	b, err := boxes.Get(ctx, "a")
	must(t, err)
	must(t, b.List.Append(ctx, 2))
	must(t, b.Value.Append(ctx, 3))
	if b.None != nil {
		t.Errorf("None became %v", b.None)
	}
	got, err := inner.Copy(ctx)
	must(t, err)
	if !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("list %v", got)
	}
	untyped, err := proxy.As[proxy.Dict[string, any]](boxes)
	must(t, err)
	v, err := untyped.Get(ctx, "a")
	must(t, err)
	ref, ok := v.(map[string]any)["List"].(*proxy.Ref)
	if !ok {
		t.Fatalf("value %#v", v)
	}
	want[int](t, "len by name")(proxy.Call[int](ctx, ref, "len"))(3)
	wrong, err := proxy.As[proxy.Dict[string, struct{ List *proxy.Dict[int, int] }]](boxes)
	must(t, err)
	_, err = wrong.Get(ctx, "a")
	wantErr(t, "a list as a dict", err, proxy.ErrType)
	// The list lives in the dict without any proxy.
	inner.Drop()
	b.List.Drop()
	b.Value.Drop()
	ref.Drop()
	b, err = boxes.Get(ctx, "a")
	must(t, err)
	want[int](t, "Len")(b.List.Len(ctx))(3)
}

// maths is a custom type.
type maths struct{ calls int }

func newMaths(start int) *maths { return &maths{start} }

func (m *maths) Add(a, b int) int { m.calls++; return a + b }

func (m *maths) Calls() int { return m.calls }

func (m *maths) Div(a, b int) (int, error) {
	if b == 0 {
		return 0, errors.New("division by zero")
	}
	return a / b, nil
}

func (m *maths) Panic() { panic("no") }

func TestCustomType(t *testing.T) {
	ctx := context.Background()
	addr, key := serve(t, func(s *managers.Server) {
		must(t, s.Register("Maths", newMaths, managers.TypeOptions{}))
	})
	m := connect(t, addr, key)
	ref, err := m.Create(ctx, "Maths", 10)
	must(t, err)
	want[int](t, "Add")(proxy.Call[int](ctx, ref, "Add", 4, 3))(7)
	want[int](t, "Calls")(proxy.Call[int](ctx, ref, "Calls"))(11)
	_, err = proxy.Call[int](ctx, ref, "Div", 1, 0)
	var remote *proxy.RemoteError
	if !errors.As(err, &remote) || !errors.Is(err, proxy.ErrRemote) || remote.Type != "*errors.errorString" || remote.Message != "division by zero" {
		t.Errorf("Div: %#v", err)
	}
	_, err = proxy.Call[any](ctx, ref, "Panic")
	wantErr(t, "Panic", err, proxy.ErrPanic)
	_, err = proxy.Call[any](ctx, ref, "Nothing")
	wantErr(t, "Nothing", err, proxy.ErrNotExposed)
	_, err = proxy.Call[string](ctx, ref, "Add", 1, 2)
	wantErr(t, "an int as a string", err, proxy.ErrType)
	methods, err := ref.Methods(ctx)
	must(t, err)
	if !slices.ContainsFunc(methods, func(m proxy.MethodInfo) bool { return m.Name == "Add" }) {
		t.Errorf("methods %v", methods)
	}
	types, err := m.Types(ctx)
	must(t, err)
	if !slices.Contains(types, "Maths") || !slices.Contains(types, "dict") {
		t.Errorf("types %v", types)
	}
}

func TestAdmin(t *testing.T) {
	ctx := context.Background()
	addr, key := serve(t)
	m := connect(t, addr, key)
	gone := make(chan error, 1)
	victim, err := proxy.Connect(ctx, addr, proxy.Config{AuthKey: key, OnExpired: func(err error) { gone <- err }})
	must(t, err)
	defer victim.Close()
	info, err := m.Info(ctx)
	must(t, err)
	if info["sessions"] == nil {
		t.Errorf("info %v", info)
	}
	page, err := m.Sessions(ctx, 0, 100)
	must(t, err)
	if !slices.ContainsFunc(page.Rows, func(s proxy.SessionInfo) bool { return s.ID == victim.SessionID() && s.Connected }) {
		t.Errorf("sessions %+v", page)
	}
	l, err := proxy.NewList(ctx, m, 1, 2)
	must(t, err)
	objects, err := m.Objects(ctx, 0, 100)
	must(t, err)
	if len(objects.Rows) != 1 || objects.Rows[0].ID != l.Reference().ID() {
		t.Errorf("objects %+v", objects)
	}
	must(t, m.Kick(ctx, victim.SessionID()))
	wantErr(t, "OnExpired", <-gone, proxy.ErrSessionExpired)
	<-victim.Done()
	_, err = victim.Types(ctx)
	wantErr(t, "a call of a kicked client", err, proxy.ErrSessionExpired)
	if _, err := m.Collect(ctx); err != nil {
		t.Error(err)
	}
}

// count returns how many objects the server has.
func count(t *testing.T, m *proxy.Manager) int {
	t.Helper()
	n := 0
	for after := uint64(0); ; {
		page, err := m.Objects(context.Background(), after, 1000)
		must(t, err)
		n += len(page.Rows)
		if after = page.Next; after == 0 {
			return n
		}
	}
}

// waitCount waits until the server has that many objects.
func waitCount(t *testing.T, m *proxy.Manager, w int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for count(t, m) != w {
		if time.Now().After(deadline) {
			t.Fatalf("%d objects, want %d", count(t, m), w)
		}
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
}

func TestRelease(t *testing.T) {
	ctx, m := manager(t)
	var lists []*proxy.List[int]
	for range 50 {
		l, err := proxy.NewList[int](ctx, m)
		must(t, err)
		lists = append(lists, l)
	}
	if n := count(t, m); n != 50 {
		t.Errorf("%d objects", n)
	}
	for _, l := range lists[:25] {
		l.Drop()
		l.Drop()
	}
	waitCount(t, m, 25)
	// The others are left to the collector.
	last := lists[49]
	lists = nil
	waitCount(t, m, 1)
	must(t, last.Append(ctx, 1))
	runtime.KeepAlive(last)
}

func TestReleaseDuringCall(t *testing.T) {
	ctx, m := manager(t)
	q, err := proxy.NewQueue[int](ctx, m, 0)
	must(t, err)
	other, err := proxy.Attach[proxy.Queue[int]](ctx, m, q.Token())
	must(t, err)
	got := make(chan int, 1)
	go func() {
		n, err := q.Get(ctx)
		if err != nil {
			t.Error(err)
		}
		got <- n
	}()
	for {
		page, err := m.Objects(ctx, 0, 10)
		must(t, err)
		if page.Rows[0].Waiting == 1 {
			break
		}
	}
	q.Drop() // the call goes on
	must(t, other.Put(ctx, 5))
	if n := <-got; n != 5 {
		t.Errorf("got %d", n)
	}
	other.Drop()
	waitCount(t, m, 0)
}

func TestDroppedReferences(t *testing.T) {
	ctx, m := manager(t)
	d, err := proxy.NewDict[string, any](ctx, m)
	must(t, err)
	l, err := proxy.NewList[int](ctx, m)
	must(t, err)
	must(t, d.Set(ctx, "l", l))
	l.Drop()
	// Nobody takes the reference in these results.
	for range 10 {
		if _, err := proxy.Call[struct{}](ctx, d, "getitem", "l"); err != nil {
			t.Fatal(err)
		}
	}
	must(t, d.Delete(ctx, "l"))
	waitCount(t, m, 1)
	runtime.KeepAlive(d)
}

func TestManyCallers(t *testing.T) {
	ctx, m := manager(t)
	d, err := proxy.NewDict[string, int](ctx, m)
	must(t, err)
	q, err := proxy.NewQueue[int](ctx, m, 0)
	must(t, err)
	var wg sync.WaitGroup
	const callers, each = 50, 40
	for i := range callers {
		wg.Go(func() {
			for j := range each {
				if _, err := d.Add(ctx, "n", 1); err != nil {
					t.Error(err)
					return
				}
				if i%2 == 0 {
					if err := q.Put(ctx, j); err != nil {
						t.Error(err)
					}
				} else if _, err := q.Get(ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	want[int](t, "n")(d.Get(ctx, "n"))(callers * each)
	want[int](t, "QSize")(q.QSize(ctx))(0)
}

// A type of the program's own around a proxy takes results, by value and by
// pointer.
func TestEmbeddedProxy(t *testing.T) {
	ctx, m := manager(t)
	d, err := proxy.NewDict[string, int](ctx, m)
	must(t, err)
	l, err := proxy.NewList[any](ctx, m)
	must(t, err)
	must(t, l.Append(ctx, d))
	type byValue struct{ proxy.Ref }
	type byPointer struct{ *proxy.Ref }
	values, err := proxy.Attach[proxy.List[byValue]](ctx, m, l.Token())
	must(t, err)
	v, err := values.Get(ctx, 0)
	must(t, err)
	pointers, err := proxy.Attach[proxy.List[byPointer]](ctx, m, l.Token())
	must(t, err)
	p, err := pointers.Get(ctx, 0)
	must(t, err)
	if v.ID() != d.Reference().ID() || p.ID() != d.Reference().ID() {
		t.Errorf("objects %d and %d came, want %d", v.ID(), p.ID(), d.Reference().ID())
	}
	wantErr(t, "Append", pointers.Append(ctx, byPointer{}), proxy.ErrUnserializable)
}
