package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/syncmanager/syncmanager/proxy"
)

// page is one page of a container: an iteration by cursor, which costs the
// server no more than the page.
type page struct {
	Next    uint64 // the cursor of the next page, 0 at the end
	Version uint64
	Rows    []value
}

const pageRows = 1000

// page reads one page with the container's method for that.
func (a *app) page(ctx context.Context, ref *proxy.Ref, method string, after uint64, limit int) (page, error) {
	ctx, cancel := a.within(ctx)
	defer cancel()
	return proxy.Call[page](ctx, ref, method, after, limit)
}

// eachPage calls f for one page after the other.
func (a *app) eachPage(ctx context.Context, ref *proxy.Ref, method string, f func(after uint64, rows []value) error) error {
	for after := uint64(0); ; {
		p, err := a.page(ctx, ref, method, after, pageRows)
		if err != nil {
			return err
		}
		if err := f(after, p.Rows); err != nil {
			return err
		}
		if after = p.Next; after == 0 {
			return nil
		}
	}
}

// findTyped returns the object of a name or token, which must be of one of the
// typeids.
func (a *app) findTyped(ctx context.Context, m *proxy.Manager, name string, typeids ...string) (*proxy.Ref, error) {
	bounded, cancel := a.within(ctx)
	defer cancel()
	ref, err := a.find(bounded, m, name)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(typeids, ref.TypeID()) {
		return nil, &failure{
			err:  fmt.Errorf("%q is a %s, not a %s", name, ref.TypeID(), strings.Join(typeids, " or ")),
			code: "type", hint: "mgrctl call " + name + " lists its methods",
		}
	}
	return ref, nil
}
