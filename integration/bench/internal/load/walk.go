package load

import (
	"context"
	"fmt"
	"time"

	"github.com/syncmanager/syncmanager/proxy"
)

// The ways to walk a large object.
const (
	WalkItems = "items" // all entries of a dict of Keys entries to the client
	WalkCopy  = "copy"  // the same as a map
	WalkSort  = "sort"  // sort a list of Keys items, forwards and backwards by turns
)

// The named objects that are walked.
const (
	largeDict = "bench:large"
	largeList = "bench:large list"
)

// LargeDict is the name of the dict that OpWalk walks, for OpFill.
const LargeDict = largeDict

// walkLarge walks a large object until r.Millis are over, at least once.
func (d *manager) walkLarge(ctx context.Context, r Request) (Sample, error) {
	m, err := d.session(ctx, 0)
	if err != nil {
		return nil, err
	}
	step, err := walkStep(ctx, m, r)
	if err != nil {
		return nil, err
	}
	walks := 0
	began := time.Now()
	for walks == 0 || time.Since(began) < time.Duration(r.Millis)*time.Millisecond {
		if err := step(); err != nil {
			return nil, err
		}
		walks++
	}
	return Sample{"walks": float64(walks), "seconds": time.Since(began).Seconds() / float64(walks)}, nil
}

func walkStep(ctx context.Context, m *proxy.Manager, r Request) (Op, error) {
	if r.Name == WalkSort {
		list, err := proxy.OpenList[string](ctx, m, largeList)
		if err != nil {
			return nil, err
		}
		if err := extend(ctx, list, r.Keys); err != nil {
			return nil, err
		}
		backwards := false
		return func() error {
			backwards = !backwards
			if backwards {
				return list.SortReverse(ctx)
			}
			return list.Sort(ctx)
		}, nil
	}
	dict, err := proxy.OpenDict[string, string](ctx, m, largeDict)
	if err != nil {
		return nil, err
	}
	switch r.Name {
	case WalkItems:
		return func() error {
			items, err := dict.Items(ctx)
			if err != nil {
				return err
			}
			return many(len(items), r.Keys)
		}, nil
	case WalkCopy:
		return func() error {
			copied, err := dict.Copy(ctx)
			if err != nil {
				return err
			}
			return many(len(copied), r.Keys)
		}, nil
	}
	return nil, fmt.Errorf("no way %q to walk", r.Name)
}

// extend makes the list n items long, in an order that is not sorted.
func extend(ctx context.Context, list *proxy.List[string], n int) error {
	have, err := list.Len(ctx)
	if err != nil {
		return err
	}
	for have < n {
		batch := make([]string, 0, fillBatch)
		for ; have < n && len(batch) < fillBatch; have++ {
			// Multiplying by a number without common factors scatters them.
			batch = append(batch, key(have*7919%n))
		}
		if err := list.Extend(ctx, batch...); err != nil {
			return fmt.Errorf("extend: %w", err)
		}
	}
	return nil
}
