package objects

import (
	"slices"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// table is what dicts, sets and namespaces are made of: entries in the order
// of insertion, found by key. Entries stand in chunks, so that a view or a
// copy is made in the time of a walk over the chunks' pointers, and no change
// moves more than one chunk. The zero table is empty.
type table struct {
	n       int
	bytes   int64  // of all keys and values
	seq     uint64 // the last one given
	version uint64 // counts the changes of the set of keys
	owner   *owner // nil: every part may be shared
	order   []*chunk
	byID    []*chunk // chunk 0 is none
	free    []uint32 // unused ids
	index   index    // without a directory while the table is small
	seen    []*chunk // what view gave, until something changes
	whole   *table   // what frozen gave, likewise
}

// entry is a key and its value.
type entry struct {
	key   wire.Raw // as it was first inserted; "" once it is deleted
	value wire.Raw
	seq   uint64 // its place in the order of insertion, and oddKey
}

// oddKey marks an entry whose key is not its own canonical form.
const oddKey = 1 << 63

func (e *entry) place() uint64 { return e.seq &^ oddKey }

// chunk is a run of entries in the order of insertion. Deleted ones keep their
// places until the chunk is compacted; the last one is never deleted.
type chunk struct {
	owner   *owner
	id      uint32
	live    int
	entries []entry
}

const (
	// chunkCap is how many entries a chunk holds: with 40 bytes each they fill
	// an allocation of 8 KiB.
	chunkCap = 204
	// noIndex is up to how many entries a table has no index.
	noIndex = 8
)

// lookup is a key to look for.
type lookup struct {
	key  []byte // canonical
	odd  bool
	hash uint32
}

// look prepares a key. buf is scratch.
func look(key, buf []byte) (lookup, error) {
	k, canonical, err := wire.AppendKey(buf, key)
	if err != nil {
		return lookup{}, wire.AsError(err)
	}
	return lookup{k, !canonical, hashOf(k)}, nil
}

func (e *entry) matches(key []byte) bool {
	if e.seq&oddKey == 0 {
		return string(e.key) == string(key)
	}
	if e.key == "" {
		return false
	}
	var buf [64]byte
	k, _, err := wire.AppendKey(buf[:0], e.key.Bytes())
	return err == nil && string(k) == string(key)
}

// hash returns the hash of the entry's key.
func (e *entry) hash() uint32 {
	var buf [64]byte
	k, _, _ := wire.AppendKey(buf[:0], e.key.Bytes())
	return hashOf(k)
}

// find returns the entry's ref, or 0.
func (t *table) find(l *lookup) uint32 {
	if t.index.dir == nil {
		for _, c := range t.order {
			for i := range c.entries {
				if c.entries[i].matches(l.key) {
					return ref(c, i)
				}
			}
		}
		return 0
	}
	s := t.index.segment(l.hash)
	mask := uint32(len(s.slots) - 1)
	for i := l.hash & mask; ; i = (i + 1) & mask {
		slot := s.slots[i]
		if slot == 0 {
			return 0
		}
		if uint32(slot>>32) == l.hash && t.at(uint32(slot)).matches(l.key) {
			return uint32(slot)
		}
	}
}

// A ref names an entry: the chunk's id and the place in it.
func ref(c *chunk, i int) uint32 { return c.id<<8 | uint32(i) }

// at returns the entry of a ref, for reading.
func (t *table) at(ref uint32) *entry { return &t.byID[ref>>8].entries[ref&0xff] }

// get returns the value of a key.
func (t *table) get(l *lookup) (wire.Raw, bool) {
	r := t.find(l)
	if r == 0 {
		return "", false
	}
	return t.at(r).value, true
}

// me returns the mark for parts that only this table has.
func (t *table) me() *owner {
	if t.owner == nil {
		t.owner, t.seen, t.whole = new(owner), nil, nil
	}
	return t.owner
}

// own returns the chunk for writing.
func (t *table) own(c *chunk) *chunk {
	me := t.me()
	if c.owner == me {
		return c
	}
	d := &chunk{owner: me, id: c.id, live: c.live, entries: make([]entry, len(c.entries), cap(c.entries))}
	copy(d.entries, c.entries)
	t.byID[c.id] = d
	t.order[t.orderOf(c)] = d
	return d
}

// orderOf returns the chunk's index in order.
func (t *table) orderOf(c *chunk) int {
	return t.search(c.entries[0].place())
}

// search returns the index of the chunk in which the place lies or, if there
// is none, of the next one.
func (t *table) search(place uint64) int {
	at, _ := slices.BinarySearchFunc(t.order, place, func(c *chunk, place uint64) int {
		if c.entries[len(c.entries)-1].place() < place {
			return -1
		}
		if c.entries[0].place() > place {
			return 1
		}
		return 0
	})
	return at
}

// replace gives the entry another value and returns the old one.
func (t *table) replace(ref uint32, value wire.Raw) wire.Raw {
	e := &t.own(t.byID[ref>>8]).entries[ref&0xff]
	old := e.value
	e.value = value
	t.bytes += int64(len(value)) - int64(len(old))
	return old
}

// insert adds an entry; find must have said that its key is not there.
func (t *table) insert(l *lookup, key, value wire.Raw) {
	c := t.room()
	t.seq++
	seq := t.seq
	if l.odd {
		seq |= oddKey
	}
	c.entries = append(c.entries, entry{key, value, seq})
	c.live++
	t.n++
	t.version++
	t.bytes += int64(len(key) + len(value))
	if t.index.dir != nil {
		t.index.add(l.hash, ref(c, len(c.entries)-1))
	} else if t.n > noIndex {
		t.buildIndex()
	}
}

func (t *table) buildIndex() {
	for _, c := range t.order {
		for i := range c.entries {
			if e := &c.entries[i]; e.key != "" {
				t.index.add(e.hash(), ref(c, i))
			}
		}
	}
}

// room returns the last chunk, for writing, with room for one more entry.
func (t *table) room() *chunk {
	size := 4
	if len(t.order) > 0 {
		c := t.own(t.order[len(t.order)-1])
		switch n := cap(c.entries); {
		case len(c.entries) < n:
			return c
		case c.live <= n/4*3:
			t.compact(c)
			return c
		case n < chunkCap:
			c.entries = append(make([]entry, 0, min(2*n, chunkCap)), c.entries...)
			return c
		}
		size = chunkCap
	}
	c := &chunk{owner: t.me(), entries: make([]entry, 0, size)}
	if k := len(t.free); k > 0 {
		c.id = t.free[k-1]
		t.free = t.free[:k-1]
		t.byID[c.id] = c
	} else {
		if len(t.byID) == 0 {
			t.byID = make([]*chunk, 1, 2)
		}
		c.id = uint32(len(t.byID))
		t.byID = append(t.byID, c)
	}
	t.order = append(t.order, c)
	return c
}

// compact closes the gaps in a chunk that is owned.
func (t *table) compact(c *chunk) {
	n := 0
	for i := range c.entries {
		e := c.entries[i]
		if e.key == "" {
			continue
		}
		if n != i {
			if t.index.dir != nil {
				t.index.move(e.hash(), ref(c, i), ref(c, n))
			}
			c.entries[n] = e
		}
		n++
	}
	clear(c.entries[n:])
	c.entries = c.entries[:n]
}

// remove deletes an entry and returns what it was.
func (t *table) remove(ref uint32) (key, value wire.Raw) {
	c := t.own(t.byID[ref>>8])
	e := &c.entries[ref&0xff]
	key, value = e.key, e.value
	if t.index.dir != nil {
		t.index.remove(e.hash(), ref)
	}
	t.n--
	t.version++
	t.bytes -= int64(len(key) + len(value))
	c.live--
	if t.n == 0 {
		t.reset()
		return key, value
	}
	if c.live == 0 {
		t.discard(c, t.orderOf(c))
		return key, value
	}
	e.key, e.value = "", ""
	end := len(c.entries)
	for c.entries[end-1].key == "" {
		end--
	}
	c.entries = c.entries[:end]
	if t.index.dir == nil {
		return key, value // then there is one chunk
	}
	switch c.live {
	case chunkCap / 2, chunkCap / 4, chunkCap / 8, chunkCap / 16, chunkCap / 32, chunkCap / 64:
		t.join(t.orderOf(c))
	}
	return key, value
}

// reset empties the table. The counters go on.
func (t *table) reset() {
	t.n, t.bytes = 0, 0
	t.order, t.byID, t.free, t.index = nil, nil, nil, index{}
	t.owner, t.seen, t.whole = nil, nil, nil
}

// clear deletes all entries.
func (t *table) clear() {
	if t.n > 0 {
		t.version++
	}
	t.reset()
}

// discard takes an empty chunk out.
func (t *table) discard(c *chunk, at int) {
	t.order = slices.Delete(t.order, at, at+1)
	t.byID[c.id] = nil
	t.free = append(t.free, c.id)
}

// join merges a chunk that has become sparse with a neighbour, if both fit
// into one with room to spare.
func (t *table) join(at int) {
	for _, left := range [2]int{at - 1, at} {
		if left < 0 || left+1 >= len(t.order) {
			continue
		}
		a, b := t.order[left], t.order[left+1]
		if a.live+b.live > chunkCap*3/4 {
			continue
		}
		a = t.own(a)
		t.compact(a)
		if cap(a.entries) < a.live+b.live {
			a.entries = append(make([]entry, 0, chunkCap), a.entries...)
		}
		for i := range b.entries {
			if e := &b.entries[i]; e.key != "" {
				a.entries = append(a.entries, *e)
				t.index.move(e.hash(), ref(b, i), ref(a, len(a.entries)-1))
			}
		}
		a.live += b.live
		t.discard(b, left+1)
		return
	}
}

// first and last return the oldest and the newest entry's ref, or 0.
func (t *table) first() uint32 {
	if t.n == 0 {
		return 0
	}
	c := t.order[0]
	for i := range c.entries {
		if c.entries[i].key != "" {
			return ref(c, i)
		}
	}
	return 0
}

func (t *table) last() uint32 {
	if t.n == 0 {
		return 0
	}
	c := t.order[len(t.order)-1]
	return ref(c, len(c.entries)-1)
}

// clone returns a copy that shares all parts until one of the two changes them.
func (t *table) clone() table {
	if t.owner != nil || t.index.owner != nil { // a frozen table is not written to
		t.owner, t.index.owner = nil, nil
	}
	c := *t
	c.seen, c.whole = nil, nil
	c.order = slices.Clone(t.order)
	c.byID = slices.Clone(t.byID)
	c.free = slices.Clone(t.free)
	c.index.dir = slices.Clone(t.index.dir)
	return c
}

// frozen returns a copy that nobody changes. It costs nothing while the table does
// not change either.
func (t *table) frozen() *table {
	if t.whole == nil {
		c := t.clone()
		t.whole = &c
	}
	return t.whole
}

// small reports whether the table is encoded under the lock.
func (t *table) small() bool { return t.n <= smallView && t.bytes <= smallBytes }

// view returns the entries as they are now, for reading outside the lock.
func (t *table) view() entries {
	if t.seen == nil {
		t.owner, t.seen = nil, slices.Clone(t.order)
	}
	return entries{t.n, t.bytes, t.seen}
}

// live returns the entries for reading before the table changes.
func (t *table) live() entries { return entries{t.n, t.bytes, t.order} }

// entries are entries in the order of insertion.
type entries struct {
	n     int
	bytes int64 // of all keys and values
	order []*chunk
}

// each calls yield with each entry until it returns false.
func (v entries) each(yield func(*entry) bool) {
	for _, c := range v.order {
		for i := range c.entries {
			if e := &c.entries[i]; e.key != "" && !yield(e) {
				return
			}
		}
	}
}

// paced yields the entries, until the pause says that it is enough.
func (v entries) paced(pause engine.Pause) func(yield func(*entry) bool) {
	return func(yield func(*entry) bool) {
		p := pacer{pause: pause}
		for e := range v.each {
			if p.over(len(e.key)+len(e.value)) || !yield(e) {
				return
			}
		}
	}
}

// after calls yield with each entry behind a place.
func (t *table) after(place uint64, yield func(*entry) bool) {
	for _, c := range t.order[t.search(place+1):] {
		for i := range c.entries {
			if e := &c.entries[i]; e.key != "" && e.place() > place && !yield(e) {
				return
			}
		}
	}
}
