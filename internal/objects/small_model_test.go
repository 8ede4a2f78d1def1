package objects

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// numbers returns the numbers of a set's text, sorted.
func numbers(t *testing.T, text string) []int {
	t.Helper()
	all := []int{}
	text = strings.Trim(strings.TrimSuffix(text, "set()"), "{}")
	for part := range strings.SplitSeq(text, ", ") {
		if part == "" {
			continue
		}
		n, err := strconv.Atoi(part)
		if err != nil {
			t.Fatalf("%q is no set of numbers: %v", text, err)
		}
		all = append(all, n)
	}
	slices.Sort(all)
	return all
}

// TestSetModel compares a set that several sessions use with a model.
func TestSetModel(t *testing.T) {
	type model = map[int]bool
	sorted := func(m model) []int { return append([]int{}, slices.Sorted(maps.Keys(m))...) }
	apply := map[string]func(m, other model){
		"update":              func(m, other model) { maps.Copy(m, other) },
		"intersection_update": func(m, other model) { maps.DeleteFunc(m, func(v int, _ bool) bool { return !other[v] }) },
		"difference_update":   func(m, other model) { maps.DeleteFunc(m, func(v int, _ bool) bool { return other[v] }) },
		"symmetric_difference_update": func(m, other model) {
			for v := range other {
				if m[v] {
					delete(m, v)
				} else {
					m[v] = true
				}
			}
		},
	}
	pure := map[string]string{
		"union": "update", "intersection": "intersection_update", "difference": "difference_update",
		"symmetric_difference": "symmetric_difference_update",
	}
	inPlace, results := slices.Sorted(maps.Keys(apply)), slices.Sorted(maps.Keys(pure))
	for seed := range uint64(10) {
		w := newWorld(t, 3)
		r := rand.New(rand.NewPCG(seed, 5))
		s, second := w.share("set"), w.clients[0].named("second", "set")
		for _, c := range w.clients[1:] {
			c.named("second", "set")
		}
		m, n := model{}, model{}
		values := 3 + r.IntN(40)
		for range 600 {
			c := w.clients[r.IntN(3)]
			before := c.serial
			v := r.IntN(values)
			var list []any
			other := model{}
			for range r.IntN(6) {
				x := r.IntN(values)
				list = append(list, x)
				other[x] = true
			}
			var arg any = append([]any{}, list...)
			if r.IntN(4) == 0 {
				arg, other = second, n
			}
			switch r.IntN(12) {
			case 0, 1, 2:
				c.want(pyBool(!m[v]), s, "add", v)
				m[v] = true
			case 3:
				c.want(pyBool(!n[v]), second, "add", v)
				n[v] = true
			case 4:
				c.want(pyBool(m[v]), s, "discard", v)
				delete(m, v)
			case 5:
				if m[v] {
					c.want("None", s, "remove", float64(v))
				} else {
					c.want(fmt.Sprintf("error key: %d", v), s, "remove", v)
				}
				delete(m, v)
			case 6:
				if len(m) == 0 {
					c.want("error key: 'pop from an empty set'", s, "pop")
					break
				}
				got := numbers(t, c.do(s, "pop"))
				if len(got) != 1 || !m[got[0]] {
					t.Fatalf("seed %d: pop gave %v of %v", seed, got, sorted(m))
				}
				delete(m, got[0])
			case 7:
				c.want(pyBool(m[v]), s, "contains", float64(v))
				c.want(strconv.Itoa(len(m)), s, "len")
			case 8:
				name := inPlace[r.IntN(len(inPlace))]
				c.want("None", s, name, arg)
				apply[name](m, other)
			case 9:
				name := results[r.IntN(len(results))]
				want := maps.Clone(m)
				apply[pure[name]](want, other)
				if got := numbers(t, c.do(s, name, arg)); !slices.Equal(got, sorted(want)) {
					t.Fatalf("seed %d: %s gave %v, want %v", seed, name, got, sorted(want))
				}
			case 10:
				sub, super, apart := true, true, true
				for x := range m {
					sub, apart = sub && other[x], apart && !other[x]
				}
				for x := range other {
					super = super && m[x]
				}
				c.want(pyBool(sub), s, "issubset", arg)
				c.want(pyBool(super), s, "issuperset", arg)
				c.want(pyBool(apart), s, "isdisjoint", arg)
			case 11:
				if r.IntN(20) == 0 {
					c.want("None", s, "clear")
					m = model{}
				}
			}
			c.again(r, before)
			if got := numbers(t, c.do(s, "copy")); !slices.Equal(got, sorted(m)) {
				t.Fatalf("seed %d: the set is %v, want %v", seed, got, sorted(m))
			}
		}
		w.close()
	}
}

// TestValueModel compares a Value whose range is checked with a model.
func TestValueModel(t *testing.T) {
	for seed := range uint64(10) {
		w := newWorld(t, 3)
		r := rand.New(rand.NewPCG(seed, 6))
		v := w.share("Value", "h", 0, true)
		m := 0
		over := func(n int) string {
			if n > 0 {
				return "error overflow: signed short integer is greater than maximum"
			}
			return "error overflow: signed short integer is less than minimum"
		}
		fits := func(n int) bool { return n == int(int16(n)) }
		for range 400 {
			c := w.clients[r.IntN(3)]
			before := c.serial
			n := r.IntN(80000) - 40000
			switch r.IntN(4) {
			case 0:
				if fits(n) {
					c.want("None", v, "set", n)
					m = n
				} else {
					c.want(over(n), v, "set", n)
				}
			case 1:
				if fits(m + n) {
					m += n
					c.want(strconv.Itoa(m), v, "add", n)
				} else {
					c.want(over(m+n), v, "add", n)
				}
			case 2:
				old := m + r.IntN(2)
				switch {
				case !fits(n):
					c.want(over(n), v, "compare_and_swap", old, n)
				default:
					c.want(pyBool(old == m), v, "compare_and_swap", old, n)
					if old == m {
						m = n
					}
				}
			}
			c.again(r, before)
			c.want(strconv.Itoa(m), v, "get")
		}
		w.close()
	}
}

// TestArrayModel compares an Array with a model: single elements and slices of
// any step, which travel as packed bytes.
func TestArrayModel(t *testing.T) {
	packed := func(all []int16) wire.Raw {
		var data []byte
		for _, v := range all {
			data = append(data, byte(v), byte(uint16(v)>>8))
		}
		return arr('h', data...)
	}
	text := func(all []int16) string { return fmt.Sprintf("<array.array %x>", string(packed(all))) }
	for seed := range uint64(10) {
		w := newWorld(t, 3)
		r := rand.New(rand.NewPCG(seed, 7))
		m := make([]int16, r.IntN(30))
		var init []any
		for i := range m {
			m[i] = int16(r.Uint32())
			init = append(init, int(m[i]))
		}
		a := w.share("Array", "h", append([]any{}, init...))
		for range 400 {
			c := w.clients[r.IntN(3)]
			before := c.serial
			i := r.IntN(2*len(m)+3) - len(m) - 1
			at := i
			if at < 0 {
				at += len(m)
			}
			inside := at >= 0 && at < len(m)
			start, step := r.IntN(len(m)+2), 1+r.IntN(3)
			stop := start + r.IntN(len(m)+2)
			var places []int
			for p := start; p < min(stop, len(m)); p += step {
				places = append(places, p)
			}
			switch r.IntN(4) {
			case 0:
				if inside {
					c.want(strconv.Itoa(int(m[at])), a, "getitem", i)
				} else {
					c.want("error index: array index out of range", a, "getitem", i)
				}
			case 1:
				v := r.IntN(80000) - 40000
				got := c.do(a, "setitem", i, v)
				switch {
				case !inside && v == int(int16(v)):
					if got != "error index: array assignment index out of range" {
						t.Fatalf("setitem %d of %d: %s", i, len(m), got)
					}
				case got == "None" && inside && v == int(int16(v)):
					m[at] = int16(v)
				case !strings.HasPrefix(got, "error "):
					t.Fatalf("setitem %d = %d of %d: %s", i, v, len(m), got)
				}
			case 2:
				part := []int16{}
				for _, p := range places {
					part = append(part, m[p])
				}
				c.want(text(part), a, "getslice", start, stop, step)
			case 3:
				put := make([]int16, len(places))
				for k := range put {
					put[k] = int16(r.Uint32())
				}
				c.want("None", a, "setslice", start, stop, step, packed(put))
				for k, p := range places {
					m[p] = put[k]
				}
			}
			c.again(r, before)
			c.want(text(m), a, "getslice")
			c.want(strconv.Itoa(len(m)), a, "len")
		}
		w.close()
	}
}

// TestNamespaceModel compares a Namespace with a model.
func TestNamespaceModel(t *testing.T) {
	for seed := range uint64(10) {
		w := newWorld(t, 3)
		r := rand.New(rand.NewPCG(seed, 8))
		n := w.share("Namespace")
		m := make(map[string]int)
		var order []string
		for range 400 {
			c := w.clients[r.IntN(3)]
			before := c.serial
			name := string(rune('a' + r.IntN(12)))
			v, ok := m[name]
			missing := "error attribute: 'Namespace' object has no attribute '" + name + "'"
			switch r.IntN(3) {
			case 0:
				x := r.IntN(1000)
				c.want("None", n, "setattr", name, x)
				if !ok {
					order = append(order, name)
				}
				m[name] = x
			case 1:
				if ok {
					c.want(strconv.Itoa(v), n, "getattr", name)
				} else {
					c.want(missing, n, "getattr", name)
				}
			case 2:
				if ok {
					c.want("None", n, "delattr", name)
					delete(m, name)
					order = slices.DeleteFunc(order, func(x string) bool { return x == name })
				} else {
					c.want(missing, n, "delattr", name)
				}
			}
			c.again(r, before)
			var names []string
			for _, x := range order {
				names = append(names, "'"+x+"'")
			}
			c.want("["+strings.Join(names, ", ")+"]", n, "list")
		}
		w.close()
	}
}
