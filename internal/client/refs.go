package client

import (
	"encoding/hex"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// object is what a session holds of one shared object. There is one for each
// ident at a time, reached by the handles of its Refs and by calls under way.
type object struct {
	// Fixed at creation.
	session *Session
	ref     wire.Ref
	grant   *grant

	// holds counts handles that were not released, calls under way and replies
	// being decoded. At 0 the grant is given back and the object is over.
	// Handles that the garbage collector took still count: then the object is
	// unreachable, and its cleanup does what is left to do.
	holds atomic.Int64
}

// acquire adds a hold unless the object is over.
func (o *object) acquire() bool {
	for {
		n := o.holds.Load()
		if n <= 0 {
			return false
		}
		if o.holds.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// drop takes a hold away.
func (o *object) drop() {
	if o.holds.Add(-1) == 0 {
		o.session.refs.giveBack(o.grant, true)
	}
}

// grant counts what the server has granted for one object. It outlives the
// object, for the cleanup.
type grant struct {
	refs *refs
	id   uint64

	count uint64 // guarded by refs.mu
}

// refs is the table of a session's objects and the counts that wait to be
// given back.
type refs struct {
	wake func() // sees to it that what waits is sent soon; not called by cleanups

	// waiting tells, without the lock, that something waits.
	waiting atomic.Bool

	mu      sync.Mutex // guards what follows; taken alone
	objects map[uint64]entry
	back    []count // released, not sent yet
}

type entry struct {
	object weak.Pointer[object]
	grant  *grant
}

// count is a number of counts of one object.
type count struct{ id, n uint64 }

// register adds one count for the reference and returns its object with one
// more hold. The hold is the caller's.
func (r *refs) register(s *Session, v wire.RefView) *object {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.objects[v.ID]; ok {
		if o := e.object.Value(); o != nil && o.ref.Secret == v.Secret && o.acquire() {
			o.grant.count++
			return o
		}
	}
	o := &object{session: s, ref: v.Ref(), grant: &grant{refs: r, id: v.ID, count: 1}}
	o.holds.Store(1)
	if r.objects == nil {
		r.objects = make(map[uint64]entry)
	}
	r.objects[v.ID] = entry{weak.Make(o), o.grant}
	runtime.AddCleanup(o, collected, o.grant)
	return o
}

// collected is the cleanup of an object. It does no I/O, never blocks for long
// and starts no timer: a later call, or the session's next beat, sends what it
// leaves.
func collected(g *grant) { g.refs.giveBack(g, false) }

// giveBack takes the object out of the table, unless a newer one is there, and
// queues its counts.
func (r *refs) giveBack(g *grant, wake bool) {
	r.mu.Lock()
	if e, ok := r.objects[g.id]; ok && e.grant == g {
		delete(r.objects, g.id)
	}
	n := g.count
	g.count = 0
	if n > 0 {
		r.back = append(r.back, count{g.id, n})
		r.waiting.Store(true)
	}
	r.mu.Unlock()
	if n > 0 && wake {
		r.wake()
	}
}

// ungrant takes a count off again that the server has taken back itself.
func (r *refs) ungrant(o *object) {
	r.mu.Lock()
	if o.grant.count > 0 {
		o.grant.count--
	}
	r.mu.Unlock()
}

// refuse queues a count that a reply granted to a caller who has left.
func (r *refs) refuse(id uint64) {
	r.mu.Lock()
	r.back = append(r.back, count{id, 1})
	r.waiting.Store(true)
	r.mu.Unlock()
}

// find returns the live object of the reference with one more hold, or nil.
func (r *refs) find(id, secret uint64) *object {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.objects[id]; ok {
		if o := e.object.Value(); o != nil && o.ref.Secret == secret && o.acquire() {
			return o
		}
	}
	return nil
}

// maxRelease is how many objects one release call names at most.
const maxRelease = 2048

// takeBack returns the arguments of a release call for what waits, or nil.
func (r *refs) takeBack(b []byte) []byte {
	if !r.waiting.Load() {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(len(r.back), maxRelease)
	if n == 0 {
		return nil
	}
	b = wire.AppendArrayHeader(b, 1)
	b = wire.AppendArrayHeader(b, 2*n)
	for _, c := range r.back[:n] {
		b = wire.AppendUint(b, c.id)
		b = wire.AppendUint(b, c.n)
	}
	r.back = r.back[:copy(r.back, r.back[n:])]
	if len(r.back) == 0 {
		r.waiting.Store(false)
		if cap(r.back) > maxRelease {
			r.back = nil
		}
	}
	return b
}

// Ref is a proxy: a reference to one shared object, through one session. It is
// a small value; copies are the same proxy. The zero Ref refers to nothing, and
// calls on it fail.
//
// An object without a name lives in the server as long as something refers to
// it. A Ref counts until Release is called or the garbage collector finds that
// nobody has it. All methods are safe for concurrent use.
type Ref struct{ h *handle }

// handle is what the copies of one Ref share.
type handle struct {
	object atomic.Pointer[object] // nil once released
	typeid string                 // for errors after that
}

// newRef returns a Ref that takes over one hold of the object.
func newRef(o *object) Ref {
	h := &handle{typeid: o.ref.TypeID}
	h.object.Store(o)
	return Ref{h}
}

// acquire returns the object with a hold for the caller.
func (r Ref) acquire() (*object, error) {
	if r.h == nil {
		return nil, wire.Errorf(wire.CodeValue, "this proxy refers to nothing: it was never opened, created, attached or received")
	}
	o := r.h.object.Load()
	if o == nil || !o.acquire() {
		return nil, wire.Errorf(wire.CodeReleased, "this proxy of a %s was released", r.h.typeid)
	}
	return o, nil
}

// IsZero reports whether the Ref refers to nothing.
func (r Ref) IsZero() bool { return r.h == nil }

// Release gives the proxy up: calls under way end as usual, later ones fail
// with ErrReleased. It does not block, and may be called again. Other proxies
// of the same object are not affected.
func (r Ref) Release() {
	if r.h == nil {
		return
	}
	if o := r.h.object.Swap(nil); o != nil {
		o.drop()
	}
}

// TypeID returns the object's typeid, also after Release.
func (r Ref) TypeID() string {
	if r.h == nil {
		return ""
	}
	return r.h.typeid
}

// ID returns the object's ident, without its secret part; 0 after Release.
func (r Ref) ID() uint64 {
	if r.h == nil {
		return 0
	}
	o := r.h.object.Load()
	if o == nil {
		return 0
	}
	return o.ref.ID
}

// Session returns the session that the Ref belongs to, nil after Release.
func (r Ref) Session() *Session {
	if r.h == nil {
		return nil
	}
	o := r.h.object.Load()
	if o == nil {
		return nil
	}
	return o.session
}

// String says what the Ref refers to. It holds no secret; see Token.
func (r Ref) String() string {
	if r.h == nil {
		return "<no object>"
	}
	o := r.h.object.Load()
	if o == nil {
		return "<" + r.h.typeid + ", released>"
	}
	return fmt.Sprintf("<%s, id %#x>", o.ref.TypeID, o.ref.ID)
}

// AppendWire appends the reference. It makes a Ref part of any value.
func (r Ref) AppendWire(b []byte) ([]byte, error) {
	if r.h == nil {
		return wire.AppendNil(b), nil
	}
	o := r.h.object.Load()
	if o == nil {
		return b, wire.Errorf(wire.CodeReleased, "this proxy of a %s was released", r.h.typeid)
	}
	return wire.AppendRef(b, o.ref), nil
}

// UnmarshalWire decodes a reference into a Ref of the session ctx.
func (r *Ref) UnmarshalWire(v []byte, ctx any) error { return r.Unmarshal(v, ctx) }

// Unmarshal decodes a reference to an object of one of the typeids, or of any
// if none are given, into a Ref of the session ctx. None makes the zero Ref.
func (r *Ref) Unmarshal(v []byte, ctx any, typeids ...string) error {
	if wire.TypeOf(v) == wire.TypeNil {
		*r = Ref{}
		return nil
	}
	view, ok := wire.ParseRef(v)
	if !ok {
		return wire.Errorf(wire.CodeType, "got %s, want a shared object", wire.TypeName(v))
	}
	if !typeMatches(view.TypeID, typeids) {
		return wire.Errorf(wire.CodeType, "got a proxy of a %s, want one of a %s", view.TypeID, strings.Join(typeids, " or "))
	}
	s, ok := ctx.(*Session)
	if !ok || s == nil {
		return wire.Errorf(wire.CodeValue, "a reference to a %s outside of a session", view.TypeID)
	}
	o := s.refs.find(view.ID, view.Secret)
	if o == nil {
		return wire.Errorf(wire.CodeValue, "a reference to a %s that was not granted to this session", view.TypeID)
	}
	*r = newRef(o)
	return nil
}

func typeMatches(typeid []byte, typeids []string) bool {
	for _, t := range typeids {
		if t == string(typeid) {
			return true
		}
	}
	return len(typeids) == 0
}

// Expect returns an error unless the Ref is of one of the typeids.
func (r Ref) Expect(typeids ...string) error {
	if r.h != nil && typeMatches([]byte(r.h.typeid), typeids) {
		return nil
	}
	return wire.Errorf(wire.CodeType, "got a proxy of a %s, want one of a %s", r.TypeID(), strings.Join(typeids, " or "))
}

// Token returns the object's name across processes, typeid@address#ident. Who
// has it and a key of the server can attach to the object as long as it lives:
// the ident has an unguessable part. It is "" after Release.
func (r Ref) Token() string {
	if r.h == nil {
		return ""
	}
	o := r.h.object.Load()
	if o == nil {
		return ""
	}
	return fmt.Sprintf("%s@%s#%016x%016x", o.ref.TypeID, o.session.Address(), o.ref.ID, o.ref.Secret)
}

// ParseToken reads a token. The address is where its maker reached the server.
func ParseToken(token string) (ref wire.Ref, address string, err error) {
	bad := func(why string) (wire.Ref, string, error) {
		return wire.Ref{}, "", wire.Errorf(wire.CodeValue, "token %.80q: %s; want typeid@address#ident with an ident of 32 hexadecimal digits", token, why)
	}
	at := strings.LastIndexByte(token, '#')
	if at < 0 {
		return bad("it has no #")
	}
	head, ident := token[:at], token[at+1:]
	typeid, address, ok := strings.Cut(head, "@")
	if !ok || typeid == "" || len(typeid) > wire.MaxTypeIDBytes {
		return bad("it has no typeid")
	}
	var b [16]byte
	if len(ident) != 2*len(b) {
		return bad(fmt.Sprintf("its ident has %d characters", len(ident)))
	}
	if _, err := hex.Decode(b[:], []byte(ident)); err != nil {
		return bad("its ident is not hexadecimal")
	}
	ref.TypeID = typeid
	for i := range 8 {
		ref.ID = ref.ID<<8 | uint64(b[i])
		ref.Secret = ref.Secret<<8 | uint64(b[8+i])
	}
	return ref, address, nil
}
