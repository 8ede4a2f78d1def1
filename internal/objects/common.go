package objects

import (
	"errors"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// on makes a handler of a function that returns what the call fails with. A
// function that returns nil has replied.
func on[S engine.State](fn func(s S, o *engine.Object, c *engine.Call) error) engine.Handler {
	return func(o *engine.Object, c *engine.Call) {
		if err := fn(o.State.(S), o, c); err != nil {
			c.Fail(err)
		}
	}
}

const (
	// smallView is up to how many entries a container is encoded under the
	// lock: a view would cost the next change a copy.
	smallView = 64
	// smallBytes is the same in bytes.
	smallBytes = 64 << 10
	// maxReply bounds, in bytes, a reply that repeats what is stored.
	maxReply = 1 << 30
	// maxPage bounds the entries of one page of a cursor, and maxPageBytes the
	// bytes after which a page ends.
	maxPage      = 4096
	maxPageBytes = 1 << 20
	// defaultPage is the entries of a page when the caller does not say.
	defaultPage = 1000
)

// reply replies with a view; a small one is encoded at once.
func reply(c *engine.Call, v engine.View, entries int) {
	s, sized := v.(engine.Sized)
	if entries <= smallView && (!sized || s.Size() <= smallBytes) {
		c.Return(wire.OwnedRaw(v.Append(nil, nil)))
	} else {
		c.ReturnView(v)
	}
}

// pacer pauses work outside the lock after some elements, or some bytes.
type pacer struct {
	pause engine.Pause
	work  int
}

// paceWork is the work after which a pacer pauses, in bytes; an element counts as
// paceElement of them and its own.
const (
	paceWork    = 128 << 10
	paceElement = 512
)

// over counts an element of n bytes, and reports whether the work should end.
func (p *pacer) over(n int) bool {
	if p.work += paceElement + n; p.work < paceWork {
		return false
	}
	p.work = 0
	return p.pause.Over()
}

// appendText appends a str that may be long.
func appendText(b, text []byte) []byte {
	return wire.AppendStrBytes(wire.Grow(b, len(text)), text)
}

// reprSpace is what most values' texts have at most beside the value's own
// bytes: a float of 9 bytes may print 24.
const reprSpace = 16

// checkRoom refuses a container of more entries than the limit.
func checkRoom(o *engine.Object, n int) error {
	if limit := o.Engine().MaxItems(); limit > 0 && n > limit {
		return wire.Errorf(wire.CodeOverloaded, "a %s of %d entries; the limit is %d", o.Type.Name, n, limit)
	}
	return nil
}

// checkMany is checkRoom for a call that adds more values, of size bytes in
// all, than it may carry itself.
func checkMany(o *engine.Object, n, more int, size int64) error {
	if err := checkRoom(o, n); err != nil {
		return err
	}
	return o.Engine().CheckGrowth(more, size)
}

// operandsHere is up to how many elements, which the call does not carry itself, it
// walks over under the lock.
const operandsHere = 4096

// byParts refuses a walk under the lock over n elements that stand elsewhere on the
// server: with references among them each must be counted there.
func byParts(c *engine.Call, n int) error {
	if n <= operandsHere {
		return nil
	}
	return wire.Errorf(wire.CodeTooLarge, "%s.%s: %d elements by reference; with references among them, or of another kind of container, at most %d in one call: take them in parts",
		c.Object.Type.Name, c.Method.Name, n, operandsHere)
}

const (
	maxText      = 200 // bytes of a value's repr in an error
	maxKeyDetail = 64 << 10
)

// noKey is Python's KeyError: its message is the key's repr, its detail the
// key itself unless it is very long.
func noKey(c *engine.Call, key []byte) error {
	err := wire.Errorf(wire.CodeKey, "%s", textOf(key))
	if len(key) <= maxKeyDetail && !c.ArgRefs() {
		err.Detail = wire.Raw(key)
	}
	return err
}

// textOf returns the beginning of a value's repr, for an error.
func textOf(v []byte) []byte { return wire.AppendReprMax(nil, v, engine.AppendProxyName, maxText) }

// reprOf returns what Python's repr prints for a value.
func reprOf(v []byte) []byte { return wire.AppendRepr(nil, v, engine.AppendProxyName) }

// hasRef reports whether a reference is inside the value.
func hasRef(v []byte) bool {
	return wire.ForEachRefView(v, func(wire.RefView) error { return errFound }) != nil
}

var errFound = errors.New("found")

// limitArg takes the limit of a page.
func limitArg(c *engine.Call) (int, error) {
	n := c.Int()
	if n < 1 || n > maxPage {
		return 0, wire.Errorf(wire.CodeValue, "a limit of %d entries; it lies between 1 and %d", n, maxPage)
	}
	return int(n), nil
}

// versionArg takes the version that a strict reader expects, and compares it.
func versionArg(c *engine.Call, version uint64) error {
	if !c.Given() {
		return nil
	}
	if want := c.Uint(); want != version {
		return wire.Errorf(wire.CodeChanged, "the %s changed during iteration: version %d, not %d", c.Object.Type.Name, version, want)
	}
	return nil
}

// rawOf returns b, which nobody changes any more, as a Raw.
func rawOf(b []byte) wire.Raw { return wire.OwnedRaw(b) }
