package engine

import "github.com/syncmanager/syncmanager/internal/wire"

// Pause is what work outside the lock calls now and then, where others may get a
// turn. It reports whether the work's result is still wanted; if not, the work
// ends early, and what it returns does not matter. A nil Pause never pauses.
type Pause func() bool

// Over calls the pause and reports whether the work should end.
func (p Pause) Over() bool { return p != nil && !p() }

// stageCompute marks a call whose reply is made outside.
const stageCompute = 254

// grantHere is up to how many bytes of a reply are searched for references under
// the lock. What is larger is searched outside, if its call only reads: then it
// may be asked for again and again.
const grantHere = 16 << 10

// computed is a reply that was made outside.
type computed struct {
	value wire.Raw
	refs  []refCount
	err   error
}

// refCount says how often a value holds a reference to an object.
type refCount struct {
	id uint64
	n  int64
}

// Compute replies with a value that run makes outside the lock, from immutable
// data. The call only reads, and other calls of the object go on meanwhile. The
// objects that the value refers to live until the session has its references:
// none is destroyed while such work is under way that was there when it began.
func (c *Call) Compute(run func(pause Pause) (wire.Raw, error)) {
	if c.Method.Flags&(Reads|Parks) != Reads {
		panic("engine: a reply to a call that changes something is made outside")
	}
	if c.query != 0 {
		return // not answered: Apply runs it
	}
	e := c.Object.engine
	refs := c.mayGrant()
	most := c.Session.Info.MaxMessage
	c.Stage = stageCompute
	c.run = func(pause Pause) any {
		value, err := run(pause)
		if err == nil {
			err = tooLarge(len(value), most)
		}
		if err != nil {
			return computed{err: err}
		}
		r := computed{value: value}
		if refs {
			r.refs = countRefs(value, pause)
		}
		return r
	}
	e.runs++
	e.startWork(c, Work{Object: c.Object.ID, Run: c.run})
	e.computing.Push(&c.inQueue, c)
}

// computeView replies with a view that may hold references.
func (c *Call) computeView(v View) {
	most := c.Session.Info.MaxMessage
	c.Compute(func(pause Pause) (wire.Raw, error) {
		if s, ok := v.(Sized); ok {
			if err := tooLarge(s.Size(), most); err != nil {
				return "", err
			}
		}
		return wire.OwnedRaw(v.Append(nil, pause)), nil
	})
}

// tooLarge refuses a reply of n bytes that is above the limit.
func tooLarge(n, most int) error {
	if most <= 0 || n <= most {
		return nil
	}
	return wire.Errorf(wire.CodeTooLarge, "the reply has %d bytes; the limit of its receiver is %d; ask for a part of it", n, most)
}

// countRefs counts the references inside a value, in the order in which each
// comes first.
func countRefs(value wire.Raw, pause Pause) []refCount {
	if len(value) < refSize {
		return nil
	}
	var refs []refCount
	var at map[uint64]int
	steps := 0
	_ = wire.ForEachRefView(value.Bytes(), func(r wire.RefView) error {
		if at == nil {
			at = make(map[uint64]int)
		}
		i, ok := at[r.ID]
		if !ok {
			i = len(refs)
			at[r.ID] = i
			refs = append(refs, refCount{id: r.ID})
		}
		refs[i].n++
		if steps++; steps%256 == 0 && pause.Over() {
			return wire.ErrCancelled
		}
		return nil
	})
	return refs
}

// completeCompute replies with what was made outside.
func (e *Engine) completeCompute(c *Call, result any) {
	r, ok := result.(computed)
	if !ok {
		r.err = noAnswer(c)
	}
	if r.err != nil {
		c.Fail(r.err)
		return
	}
	c.refs, c.counted = r.refs, true
	c.Return(r.value)
}

// forgetComputing ends work for replies that a lost connection would have
// carried: its client asks again.
func (e *Engine) forgetComputing(s *Session) {
	var next *Call
	for c := s.running.First(); c != nil; c = next {
		next = c.inSession.Next()
		if c.Stage == stageCompute {
			e.stopComputing(c)
			if c.Object != &e.root {
				e.unpin(c.Object)
			}
			e.drop(c)
		}
	}
	e.thaw()
}

// stopComputing ends the work for a call's reply. The call runs again, for as long
// as it takes to answer it or to forget it.
func (e *Engine) stopComputing(c *Call) {
	e.fx.Cancels = append(e.fx.Cancels, c.work)
	delete(e.work, c.work)
	c.inSession.Remove()
	c.inQueue.Remove()
	c.Session.calls.Remove(c.Serial)
	c.run, c.result = nil, nil
	e.runs--
	c.state = callRunning
}

// freeze keeps an object that nothing pins any more until the work for replies
// that is under way now is done: one of them may refer to it. It reports false
// when there is none.
func (e *Engine) freeze(o *Object) bool {
	last := e.computing.Last()
	if last == nil {
		return false
	}
	o.frozen = last.work
	o.inFrozen.Remove()
	e.frozen.Push(&o.inFrozen, o)
	return true
}

// thaw destroys the objects that no work for a reply can refer to any more.
func (e *Engine) thaw() {
	oldest := e.computing.First()
	for o := e.frozen.First(); o != nil && (oldest == nil || o.frozen < oldest.work); o = e.frozen.First() {
		o.inFrozen.Remove()
		if o.pins == 0 {
			e.dead = append(e.dead, o)
		} else {
			o.frozen = 0
		}
	}
}
