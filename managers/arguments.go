package managers

import (
	"reflect"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// argMemory is the memory that the arguments of a function are decoded into. A call
// copies them from there.
type argMemory struct {
	args  []reflect.Value
	slots []slot // one for each argument that is always there; empty: made for each call
}

type slot struct {
	pointer any // to value
	value   reflect.Value
}

// reusable reports whether nothing can keep a pointer to an argument of the
// type while it is decoded: it has no methods.
func reusable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint,
		reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		return reflect.PointerTo(t).NumMethod() == 0
	}
	return false
}

func newSlot(t reflect.Type) slot {
	p := reflect.New(t)
	return slot{p.Interface(), p.Elem()}
}

// memory returns memory for the arguments of one call.
func (f *function) memory() *argMemory {
	if mem, _ := f.memories.Get().(*argMemory); mem != nil {
		return mem
	}
	mem := &argMemory{args: make([]reflect.Value, 0, len(f.in)+2), slots: make([]slot, f.least())}
	for i := range mem.slots {
		if reusable(f.in[i]) {
			mem.slots[i] = newSlot(f.in[i])
		}
	}
	return mem
}

// giveMemory gives the memory back after a call. After a panic, or when decoding
// failed, it need not be called.
func (f *function) giveMemory(mem *argMemory, args []reflect.Value) {
	for i := range mem.slots {
		if mem.slots[i].pointer != nil {
			mem.slots[i].value.SetZero()
		}
	}
	clear(args)
	mem.args = args[:0]
	f.memories.Put(mem)
}

// least returns how many arguments a call has at least.
func (f *function) least() int {
	if f.variadic {
		return len(f.in) - 1
	}
	return len(f.in)
}

// arguments decodes the arguments of a call into mem. What comes first in
// args is for the caller: receiver and context.
func (f *function) arguments(mem *argMemory, args []reflect.Value, raw []byte, ctx any) ([]reflect.Value, *wire.Error) {
	r, err := wire.NewReader(raw)
	if err != nil {
		return nil, wire.Errorf(wire.CodeType, "%s: %v", f.name, err)
	}
	least := f.least()
	for i := 0; r.More(); i++ {
		var s slot
		switch {
		case i >= least:
			s = newSlot(f.in[least].Elem())
		case mem.slots[i].pointer != nil:
			s = mem.slots[i]
		default:
			s = newSlot(f.in[i])
		}
		v := r.Next()
		if err := wire.Unmarshal(v, s.pointer, ctx); err != nil {
			return nil, wire.Errorf(wire.CodeType, "%s(%s): argument %d: got %s, want %s: %v",
				f.name, f.params(), i+1, wire.TypeName(v), s.value.Type(), err)
		}
		args = append(args, s.value)
	}
	return args, nil
}
