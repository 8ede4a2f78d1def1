package engine

import (
	"bytes"
	"fmt"
)

// Twin follows an engine. Before each command it is an engine that was loaded
// from the first one's dump; it gets the command too, and must do the same.
type Twin struct {
	// New returns an engine that knows the types.
	New func() *Engine
	// Large is from which dump on, in bytes, only one state in Every is checked,
	// and one command after it; none after a large one, unless Large is 1.
	Large, Every int
	// Queries counts the calls that Query answered.
	Queries int
	// Failed is the first difference.
	Failed error

	twin    *Engine // nil: not for the next command
	skipped int     // commands since the last check of a large state
}

// apply applies the command to both, with their sessions' peers alike, and says
// in t.Failed where they differ for the first time.
func (t *Twin) apply(e *Engine, c *Command, fx *Effects) error {
	if t.twin == nil {
		err := e.Apply(c, fx)
		t.fail(t.follow(e, c))
		return err
	}
	for _, s := range e.allSessions() {
		if s := t.twin.sessions[s.ID]; s != nil {
			s.Peer = e.sessions[s.ID].Peer
		}
	}
	// A Query must give the reply that Apply gives, and change nothing: else the
	// twin's state, below, is another one.
	var first, second, asked Effects
	answered := t.twin.Query(c, &asked)
	err, twinErr := e.Apply(c, &first), t.twin.Apply(c, &second)
	if answered {
		if a, b := describeEffects(&first), describeEffects(&asked); a != b {
			t.fail(fmt.Errorf("command %d did\n%s\nand as a query\n%s", c.Op, a, b))
		}
		t.Queries++
	}
	if fmt.Sprint(err) != fmt.Sprint(twinErr) {
		t.fail(fmt.Errorf("command %d gave the error %v, and after a load %v", c.Op, err, twinErr))
	}
	if a, b := describeEffects(&first), describeEffects(&second); a != b {
		t.fail(fmt.Errorf("command %d did\n%s\nand after a load\n%s", c.Op, a, b))
	}
	fx.add(&first)
	t.fail(t.follow(e, c))
	return err
}

func (t *Twin) fail(err error) {
	if t.Failed == nil {
		t.Failed = err
	}
}

// follow compares the two states, and loads the engine's anew.
func (t *Twin) follow(e *Engine, c *Command) error {
	if t.skipped > 0 || e.ending { // the end of a server is no state
		if t.twin != nil && !e.ending && !bytes.Equal(t.twin.Dump(nil), e.Dump(nil)) {
			return fmt.Errorf("command %d gave another state after a load: %s", c.Op, difference(e.Dump(nil), t.twin.Dump(nil)))
		}
		t.twin = nil
		t.skipped--
		return nil
	}
	want := e.Dump(nil)
	if t.twin != nil {
		if got := t.twin.Dump(nil); !bytes.Equal(got, want) {
			return fmt.Errorf("command %d gave another state after a load: %s", c.Op, difference(want, got))
		}
	}
	t.twin = nil
	if t.Large > 0 && len(want) > t.Large {
		t.skipped = t.Every
	}
	if e.Runs() > 0 {
		return nil
	}
	twin := t.New()
	if err := twin.LoadBytes(want); err != nil {
		return fmt.Errorf("after command %d: load: %w", c.Op, err)
	}
	if got := twin.Dump(nil); !bytes.Equal(got, want) {
		return fmt.Errorf("after command %d: what was loaded differs: %s", c.Op, difference(want, got))
	}
	if t.skipped == 0 || t.Large == 1 {
		t.twin = twin
	}
	return nil
}

// add appends other effects.
func (fx *Effects) add(other *Effects) {
	fx.Replies = append(fx.Replies, other.Replies...)
	fx.Work = append(fx.Work, other.Work...)
	fx.Cancels = append(fx.Cancels, other.Cancels...)
	fx.Created = append(fx.Created, other.Created...)
	fx.Closed = append(fx.Closed, other.Closed...)
	fx.Lost = append(fx.Lost, other.Lost...)
	fx.Ended = append(fx.Ended, other.Ended...)
	fx.Panics = append(fx.Panics, other.Panics...)
	fx.Acts = append(fx.Acts, other.Acts...)
	fx.Notes = append(fx.Notes, other.Notes...)
	if other.Opened != 0 {
		fx.Opened = other.Opened
	}
}

// describeEffects returns what the effects ask for, as a text.
func describeEffects(fx *Effects) string {
	var b bytes.Buffer
	for i := range fx.Replies {
		r := &fx.Replies[i]
		fmt.Fprintf(&b, "reply to %d: %x\n", r.Session, r.Append(nil, nil))
	}
	for i := range fx.Work {
		w := &fx.Work[i]
		fmt.Fprintf(&b, "work %d of object %d: %v %s %x %d\n", w.ID, w.Object, w.Construct, w.Method.Name, w.Args, w.Deadline)
	}
	for _, l := range fx.Lost {
		fmt.Fprintf(&b, "lost %d of %d\n", l.Token, l.Object)
	}
	for _, s := range fx.Ended {
		fmt.Fprintf(&b, "ended %d: %v\n", s.Session, s.Err)
	}
	for _, n := range fx.Notes {
		fmt.Fprintf(&b, "note of %d: %s\n", n.Object, n.Text)
	}
	for _, p := range fx.Panics {
		fmt.Fprintf(&b, "panic in %s.%s\n", p.Type, p.Method)
	}
	fmt.Fprintf(&b, "cancels %v, created %v, closed %v, opened %d, acts %v\n", fx.Cancels, fx.Created, fx.Closed, fx.Opened, fx.Acts)
	return b.String()
}

// difference says where two states differ.
func difference(want, got []byte) string {
	n := 0
	for n < min(len(want), len(got)) && want[n] == got[n] {
		n++
	}
	part := func(b []byte) []byte { return b[max(0, min(n-40, len(b))):min(n+60, len(b))] }
	return fmt.Sprintf("%d bytes, and %d, from %d on:\n%q\n%q", len(want), len(got), n, part(want), part(got))
}
