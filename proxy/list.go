package proxy

import (
	"context"
	"iter"

	"github.com/syncmanager/syncmanager/internal/client"
)

// List is a proxy of a shared list. Indexes below 0 count from the end, as in
// Python; one out of range is ErrIndex. All methods are atomic and safe for
// concurrent use.
type List[T any] struct{ base[listKind] }

// Slice is Python's slice: list[Start:Stop:Step]. Nil is what is left out there.
//
//	proxy.Slice{Stop: new(3)}   // [:3]
//	proxy.Slice{Step: new(-1)}  // [::-1]
type Slice struct{ Start, Stop, Step *int }

// NewList makes a list without a name.
func NewList[T any](ctx context.Context, m *Manager, init ...T) (*List[T], error) {
	if len(init) == 0 {
		return create[List[T]](ctx, m)
	}
	return create[List[T]](ctx, m, init)
}

// OpenList opens the list of that name, and makes an empty one if there is
// none.
func OpenList[T any](ctx context.Context, m *Manager, name string) (*List[T], error) {
	return open[List[T]](ctx, m, name)
}

// Get returns the element at the index.
func (l *List[T]) Get(ctx context.Context, index int) (T, error) {
	return call1[T](ctx, l.object, &listGetitem, index)
}

// Set replaces the element at the index.
func (l *List[T]) Set(ctx context.Context, index int, value T) error {
	return exec2(ctx, l.object, &listSetitem, index, value)
}

// Delete removes the element at the index.
func (l *List[T]) Delete(ctx context.Context, index int) error {
	return exec1(ctx, l.object, &listDelitem, index)
}

// slice begins a call with n arguments of which the first three are the slice.
func (l *List[T]) slice(ctx context.Context, m *client.Method, n int, s Slice) *client.Call {
	c := l.begin(ctx, m, n)
	s.append(c)
	return c
}

func (s Slice) append(c *client.Call) {
	for _, p := range [...]*int{s.Start, s.Stop, s.Step} {
		if p == nil {
			c.ArgNil()
		} else {
			client.Arg(c, *p)
		}
	}
}

// GetSlice returns the elements of the slice.
func (l *List[T]) GetSlice(ctx context.Context, s Slice) ([]T, error) {
	return client.Invoke[[]T](ctx, l.slice(ctx, &listGetslice, 3, s))
}

// SetSlice replaces the elements of the slice. Their number may change if the
// step is 1; otherwise it must not (ErrValue).
func (l *List[T]) SetSlice(ctx context.Context, s Slice, values []T) error {
	c := l.slice(ctx, &listSetslice, 4, s)
	argSlice(c, values)
	return client.Exec(ctx, c)
}

// DeleteSlice removes the elements of the slice.
func (l *List[T]) DeleteSlice(ctx context.Context, s Slice) error {
	return client.Exec(ctx, l.slice(ctx, &listDelslice, 3, s))
}

// argSlice appends a list, also for a nil slice.
func argSlice[T any](c *client.Call, values []T) {
	c.ArgList(len(values))
	for _, v := range values {
		client.Arg(c, v)
	}
}

// Append adds the value at the end.
func (l *List[T]) Append(ctx context.Context, value T) error {
	return exec1(ctx, l.object, &listAppend, value)
}

// Extend adds the values at the end.
func (l *List[T]) Extend(ctx context.Context, values ...T) error {
	c := l.begin(ctx, &listExtend, 1)
	argSlice(c, values)
	return client.Exec(ctx, c)
}

// Insert inserts the value before the index. An index out of range means the
// nearer end.
func (l *List[T]) Insert(ctx context.Context, index int, value T) error {
	return exec2(ctx, l.object, &listInsert, index, value)
}

// Pop removes the last element and returns it. ErrIndex if the list is empty.
func (l *List[T]) Pop(ctx context.Context) (T, error) { return call0[T](ctx, l.object, &listPop) }

// PopAt removes the element at the index and returns it.
func (l *List[T]) PopAt(ctx context.Context, index int) (T, error) {
	return call1[T](ctx, l.object, &listPop, index)
}

// Remove removes the first element that is equal to the value. ErrValue if there
// is none.
func (l *List[T]) Remove(ctx context.Context, value T) error {
	return exec1(ctx, l.object, &listRemove, value)
}

// Index returns the index of the first element that is equal to the value.
// ErrValue if there is none.
func (l *List[T]) Index(ctx context.Context, value T) (int, error) {
	return call1[int](ctx, l.object, &listIndex, value)
}

// IndexIn is Index among the elements from start on and before stop.
func (l *List[T]) IndexIn(ctx context.Context, value T, start, stop int) (int, error) {
	return call3[int](ctx, l.object, &listIndex, value, start, stop)
}

// Count returns how many elements are equal to the value.
func (l *List[T]) Count(ctx context.Context, value T) (int, error) {
	return call1[int](ctx, l.object, &listCount, value)
}

// Contains reports whether an element is equal to the value.
func (l *List[T]) Contains(ctx context.Context, value T) (bool, error) {
	return call1[bool](ctx, l.object, &listContains, value)
}

// Reverse turns the order around.
func (l *List[T]) Reverse(ctx context.Context) error { return exec0(ctx, l.object, &listReverse) }

// Sort sorts as Python compares; what is equal keeps its order. ErrType if two
// elements cannot be compared: nothing has changed then.
func (l *List[T]) Sort(ctx context.Context) error { return exec0(ctx, l.object, &listSort) }

// SortReverse sorts in descending order; what is equal keeps its order.
func (l *List[T]) SortReverse(ctx context.Context) error {
	return exec1(ctx, l.object, &listSort, true)
}

// Concat returns the elements followed by the values: Python's list + values.
func (l *List[T]) Concat(ctx context.Context, values ...T) ([]T, error) {
	c := l.begin(ctx, &listConcat, 1)
	argSlice(c, values)
	return client.Invoke[[]T](ctx, c)
}

// Repeat returns the elements n times over: Python's list * n.
func (l *List[T]) Repeat(ctx context.Context, n int) ([]T, error) {
	return call1[[]T](ctx, l.object, &listRepeat, n)
}

// RepeatInPlace makes the list n times as long: Python's list *= n.
func (l *List[T]) RepeatInPlace(ctx context.Context, n int) error {
	return exec1(ctx, l.object, &listImul, n)
}

// Len returns the number of elements.
func (l *List[T]) Len(ctx context.Context) (int, error) { return call0[int](ctx, l.object, &listLen) }

// Clear removes all elements.
func (l *List[T]) Clear(ctx context.Context) error { return exec0(ctx, l.object, &listClear) }

// Copy returns the elements. It is one message, as large as what it returns;
// All needs none such.
func (l *List[T]) Copy(ctx context.Context) ([]T, error) { return call0[[]T](ctx, l.object, &listCopy) }

// All iterates over indexes and elements, page by page. Elements that others
// insert or remove meanwhile move the rest, as in a loop of Python's; Scan
// can make that an error. The function says, after the loop, how it ended.
func (l *List[T]) All(ctx context.Context) (iter.Seq2[int, T], func() error) {
	return l.Scan(ctx, ScanOptions{})
}

// Scan is All with options.
func (l *List[T]) Scan(ctx context.Context, options ScanOptions) (iter.Seq2[int, T], func() error) {
	s := newScan(options)
	return func(yield func(int, T) bool) {
		s.err = nil
		s.pages(func(after, version uint64, first bool) (uint64, uint64, bool, error) {
			c := l.begin(ctx, &listPage, 3)
			s.args(c, after)
			s.version(c, version, first)
			p, err := client.Invoke[scanPage[[]T]](ctx, c)
			if err != nil {
				return 0, 0, false, err
			}
			for i, v := range p.Rows {
				if !yield(int(after)+i, v) {
					return 0, 0, false, nil
				}
			}
			return p.Next, p.Version, p.Next != 0, nil
		})
	}, s.end
}
