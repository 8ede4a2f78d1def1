package proxy

import (
	"context"
	"iter"

	"github.com/syncmanager/syncmanager/internal/client"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// Dict is a proxy of a shared dict. Keys are equal as in Python: 1, 1.0 and
// true are one key. It keeps the order of insertion. All methods are atomic and
// safe for concurrent use.
//
// K may be any type that encodes to something hashable: strings, numbers,
// bools, times and arrays, which are tuples there ([2]int). A struct is a dict or,
// with as_array, a list, and cannot be a key (ErrUnserializable).
//
// V may be any type, also one with proxies inside: Dict[string, *List[int]].
type Dict[K comparable, V any] struct{ base[dictKind] }

// Entry is one pair of a Dict.
type Entry[K, V any] struct {
	Key   K
	Value V
}

// NewDict makes a dict without a name, with the pairs of the maps if any are
// given.
func NewDict[K comparable, V any](ctx context.Context, m *Manager, init ...map[K]V) (*Dict[K, V], error) {
	d, err := create[Dict[K, V]](ctx, m)
	if err != nil {
		return nil, err
	}
	for _, pairs := range init {
		if len(pairs) == 0 {
			continue
		}
		if err := d.Update(ctx, pairs); err != nil {
			d.Drop()
			return nil, err
		}
	}
	return d, nil
}

// OpenDict opens the dict of that name, and makes an empty one if there is
// none.
func OpenDict[K comparable, V any](ctx context.Context, m *Manager, name string) (*Dict[K, V], error) {
	return open[Dict[K, V]](ctx, m, name)
}

// key begins a call with n arguments of which the first is the key.
func (d *Dict[K, V]) key(ctx context.Context, m *client.Method, n int, k K) *client.Call {
	c := d.begin(ctx, m, n)
	client.ArgKey(c, k)
	return c
}

// pairs begins a call whose argument is a dict.
func (d *Dict[K, V]) pairs(ctx context.Context, m *client.Method, pairs map[K]V) *client.Call {
	c := d.begin(ctx, m, 1)
	c.ArgMap(len(pairs))
	for _, k := range inOrder(pairs) {
		client.ArgKey(c, k)
		client.Arg(c, pairs[k])
	}
	return c
}

// keys begins a call whose argument is a list of keys.
func (d *Dict[K, V]) keys(ctx context.Context, m *client.Method, keys []K) *client.Call {
	c := d.begin(ctx, m, 1)
	c.ArgList(len(keys))
	for _, k := range keys {
		client.ArgKey(c, k)
	}
	return c
}

// Get returns the key's value, or ErrKey.
func (d *Dict[K, V]) Get(ctx context.Context, key K) (V, error) {
	return client.Invoke[V](ctx, d.key(ctx, &dictGetitem, 1, key))
}

// GetDefault returns the key's value, or def if there is no such key.
func (d *Dict[K, V]) GetDefault(ctx context.Context, key K, def V) (V, error) {
	c := d.key(ctx, &dictGet, 2, key)
	client.Arg(c, def)
	return client.Invoke[V](ctx, c)
}

// Set sets the key's value.
func (d *Dict[K, V]) Set(ctx context.Context, key K, value V) error {
	c := d.key(ctx, &dictSet, 2, key)
	client.Arg(c, value)
	return client.Exec(ctx, c)
}

// Delete removes the key, or returns ErrKey.
func (d *Dict[K, V]) Delete(ctx context.Context, key K) error {
	return client.Exec(ctx, d.key(ctx, &dictDelete, 1, key))
}

// Contains reports whether there is the key.
func (d *Dict[K, V]) Contains(ctx context.Context, key K) (bool, error) {
	return client.Invoke[bool](ctx, d.key(ctx, &dictContains, 1, key))
}

// Len returns the number of keys.
func (d *Dict[K, V]) Len(ctx context.Context) (int, error) {
	return call0[int](ctx, d.object, &dictLen)
}

// Keys returns the keys, in the order of their insertion. Like Values, Items
// and Copy it is one message, as large as what it returns; All needs none such.
func (d *Dict[K, V]) Keys(ctx context.Context) ([]K, error) {
	return call0[[]K](ctx, d.object, &dictKeys)
}

// Values returns the values, in the order of their keys' insertion.
func (d *Dict[K, V]) Values(ctx context.Context) ([]V, error) {
	return call0[[]V](ctx, d.object, &dictValues)
}

// Items returns the pairs, in the order of insertion.
func (d *Dict[K, V]) Items(ctx context.Context) ([]Entry[K, V], error) {
	return call0[[]Entry[K, V]](ctx, d.object, &dictItems)
}

// Copy returns the pairs as a map.
func (d *Dict[K, V]) Copy(ctx context.Context) (map[K]V, error) {
	return call0[map[K]V](ctx, d.object, &dictCopy)
}

// Pop removes the key and returns its value, or ErrKey.
func (d *Dict[K, V]) Pop(ctx context.Context, key K) (V, error) {
	return client.Invoke[V](ctx, d.key(ctx, &dictPop, 1, key))
}

// PopDefault removes the key and returns its value, or def if there is no such
// key.
func (d *Dict[K, V]) PopDefault(ctx context.Context, key K, def V) (V, error) {
	c := d.key(ctx, &dictPop, 2, key)
	client.Arg(c, def)
	return client.Invoke[V](ctx, c)
}

// PopItem removes the pair that was inserted last and returns it. ErrKey if the
// dict is empty.
func (d *Dict[K, V]) PopItem(ctx context.Context) (K, V, error) {
	e, err := call0[Entry[K, V]](ctx, d.object, &dictPopitem)
	return e.Key, e.Value, err
}

// SetDefault returns the key's value, after it has set it to def if there was
// no such key.
func (d *Dict[K, V]) SetDefault(ctx context.Context, key K, def V) (V, error) {
	c := d.key(ctx, &dictSetdefault, 2, key)
	client.Arg(c, def)
	return client.Invoke[V](ctx, c)
}

// Update sets all pairs at once. Keys that are new are inserted in their order,
// if they have one: strings, numbers, bools and times.
func (d *Dict[K, V]) Update(ctx context.Context, pairs map[K]V) error {
	return client.Exec(ctx, d.pairs(ctx, &dictUpdate, pairs))
}

// Clear removes all keys.
func (d *Dict[K, V]) Clear(ctx context.Context) error { return exec0(ctx, d.object, &dictClear) }

// Merge returns what the dict would be after Update, which is not done: Python's
// d | pairs.
func (d *Dict[K, V]) Merge(ctx context.Context, pairs map[K]V) (map[K]V, error) {
	return client.Invoke[map[K]V](ctx, d.pairs(ctx, &dictMerge, pairs))
}

// Add adds delta to the key's value in one step, as += does in Python, and
// returns the sum. A key that is not there gets delta itself. ErrType if the two
// cannot be added.
func (d *Dict[K, V]) Add(ctx context.Context, key K, delta V) (V, error) {
	c := d.key(ctx, &dictAdd, 2, key)
	client.Arg(c, delta)
	return client.Invoke[V](ctx, c)
}

// AddDefault is Add that begins with def if there is no such key.
func (d *Dict[K, V]) AddDefault(ctx context.Context, key K, delta, def V) (V, error) {
	c := d.key(ctx, &dictAdd, 3, key)
	client.Arg(c, delta)
	client.Arg(c, def)
	return client.Invoke[V](ctx, c)
}

// Swap sets the key's value and returns the one before, or ErrKey if there is
// no such key.
func (d *Dict[K, V]) Swap(ctx context.Context, key K, value V) (V, error) {
	c := d.key(ctx, &dictSwap, 2, key)
	client.Arg(c, value)
	return client.Invoke[V](ctx, c)
}

// CompareAndSwap sets the key's value if it is equal to old, and reports whether
// it did.
func (d *Dict[K, V]) CompareAndSwap(ctx context.Context, key K, old, new V) (bool, error) {
	c := d.key(ctx, &dictCompareAndSwap, 3, key)
	client.Arg(c, old)
	client.Arg(c, new)
	return client.Invoke[bool](ctx, c)
}

// SetIfAbsent sets the key's value if there is no such key, and reports whether
// it did.
func (d *Dict[K, V]) SetIfAbsent(ctx context.Context, key K, value V) (bool, error) {
	c := d.key(ctx, &dictCompareAndSwap, 4, key)
	c.ArgNil()
	client.Arg(c, value)
	client.Arg(c, true)
	return client.Invoke[bool](ctx, c)
}

// CompareAndDelete removes the key if its value is equal to old, and reports
// whether it did.
func (d *Dict[K, V]) CompareAndDelete(ctx context.Context, key K, old V) (bool, error) {
	c := d.key(ctx, &dictCompareAndDelete, 2, key)
	client.Arg(c, old)
	return client.Invoke[bool](ctx, c)
}

// GetMany returns the pairs of those of the keys that are there.
func (d *Dict[K, V]) GetMany(ctx context.Context, keys ...K) (map[K]V, error) {
	rows, err := client.Invoke[[]found[V]](ctx, d.keys(ctx, &dictGetMany, keys))
	if err != nil {
		return nil, err
	}
	m := make(map[K]V, len(rows))
	for i, r := range rows {
		if r.ok && i < len(keys) {
			m[keys[i]] = r.value
		}
	}
	return m, nil
}

// found is a value, or that there is none: [True, value] or [False, None].
type found[V any] struct {
	ok    bool
	value V
}

// UnmarshalWire decodes it.
func (f *found[V]) UnmarshalWire(v []byte, ctx any) error {
	r, err := wire.NewReader(v)
	if err != nil {
		return err
	}
	if f.ok, err = r.Bool(); err != nil || !f.ok {
		return err
	}
	return wire.Unmarshal(r.Next(), &f.value, ctx)
}

// SetMany sets all pairs at once, as Update does, and returns how many of the
// keys are new.
func (d *Dict[K, V]) SetMany(ctx context.Context, pairs map[K]V) (int, error) {
	return client.Invoke[int](ctx, d.pairs(ctx, &dictSetMany, pairs))
}

// DeleteMany removes those of the keys that are there, at once, and returns how
// many those were.
func (d *Dict[K, V]) DeleteMany(ctx context.Context, keys ...K) (int, error) {
	return client.Invoke[int](ctx, d.keys(ctx, &dictDeleteMany, keys))
}

// All iterates over the pairs in the order of their insertion, page by page,
// while others may change the dict: no key comes twice, and none that was there
// throughout is left out. The function says, after the loop, how it ended; it
// is nil if the loop was left early.
//
//	pairs, end := d.All(ctx)
//	for k, v := range pairs {
//		...
//	}
//	if err := end(); err != nil {
//		...
//	}
func (d *Dict[K, V]) All(ctx context.Context) (iter.Seq2[K, V], func() error) {
	return d.Scan(ctx, ScanOptions{})
}

// Scan is All with options.
func (d *Dict[K, V]) Scan(ctx context.Context, options ScanOptions) (iter.Seq2[K, V], func() error) {
	s := newScan(options)
	return func(yield func(K, V) bool) {
		s.err = nil
		s.pages(func(after, version uint64, first bool) (uint64, uint64, bool, error) {
			c := d.begin(ctx, &dictScan, 4)
			s.args(c, after)
			client.Arg(c, "items")
			s.version(c, version, first)
			p, err := client.Invoke[scanPage[pairRows[K, V]]](ctx, c)
			if err != nil {
				return 0, 0, false, err
			}
			for _, e := range p.Rows {
				if !yield(e.Key, e.Value) {
					return 0, 0, false, nil
				}
			}
			return p.Next, p.Version, p.Next != 0, nil
		})
	}, s.end
}
