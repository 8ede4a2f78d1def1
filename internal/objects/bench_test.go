package objects

import (
	"fmt"
	"testing"
)

// BenchmarkMethods measures the hot methods. Where a row has two calls, both
// count as one operation.
func BenchmarkMethods(b *testing.B) {
	const key, value = "key-of-16-bytes!", "value-of-16-byte"
	keys, pairs := make([]any, 100), make(vdict, 0, 200)
	for i := range keys {
		keys[i] = fmt.Sprintf("key-%012d", i)
		pairs = append(pairs, keys[i], value)
	}
	numbers, items := make([]any, 1000), make([]any, 1000)
	for i := range numbers {
		numbers[i], items[i] = i, vtuple{i + 1, value}
	}
	type (
		args []any
		call []any // the method and its arguments
	)
	for _, bench := range []struct {
		name   string
		typeid string
		make   args
		calls  []call
	}{
		{"dict set", "dict", nil, []call{{"set", key, value}}},
		{"dict add", "dict", args{vdict{key, 1 << 20}}, []call{{"add", key, 1}}},
		{"dict set and pop", "dict", nil, []call{{"set", key, value}, {"pop", key}}},
		{"dict contains", "dict", args{vdict{key, value}}, []call{{"contains", key}}},
		{"dict get_many of 100", "dict", args{pairs}, []call{{"get_many", keys}}},
		{"dict set_many of 100", "dict", args{pairs}, []call{{"set_many", pairs}}},
		{"list getitem", "list", args{numbers}, []call{{"getitem", 500}}},
		{"list setitem", "list", args{numbers}, []call{{"setitem", 500, value}}},
		{"list append and pop", "list", args{numbers}, []call{{"append", value}, {"pop"}}},
		{"set add and discard", "set", args{numbers}, []call{{"add", value}, {"discard", value}}},
		{"Queue put and get", "Queue", nil, []call{{"put", value}, {"get"}}},
		{"JoinableQueue put, get and task_done", "JoinableQueue", nil, []call{{"put", value}, {"get"}, {"task_done"}}},
		{"PriorityQueue put and get", "PriorityQueue", nil, []call{{"put", vtuple{0, value}}, {"get"}}},
		{"Lock acquire and release", "Lock", nil, []call{{"acquire"}, {"release"}}},
		{"RLock acquire and release", "RLock", nil, []call{{"acquire", 1}, {"release", 1}}},
		{"Semaphore acquire and release", "Semaphore", args{1}, []call{{"acquire"}, {"release"}}},
		{"Value get", "Value", args{"i", 1 << 20}, []call{{"get"}}},
		{"Value set", "Value", args{"i", 1 << 20}, []call{{"set", 1 << 21}}},
		{"Value add", "Value", args{"i", 1 << 20}, []call{{"add", 1}}},
		{"Event is_set", "Event", nil, []call{{"is_set"}}},
		{"Namespace get", "Namespace", args{vdict{"x", value}}, []call{{"getattr", "x"}}},
		{"Namespace set", "Namespace", args{vdict{"x", value}}, []call{{"setattr", "x", value}}},
		{"Array getitem", "Array", args{"i", numbers}, []call{{"getitem", 500}}},
		{"Array setitem", "Array", args{"i", numbers}, []call{{"setitem", 500, 1 << 20}}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			c := newWorld(b, 1).clients[0]
			o := c.create(bench.typeid, bench.make...)
			if bench.typeid == "PriorityQueue" {
				c.ok(o, "put_many", items) // each put and get passes a heap of them
			}
			var steps []func()
			for _, call := range bench.calls {
				steps = append(steps, c.hot(o, call[0].(string), call[1:]...))
			}
			b.ReportAllocs()
			for b.Loop() {
				for _, step := range steps {
					step()
				}
			}
		})
	}
	// In a large dict the caches miss.
	for _, n := range []int{10, 1000, 1_000_000} {
		b.Run(fmt.Sprintf("dict get of %d", n), func(b *testing.B) {
			c := newWorld(b, 1).clients[0]
			d := c.create("dict")
			fillDict(c, d, n)
			steps := make([]func(), min(n, 1000))
			for i := range steps {
				steps[i] = c.hot(d, "get", fmt.Sprintf("key-%012d", i*(n/len(steps))))
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				steps[i%len(steps)]()
			}
		})
	}
}
