package objects

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// listText is a list of numbers as Python prints it.
func listText(m []int) string {
	var b strings.Builder
	b.WriteByte('[')
	for i, v := range m {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Itoa(v))
	}
	b.WriteByte(']')
	return b.String()
}

// places returns the indices that a slice of Python covers of n elements, and
// where it begins and ends. nil is None.
func places(start, stop any, step, n int) (all []int, from, to int) {
	low, high := 0, n
	from, to = 0, n
	if step < 0 {
		low, high = -1, n-1
		from, to = n-1, -1
	}
	clamp := func(v any, otherwise int) int {
		i, ok := v.(int)
		if !ok {
			return otherwise
		}
		if i < 0 {
			i += n
		}
		return min(max(i, low), high)
	}
	from, to = clamp(start, from), clamp(stop, to)
	for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
		all = append(all, i)
	}
	return all, from, to
}

// at resolves an index of Python.
func at(i, n int) (int, bool) {
	if i < 0 {
		i += n
	}
	return i, i >= 0 && i < n
}

// listRun is a random history of a list and its model.
type listRun struct {
	*rand.Rand
	m      []int
	values int
}

// index returns an index that may be out of range.
func (h *listRun) index() int { return h.IntN(2*len(h.m)+5) - len(h.m) - 2 }

// bound returns a bound of a slice.
func (h *listRun) bound() any {
	if h.IntN(3) == 0 {
		return nil
	}
	return h.index()
}

// some returns up to n values, as the model and as the argument of a call.
func (h *listRun) some(n int) (list []int, arg []any) {
	arg = []any{}
	for range n {
		v := h.IntN(h.values)
		list, arg = append(list, v), append(arg, v)
	}
	return list, arg
}

// TestListModel compares a list that several sessions use with a model.
func TestListModel(t *testing.T) {
	for seed := range uint64(12) {
		w := newWorld(t, 3)
		h := &listRun{Rand: rand.New(rand.NewPCG(seed, 9))}
		h.values = 2 + h.IntN(30)
		l, steps := w.share("list"), 600
		if seed%4 == 0 {
			steps = 150
			var long []any
			h.m, long = h.some(5000) // is searched and sorted outside
			w.clients[0].want("None", l, "extend", long)
		}
		for range steps {
			c := w.clients[h.IntN(3)]
			before := c.serial
			h.change(c, l)
			c.again(h.Rand, before)
			w.clients[h.IntN(3)].want(listText(h.m), l, "copy")
			h.read(w.clients[h.IntN(3)], l)
			if len(h.m) > 6000 {
				c.want("None", l, "delslice", 100)
				h.m = h.m[:100]
			}
		}
		w.close()
	}
}

// TestListModelSlices checks the model's slices, which the history of lists
// leans on, against what Python 3.13 gives.
func TestListModelSlices(t *testing.T) {
	for _, c := range []struct {
		start, stop any
		step        int
		want        []int
	}{
		{nil, nil, 1, []int{0, 1, 2, 3, 4}}, {nil, nil, -2, []int{4, 2, 0}}, {-2, nil, 1, []int{3, 4}},
		{3, 1, 1, nil}, {3, 0, -1, []int{3, 2, 1}}, {9, -9, -3, []int{4, 1}}, {-9, 9, 3, []int{0, 3}},
	} {
		if got, _, _ := places(c.start, c.stop, c.step, 5); !slices.Equal(got, c.want) {
			t.Errorf("[%v:%v:%d] covers %v, want %v", c.start, c.stop, c.step, got, c.want)
		}
	}
}
