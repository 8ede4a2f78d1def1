package engine

// List is a doubly linked list of values that carry their links themselves, so
// that nothing is allocated to enter one, and a value may be in several lists.
// The zero value is an empty list.
type List[T any] struct {
	head, tail *Link[T]
	n          int
}

// Link is a value's place in a List. The zero value is in none.
type Link[T any] struct {
	of         *T
	list       *List[T]
	prev, next *Link[T]
}

// Len returns how many values there are.
func (l *List[T]) Len() int { return l.n }

// First returns the first value, or nil.
func (l *List[T]) First() *T { return l.head.value() }

// Last returns the last value, or nil.
func (l *List[T]) Last() *T { return l.tail.value() }

// Push enters a value at the end, by a link that is in no list.
func (l *List[T]) Push(x *Link[T], of *T) { l.insert(x, of, l.tail) }

// insert enters a value behind another one, or before all if after is nil.
func (l *List[T]) insert(x *Link[T], of *T, after *Link[T]) {
	x.of, x.list, x.prev = of, l, after
	if after == nil {
		x.next, l.head = l.head, x
	} else {
		x.next, after.next = after.next, x
	}
	if x.next == nil {
		l.tail = x
	} else {
		x.next.prev = x
	}
	l.n++
}

func (x *Link[T]) value() *T {
	if x == nil {
		return nil
	}
	return x.of
}

// Next returns the value behind this one, or nil.
func (x *Link[T]) Next() *T { return x.next.value() }

// In reports whether the value is in a list by this link.
func (x *Link[T]) In() bool { return x.list != nil }

// Remove takes the value out of the list that it is in by this link, if it is in
// one.
func (x *Link[T]) Remove() {
	l := x.list
	if l == nil {
		return
	}
	if x.prev == nil {
		l.head = x.next
	} else {
		x.prev.next = x.next
	}
	if x.next == nil {
		l.tail = x.prev
	} else {
		x.next.prev = x.prev
	}
	l.n--
	x.list, x.prev, x.next = nil, nil, nil
}
