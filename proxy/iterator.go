package proxy

import (
	"context"
	"errors"
	"iter"
)

// Iterator is a proxy of an iterator in the server, which a method of a custom
// type returned. All who have it share it: each value comes once.
type Iterator[T any] struct{ base[iteratorKind] }

// Next returns the next value, or ErrStop after the last.
func (i *Iterator[T]) Next(ctx context.Context) (T, error) {
	return call0[T](ctx, i.object, &iteratorNext)
}

// Close ends the iteration. Next returns ErrStop from then on.
func (i *Iterator[T]) Close(ctx context.Context) error { return exec0(ctx, i.object, &iteratorClose) }

// All iterates over the values that are left. The function says, after the loop,
// how it ended; it is nil after the last value.
func (i *Iterator[T]) All(ctx context.Context) (iter.Seq[T], func() error) {
	var err error
	return func(yield func(T) bool) {
		for {
			var v T
			if v, err = i.Next(ctx); err != nil {
				if errors.Is(err, ErrStop) {
					err = nil
				}
				return
			}
			if !yield(v) {
				return
			}
		}
	}, func() error { return err }
}
