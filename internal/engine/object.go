package engine

import "github.com/syncmanager/syncmanager/internal/wire"

// Object is a shared object.
type Object struct {
	// Fixed at creation.
	ID     uint64
	Type   *Type
	engine *Engine
	maker  uint64 // the session that created it

	// Owned by the type.
	State State

	// Owned by the engine.
	Name      string
	Created   int64
	pins      int    // what keeps it alive, counted
	refs      int    // of these, how many are sessions'
	kept      int    // of these, how many are in values that objects keep
	referring uint64 // its order among those that keep references, or 0
	poisoned  bool
	lost      bool // with its server, see OpTakeover
	removed   bool
	busy      *Call      // outside work that must end before other calls
	waiting   Waiters    // calls that wait for busy
	parked    List[Call] // so that all can leave when it is removed
	holds     List[Hold] // what sessions have of it: a lock, permits
	bytes     int64
	wakeAt    int64        // when the State is woken, or 0
	timer     int          // its place in the heap, if wakeAt is set
	marked    bool         // by collect
	inside    int          // references from other objects' values, counted by collect
	frozen    uint64       // the work for a reply that may refer to it, though nothing pins it
	inFrozen  Link[Object] // of those that wait for such work
	inAll     Link[Object] // of all objects
	inRefs    Link[Object] // of those that keep some value with a reference
}

// dismiss lets every call that is parked on the object leave.
func (o *Object) dismiss(why Leaving) {
	for c := o.parked.First(); c != nil; c = o.parked.First() {
		o.engine.depart(c, why)
	}
}

// loseHolds ends all holds of an object that nobody can call any more. Its
// state hears of it: a Condition may live on over a lock that was removed, and
// whoever waits there gets a hold that is not taken away again.
func (o *Object) loseHolds() {
	last := o.holds.Last()
	for h := o.holds.First(); h != nil; h = o.holds.First() {
		h.Lose()
		if holder, ok := o.State.(Holder); ok && !o.poisoned {
			o.engine.safely(o, "DropHold", func() { holder.DropHold(o, h) })
		}
		if h == last {
			return
		}
	}
}

// Engine returns the engine that the object lives in.
func (o *Object) Engine() *Engine { return o.engine }

// Ident returns the object's reference as it travels in values.
func (o *Object) Ident() wire.Ref {
	return wire.Ref{ID: o.ID, Secret: o.engine.secret(o.ID), TypeID: o.Type.Name}
}

// AppendRef appends the object's reference as a value.
func (o *Object) AppendRef(b []byte) []byte { return wire.AppendRef(b, o.Ident()) }

// itemCost is what the engine counts for a kept value beyond its bytes: what
// its header, its place in a container and the allocator take.
const itemCost = 48

// Keep returns an owned copy of an argument for the object to keep, counts its
// bytes, and holds the references inside it.
func (o *Object) Keep(c *Call, v []byte) wire.Raw {
	var raw wire.Raw
	if c.argBytes > 0 && len(v) > c.argBytes/2 {
		// Most of a large message: take its memory instead of copying it while
		// everybody waits.
		raw = wire.OwnedRaw(v)
	} else {
		raw = wire.Raw(v)
	}
	o.KeepRaw(raw, c.argRefs)
	return raw
}

// KeepRaw counts a value that the object keeps from now on, and holds the
// references inside it if refs says that there may be any.
func (o *Object) KeepRaw(raw wire.Raw, refs bool) {
	o.charge(int64(len(raw)) + itemCost)
	if refs {
		o.pinInside(raw, 1)
	}
}

// KeepAll counts n values with size bytes in all, which the object keeps from
// now on: values of another container that are shared with it. refs says that
// there may be references inside; only then each is called.
func (o *Object) KeepAll(n int, size int64, refs bool, each func(yield func(wire.Raw) bool)) {
	o.charge(size + int64(n)*itemCost)
	if refs {
		each(func(raw wire.Raw) bool {
			o.pinInside(raw, 1)
			return true
		})
	}
}

// KeepTimes counts n values with size bytes in all, which the object keeps so many
// times more from now on.
func (o *Object) KeepTimes(n int, size int64, times int, each func(yield func(wire.Raw) bool)) {
	o.charge((size + int64(n)*itemCost) * int64(times))
	if o.HasRefs() {
		each(func(raw wire.Raw) bool {
			o.pinInside(raw, times)
			return true
		})
	}
}

// CheckGrowth refuses n more values with size bytes in all when the limit on
// bytes would be passed. A handler that stores more than the call carries, such
// as many values from one, asks before it stores any.
func (e *Engine) CheckGrowth(n int, size int64) error {
	more := size + int64(n)*itemCost
	if limit := e.config.MaxBytes; limit > 0 && more > limit-e.bytes {
		return wire.Errorf(wire.CodeOverloaded, "the server holds %d bytes; %d more would pass the limit of %d", e.bytes, more, limit)
	}
	return nil
}

// HasRefs reports whether some value that the object keeps may hold a
// reference.
func (o *Object) HasRefs() bool { return o.inRefs.In() }

// Drop lets go of a value that the object kept.
func (o *Object) Drop(raw wire.Raw) {
	o.charge(-int64(len(raw)) - itemCost)
	if o.HasRefs() {
		o.unpinInside(raw)
	}
}

// DropAll lets go of all values at once: n of them with size bytes in all.
func (o *Object) DropAll(n int, size int64, each func(yield func(wire.Raw) bool)) {
	o.charge(-size - int64(n)*itemCost)
	if o.HasRefs() {
		each(func(raw wire.Raw) bool {
			o.unpinInside(raw)
			return true
		})
	}
}

// Recharge counts n more values with size bytes in all, which hold no references,
// or fewer, when they are negative.
func (o *Object) Recharge(n int, size int64) { o.charge(size + int64(n)*itemCost) }

// Release lets go of the references inside values that were uncharged already.
func (o *Object) Release(values []wire.Raw) {
	if !o.HasRefs() {
		return
	}
	for _, raw := range values {
		o.unpinInside(raw)
	}
}

// Charge counts bytes that the object takes beyond its values; negative when
// it gives them back.
func (o *Object) Charge(n int64) { o.charge(n) }

func (o *Object) charge(n int64) {
	o.bytes += n
	o.engine.bytes += n
}

// pinInside counts the references inside a value that the object keeps so many times
// more.
func (o *Object) pinInside(raw wire.Raw, times int) {
	e := o.engine
	// The references were checked when the call arrived.
	_ = wire.ForEachRef(raw.Bytes(), func(r wire.Ref) error {
		if target := e.objects[r.ID]; target != nil {
			o.refer(target, times)
		}
		return nil
	})
}

func (o *Object) unpinInside(raw wire.Raw) {
	e := o.engine
	_ = wire.ForEachRef(raw.Bytes(), func(r wire.Ref) error {
		if target := e.objects[r.ID]; target != nil {
			target.kept--
			e.unpin(target)
		}
		return nil
	})
}

// Pin keeps another object alive for o, as a Condition does its lock.
func (o *Object) Pin(target *Object) { o.refer(target, 1) }

// refer counts references that o's values hold from now on.
func (o *Object) refer(target *Object, times int) {
	target.pins += times
	target.kept += times
	o.mayRefer()
}

// mayRefer enters o into the list of the objects that collect looks at.
func (o *Object) mayRefer() {
	if !o.HasRefs() {
		o.referring = o.engine.nextPlace()
		o.engine.refer.Push(&o.inRefs, o)
	}
}

func (o *Object) pin() { o.pins++ }

// unpin undoes one pin. An object that has none is destroyed at the end
// of the command, so that a handler may pass a value on after it dropped it.
func (e *Engine) unpin(o *Object) {
	o.pins--
	if o.pins == 0 {
		e.dead = append(e.dead, o)
	}
}

// newObject makes an object without a state and enters it.
func (e *Engine) newObject(t *Type, s *Session) *Object {
	o := &Object{ID: e.id(), Type: t, engine: e, Created: e.now}
	if s != nil {
		o.maker = s.ID
		s.objects++
	}
	e.all.Push(&o.inAll, o)
	e.objects[o.ID] = o
	o.charge(objectCost)
	return o
}

// objectCost is what the engine counts for an object itself.
const objectCost = 256

// bury destroys the objects that nothing pins, and those that only they pinned.
func (e *Engine) bury() {
	for len(e.dead) > 0 {
		o := e.dead[len(e.dead)-1]
		e.dead = e.dead[:len(e.dead)-1]
		if o.pins > 0 || e.objects[o.ID] != o {
			continue
		}
		if thawed := o.frozen != 0 && !o.inFrozen.In(); thawed || !e.freeze(o) {
			e.destroy(o)
		}
	}
}

func (e *Engine) destroy(o *Object) {
	delete(e.objects, o.ID)
	o.inAll.Remove()
	o.inFrozen.Remove()
	e.bytes -= o.bytes
	if s := e.sessions[o.maker]; s != nil {
		s.objects--
	}
	if o.HasRefs() && o.State != nil {
		// What a damaged object held cannot be told: it stays.
		e.safely(o, "Each", func() {
			o.State.Each(func(raw wire.Raw) bool {
				o.unpinInside(raw)
				return true
			})
		})
	}
	o.inRefs.Remove()
	for h := o.holds.First(); h != nil; h = o.holds.First() {
		h.Lose() // nobody can ask for it any more; its holder may rely on it
	}
	o.WakeAt(0)
	if o.Type.Outside {
		e.fx.Closed = append(e.fx.Closed, o.ID)
	}
	o.State = nil
}

// Resolve returns the object of a reference that arrived in a value.
func (e *Engine) Resolve(r wire.Ref) (*Object, *wire.Error) {
	o := e.objects[r.ID]
	if o == nil || e.secret(r.ID) != r.Secret || o.Type.Name != r.TypeID {
		return nil, wire.Errorf(wire.CodeUnknownObject, "reference to %.128s %d: no such object; it was released, or the reference is not this server's", r.TypeID, r.ID)
	}
	return o, nil
}
