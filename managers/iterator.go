package managers

import (
	"fmt"
	"iter"
	"reflect"
	"sync"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// iteratorType is the typeid of what MethodToTypeid makes of an iter.Seq.
const iteratorType = "Iterator"

// iterator is a Go iterator that clients pull values from.
type iterator struct {
	mu   sync.Mutex // a Close may come while Next runs
	next func() (reflect.Value, bool)
	stop func()
}

// Next returns the next value, or ErrStop after the last.
func (it *iterator) Next() (any, error) {
	it.mu.Lock()
	defer it.mu.Unlock()
	v, ok := it.next()
	if !ok {
		return nil, wire.ErrStop
	}
	return v.Interface(), nil
}

// Close ends the iteration.
func (it *iterator) Close() {
	it.mu.Lock()
	defer it.mu.Unlock()
	it.stop()
}

// newIterator takes an iter.Seq, or a slice.
func newIterator(v reflect.Value) (*iterator, error) {
	if !v.Type().CanSeq() || v.Kind() == reflect.Int {
		return nil, fmt.Errorf("a %s cannot be iterated over; return an iter.Seq or a slice", v.Type())
	}
	var seq iter.Seq[reflect.Value]
	if v.Kind() == reflect.Slice || v.Kind() == reflect.Array {
		// Seq of a slice gives its indexes.
		seq = func(yield func(reflect.Value) bool) {
			for i := range v.Len() {
				if !yield(v.Index(i)) {
					return
				}
			}
		}
	} else {
		seq = v.Seq()
	}
	next, stop := iter.Pull(seq)
	return &iterator{next: next, stop: stop}, nil
}

// registerIterator makes the typeid known: clients get one from methods only.
func registerIterator(s *Server) error {
	g := &goType{
		construct: &function{name: iteratorType, out: []reflect.Type{reflect.TypeFor[*iterator]()}},
		methods:   make(map[string]*function),
	}
	g.typ = iteratorEngineType()
	for name, method := range map[string]string{"next": "Next", "close": "Close"} {
		m, _ := reflect.TypeFor[*iterator]().MethodByName(method)
		f, err := newFunction(iteratorType+"."+name, m.Func, true)
		if err != nil {
			return err
		}
		g.methods[name] = f
	}
	return s.outside.add(g)
}

func iteratorEngineType() *engine.Type {
	return &engine.Type{Name: iteratorType, Outside: true, NoCreate: true, Methods: []engine.Method{
		{Name: "next", Result: "value"},
		{Name: "close", Result: "None"},
	}}
}
