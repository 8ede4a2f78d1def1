package proxy

import (
	"context"
)

// Value is a proxy of a shared value with a typecode of Python's array module. A
// value that the typecode cannot hold is ErrOverflow or ErrType, and nothing is
// stored; one that a Python program made takes anything. All methods are atomic
// and safe for concurrent use.
type Value[T any] struct{ base[valueKind] }

// NewValue makes a value without a name. The typecode is one of bBuwhHiIlLqQfd:
// "q" is a 64-bit integer, "d" a 64-bit float.
func NewValue[T any](ctx context.Context, m *Manager, typecode string, value T) (*Value[T], error) {
	return create[Value[T]](ctx, m, typecode, value, true)
}

// OpenValue opens the value of that name, and makes one if there is none.
func OpenValue[T any](ctx context.Context, m *Manager, name, typecode string, value T) (*Value[T], error) {
	return open[Value[T]](ctx, m, name, typecode, value, true)
}

// Get returns the value.
func (v *Value[T]) Get(ctx context.Context) (T, error) { return call0[T](ctx, v.object, &valueGet) }

// Set sets the value.
func (v *Value[T]) Set(ctx context.Context, value T) error {
	return exec1(ctx, v.object, &valueSet, value)
}

// Add adds delta to the value in one step and returns the sum.
func (v *Value[T]) Add(ctx context.Context, delta T) (T, error) {
	return call1[T](ctx, v.object, &valueAdd, delta)
}

// CompareAndSwap sets the value to new if it is equal to old, and reports
// whether it did.
func (v *Value[T]) CompareAndSwap(ctx context.Context, old, new T) (bool, error) {
	return call2[bool](ctx, v.object, &valueCompareAndSwap, old, new)
}

// Typecode returns the typecode.
func (v *Value[T]) Typecode(ctx context.Context) (string, error) {
	return call0[string](ctx, v.object, &valueTypecode)
}
