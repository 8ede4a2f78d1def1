package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

// A value that does not fit is refused and not consumed: by any way of getting
// it, the next one who asks has it.
func TestWhatDoesNotFitStays(t *testing.T) {
	ctx, m := manager(t)
	type job struct{ URL string }
	type tagged struct {
		URL string `msgpack:"url"`
	}
	for name, item := range map[string]any{
		"a dict without a common key": map[string]any{"url": "x", "tries": 1},
		"None":                        nil,
	} {
		raw, err := proxy.NewQueue[any](ctx, m, 0)
		must(t, err)
		q, err := proxy.As[proxy.Queue[job]](raw)
		must(t, err)
		must(t, raw.Put(ctx, item))
		gets := map[string]func() error{
			"Get":            func() error { _, err := q.Get(ctx); return err },
			"TryGet":         func() error { _, err := q.TryGet(ctx); return err },
			"GetTimeout":     func() error { _, err := q.GetTimeout(ctx, time.Second); return err },
			"GetMany":        func() error { _, err := q.GetMany(ctx, 2); return err },
			"GetManyTimeout": func() error { _, err := q.GetManyTimeout(ctx, 2, time.Second); return err },
			"Receive":        func() error { _, err := q.Receive(ctx); return err },
			"ReceiveTimeout": func() error { _, err := q.ReceiveTimeout(ctx, time.Second); return err },
			"Peek":           func() error { _, err := q.Peek(ctx); return err },
			"Copy":           func() error { _, err := q.Copy(ctx); return err },
		}
		for get, f := range gets {
			err := f()
			wantErr(t, get+" of "+name, err, proxy.ErrType)
			if text := err.Error(); item != nil && (!strings.Contains(text, `"tries"`) || !strings.Contains(text, `"url"`) || !strings.Contains(text, `"URL"`)) {
				t.Errorf("%s of %s: %v, want both sets of names", get, name, err)
			}
			want[int](t, "items after "+get)(raw.QSize(ctx))(1)
		}
	}
	raw, err := proxy.NewQueue[any](ctx, m, 0)
	must(t, err)
	must(t, raw.Put(ctx, map[string]any{"url": "x", "tries": 1}))
	fits, err := proxy.As[proxy.Queue[tagged]](raw)
	must(t, err)
	got, err := fits.Get(ctx)
	must(t, err)
	if got.URL != "x" {
		t.Errorf("got %+v", got)
	}
}

func TestNoneIsNoNumber(t *testing.T) {
	ctx, m := manager(t)
	any, err := proxy.NewDict[string, any](ctx, m, map[string]any{"none": nil, "one": 1})
	must(t, err)
	ints, err := proxy.As[proxy.Dict[string, int]](any)
	must(t, err)
	_, err = ints.Get(ctx, "none")
	wantErr(t, "Get", err, proxy.ErrType)
	_, err = ints.Copy(ctx)
	wantErr(t, "Copy", err, proxy.ErrType)
	_, err = ints.GetMany(ctx, "one", "none")
	wantErr(t, "GetMany", err, proxy.ErrType)
	some, err := ints.GetMany(ctx, "one", "other")
	must(t, err)
	if len(some) != 1 || some["one"] != 1 {
		t.Errorf("GetMany: %v", some)
	}
	pointers, err := proxy.As[proxy.Dict[string, *int]](any)
	must(t, err)
	p, err := pointers.Get(ctx, "none")
	must(t, err)
	if p != nil {
		t.Errorf("got %d", *p)
	}
}

func TestBlindStructs(t *testing.T) {
	ctx, m := manager(t)
	type blind struct{ url string }
	q, err := proxy.NewQueue[any](ctx, m, 0)
	must(t, err)
	wantErr(t, "Put", q.Put(ctx, blind{"x"}), proxy.ErrUnserializable)
	wantErr(t, "PutMany", q.PutMany(ctx, 1, &blind{"x"}), proxy.ErrUnserializable)
	want[int](t, "items")(q.QSize(ctx))(0)
}

func TestStrictFields(t *testing.T) {
	ctx := context.Background()
	addr, key := serve(t)
	strict, err := proxy.Connect(ctx, addr, proxy.Config{AuthKey: key, StrictFields: true})
	must(t, err)
	defer strict.Close()
	q, err := proxy.OpenQueue[map[string]int](ctx, strict, "q", 0)
	must(t, err)
	must(t, q.Put(ctx, map[string]int{"A": 1, "B": 2}))
	type part struct{ A int }
	parts, err := proxy.As[proxy.Queue[part]](q)
	must(t, err)
	_, err = parts.Get(ctx)
	wantErr(t, "Get", err, proxy.ErrType)
	lenient := connect(t, addr, key)
	theirs, err := proxy.OpenQueue[part](ctx, lenient, "q", 0)
	must(t, err)
	got, err := theirs.Get(ctx)
	must(t, err)
	if got.A != 1 {
		t.Errorf("got %+v", got)
	}
}

var errNoAccount = errors.New("no such account")

type bank struct{}

func (bank) Wrapped() error { return fmt.Errorf("%w: eve", errNoAccount) }
func (bank) Other() error   { return errors.New("out of money") }

// An error of a user's own is told by errors.Is where both sides have its code,
// and its text is the text alone.
func TestOwnErrors(t *testing.T) {
	ctx := context.Background()
	codes := map[string]error{"no_account": errNoAccount}
	key := auth.Generate()
	srv := managers.NewServer(managers.Config{AuthKey: key, Errors: codes})
	must(t, srv.RegisterValue("bank", bank{}, managers.TypeOptions{}))
	must(t, srv.Listen(ctx, "pipe"))
	go srv.Serve(ctx)
	defer srv.Close()
	for _, known := range []map[string]error{codes, nil} {
		m, err := proxy.Connect(ctx, srv.Addrs()[0], proxy.Config{AuthKey: key, Errors: known})
		must(t, err)
		defer m.Close()
		b, err := m.Create(ctx, "bank")
		must(t, err)
		_, err = proxy.Call[struct{}](ctx, b, "Wrapped")
		var remote *proxy.RemoteError
		if !errors.Is(err, proxy.ErrRemote) || !errors.As(err, &remote) || remote.Type != "no_account" || err.Error() != "no such account: eve" {
			t.Errorf("got %#v", err)
		}
		if errors.Is(err, errNoAccount) != (known != nil) {
			t.Errorf("with %d codes, errors.Is is %v", len(known), errors.Is(err, errNoAccount))
		}
		_, err = proxy.Call[struct{}](ctx, b, "Other")
		if !errors.Is(err, proxy.ErrRemote) || errors.Is(err, errNoAccount) || err.Error() != "out of money" {
			t.Errorf("got %v", err)
		}
	}
	if err := managers.NewServer(managers.Config{AuthKey: key, Errors: map[string]error{"x": nil}}).Err(); err == nil {
		t.Error("a code without an error is taken")
	}
}
