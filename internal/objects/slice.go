package objects

import (
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// span is a slice of a sequence as Python resolves it: count elements, the
// first at start, each step apart.
type span struct{ start, stop, step, count int }

const maxInt = int(^uint(0) >> 1)

// clampInt takes an int and cuts it to what fits.
func clampInt(c *engine.Call) (int, bool) {
	switch c.Args.Type() {
	case wire.TypeUint:
		c.Args.Next()
		return maxInt, true
	case wire.TypeBigInt:
		v := c.Args.Next()
		peek := readerOf(wire.Raw(v))
		if n, err := peek.Int(); err == nil {
			return fitInt(n), true
		}
		if less, err := wire.Compare(v, []byte{0}); err == nil && less < 0 {
			return -maxInt - 1, true
		}
		return maxInt, true
	case wire.TypeInt, wire.TypeBool:
		n, err := c.Args.Int()
		return fitInt(n), err == nil
	}
	return 0, false
}

func fitInt(n int64) int { return int(min(max(n, int64(-maxInt-1)), int64(maxInt))) }

// bound takes one of a slice's three numbers; none means the default.
func bound(c *engine.Call) (n int, none bool, err error) {
	if c.Args.Nil() {
		return 0, true, nil
	}
	n, ok := clampInt(c)
	if !ok {
		return 0, false, wire.Errorf(wire.CodeType, "slice indices must be integers or None or have an __index__ method")
	}
	return n, false, nil
}

// sliceArgs takes start, stop and step, for a sequence of n elements.
func sliceArgs(c *engine.Call, n int) (span, error) {
	start, noStart, err := bound(c)
	if err != nil {
		return span{}, err
	}
	stop, noStop, err := bound(c)
	if err != nil {
		return span{}, err
	}
	step, noStep, err := bound(c)
	if err != nil {
		return span{}, err
	}
	if noStep {
		step = 1
	}
	if step == 0 {
		return span{}, wire.Errorf(wire.CodeValue, "slice step cannot be zero")
	}
	step = max(step, -maxInt)
	low, high := 0, n
	if step < 0 {
		low, high = -1, n-1
	}
	fit := func(i int) int {
		if i < 0 {
			i += n
		}
		return min(max(i, low), high)
	}
	switch {
	case !noStart:
		start = fit(start)
	case step < 0:
		start = high
	}
	switch {
	case !noStop:
		stop = fit(stop)
	case step < 0:
		stop = low
	default:
		stop = high
	}
	s := span{start: start, stop: stop, step: step}
	switch {
	case step > 0 && start < stop:
		s.count = (stop-start-1)/step + 1
	case step < 0 && stop < start:
		s.count = (start-stop-1)/-step + 1
	}
	return s, nil
}

// forward returns the lowest element, the end behind the highest, and the
// distance, of a span that is not empty.
func (s span) forward() (low, end, step int) {
	last := s.start + (s.count-1)*s.step
	if s.step < 0 {
		return last, s.start + 1, -s.step
	}
	return s.start, last + 1, s.step
}

// indexArg takes an index into a sequence of n elements. what is for errors:
// "list index".
func indexArg(c *engine.Call, n int, what string) (int, error) {
	typ, v := c.Args.Type(), c.Args.Peek()
	i, ok := clampInt(c)
	if !ok {
		return 0, indexType(c, v)
	}
	if (typ == wire.TypeUint || typ == wire.TypeBigInt) && (i == maxInt || i == -maxInt-1) {
		return 0, wire.Errorf(wire.CodeIndex, "cannot fit 'int' into an index-sized integer")
	}
	if i < 0 {
		i += n
	}
	if i < 0 || i >= n {
		return 0, wire.Errorf(wire.CodeIndex, "%s out of range", what)
	}
	return i, nil
}

// indexType is the error for an index that is no int.
func indexType(c *engine.Call, v []byte) error {
	if c.Object.Type.Name == "Array" {
		return wire.Errorf(wire.CodeType, "array indices must be integers")
	}
	return wire.Errorf(wire.CodeType, "list indices must be integers or slices, not %s", wire.TypeName(v))
}

// intArg takes an int that stands for a place or a count.
func intArg(c *engine.Call) (int, error) {
	v := c.Args.Peek()
	n, ok := clampInt(c)
	if !ok {
		return 0, wire.Errorf(wire.CodeType, "'%s' object cannot be interpreted as an integer", wire.TypeName(v))
	}
	return n, nil
}
