package proxy

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"time"
)

// inOrder returns the keys of a map: sorted if they are strings, numbers, bools
// or times, so that a dict which they are inserted into has the same order
// every time, and as the map yields them if not.
func inOrder[K comparable, V any](m map[K]V) []K {
	keys := slices.AppendSeq(make([]K, 0, len(m)), maps.Keys(m))
	if len(keys) < 2 {
		return keys
	}
	switch k := any(keys).(type) {
	case []string:
		slices.Sort(k)
		return keys
	case []int:
		slices.Sort(k)
		return keys
	case []time.Time:
		slices.SortFunc(k, time.Time.Compare)
		return keys
	}
	var compare func(a, b reflect.Value) int
	switch t := reflect.TypeFor[K](); t.Kind() {
	case reflect.String:
		compare = func(a, b reflect.Value) int { return cmp.Compare(a.String(), b.String()) }
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		compare = func(a, b reflect.Value) int { return cmp.Compare(a.Int(), b.Int()) }
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		compare = func(a, b reflect.Value) int { return cmp.Compare(a.Uint(), b.Uint()) }
	case reflect.Float32, reflect.Float64:
		compare = func(a, b reflect.Value) int { return cmp.Compare(a.Float(), b.Float()) }
	case reflect.Bool:
		number := func(v reflect.Value) int {
			if v.Bool() {
				return 1
			}
			return 0
		}
		compare = func(a, b reflect.Value) int { return number(a) - number(b) }
	default:
		return keys
	}
	slices.SortFunc(keys, func(a, b K) int { return compare(reflect.ValueOf(a), reflect.ValueOf(b)) })
	return keys
}
