package wire

import (
	"reflect"
	"testing"
)

// opaqueOf makes an opaque value of Python's.
func opaqueOf(h OpaqueHead, data string) []byte {
	return AppendOpaque(nil, "python", h.Append(nil), []byte(data))
}

func TestOpaqueIsComparedAsItsHeadSays(t *testing.T) {
	one := opaqueOf(OpaqueHead{Stands: vint(1)}, "a class derived from int")
	nested := opaqueOf(OpaqueHead{Stands: one}, "and one derived from that")
	pair := opaqueOf(OpaqueHead{Stands: tuple(vint(1), one)}, "a named tuple")
	a, b := opaqueOf(OpaqueHead{Same: []byte("same")}, "a"), opaqueOf(OpaqueHead{Same: []byte("same")}, "b")
	c, bare := opaqueOf(OpaqueHead{Same: []byte("other")}, "a"), opaqueOf(OpaqueHead{}, "a")
	for _, x := range []struct {
		a, b []byte
		same bool
	}{
		{one, vint(1), true}, {one, vfloat(1), true}, {one, vint(2), false}, {nested, one, true}, {nested, vbool(true), true},
		{pair, tuple(vint(1), vint(1)), true}, {pair, list(vint(1), vint(1)), false},
		{a, b, true}, {a, c, false}, {a, bare, false}, {bare, opaqueOf(OpaqueHead{}, "a"), true}, {a, vstr("same"), false},
		{opaqueOf(OpaqueHead{Same: []byte("a")}, ""), bare, false}, // what identifies one is no data of another
		{list(one, a, vint(3)), list(vint(1), b, vint(3)), true},
		{tuple(a), tuple(b), true},
	} {
		if got := Equal(x.a, x.b); got != x.same {
			t.Errorf("%x == %x: %v", x.a, x.b, got)
		}
		if got := Equal(x.b, x.a); got != x.same {
			t.Errorf("%x == %x: %v", x.b, x.a, got)
		}
		ka, _, errA := AppendKey(nil, x.a)
		kb, _, errB := AppendKey(nil, x.b)
		if errA == nil && errB == nil && (string(ka) == string(kb)) != x.same {
			t.Errorf("keys of %x and %x: %x and %x", x.a, x.b, ka, kb)
		}
	}
	for _, x := range []struct {
		v    []byte
		want string
	}{
		{opaqueOf(OpaqueHead{Same: []byte("d"), Unhashable: "collections.deque"}, ""), "unhashable type: 'collections.deque'"},
		{opaqueOf(OpaqueHead{Stands: tuple(list())}, ""), "unhashable type: 'list'"},
	} {
		if _, _, err := AppendKey(nil, x.v); err == nil || err.Error() != x.want {
			t.Errorf("key of %x: %v, want %s", x.v, err, x.want)
		}
	}
}

func TestOpaqueIsOrderedInItsClass(t *testing.T) {
	date := func(class string, n int64) []byte {
		return opaqueOf(OpaqueHead{Same: []byte{byte(n)}, Class: class, Order: vint(n)}, "")
	}
	if n, err := Compare(date("date", 1), date("date", 2)); n != -1 || err != nil {
		t.Errorf("two dates: %d, %v", n, err)
	}
	if n, err := Compare(opaqueOf(OpaqueHead{Stands: vfloat(2.5)}, ""), vint(2)); n != 1 || err != nil {
		t.Errorf("what stands for a number, and a number: %d, %v", n, err)
	}
	for _, v := range [][]byte{date("time", 2), vint(2), opaqueOf(OpaqueHead{}, "")} {
		if _, err := Compare(date("date", 1), v); err == nil {
			t.Errorf("a date is ordered with %x", v)
		}
	}
}

func TestReferencesInsideOpaqueValues(t *testing.T) {
	refs := []Ref{{1, 2, "list"}, {3, 4, "Own"}}
	v := opaqueOf(OpaqueHead{Refs: refs, Same: []byte("x")}, "data")
	for _, in := range [][]byte{v, list(vint(1), v), dict(vstr("k"), v)} {
		if _, has, err := Scan(in, Limits{}); err != nil || !has {
			t.Errorf("scan of %x: %v, %v", in, has, err)
		}
		var got []Ref
		if err := ForEachRef(in, func(r Ref) error { got = append(got, r); return nil }); err != nil || !reflect.DeepEqual(got, refs) {
			t.Errorf("references in %x: %v, %v", in, got, err)
		}
	}
	if _, _, err := Scan(dict(v, vint(1)), Limits{}); err == nil {
		t.Error("a reference inside an opaque key was accepted")
	}
	// What a program gets, and sends back, is the same value.
	x, err := Decode(v)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := AppendAny(nil, x); err != nil || string(back) != string(v) {
		t.Errorf("sent back: %x, %v; it was %x", back, err, v)
	}
	if _, err := AppendAny(nil, Opaque{Lang: "python", Head: []byte{0x91}}); err == nil {
		t.Error("a head that is cut off was sent")
	}
}

func TestMalformedHeads(t *testing.T) {
	for _, head := range [][]byte{
		{}, vint(1), list(vint(1)), list(list(vint(1))), list(list(), vint(1)), list(list(), list(vint(1), vint(2))),
		list(list(), list(list(vint(1), vint(2)))[:3]), list(list(), vbin("x"), list(vint(1), vint(2))), list(list(), vbin("x"), []byte{0xc0}, vint(1)), list(list(), vbin("x"), vint(1)),
		list(list(), vbin("x"), []byte{0xc0}, []byte{0xc0}, []byte{0xc0}),
	} {
		v := AppendExtHeader(nil, ExtOpaque, 2+len(head))
		v = append(append(v, 1, 'p'), head...)
		if _, _, err := Scan(v, Limits{}); err == nil {
			t.Errorf("the head %x was accepted", head)
		}
	}
	// Heads within heads nest no deeper than other values.
	deep := vint(1)
	for range DefaultDepth + 1 {
		deep = opaqueOf(OpaqueHead{Stands: deep}, "")
	}
	if _, _, err := Scan(deep, Limits{}); err == nil {
		t.Error("a head that nests without bound was accepted")
	}
	if _, _, err := AppendKey(nil, deep); err == nil {
		t.Error("a key that nests without bound was accepted")
	}
	Equal(deep, deep)
}
