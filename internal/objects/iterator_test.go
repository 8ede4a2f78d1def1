package objects

import (
	"testing"

	"github.com/syncmanager/syncmanager/internal/wire"
)

func TestIterator(t *testing.T) {
	w := newWorld(t, 2)
	defer w.close()
	a, b := w.clients[0], w.clients[1]
	i := w.share("Iterator", []any{1, "two", []any{3}})
	a.want("1", i, "next")
	b.keep = true
	b.want("'two'", i, "next")
	b.expire()
	a.want("['two', [3]]", i, "value")
	a.want("'two'", i, "next")
	a.want("[3]", i, "next")
	a.want("error stop: iterator is exhausted", i, "next")
	a.want("None", i, "close")
	a.want("None", i, "close")
	a.want("error stop: iterator is exhausted", i, "next")

	q := a.create("Queue")
	j := a.create("Iterator", []any{q, []any{q}})
	a.release(q, 1)
	if got := a.ref(a.start(j, "next")); got != q {
		t.Fatalf("%v", got)
	}
	a.want("0", q, "qsize")
	a.release(q, 1)
	a.ok(j, "close")
	if n := w.objects(); n != 2 {
		t.Fatalf("%d objects", n)
	}
	a.start(server, "create", "Iterator", 1).within(wire.CodeType, "Iterator(): argument", "got int, want list, tuple or set")
	empty := a.create("Iterator", []any{})
	a.want("error stop: iterator is exhausted", empty, "next")
}
