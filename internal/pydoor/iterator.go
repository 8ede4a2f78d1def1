package pydoor

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/syncmanager/syncmanager/internal/pickle"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// iterator is Python's iterator over a dict or a set on the server: live, and
// over with an error once the keys have changed.
type iterator struct {
	// Fixed at creation.
	ident string
	ref   wire.Ref // of the container, which it holds a claim on
	args  string   // what scan is to list
	pid   int      // of the process that iterates, when they are told apart

	// Guarded by the table's mu.
	claims int64
	used   time.Time
	busy   chan struct{} // holds one token; whoever has it may use what follows

	// Owned by who has the token.
	after   uint64
	version uint64
	over    bool
	failed  *pyError
}

// iteratorExposed is what Python's IteratorProxy has.
var iteratorExposed = []string{"__next__", "send", "throw", "close"}

func dictIter(k *invocation, _ []pickle.Node) reply { return k.iter("keys") }

func setIter(k *invocation, _ []pickle.Node) reply { return k.iter("") }

// iter answers #PROXY with a new iterator; the client takes its claim over.
func (k *invocation) iter(what string) reply {
	var secret [8]byte
	rand.Read(secret[:])
	it := &iterator{
		ident: fmt.Sprintf("iter%x-%s", k.conn.door.lastIter.Add(1), hex.EncodeToString(secret[:])),
		ref:   k.ref, args: what, pid: k.conn.pid, claims: 1, used: time.Now(), busy: make(chan struct{}, 1),
	}
	it.busy <- struct{}{}
	// The version that the iteration begins with.
	v, err := k.start("scan", 0, it.scanArgs(false))
	if err != nil {
		return raised(err)
	}
	_, it.version, _, _ = scanned(v)
	t := &k.conn.session.refs
	t.mu.Lock()
	t.entryLocked(k.ref).claims++
	t.iterators[it.ident] = it
	t.mu.Unlock()
	return reply{kind: kindProxy, emit: func(e *encoder) {
		e.names(iteratorExposed)
		e.token("Iterator", it.ident)
		e.w.OpenTuple(2)
		e.w.CloseTuple(2)
	}}
}

// scanArgs are the arguments of scan for the next key.
func (it *iterator) scanArgs(strict bool) []byte {
	n := 2
	if it.args != "" {
		n++
	}
	if strict {
		n++
	}
	b := wire.AppendArrayHeader(nil, n)
	b = wire.AppendUint(b, it.after)
	b = wire.AppendInt(b, 1)
	if it.args != "" {
		b = wire.AppendStr(b, it.args)
	}
	if strict {
		b = wire.AppendUint(b, it.version)
	}
	return b
}

// scanned reads a page of one row.
func scanned(v wire.Raw) (next, version uint64, row wire.Raw, ok bool) {
	r, err := wire.NewReader(v.Bytes())
	if err != nil {
		return 0, 0, "", false
	}
	next, _ = r.Uint()
	version, _ = r.Uint()
	rows, err := r.Elements(false)
	if err != nil || !rows.More() {
		return next, version, "", false
	}
	return next, version, wire.Raw(rows.Next()), true
}

// iterator returns an iterator by its ident, or nil.
func (t *refTable) iterator(ident string) *iterator {
	t.mu.Lock()
	defer t.mu.Unlock()
	it := t.iterators[ident]
	if it != nil {
		it.used = time.Now()
	}
	return it
}

// claimIterator adds n claims; the iterator goes with the last.
func (t *refTable) claimIterator(it *iterator, n int64) {
	t.mu.Lock()
	it.claims += n
	gone := it.claims <= 0 && t.iterators[it.ident] == it
	if gone {
		delete(t.iterators, it.ident)
	}
	t.mu.Unlock()
	if gone {
		t.unclaim(it.ref, 0)
	}
}

// iterate handles a request on an iterator.
func (c *conn) iterate(it *iterator, req *request) reply {
	switch req.method {
	case "__next__":
		return c.next(it)
	case "__str__", "__repr__":
		return returned(pickle.NewStr(fmt.Sprintf("<%s_keyiterator object at %s>", it.ref.TypeID, it.ident)))
	case "#GETVALUE":
		return unpicklable(it.ref.TypeID + "_keyiterator")(nil)
	case "send", "throw", "close":
		return traceback("AttributeError", fmt.Sprintf("'%s_keyiterator' object has no attribute '%s'", it.ref.TypeID, req.method))
	}
	return traceback("AttributeError", fmt.Sprintf("method %s of an iterator is not exposed", quote(req.method)))
}

func (c *conn) next(it *iterator) reply {
	<-it.busy
	defer func() { it.busy <- struct{}{} }()
	switch {
	case it.failed != nil:
		return raised(it.failed)
	case it.over:
		return raised(wire.ErrStop)
	}
	v, err := c.session.call(it.ref.ID, "scan", it.scanArgs(true))
	switch {
	case errors.Is(err, wire.ErrChanged):
		it.failed = &pyError{"RuntimeError", it.ref.TypeID + "ionary changed size during iteration"}
		if it.ref.TypeID != "dict" {
			it.failed.text = "Set changed size during iteration"
		}
		return raised(it.failed)
	case err != nil:
		return raised(err)
	}
	next, _, row, ok := scanned(v)
	it.after, it.over = next, next == 0
	if !ok {
		return raised(wire.ErrStop)
	}
	return returnedValue(row)
}
