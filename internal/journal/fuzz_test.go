package journal

import (
	"bytes"
	"io"
	"testing"
)

// FuzzRecord holds that no bytes of a segment make its reader panic, and that what
// it reads is written in the same way again.
func FuzzRecord(f *testing.F) {
	const s = 12345
	f.Add(appendRecord(nil, s, record{kind: kindEntry, index: 1, term: 2, content: []byte("content")}))
	f.Add(appendRecord(nil, s, record{kind: kindVote, index: 1, term: 2, content: make([]byte, 8)}))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, n, ok := parseRecord(b, s)
		if !ok {
			return
		}
		again := appendRecord(nil, s, r)
		if int64(len(again)) != n || !bytes.Equal(again[:recordHead+len(r.content)], b[:recordHead+len(r.content)]) {
			t.Errorf("%x is written as %x", b, again)
		}
	})
}

// FuzzSegment reads any bytes as a segment.
func FuzzSegment(f *testing.F) {
	good := headOf(1, 7)
	good = appendRecord(good, seed(1, 7), record{kind: kindEntry, index: 1, term: 2, content: []byte("content")})
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) {
		d := newCrashFS()
		d.names[segmentName(1)] = &crashFile{fs: d, data: b, dirty: make(map[int]bool)}
		file, _ := d.Open(segmentName(1))
		_, _ = scanSegment(file, segmentName(1), 1, nil, func(record, int64) error { return nil })
	})
}

// FuzzMark reads any bytes as a mark.
func FuzzMark(f *testing.F) {
	f.Add(mark{index: 3, number: 4}.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, ok, err := parseMark(b); ok && err == nil && m.slot > 1 {
			t.Errorf("slot %d", m.slot)
		}
	})
}

// FuzzSnapshot reads any bytes as a snapshot: what is read without an error is what
// was written.
func FuzzSnapshot(f *testing.F) {
	var b bytes.Buffer
	w, err := NewSnapshotWriter(&b, Position{3, 1}, []byte("about"))
	if err != nil {
		f.Fatal(err)
	}
	if _, err := w.Write([]byte("the state")); err != nil {
		f.Fatal(err)
	}
	if err := w.Finish(); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := ReadSnapshot(bytes.NewReader(in), "snapshot")
		if err != nil {
			return
		}
		state, err := io.ReadAll(r)
		if err != nil {
			return
		}
		var out bytes.Buffer
		w, err := NewSnapshotWriter(&out, r.Info.Position, r.Info.About)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(state); err != nil {
			t.Fatal(err)
		}
		if err := w.Finish(); err != nil {
			t.Fatal(err)
		}
	})
}
