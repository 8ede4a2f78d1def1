package pickle

import (
	"strings"
	"testing"
)

func request() []byte {
	b, _ := Encode(nil, NewTuple(NewStr("7f0012345678"), NewStr("__setitem__"),
		NewTuple(NewStr("some key"), NewStr("some value")), NewDict()))
	return b
}

func reply(w *Writer) {
	w.OpenTuple(2)
	w.Str("#RETURN")
	w.OpenList()
	for i := range int64(10) {
		w.OpenDict()
		w.Key("name")
		w.Str("some text")
		w.Key("number")
		w.Int(i * 1000)
		w.CloseDict()
	}
	w.CloseList()
	w.CloseTuple(2)
}

func TestAllocationBudgets(t *testing.T) {
	req := request()
	if n := testing.AllocsPerRun(100, func() { _, _ = Decode(req, Limits{}) }); n > 3+poolSlack {
		t.Errorf("decoding a request takes %v allocations, want at most 3", n)
	}
	node, err := Decode(req, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { _, _ = Encode(buf, node) }); n > 1+poolSlack {
		t.Errorf("encoding a request takes %v allocations, want at most 1", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		w := NewWriter(buf, 0)
		reply(w)
		_, _ = w.Finish()
	}); n > 1+poolSlack {
		t.Errorf("writing a reply takes %v allocations, want at most 1", n)
	}
}

func BenchmarkDecodeRequest(b *testing.B) {
	req := request()
	b.ReportAllocs()
	for b.Loop() {
		_, _ = Decode(req, Limits{})
	}
}

func BenchmarkDecodeRequest30K(b *testing.B) {
	req, _ := Encode(nil, NewTuple(NewStr("7f00"), NewStr("put"), NewTuple(&Bytes{B: strings.Repeat("x", 30_000)}), NewDict()))
	b.ReportAllocs()
	b.SetBytes(int64(len(req)))
	for b.Loop() {
		_, _ = Decode(req, Limits{})
	}
}

func BenchmarkDecodeList1000(b *testing.B) {
	l := NewList()
	for i := range 1000 {
		l.Items = append(l.Items, NewDict(NewStr("key"), Int(i)))
	}
	data, _ := Encode(nil, l)
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		_, _ = Decode(data, Limits{})
	}
}

func BenchmarkEncodeGraph(b *testing.B) {
	l := NewList()
	for i := range 1000 {
		l.Items = append(l.Items, NewTuple(NewStr("some text"), Int(i)))
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = Encode(buf[:0], l)
	}
}

func BenchmarkWriteReply(b *testing.B) {
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		w := NewWriter(buf[:0], 0)
		reply(w)
		buf, _ = w.Finish()
	}
}
