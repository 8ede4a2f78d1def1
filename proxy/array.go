package proxy

import (
	"context"
	"encoding/binary"
	"math"

	"github.com/syncmanager/syncmanager/internal/client"
)

// Number is what an Array can hold: Go's integers and floats.
type Number interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

// Array is a proxy of a shared array of numbers of one typecode of Python's
// array module. Elements travel packed. Indexes below 0 count from the end; one
// out of range is ErrIndex, and a number that the typecode cannot hold is
// ErrOverflow and nothing is stored.
type Array[T Number] struct{ base[arrayKind] }

// NewArray makes an array without a name. The typecode is one of bBhHiIlLqQfd:
// "q" are 64-bit integers, "d" 64-bit floats.
func NewArray[T Number](ctx context.Context, m *Manager, typecode string, values []T) (*Array[T], error) {
	return create[Array[T]](ctx, m, typecode, packed(values), true)
}

// OpenArray opens the array of that name, and makes one if there is none.
func OpenArray[T Number](ctx context.Context, m *Manager, name, typecode string, values []T) (*Array[T], error) {
	return open[Array[T]](ctx, m, name, typecode, packed(values), true)
}

// Get returns the element at the index.
func (a *Array[T]) Get(ctx context.Context, index int) (T, error) {
	return call1[T](ctx, a.object, &arrayGetitem, index)
}

// Set replaces the element at the index.
func (a *Array[T]) Set(ctx context.Context, index int, value T) error {
	return exec2(ctx, a.object, &arraySetitem, index, value)
}

// GetSlice returns the elements of the slice.
func (a *Array[T]) GetSlice(ctx context.Context, s Slice) ([]T, error) {
	c := a.begin(ctx, &arrayGetslice, 3)
	s.append(c)
	return client.Invoke[[]T](ctx, c)
}

// SetSlice replaces the elements of the slice. Their number may change if the
// step is 1; otherwise it must not (ErrValue).
func (a *Array[T]) SetSlice(ctx context.Context, s Slice, values []T) error {
	c := a.begin(ctx, &arraySetslice, 4)
	s.append(c)
	client.Arg(c, packed(values))
	return client.Exec(ctx, c)
}

// Len returns the number of elements.
func (a *Array[T]) Len(ctx context.Context) (int, error) { return call0[int](ctx, a.object, &arrayLen) }

// Copy returns the elements.
func (a *Array[T]) Copy(ctx context.Context) ([]T, error) { return a.GetSlice(ctx, Slice{}) }

// Typecode returns the typecode.
func (a *Array[T]) Typecode(ctx context.Context) (string, error) {
	return call0[string](ctx, a.object, &arrayTypecode)
}

// packed returns the numbers as a typed array of their own kind. The server
// turns them into its array's kind, and refuses what does not fit.
func packed[T Number](values []T) TypedArray {
	var zero T
	a := TypedArray{Code: 'q', Data: make([]byte, 0, 8*len(values))}
	half := T(1)
	half /= 2
	switch {
	case half != 0: // a float
		a.Code = 'd'
		for _, v := range values {
			a.Data = binary.LittleEndian.AppendUint64(a.Data, math.Float64bits(float64(v)))
		}
	case zero-1 > zero: // unsigned
		a.Code = 'Q'
		for _, v := range values {
			a.Data = binary.LittleEndian.AppendUint64(a.Data, uint64(v))
		}
	default:
		for _, v := range values {
			a.Data = binary.LittleEndian.AppendUint64(a.Data, uint64(int64(v)))
		}
	}
	return a
}
