package engine

import "github.com/syncmanager/syncmanager/internal/wire"

// Outside hands work on immutable data outside the lock. Until its result is
// back, other calls of the object wait, and then run in their order. The
// method's Finish takes the result. See Pause.
func (c *Call) Outside(run func(pause Pause) any) {
	if c.state != callRunning {
		panic("engine: work for a call that is not running")
	}
	if c.query != 0 {
		return // not answered: Apply runs it
	}
	c.Object.busy = c
	c.run = run
	c.Object.engine.runs++
	c.Object.engine.startWork(c, Work{Run: run, Object: c.Object.ID})
}

func (e *Engine) startWork(c *Call, w Work) {
	s := c.Session
	w.ID = e.id()
	w.Method = c.Method
	w.Session = s.ID
	if c.timeout != noTimeout {
		w.Deadline = e.until(c.timeout)
	}
	c.state = callOutside
	c.work = w.ID
	c.order = e.nextPlace()
	s.calls.Put(c.Serial, c)
	s.running.Push(&c.inSession, c)
	e.work[w.ID] = c
	e.fx.Work = append(e.fx.Work, w)
}

// Provide keeps what Run returned, for when OpComplete comes from the log.
// Without it, the engine does the work again then.
func (e *Engine) Provide(work uint64, result any) {
	if c := e.work[work]; c != nil && c.run != nil {
		c.result = result
	}
}

// complete is OpComplete: work outside is done.
func (e *Engine) complete(cmd *Command) error {
	c := e.work[cmd.Work]
	if c == nil {
		return wire.Errorf(wire.CodeInternal, "work %d is unknown or done", cmd.Work)
	}
	delete(e.work, cmd.Work)
	result := cmd.Result
	if c.run != nil && result == nil && cmd.Error == nil {
		// The command came from a log.
		if result = c.result; result == nil {
			result = c.run(nil)
		}
	}
	c.inSession.Remove()
	c.Session.calls.Remove(c.Serial)
	if c.run != nil {
		c.run, c.result = nil, nil
		e.runs--
	}
	c.state = callRunning
	o := c.Object
	made := o // the object that was busy: for a constructor, the one being made
	switch {
	case c.Stage == stageCompute:
		made = nil
		c.inQueue.Remove()
		if cmd.Error != nil {
			c.Fail(cmd.Error)
		} else {
			e.completeCompute(c, result)
		}
		e.thaw()
	case c.Stage == stageConstruct:
		made = e.objects[uint64(c.N)]
		e.constructed(c, made, cmd.Error)
	case cmd.Error != nil:
		c.Fail(cmd.Error)
	case c.Method.Finish != nil:
		if refusal := e.refusal(c); refusal != nil {
			c.Fail(refusal)
			break
		}
		e.guarded(o, c, func(o *Object, c *Call) { c.Method.Finish(o, c, result) })
		if c.state == callRunning && c.Method != nil {
			c.Fail(noAnswer(c))
		}
	case cmd.NewType != "":
		e.resultObject(c, cmd)
	default:
		e.outsideResult(c, cmd)
	}
	if made != nil {
		e.unbusy(made)
	}
	return nil
}

// outsideResult replies with a value that came from user code. It was encoded
// by the server, yet it is checked like any other.
func (e *Engine) outsideResult(c *Call, cmd *Command) {
	if e.checkResult(c, cmd) {
		c.ReturnBytes(cmd.Value)
	}
}

// checkResult checks the value that came from user code, and makes its
// references those of the call.
func (e *Engine) checkResult(c *Call, cmd *Command) bool {
	n, refs, err := wire.Scan(cmd.Value, wire.Limits{Depth: e.config.MaxDepth})
	if err == nil && n != len(cmd.Value) {
		err = wire.Errorf(wire.CodeUnserializable, "%d bytes after the value", len(cmd.Value)-n)
	}
	if err == nil && refs {
		err = e.resolveAll(cmd.Value)
	}
	if err != nil {
		c.Fail(wire.Errorf(wire.CodeUnserializable, "%s.%s: the result cannot be sent: %v", c.Object.Type.Name, c.Method.Name, err))
		return false
	}
	c.argRefs, c.argBytes = refs, 0
	return true
}

// resultObject makes the result of a method a new shared object.
func (e *Engine) resultObject(c *Call, cmd *Command) {
	t := e.types[cmd.NewType]
	if t == nil {
		c.Fail(wire.Errorf(wire.CodeUnknownType, "%s.%s: its result should become a %q, which is not registered", c.Object.Type.Name, c.Method.Name, cmd.NewType))
		return
	}
	if !t.Outside && !e.checkResult(c, cmd) {
		return
	}
	o := e.newObject(t, c.Session)
	o.pin()
	defer e.unpin(o)
	if t.Outside {
		o.State = outside{o}
		e.fx.Created = append(e.fx.Created, Created{Work: cmd.Work, Object: o.ID})
	} else {
		args, err := wire.NewReader(cmd.Value)
		if err == nil {
			c.Args = args
			err = e.make(o, c)
		}
		if err != nil {
			c.Fail(err)
			return
		}
	}
	c.argRefs = true
	c.ReturnBytes(o.AppendRef(nil))
}

// refusal says why a call that has waited for work outside may not go on, or
// nil. What was checked at its arrival may have changed.
func (e *Engine) refusal(c *Call) *wire.Error {
	switch o := c.Object; {
	case o.poisoned:
		return poisonedError(o)
	case o.removed || o.State == nil:
		return removedError(o)
	case c.guard != 0:
		return e.guard(c.Session, c.guard, c.token)
	}
	return c.Session.denied(c.Object, c.Method)
}

// unbusy runs the calls that waited for an object's outside work, in their
// order: also those whose sessions have no connection now, since they were made
// while there was one.
func (e *Engine) unbusy(o *Object) {
	if o.busy == nil {
		return
	}
	o.busy = nil
	for o.busy == nil && o.waiting.Any() != nil {
		c := o.waiting.Any()
		args := c.args
		e.unpark(c)
		c.deferred = false
		if c.timeout > 0 && c.timeout != noTimeout {
			c.timeout = max(c.deadline-e.now, 0) // what is left of it
		}
		if refusal := e.refusal(c); refusal != nil {
			c.Fail(refusal)
			continue
		}
		c.Args, _ = wire.NewReader(args)
		e.run(c, args)
	}
	if o.busy == nil && o.parked.First() != nil {
		e.serve(o) // a session may have come back meanwhile
	}
}

// outside is the State of an object of a registered Go type: the value itself
// lives in the server, keyed by the object's id.
type outside struct{ object *Object }

func (s outside) Dump(b []byte) ([]byte, Rows) { return b, nil }

func (s outside) Repr() View {
	return Text(AppendProxyName(nil, s.object.Ident()))
}

func (s outside) Value() (wire.Raw, View)        { return rawNil, nil }
func (s outside) Each(yield func(wire.Raw) bool) {}
