package engine

import "github.com/syncmanager/syncmanager/internal/wire"

// collect destroys the objects that no session, name or call reaches: cycles
// of containers. It looks only at objects that hold references: without one an
// object is in no cycle, and goes with the last that holds it.
//
// What is in a lost cycle is pinned by values alone. If nothing is, nothing is lost,
// and no container is walked over. While a reply is made outside, it may refer to what
// is lost otherwise: the next time will do.
func (e *Engine) collect() {
	alone := false
	for o := e.refer.First(); o != nil; o = o.inRefs.Next() {
		o.marked, o.inside = false, 0
		alone = alone || o.pins == o.kept
	}
	if !alone || e.computing.Len() > 0 {
		return
	}
	for o := e.refer.First(); o != nil; o = o.inRefs.Next() {
		if !e.eachTarget(o, func(t *Object) { t.inside++ }) {
			return
		}
	}
	var queue []*Object
	for o := e.refer.First(); o != nil; o = o.inRefs.Next() {
		// What a damaged object refers to is not counted, so it stays.
		if o.pins > o.inside {
			o.marked = true
			queue = append(queue, o)
		}
	}
	for len(queue) > 0 {
		o := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		ok := e.eachTarget(o, func(t *Object) {
			if !t.marked {
				t.marked = true
				queue = append(queue, t)
			}
		})
		if !ok {
			return
		}
	}
	var lost []*Object
	for o := e.refer.First(); o != nil; o = o.inRefs.Next() {
		if !o.marked {
			lost = append(lost, o)
		}
	}
	// Each of the lost is pinned by the others alone: let go of all that they
	// contain, and none is pinned any more.
	for _, o := range lost {
		if e.objects[o.ID] == o {
			e.destroy(o)
		}
	}
}

// eachTarget calls fn for each reference in o's values to an object that holds
// references itself. It reports false when that has just damaged o.
func (e *Engine) eachTarget(o *Object, fn func(t *Object)) bool {
	if o.poisoned || o.State == nil {
		return true
	}
	e.safely(o, "Each", func() {
		o.State.Each(func(raw wire.Raw) bool {
			_ = wire.ForEachRefView(raw.Bytes(), func(r wire.RefView) error {
				if t := e.objects[r.ID]; t != nil && t.HasRefs() {
					fn(t)
				}
				return nil
			})
			return true
		})
	})
	return !o.poisoned
}
