package pickle

import (
	"errors"
	"testing"
)

// FuzzDecode holds that what is accepted comes out as an equal graph, within
// bounds, and that nothing panics on the way.
func FuzzDecode(f *testing.F) {
	for _, r := range recordings(f) {
		if len(r.data) < 1000 {
			f.Add(r.data)
		}
	}
	lim := Limits{Size: 1 << 16, Nodes: 1 << 14, Depth: 200, Stack: 1 << 12, Memo: 1 << 12, BigInt: 1 << 10}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := Decode(data, lim)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || n != nil {
				t.Fatalf("value %v with error %v", n, err)
			}
			return
		}
		probe(n)
		b, err := Encode(nil, n)
		if errors.Is(err, ErrTangled) {
			return
		}
		if err != nil {
			t.Fatalf("accepted %q, but: %v", data, err)
		}
		if !Cyclic(n) && len(b) > 8*len(data)+64 {
			t.Fatalf("%d bytes came out as %d", len(data), len(b))
		}
		again, err := Decode(b, Limits{})
		if err != nil {
			t.Fatalf("%q was encoded as %q: %v", data, b, err)
		}
		if !Equal(n, again) {
			t.Fatalf("%q came back as another graph: %q", data, b)
		}
	})
}

// probe calls all that looks at nodes from outside.
func probe(n Node) {
	work, seen := []Node{n}, map[Node]bool{}
	for len(work) > 0 {
		n := work[len(work)-1]
		work = work[:len(work)-1]
		AsArray(n)
		AsCall(n)
		AsComplex(n)
		AsDatetime(n)
		AsProxy(n)
		AsRange(n)
		AsSlice(n)
		AsTimedelta(n)
		AsToken(n)
		if seen[n] {
			continue
		}
		seen[n] = true
		Children(n, func(c Node) { work = append(work, c) })
	}
}
