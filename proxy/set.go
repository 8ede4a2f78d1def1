package proxy

import (
	"context"
	"iter"

	"github.com/syncmanager/syncmanager/internal/client"
)

// Set is a proxy of a shared set. Elements are equal as in Python: 1, 1.0 and
// true are one. All methods are atomic and safe for concurrent use.
type Set[T comparable] struct{ base[setKind] }

// Operand is the other side of an operation on sets: Of(...) or a *Set.
type Operand[T comparable] interface{ operand(c *client.Call) }

// Elements are values as an operand.
type Elements[T comparable] []T

// Of returns an operand of those values.
func Of[T comparable](values ...T) Elements[T] { return values }

func (e Elements[T]) operand(c *client.Call) {
	c.ArgList(len(e))
	for _, v := range e {
		client.ArgKey(c, v)
	}
}

func (s *Set[T]) operand(c *client.Call) { client.Arg(c, s.r) }

// NewSet makes a set without a name.
func NewSet[T comparable](ctx context.Context, m *Manager, init ...T) (*Set[T], error) {
	s, err := create[Set[T]](ctx, m)
	if err != nil || len(init) == 0 {
		return s, err
	}
	if err := s.Update(ctx, Of(init...)); err != nil {
		s.Drop()
		return nil, err
	}
	return s, nil
}

// OpenSet opens the set of that name, and makes an empty one if there is none.
func OpenSet[T comparable](ctx context.Context, m *Manager, name string) (*Set[T], error) {
	return open[Set[T]](ctx, m, name)
}

// element begins a call whose argument is an element.
func (s *Set[T]) element(ctx context.Context, m *client.Method, v T) *client.Call {
	c := s.begin(ctx, m, 1)
	client.ArgKey(c, v)
	return c
}

// with begins a call whose arguments are operands.
func (s *Set[T]) with(ctx context.Context, m *client.Method, others ...Operand[T]) *client.Call {
	c := s.begin(ctx, m, len(others))
	for _, o := range others {
		o.operand(c)
	}
	return c
}

// Add adds the element, and reports whether it is new.
func (s *Set[T]) Add(ctx context.Context, v T) (bool, error) {
	return client.Invoke[bool](ctx, s.element(ctx, &setAdd, v))
}

// Discard removes the element, and reports whether it was there.
func (s *Set[T]) Discard(ctx context.Context, v T) (bool, error) {
	return client.Invoke[bool](ctx, s.element(ctx, &setDiscard, v))
}

// Remove removes the element, or returns ErrKey.
func (s *Set[T]) Remove(ctx context.Context, v T) error {
	return client.Exec(ctx, s.element(ctx, &setRemove, v))
}

// Pop removes an element and returns it, or ErrKey if the set is empty.
func (s *Set[T]) Pop(ctx context.Context) (T, error) { return call0[T](ctx, s.object, &setPop) }

// Contains reports whether there is the element.
func (s *Set[T]) Contains(ctx context.Context, v T) (bool, error) {
	return client.Invoke[bool](ctx, s.element(ctx, &setContains, v))
}

// Len returns the number of elements.
func (s *Set[T]) Len(ctx context.Context) (int, error) { return call0[int](ctx, s.object, &setLen) }

// Union returns the elements that are in this set or in any of the others.
// Nothing is changed by it, nor by Intersection, Difference and
// SymmetricDifference.
func (s *Set[T]) Union(ctx context.Context, others ...Operand[T]) ([]T, error) {
	return client.Invoke[[]T](ctx, s.with(ctx, &setUnion, others...))
}

// Intersection returns the elements that are in this set and in all others.
func (s *Set[T]) Intersection(ctx context.Context, others ...Operand[T]) ([]T, error) {
	return client.Invoke[[]T](ctx, s.with(ctx, &setIntersection, others...))
}

// Difference returns the elements that are in this set and in none of the
// others.
func (s *Set[T]) Difference(ctx context.Context, others ...Operand[T]) ([]T, error) {
	return client.Invoke[[]T](ctx, s.with(ctx, &setDifference, others...))
}

// SymmetricDifference returns the elements that are in just one of the two.
func (s *Set[T]) SymmetricDifference(ctx context.Context, other Operand[T]) ([]T, error) {
	return client.Invoke[[]T](ctx, s.with(ctx, &setSymmetricDifference, other))
}

// Update adds all elements of the others, in one step.
func (s *Set[T]) Update(ctx context.Context, others ...Operand[T]) error {
	return client.Exec(ctx, s.with(ctx, &setUpdate, others...))
}

// IntersectionUpdate keeps the elements that are in all others.
func (s *Set[T]) IntersectionUpdate(ctx context.Context, others ...Operand[T]) error {
	return client.Exec(ctx, s.with(ctx, &setIntersectionUpdate, others...))
}

// DifferenceUpdate removes all elements of the others.
func (s *Set[T]) DifferenceUpdate(ctx context.Context, others ...Operand[T]) error {
	return client.Exec(ctx, s.with(ctx, &setDifferenceUpdate, others...))
}

// SymmetricDifferenceUpdate keeps the elements that are in just one of the two.
func (s *Set[T]) SymmetricDifferenceUpdate(ctx context.Context, other Operand[T]) error {
	return client.Exec(ctx, s.with(ctx, &setSymmetricDifferenceUpdate, other))
}

// IsSubset reports whether all elements are in the other.
func (s *Set[T]) IsSubset(ctx context.Context, other Operand[T]) (bool, error) {
	return client.Invoke[bool](ctx, s.with(ctx, &setIssubset, other))
}

// IsSuperset reports whether all elements of the other are in this set.
func (s *Set[T]) IsSuperset(ctx context.Context, other Operand[T]) (bool, error) {
	return client.Invoke[bool](ctx, s.with(ctx, &setIssuperset, other))
}

// IsDisjoint reports whether the two have no element in common.
func (s *Set[T]) IsDisjoint(ctx context.Context, other Operand[T]) (bool, error) {
	return client.Invoke[bool](ctx, s.with(ctx, &setIsdisjoint, other))
}

// Clear removes all elements.
func (s *Set[T]) Clear(ctx context.Context) error { return exec0(ctx, s.object, &setClear) }

// Copy returns the elements. It is one message, as large as what it returns; All
// needs none such.
func (s *Set[T]) Copy(ctx context.Context) ([]T, error) { return call0[[]T](ctx, s.object, &setCopy) }

// All iterates over the elements, page by page, while others may change the set:
// no element comes twice, and none that was there throughout is left out. The
// function says, after the loop, how it ended.
func (s *Set[T]) All(ctx context.Context) (iter.Seq[T], func() error) {
	return s.Scan(ctx, ScanOptions{})
}

// Scan is All with options.
func (s *Set[T]) Scan(ctx context.Context, options ScanOptions) (iter.Seq[T], func() error) {
	sc := newScan(options)
	return func(yield func(T) bool) {
		sc.err = nil
		sc.pages(func(after, version uint64, first bool) (uint64, uint64, bool, error) {
			c := s.begin(ctx, &setScan, 3)
			sc.args(c, after)
			sc.version(c, version, first)
			p, err := client.Invoke[scanPage[[]T]](ctx, c)
			if err != nil {
				return 0, 0, false, err
			}
			for _, v := range p.Rows {
				if !yield(v) {
					return 0, 0, false, nil
				}
			}
			return p.Next, p.Version, p.Next != 0, nil
		})
	}, sc.end
}
