package objects

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// change makes one call that changes the list, or is refused.
func (h *listRun) change(c *client, l wire.Ref) {
	n := len(h.m)
	v, i := h.IntN(h.values), h.index()
	k, inside := at(i, n)
	start, stop, step := h.bound(), h.bound(), h.IntN(3)+1
	if h.IntN(2) == 0 {
		step = -step
	}
	covered, from, to := places(start, stop, step, n)
	assign := func(method string, change func(), args ...any) {
		if inside {
			c.want("None", l, method, args...)
			change()
		} else {
			c.want("error index: list assignment index out of range", l, method, args...)
		}
	}
	switch h.IntN(15) {
	case 0, 1, 2:
		c.want("None", l, "append", v)
		h.m = append(h.m, v)
	case 3:
		c.want("None", l, "insert", i, v)
		h.m = slices.Insert(h.m, min(max(k, 0), n), v)
	case 4:
		assign("setitem", func() { h.m[k] = v }, i, v)
	case 5:
		assign("delitem", func() { h.m = slices.Delete(h.m, k, k+1) }, i)
	case 6:
		switch {
		case n == 0:
			c.want("error index: pop from empty list", l, "pop", i)
		case !inside:
			c.want("error index: pop index out of range", l, "pop", i)
		default:
			c.want(strconv.Itoa(h.m[k]), l, "pop", i)
			h.m = slices.Delete(h.m, k, k+1)
		}
	case 7:
		k := slices.Index(h.m, v)
		if k < 0 {
			c.want("error value: list.remove(x): x not in list", l, "remove", v)
			break
		}
		c.want("None", l, "remove", float64(v))
		h.m = slices.Delete(h.m, k, k+1)
	case 8:
		list, arg := h.some(h.IntN(4))
		c.want("None", l, []string{"extend", "iadd"}[h.IntN(2)], arg)
		h.m = append(h.m, list...)
	case 9:
		list, arg := h.some(h.IntN(5))
		_, from, to := places(start, stop, 1, n)
		c.want("None", l, "setslice", start, stop, nil, arg)
		h.m = slices.Replace(h.m, from, max(from, to), list...)
	case 10:
		size := len(covered)
		if h.IntN(4) == 0 {
			size++
		}
		list, arg := h.some(size)
		switch {
		case step == 1:
			c.want("None", l, "setslice", start, stop, step, arg)
			h.m = slices.Replace(h.m, from, max(from, to), list...)
		case size != len(covered):
			c.want(fmt.Sprintf("error value: attempt to assign sequence of size %d to extended slice of size %d", size, len(covered)), l, "setslice", start, stop, step, arg)
		default:
			c.want("None", l, "setslice", start, stop, step, arg)
			for j, place := range covered {
				h.m[place] = list[j]
			}
		}
	case 11:
		if len(covered) > 20 && h.IntN(4) > 0 {
			break
		}
		c.want("None", l, "delslice", start, stop, step)
		gone := make(map[int]bool)
		for _, place := range covered {
			gone[place] = true
		}
		left := []int{}
		for place, v := range h.m {
			if !gone[place] {
				left = append(left, v)
			}
		}
		h.m = left
	case 12:
		c.want("None", l, "reverse")
		slices.Reverse(h.m)
	case 13:
		down := h.IntN(2) == 0
		c.want("None", l, "sort", down)
		slices.Sort(h.m)
		if down {
			slices.Reverse(h.m)
		}
	case 14:
		times := h.IntN(4)
		switch {
		case h.IntN(5) > 0:
		case h.IntN(3) == 0:
			c.want("None", l, "clear")
			h.m = nil
		case n < 100 || times == 0:
			c.want("None", l, "imul", times)
			h.m = slices.Repeat(h.m, times)
		}
	}
}

// read makes one call that looks at the list.
func (h *listRun) read(c *client, l wire.Ref) {
	n := len(h.m)
	v, i := h.IntN(h.values), h.index()
	switch h.IntN(9) {
	case 0:
		if k, inside := at(i, n); inside {
			c.want(strconv.Itoa(h.m[k]), l, "getitem", i)
		} else {
			c.want("error index: list index out of range", l, "getitem", i)
		}
	case 1:
		start, stop, step := h.bound(), h.bound(), 1+h.IntN(3)
		if h.IntN(2) == 0 {
			step = -step
		}
		covered, _, _ := places(start, stop, step, n)
		part := []int{}
		for _, place := range covered {
			part = append(part, h.m[place])
		}
		c.want(listText(part), l, "getslice", start, stop, step)
	case 2:
		start, stop := h.index(), h.index()
		covered, _, _ := places(start, stop, 1, n)
		want := fmt.Sprintf("error value: %d is not in list", v)
		for _, place := range covered {
			if h.m[place] == v {
				want = strconv.Itoa(place)
				break
			}
		}
		c.want(want, l, "index", v, start, stop)
	case 3:
		count := 0
		for _, x := range h.m {
			if x == v {
				count++
			}
		}
		c.want(strconv.Itoa(count), l, "count", v)
		c.want(pyBool(count > 0), l, "contains", float64(v))
	case 4:
		c.want(strconv.Itoa(n), l, "len")
	case 5:
		list, arg := h.some(h.IntN(4))
		c.want(listText(slices.Concat(h.m, list)), l, "concat", arg)
	case 6:
		times := h.IntN(4) - 1
		c.want(listText(slices.Repeat(h.m, max(times, 0))), l, "repeat", times)
	case 7:
		c.want("'"+listText(h.m)+"'", l, "repr")
	case 8:
		from, most := h.IntN(n+1), 1+h.IntN(20)
		to, next := min(from+most, n), 0
		if to < n {
			next = to
		}
		got := c.do(l, "page", from, most)
		if !strings.HasPrefix(got, fmt.Sprintf("[%d, ", next)) || !strings.HasSuffix(got, ", "+listText(h.m[from:to])+"]") {
			c.w.t.Fatalf("page(%d, %d) of %d elements: %s", from, most, n, got)
		}
	}
}
