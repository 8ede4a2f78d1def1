package wire

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

// seeds adds values of every type, and damaged ones.
func seeds(f *testing.F) {
	for _, c := range naturals() {
		f.Add(c.v)
		f.Add(list(c.v, c.v))
	}
	g := generator{rand.New(rand.NewPCG(5, 6))}
	for range 100 {
		v, _ := g.value(4, false)
		f.Add(v)
		v = bytes.Clone(v)
		v[g.IntN(len(v))] ^= 1 << g.IntN(8)
		f.Add(v)
	}
	f.Add(nested(129))
	f.Add(deepTuple(129))
}

// FuzzScan holds what Scan accepts against every function that relies on it,
// and shows everything else to them, which must refuse it without a panic.
func FuzzScan(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		n, refs, err := Scan(b, Limits{})
		if err != nil {
			showMalformed(t, b)
			return
		}
		v := b[:n]
		if m, err := Skip(b); err != nil || m != n {
			t.Fatalf("Skip = %d, %v, Scan = %d", m, err, n)
		}
		seen := 0
		if err := ForEachRef(v, func(Ref) error { seen++; return nil }); err != nil || seen > 0 != refs {
			t.Fatalf("ForEachRef saw %d, %v, Scan says %v", seen, err, refs)
		}
		repr := AppendRepr(nil, v, nil)
		if bytes.Contains(repr, []byte(malformed)) && !bytes.Contains(v, []byte(malformed)) {
			t.Fatalf("repr is %s", repr)
		}
		TypeName(v)
		Truth(v)
		if _, err := Compare(v, v); err != nil {
			var operand *OperandError
			if !errors.As(err, &operand) {
				t.Fatal(err)
			}
		}
		if sum, err := Add(v, v); err == nil {
			if m, _, err := Scan(sum.Bytes(), Limits{}); err != nil || m != len(sum) {
				t.Fatalf("Add made %x: %v", sum, err)
			}
		}
		x, err := Decode(v)
		if err != nil {
			t.Fatal(err)
		}
		back, err := AppendAny(nil, x)
		if err != nil {
			// Go has the keys that Python cannot hash.
			if strings.Contains(err.Error(), "unhashable type") || strings.Contains(err.Error(), ErrNaNKey.Error()) {
				return
			}
			t.Fatal(err)
		}
		if m, _, err := Scan(back, Limits{}); err != nil || m != len(back) {
			t.Fatalf("AppendAny made %x: %v", back, err)
		}
		if !bytes.Contains(repr, []byte("nan")) && hashableInside(v) && distinct(v) && !Equal(v, back) {
			t.Fatalf("%s came back as %s", repr, AppendRepr(nil, back, nil))
		}
		var again any
		if err := Unmarshal(back, &again, nil); err != nil {
			t.Fatal(err)
		}
		_ = Unmarshal(v, new(job), nil)
		_ = Unmarshal(v, new([]job), nil)
		_ = Unmarshal(v, new(map[any][]any), nil)
		_ = Unmarshal(v, new(map[string]custom), nil)
	})
}

// showMalformed shows every function what Scan refuses.
func showMalformed(t *testing.T, b []byte) {
	var syntax *SyntaxError
	if _, err := Decode(b); !errors.As(err, &syntax) {
		t.Fatalf("Decode: %v", err)
	}
	if err := Unmarshal(b, new(any), nil); !errors.As(err, &syntax) {
		t.Fatalf("Unmarshal: %v", err)
	}
	_, _ = Skip(b)
	_ = ForEachRef(b, func(Ref) error { return nil })
	_ = AppendRepr(nil, b, nil)
	_ = TypeName(b)
	_ = Truth(b)
	_ = Equal(b, b)
	_, _ = Compare(b, b)
	_, _ = Add(b, b)
	_, _, _ = AppendKey(nil, b)
	if r, err := NewReader(b); err == nil {
		for r.More() {
			e, _ := r.Elements(true)
			for e.More() {
				_, _ = e.Int()
			}
		}
	}
}

// hashableInside reports whether every dict and set inside v has proper keys.
func hashableInside(v []byte) bool {
	h, _ := parse(v)
	n := h.n
	switch h.typ {
	case TypeSet, TypeFrozenSet:
		if _, ok := keySet(v, &h); !ok {
			return false
		}
	case TypeDict:
		if _, ok := valuesByKey(v, &h); !ok {
			return false
		}
		n *= 2
	case TypeList, TypeTuple:
	default:
		return true
	}
	for pos := h.off; n > 0; n-- {
		m, _ := Skip(v[pos:])
		if !hashableInside(v[pos : pos+m]) {
			return false
		}
		pos += m
	}
	return true
}

// FuzzKey holds the keys of two values against Equal.
func FuzzKey(f *testing.F) {
	for _, c := range naturals() {
		f.Add(c.v, c.v)
	}
	g := generator{rand.New(rand.NewPCG(7, 8))}
	for range 100 {
		a, _ := g.value(3, true)
		b, _ := g.value(3, true)
		f.Add(a, b)
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		ka, canonical, errA := AppendKey(nil, a)
		if errA == nil && canonical != bytes.Equal(ka, a) {
			t.Fatalf("key %x of %x says canonical %v", ka, a, canonical)
		}
		if na, refs, err := Scan(a, Limits{}); errA != nil || err != nil || na != len(a) {
			return
		} else if !refs {
			// A key is a value with the same key, and equal to its own.
			if kk, canonical, err := AppendKey(nil, ka); err != nil || !canonical || !bytes.Equal(kk, ka) {
				t.Fatalf("key %x of %x has the key %x, %v", ka, a, kk, err)
			}
			if !Equal(a, ka) {
				t.Fatalf("%x is not equal to its key %x", a, ka)
			}
		}
		kb, _, errB := AppendKey(nil, b)
		if nb, _, err := Scan(b, Limits{}); errB != nil || err != nil || nb != len(b) {
			return
		}
		if Equal(a, b) != bytes.Equal(ka, kb) {
			t.Fatalf("Equal(%x, %x) = %v, keys %x and %x", a, b, Equal(a, b), ka, kb)
		}
	})
}
