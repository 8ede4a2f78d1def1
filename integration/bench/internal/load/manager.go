package load

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/integration/bench/internal/serve"
	"github.com/syncmanager/syncmanager/proxy"
)

// The names of the shared objects.
const (
	dictName  = "bench:dict"
	queueName = "bench:queue"
)

// manager is our own client: one Manager shared by all callers, or as many as a
// request asks for.
type manager struct {
	// Fixed at creation.
	addr   string
	config proxy.Config

	mu       sync.Mutex // guards what follows
	sessions []*proxy.Manager
	prepared map[string]bool // named dicts that are filled
	parked   *parked         // callers that wait, between requests
	idle     []*proxy.Manager
	objects  int // that the server had before OpCreate
}

func connectManager(ctx context.Context, s Spec) (Driver, error) {
	scheme, ok := map[string]string{"tcp": "tcp+plain", "tls": "tcp", "unix": "unix"}[s.Network]
	if !ok {
		return nil, fmt.Errorf("no transport %q", s.Network)
	}
	key, err := auth.FromBytes([]byte(s.Key))
	if err != nil {
		return nil, err
	}
	d := &manager{
		addr: scheme + "://" + s.Addr, config: proxy.Config{AuthKey: key, Program: "bench"},
		prepared: make(map[string]bool),
	}
	if _, err := d.session(ctx, 0); err != nil {
		return nil, err
	}
	return d, nil
}

// session returns session number i, connected when first asked for.
func (d *manager) session(ctx context.Context, i int) (*proxy.Manager, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.sessions) <= i {
		m, err := proxy.Connect(ctx, d.addr, d.config)
		if err != nil {
			return nil, fmt.Errorf("session %d: %w", len(d.sessions)+1, err)
		}
		d.sessions = append(d.sessions, m)
	}
	return d.sessions[i], nil
}

// Prepare fills the dict that r works on, once.
func (d *manager) Prepare(ctx context.Context, r Request) error {
	switch r.Op {
	case OpGet, OpSet, OpGetMany, OpSetMany, OpValueGet, OpValueSet:
	case OpCreate:
		m, err := d.session(ctx, 0)
		if err != nil {
			return err
		}
		n, err := count(ctx, m, "objects")
		d.mu.Lock()
		d.objects = n
		d.mu.Unlock()
		return err
	default:
		return nil
	}
	if _, err := d.session(ctx, max(r.Clients, 1)-1); err != nil {
		return err
	}
	name := d.dictOf(r)
	d.mu.Lock()
	done := d.prepared[name]
	d.prepared[name] = true
	d.mu.Unlock()
	if done {
		return nil
	}
	if r.Op == OpValueGet || r.Op == OpValueSet {
		return fill(ctx, d, name, r, pattern(r.Size))
	}
	return fill(ctx, d, name, r, value(r.Size))
}

// Settle waits after OpCreate until the server has no more objects than before:
// releases travel in batches behind the calls.
func (d *manager) Settle(ctx context.Context, r Request) error {
	if r.Op != OpCreate {
		return nil
	}
	m, err := d.session(ctx, 0)
	if err != nil {
		return err
	}
	d.mu.Lock()
	before := d.objects
	d.mu.Unlock()
	if err := until(ctx, func() (bool, error) {
		n, err := count(ctx, m, "objects")
		return n <= before, err
	}); err != nil {
		return fmt.Errorf("objects are left: %w", err)
	}
	return nil
}

// dictOf names the dict of r: dicts of different sizes are different ones.
func (d *manager) dictOf(r Request) string {
	if r.Name != "" {
		return r.Name
	}
	if r.Op == OpValueGet || r.Op == OpValueSet {
		return fmt.Sprintf("%s:%d of %d bytes", dictName, r.Keys, r.Size)
	}
	if r.Size > valuesApart {
		return fmt.Sprintf("%s:%d of %d", dictName, r.Keys, r.Size)
	}
	return fmt.Sprintf("%s:%d", dictName, r.Keys)
}

// valuesApart is the size from which on values of each size have a dict of their own.
const valuesApart = 16

// fill sets Keys entries of the named dict.
func fill[V string | []byte](ctx context.Context, d *manager, name string, r Request, v V) error {
	m, err := d.session(ctx, 0)
	if err != nil {
		return err
	}
	dict, err := proxy.OpenDict[string, V](ctx, m, name)
	if err != nil {
		return err
	}
	defer dict.Drop()
	batch := max(1, min(fillBatch, fillBytes/len(v)))
	for at := 0; at < r.Keys; {
		pairs := make(map[string]V, batch)
		for end := min(at+batch, r.Keys); at < end; at++ {
			pairs[key(at)] = v
		}
		if err := dict.Update(ctx, pairs); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
	}
	n, err := dict.Len(ctx)
	if err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	if n != r.Keys {
		return fmt.Errorf("the dict %s has %d entries, want %d", name, n, r.Keys)
	}
	return nil
}

func (d *manager) Op(ctx context.Context, r Request, i int) (Op, error) {
	m, err := d.session(ctx, i%max(r.Clients, 1))
	if err != nil {
		return nil, err
	}
	switch r.Op {
	case OpCount:
		return countOp(ctx, m, r, i)
	case OpValueGet, OpValueSet:
		return valueOp(ctx, m, d.dictOf(r), r, i)
	case OpGet, OpSet, OpGetMany, OpSetMany:
		dict, err := proxy.OpenDict[string, string](ctx, m, d.dictOf(r))
		if err != nil {
			return nil, err
		}
		return dictOp(ctx, dict, r, i), nil
	case OpQueue:
		return queueOp(ctx, m, r)
	case OpLock:
		return lockOp(ctx, m, i)
	case OpCreate:
		return func() error {
			made, err := proxy.NewDict[string, string](ctx, m)
			if err != nil {
				return err
			}
			made.Drop()
			return nil
		}, nil
	case OpAdd:
		return addOp(ctx, m)
	case OpCopy:
		return bulkOp(ctx, m, r)
	}
	return nil, &UnknownOpError{"syncmanager", r.Op}
}

// dictOp reads or writes entries of a dict.
func dictOp(ctx context.Context, dict *proxy.Dict[string, string], r Request, i int) Op {
	names, v, w := r.names, value(r.Size), newWalk(i)
	switch r.Op {
	case OpSet:
		return func() error { return dict.Set(ctx, names[w.next(len(names))], v) }
	case OpGetMany:
		return func() error {
			got, err := dict.GetMany(ctx, w.pick(names, r.Batch)...)
			if err != nil {
				return err
			}
			return many(len(got), r.Batch)
		}
	case OpSetMany:
		return func() error {
			pairs := make(map[string]string, r.Batch)
			for _, k := range w.pick(names, r.Batch) {
				pairs[k] = v
			}
			_, err := dict.SetMany(ctx, pairs)
			return err
		}
	}
	return func() error {
		got, err := dict.Get(ctx, names[w.next(len(names))])
		if err != nil {
			return err
		}
		return sized(got, len(v))
	}
}

// valueOp reads or writes values as bytes.
func valueOp(ctx context.Context, m *proxy.Manager, name string, r Request, i int) (Op, error) {
	dict, err := proxy.OpenDict[string, []byte](ctx, m, name)
	if err != nil {
		return nil, err
	}
	names, v, w := r.names, pattern(r.Size), newWalk(i)
	if r.Op == OpValueSet {
		return func() error { return dict.Set(ctx, names[w.next(len(names))], v) }, nil
	}
	return func() error {
		got, err := dict.Get(ctx, names[w.next(len(names))])
		if err != nil {
			return err
		}
		return many(len(got), len(v))
	}, nil
}

// countOp adds to counters.
func countOp(ctx context.Context, m *proxy.Manager, r Request, i int) (Op, error) {
	dict, err := proxy.OpenDict[string, int](ctx, m, "bench:counters")
	if err != nil {
		return nil, err
	}
	names, w := r.names, newWalk(i)
	return func() error {
		_, err := dict.AddDefault(ctx, names[w.next(len(names))], 1, 0)
		return err
	}, nil
}

func queueOp(ctx context.Context, m *proxy.Manager, r Request) (Op, error) {
	queue, err := proxy.OpenQueue[string](ctx, m, queueName, 0)
	if err != nil {
		return nil, err
	}
	v := value(r.Size)
	return func() error {
		if err := queue.Put(ctx, v); err != nil {
			return err
		}
		got, err := queue.Get(ctx)
		if err != nil {
			return err
		}
		return sized(got, len(v))
	}, nil
}

func lockOp(ctx context.Context, m *proxy.Manager, i int) (Op, error) {
	lock, err := proxy.OpenLock(ctx, m, fmt.Sprintf("bench:lock:%d", i))
	if err != nil {
		return nil, err
	}
	return func() error {
		hold, err := lock.Acquire(ctx)
		if err != nil {
			return fmt.Errorf("acquire: %w", err)
		}
		if err := hold.Release(ctx); err != nil {
			return fmt.Errorf("release: %w", err)
		}
		return nil
	}, nil
}

func addOp(ctx context.Context, m *proxy.Manager) (Op, error) {
	adder, err := m.Create(ctx, serve.AdderType)
	if err != nil {
		return nil, err
	}
	return func() error {
		sum, err := proxy.Call[int](ctx, adder, "Add", 4, 3)
		if err != nil {
			return err
		}
		if sum != 7 {
			return fmt.Errorf("4 + 3 gave %d", sum)
		}
		return nil
	}, nil
}

// bulkOp stores one large value and reads it back.
func bulkOp(ctx context.Context, m *proxy.Manager, r Request) (Op, error) {
	dict, err := proxy.NewDict[string, []byte](ctx, m)
	if err != nil {
		return nil, err
	}
	data := pattern(r.Size)
	return func() error {
		if err := dict.Set(ctx, "bulk", data); err != nil {
			return err
		}
		got, err := dict.Get(ctx, "bulk")
		if err != nil {
			return err
		}
		return samePattern(got, data)
	}, nil
}

func (d *manager) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all error
	for _, m := range append(d.sessions, d.idle...) {
		all = errors.Join(all, m.Close())
	}
	return all
}
