package engine

import "github.com/syncmanager/syncmanager/internal/wire"

// Query answers a call from the state as it is, and changes nothing of it: no
// acknowledgement counts, no time passes, no number is given out. So the call
// needs no place in a log. It reports false, with nothing appended to fx, for all
// that a reading call could change, and for what it cannot answer: such a call is
// for Apply. The reply is the one that Apply would give, and is not kept.
//
// A Query may run while no Apply does. It uses the same memory.
func (e *Engine) Query(cmd *Command, fx *Effects) bool {
	s := e.sessions[cmd.Session]
	if cmd.Op != OpCall || s == nil || cmd.Epoch != 0 && cmd.Epoch != s.Epoch {
		return false
	}
	r, ok := s.refs[cmd.Object]
	if !ok || cmd.Guard != 0 {
		return false
	}
	o := r.object
	m := o.Type.method(cmd.Method, cmd.Name)
	if m == nil || m.Flags&(Reads|Parks) != Reads || o.Type.Outside || o.busy != nil || o.removed || o.poisoned || o.HasRefs() {
		return false
	}
	if cmd.Serial <= s.watermark || s.acked.Has(cmd.Serial) || s.calls.Get(cmd.Serial) != nil {
		return false
	}
	if _, marked := s.marks[cmd.Serial]; marked || e.admit(s, o, m, cmd) != nil {
		return false
	}
	n, refs, err := wire.Scan(cmd.Args, wire.Limits{Depth: e.config.MaxDepth})
	if err != nil || n != len(cmd.Args) || refs {
		return false
	}
	args, err := wire.NewReader(cmd.Args)
	if err != nil || m.Takes.check(&args) != nil {
		return false
	}
	c := e.free
	if c == nil {
		c = new(Call)
	} else {
		e.free = c.free
		c.free = nil
	}
	c.Session, c.Serial, c.Object, c.Method, c.Args, c.sig = s, cmd.Serial, o, m, args, m.Takes
	c.timer, c.timeout, c.query = -1, noTimeout, queryAsked
	was := len(fx.Replies)
	e.fx = fx
	e.ask(o, c)
	e.fx = nil
	answered := c.query == queryAnswered
	e.drop(c)
	if !answered {
		clear(fx.Replies[was:])
		fx.Replies = fx.Replies[:was]
	}
	return answered
}

// ask runs the handler of a Query. One that panics is asked again by Apply, which
// can damage its object for good.
func (e *Engine) ask(o *Object, c *Call) {
	defer func() {
		if recover() != nil {
			c.query = queryAsked
		}
	}()
	c.Method.Fn(o, c)
}

// How far a Query is: 0 for the calls of Apply.
const (
	queryAsked = iota + 1
	queryAnswered
)
