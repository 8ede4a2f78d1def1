package client

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// Arg appends an argument of any type that wire.Marshal takes. Common types
// cost no allocation. Large bytes and strings are not copied: they must not
// change before Do returns.
func Arg[T any](c *Call, v T) {
	if c.err != nil {
		return
	}
	switch x := any(v).(type) {
	case string:
		if len(x) < math.MaxInt32 && wire.ValidStr(wire.Raw(x).Bytes()) {
			if len(x) > largeArg && c.large == nil {
				c.args = wire.AppendStrHeader(c.args, len(x))
				c.lend(wire.Raw(x).Bytes())
				return
			}
			c.args = wire.AppendStr(c.args, x)
			return
		}
	case int:
		c.args = wire.AppendInt(c.args, int64(x))
		return
	case int64:
		c.args = wire.AppendInt(c.args, x)
		return
	case uint64:
		c.args = wire.AppendUint(c.args, x)
		return
	case float64:
		c.args = wire.AppendFloat(c.args, x)
		return
	case bool:
		c.args = wire.AppendBool(c.args, x)
		return
	case []byte:
		if x != nil && len(x) < math.MaxInt32 {
			if len(x) > largeArg && c.large == nil {
				c.args = wire.AppendBinHeader(c.args, len(x))
				c.lend(x)
				return
			}
			c.args = wire.AppendBin(c.args, x)
			return
		}
	}
	c.marshal(v)
}

// ArgKey is Arg for a key of a dict or an element of a set: an array becomes a
// tuple, and what Python cannot hash is refused.
func ArgKey[T any](c *Call, v T) {
	switch any(v).(type) {
	case string, int, int64, uint64, float64, bool, []byte:
		Arg(c, v)
		return
	}
	if c.err != nil {
		return
	}
	b, err := c.encode(wire.MarshalKey, v)
	c.args = b
	if err != nil {
		c.fail(argError(c, err))
	}
}

// encode appends an argument. A method of the user's may panic: then nobody will
// end the call.
func (c *Call) encode(marshal func([]byte, any) ([]byte, error), v any) ([]byte, error) {
	ended := false
	defer func() {
		if !ended {
			c.recycle()
		}
	}()
	b, err := marshal(c.args, v)
	ended = true
	return b, err
}

// marshal appends what Arg has no short way for, and pins the objects that it
// names.
func (c *Call) marshal(v any) {
	start := len(c.args)
	b, err := c.encode(wire.Marshal, v)
	c.args = b
	if err == nil {
		err = c.pin(b[start:])
	}
	// Until here the proxies inside v have kept their objects.
	runtime.KeepAlive(v)
	if err != nil {
		c.fail(argError(c, err))
	}
}

// pin holds the objects that the value names until the server has the call.
func (c *Call) pin(value []byte) error {
	return wire.ForEachRefView(value, func(r wire.RefView) error {
		o := c.session.refs.find(r.ID, r.Secret)
		if o == nil {
			return wire.Errorf(wire.CodeValue, "a reference to a %s that this session does not hold: it belongs to another session, or was released", r.TypeID)
		}
		c.pins = append(c.pins, o)
		return nil
	})
}

// argError names the call. Errors with a code keep it; others say that the
// value cannot be sent.
func argError(c *Call, err error) error {
	var we *wire.Error
	if errors.As(err, &we) {
		return fmt.Errorf("%s: %w", c.label(), err)
	}
	return wire.Errorf(wire.CodeUnserializable, "%s: %v", c.label(), err)
}

// Args appends all arguments of a variadic call.
func (c *Call) Args(args []any) {
	for _, v := range args {
		if c.err != nil {
			return
		}
		switch x := v.(type) {
		case []byte:
			Arg(c, x)
		case string:
			Arg(c, x)
		default:
			c.marshal(v)
		}
	}
}

// ArgNil appends None.
func (c *Call) ArgNil() { c.args = wire.AppendNil(c.args) }

// ArgRef appends a reference that no Ref of this session stands for, as for
// attaching to one.
func (c *Call) ArgRef(r wire.Ref) { c.args = wire.AppendRef(c.args, r) }

// ArgList begins a list of n arguments, which are appended next.
func (c *Call) ArgList(n int) { c.args = wire.AppendArrayHeader(c.args, n) }

// ArgMap begins a dict of n pairs, which are appended next, key and value in
// turn.
func (c *Call) ArgMap(n int) { c.args = wire.AppendMapHeader(c.args, n) }

// Invoke makes the call and returns its result. A result that does not fit into
// R is an error that matches ErrType, and the server takes back what it handed
// over. The call is over in any case. R = struct{} takes any result.
func Invoke[R any](ctx context.Context, c *Call) (R, error) {
	if err := c.Do(ctx); err != nil {
		var zero R
		return zero, err
	}
	v, err := Decode[R](c)
	if err != nil {
		return v, err
	}
	c.Drop()
	return v, nil
}

// Exec makes the call and forgets its result.
func Exec(ctx context.Context, c *Call) error {
	c.plain = true
	if err := c.Do(ctx); err != nil {
		return err
	}
	c.Drop()
	return nil
}

// ExecSurely is Exec for a call that ends something: it takes effect also when
// the context is over, before or meanwhile, as soon as there is a connection and
// while the session lasts. The context bounds how long the caller waits for the
// server's word, but for Config.Verdict, which it waits in any case while there
// is a connection. Without that word it is a *CallError whose outcome is unknown.
func ExecSurely(ctx context.Context, c *Call) error {
	c.surely = true
	return Exec(ctx, c)
}

// InvokeAcquire makes a call that acquires a lock or a permit, and returns the
// fencing token: 0 for the answer False, that none is to be had. From the moment
// that the reply comes, w hears of the end of that hold, until Unwatch.
func InvokeAcquire(ctx context.Context, c *Call, w Watcher) (uint64, error) {
	c.plain = true // what it acquires goes with the session, if not before
	c.watcher = w
	if err := c.Do(ctx); err != nil {
		return 0, err
	}
	defer c.Drop()
	token, ok := tokenOf(c.reply)
	if !ok {
		return 0, c.garbage(fmt.Errorf("%s, want a fencing token, an int above 0, or False", wire.TypeName(c.reply)))
	}
	return token, nil
}

// DoReceive makes a call whose reply is a list of leases, and leaves that to be
// read with Leased. The call is not over then.
func DoReceive(ctx context.Context, c *Call, w Leases) error {
	c.plain = true // the leases go with the session, if not before
	c.watcher = w
	return c.Do(ctx)
}

// Leased calls fn with each lease of the reply after DoReceive: its token, the
// number of the attempt, and the item, which is borrowed. It ends the call.
func Leased(c *Call, fn func(token uint64, attempt int, item []byte)) error {
	defer c.Drop()
	list, err := wire.NewReader(c.reply)
	if err != nil {
		return c.garbage(err)
	}
	for list.More() {
		lease, err := wire.NewReader(list.Next())
		if err != nil {
			return c.garbage(err)
		}
		token, err := lease.Uint()
		if err != nil {
			return c.garbage(err)
		}
		attempt, err := lease.Int()
		if err != nil {
			return c.garbage(err)
		}
		item, err := lease.Value()
		if err != nil {
			return c.garbage(err)
		}
		fn(token, int(attempt), item)
	}
	return nil
}

// DecodeItem decodes a value of a reply of the session.
func DecodeItem[T any](r Ref, item []byte) (v T, err error) {
	err = wire.Unmarshal(item, &v, SessionOf(r))
	return v, err
}

// tokenOf returns the fencing token that the reply to an acquire is, 0 for False.
func tokenOf(reply []byte) (token uint64, ok bool) {
	if wire.TypeOf(reply) == wire.TypeBool {
		return 0, true
	}
	n, ok := wire.IntOf(reply)
	return uint64(n), ok && n > 0
}

// Decode decodes the reply of a call after Do. When it fails, the call is over
// and the server takes back what it handed over; otherwise the caller ends it.
func Decode[R any](c *Call) (R, error) {
	v, err := decode[R](c, c.reply)
	if err != nil {
		var zero R
		err = wire.Errorf(wire.CodeType, "result of %s: %v", c.label(), err)
		c.GiveBack()
		return zero, err
	}
	return v, nil
}

// decode decodes the reply, which Scan has passed. Common types cost no allocation
// beyond what they hold.
func decode[R any](c *Call, b []byte) (R, error) {
	var v R
	ok := true
	switch p := any(&v).(type) {
	case *struct{}:
	case *bool:
		if ok = len(b) == 1 && (b[0] == 0xc2 || b[0] == 0xc3); ok {
			*p = b[0] == 0xc3
		}
	case *int:
		var n int64
		if n, ok = wire.IntOf(b); ok {
			*p, ok = int(n), int64(int(n)) == n
		}
	case *int64:
		*p, ok = wire.IntOf(b)
	case *[]byte:
		if *p, ok = largeBin(b); !ok && len(b) > 1 && b[0] == 0xc4 {
			*p, ok = append(make([]byte, 0, len(b)-2), b[2:]...), true
		}
	case *Ref:
		r, err := DecodeRef(b, c.session)
		*p = r
		return v, err
	case *string:
		n := len(b) - 1
		if ok = n < 32 && b[0] == 0xa0|byte(n); ok {
			*p = string(b[1:])
		}
	default:
		ok = false
	}
	if ok {
		return v, nil
	}
	return unmarshal[R](c, b)
}

// largeBin returns the content of large bytes in place: the memory of a reply of
// that size is used for nothing else (maxKeptBuffer), so it can be the caller's.
func largeBin(b []byte) ([]byte, bool) {
	switch {
	case len(b) <= maxKeptBuffer:
		return nil, false
	case b[0] == 0xc6 && uint64(binary.BigEndian.Uint32(b[1:]))+5 == uint64(len(b)):
		return b[5:len(b):len(b)], true
	case b[0] == 0xc5 && int(binary.BigEndian.Uint16(b[1:]))+3 == len(b):
		return b[3:len(b):len(b)], true
	}
	return nil, false
}

// unmarshal is decode for all other types. A method of the user's may panic: then
// nobody will end the call.
func unmarshal[R any](c *Call, b []byte) (R, error) {
	ended := false
	defer func() {
		if !ended {
			c.GiveBack()
		}
	}()
	var v R
	err := wire.Unmarshal(b, &v, c.session)
	ended = true
	return v, err
}

// ResolveRef makes a *Ref of a reference that was decoded into an interface. It
// implements wire.RefResolver.
func (s *Session) ResolveRef(r wire.Ref) (any, error) {
	o := s.refs.find(r.ID, r.Secret)
	if o == nil {
		return nil, wire.Errorf(wire.CodeValue, "a reference to a %s that was not granted to this session", r.TypeID)
	}
	ref := newRef(o)
	return &ref, nil
}
