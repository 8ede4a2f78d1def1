package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestSuspects: the cycles of locks that are held and waited for.
func TestSuspects(t *testing.T) {
	// A lock is written "name: holders < waiters"; a party is a session, or
	// session.owner.
	for name, c := range map[string]struct {
		locks []string
		want  map[string]string
	}{
		"none":           {nil, nil},
		"nobody waits":   {[]string{"a: 1 <", "b: 2 <"}, nil},
		"a line":         {[]string{"a: 1 < 2", "b: 2 < 3", "c: 3 < 4"}, nil},
		"two that wait":  {[]string{"a: 1 < 2 3", "b: 2 < 3"}, nil},
		"held by nobody": {[]string{"a: < 1", "b: 1 < 2"}, nil},
		"two": {[]string{"a: 3 < 4", "b: 4 < 3"}, map[string]string{
			"a": "client 3 -> b -> client 4 -> a", "b": "client 3 -> b -> client 4 -> a",
		}},
		"three": {[]string{"a: 1 < 3", "b: 2 < 1", "c: 3 < 2"}, map[string]string{
			"a": "client 1 -> b -> client 2 -> c -> client 3 -> a",
			"b": "client 1 -> b -> client 2 -> c -> client 3 -> a",
			"c": "client 1 -> b -> client 2 -> c -> client 3 -> a",
		}},
		"what only leads to a cycle is not in it": {[]string{"a: 5 < 6", "b: 1 < 2 5", "c: 2 < 1"}, map[string]string{
			"b": "client 1 -> c -> client 2 -> b", "c": "client 1 -> c -> client 2 -> b",
		}},
		"two cycles": {[]string{"a: 1 < 2", "b: 2 < 1", "c: 3 < 4", "d: 4 < 3"}, map[string]string{
			"a": "client 1 -> b -> client 2 -> a", "b": "client 1 -> b -> client 2 -> a",
			"c": "client 3 -> d -> client 4 -> c", "d": "client 3 -> d -> client 4 -> c",
		}},
		"two cycles with a lock in common": {[]string{"a: 1 < 2 3", "b: 2 < 1", "c: 3 < 1"}, map[string]string{
			"a": "client 1 -> b -> client 2 -> a", "b": "client 1 -> b -> client 2 -> a", "c": "client 3 -> a -> client 1 -> c",
		}},
		"the shortest": {[]string{"a: 1 < 2 3", "b: 3 < 2", "c: 2 < 1"}, map[string]string{
			"a": "client 1 -> c -> client 2 -> a", "c": "client 1 -> c -> client 2 -> a", "b": "client 3 -> a -> client 1 -> c -> client 2 -> b",
		}},
		"a semaphore, all of whose holders are stuck": {[]string{"l: 3 < 1 2", "s: 1 2 < 3"}, map[string]string{
			"l": "client 3 -> s -> client 1 -> l", "s": "client 3 -> s -> client 1 -> l",
		}},
		"a semaphore with a holder that is not stuck":   {[]string{"l: 3 < 1", "s: 1 2 < 3"}, nil},
		"... that waits for one who is not stuck":       {[]string{"l: 3 < 1", "m: 9 < 2", "s: 1 2 < 3"}, nil},
		"... that waits for one who is":                 {[]string{"l: 3 < 1", "m: 3 < 2", "s: 1 2 < 3"}, map[string]string{"l": "client 3 -> s -> client 1 -> l", "s": "client 3 -> s -> client 1 -> l", "m": "client 3 -> s -> client 2 -> m"}},
		"threads of one client at one lock":             {[]string{"a: 1 < 1"}, nil},
		"one thread that waits for itself":              {[]string{"a: 1.7 < 1.7"}, map[string]string{"a": "client 1 -> a"}},
		"threads of one client at two locks":            {[]string{"a: 1 < 1", "b: 1 < 1"}, map[string]string{"a": "client 1 -> b -> client 1 -> a", "b": "client 1 -> b -> client 1 -> a"}},
		"known threads of one client":                   {[]string{"a: 1.7 < 1.8", "b: 1.8 < 1.7"}, map[string]string{"a": "client 1 -> b -> client 1 -> a", "b": "client 1 -> b -> client 1 -> a"}},
		"another thread waits":                          {[]string{"a: 1.7 < 2", "b: 2 < 1.8"}, nil},
		"some thread waits":                             {[]string{"a: 1.7 < 2", "b: 2 < 1"}, map[string]string{"a": "client 1 -> b -> client 2 -> a", "b": "client 1 -> b -> client 2 -> a"}},
		"the thread waits, and others of its client do": {[]string{"a: 1.7 < 2", "b: 2 < 1.8 1.7"}, map[string]string{"a": "client 1 -> b -> client 2 -> a", "b": "client 1 -> b -> client 2 -> a"}},
	} {
		t.Run(name, func(t *testing.T) {
			var locks []contended
			for _, text := range c.locks {
				locks = append(locks, parseContended(t, text))
			}
			got := make(map[string]string)
			for i, text := range suspects(locks) {
				if text != "" {
					got[locks[i].name] = strings.TrimPrefix(text, "suspected: ")
				}
			}
			if !maps.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func parseContended(t *testing.T, text string) contended {
	name, rest, _ := strings.Cut(text, ":")
	holders, waiters, _ := strings.Cut(rest, "<")
	parties := func(text string) (list []party) {
		for f := range strings.FieldsSeq(text) {
			var p party
			if n, _ := fmt.Sscanf(f, "%d.%d", &p.session, &p.owner); n == 0 {
				t.Fatalf("party %q", f)
			}
			list = append(list, p)
		}
		return list
	}
	return contended{name: name, holders: parties(holders), waiters: parties(waiters)}
}

// TestSuspectsMany: a chain of thousands that closes, and one that does not.
func TestSuspectsMany(t *testing.T) {
	const n = 3000
	var locks []contended
	for i := range uint64(n) {
		locks = append(locks, contended{name: fmt.Sprint(i), holders: []party{{session: i + 1}}, waiters: []party{{session: i}}})
	}
	if got := suspects(locks); slices.ContainsFunc(got, func(s string) bool { return s != "" }) {
		t.Error("a chain is suspected")
	}
	locks[0].waiters[0].session = n
	got := suspects(locks)
	if slices.Contains(got, "") || !strings.HasPrefix(got[0], "suspected: client 1 -> 1 -> client 2 -> 2 ->") || !strings.HasSuffix(got[n-1], " -> client 3000 -> 0") {
		t.Errorf("a ring: %.80q", got[0])
	}
}
