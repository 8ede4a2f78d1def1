package proxy

import (
	"context"
	"errors"
	"iter"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/syncmanager/syncmanager/internal/client"
)

// Iterator is a proxy of an iterator in the server, which a method of a custom
// type returned. All who have it share it: each value comes once.
type Iterator[T any] struct{ object }

const iteratorType = "Iterator"

// AttachIterator returns the iterator that the token names.
func AttachIterator[T any](ctx context.Context, m *Manager, token string) (*Iterator[T], error) {
	return attach[Iterator[T]](ctx, m, token)
}

func (i *Iterator[T]) from(r Ref) error { return i.adopt(r, iteratorType) }

// UnmarshalWire decodes a reference to an iterator.
func (i *Iterator[T]) UnmarshalWire(v []byte, ctx any) error { return i.decode(v, ctx, iteratorType) }

// DecodeMsgpack decodes a reference inside of a type that decodes itself.
func (i *Iterator[T]) DecodeMsgpack(dec *msgpack.Decoder) error { return client.DecodeMsgpack(dec, i) }

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
