package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
)

// data is the content of an entry in these tests.
func data(index uint64, size int) []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("%d.", index)), size/2+1)[:size]
}

// entries makes entries from one index to another.
func entries(from, to, term uint64, size int) []Entry {
	var all []Entry
	for i := from; i <= to; i++ {
		all = append(all, Entry{Index: i, Term: term, Data: data(i, size)})
	}
	return all
}

func open(t *testing.T, d FS, o Options) *Log {
	t.Helper()
	l, err := Open(d, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// check reads all entries back.
func check(t *testing.T, l *Log, from, to uint64, size int) {
	t.Helper()
	if got := l.Last().Index; got < to {
		t.Fatalf("the last index is %d, not %d or more", got, to)
	}
	for i := from; i <= to; i++ {
		e, err := l.Entries(i, i+1, 0)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(e[0].Data, data(i, size)) {
			t.Fatalf("entry %d is %.20q", i, e[0].Data)
		}
	}
}

// TestReopen writes over many segments, large records among them, and reads all
// back after the log was opened again.
func TestReopen(t *testing.T) {
	for _, o := range []Options{{Segment: 4096}, {Segment: 4096, inline: true}, {Segment: 4096, Lazy: true}} {
		d := Dir(t.TempDir())
		l := open(t, d, o)
		if err := l.Start(Position{1, 1}); err != nil {
			t.Fatal(err)
		}
		next := uint64(2)
		for round := range 5 {
			for range 20 {
				if err := l.Append(entries(next, next+2, uint64(round+1), 500), &Vote{Term: uint64(round + 1), Member: 1, Commit: next}); err != nil {
					t.Fatal(err)
				}
				next += 3
			}
			check(t, l, 2, next-1, 500)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l = open(t, d, o)
			if err := l.Start(Position{1, 1}); err != nil {
				t.Fatal(err)
			}
			if v := l.Vote(); v.Term != uint64(round+1) || v.Member != 1 || v.Commit != next-3 {
				t.Fatalf("the vote is %+v", v)
			}
			if term, _ := l.Term(next - 1); term != uint64(round+1) {
				t.Fatalf("the term is %d", term)
			}
		}
		big := Entry{Index: next, Term: 9, Data: data(next, 20000)}
		if err := l.Append([]Entry{big}, nil); err != nil {
			t.Fatal(err)
		}
		check(t, l, next, next, 20000)
		if _, err := Open(d, o); !errors.Is(err, ErrLocked) {
			t.Fatalf("a second one: %v", err)
		}
		l.Close()
		l = open(t, d, o)
		check(t, l, next, next, 20000)
		check(t, l, 2, next-1, 500)
		l.Close()
	}
}

// TestSnapshots writes snapshots, of which two are kept, and compacts the log.
func TestSnapshots(t *testing.T) {
	d := Dir(t.TempDir())
	o := Options{Segment: 4096, inline: true}
	l := open(t, d, o)
	if err := l.Start(Position{1, 1}); err != nil {
		t.Fatal(err)
	}
	for i := uint64(2); i < 400; i += 2 {
		if err := l.Append(entries(i, i+1, 1, 100), nil); err != nil {
			t.Fatal(err)
		}
		if i%50 == 0 {
			if _, err := l.WriteSnapshot(Position{i, 1}, []byte("about"), func(w io.Writer) error {
				_, err := w.Write(data(i, int(i)*20000))
				return err
			}); err != nil {
				t.Fatal(err)
			}
			s := l.Snapshots()
			l.Compact(s[len(s)-1].Position)
		}
	}
	l.Close()
	l = open(t, d, o)
	defer l.Close()
	s := l.Snapshots()
	if len(s) != 2 || s[0].Index != 350 || s[1].Index != 300 || string(s[0].About) != "about" {
		t.Fatalf("snapshots %+v", s)
	}
	r, err := l.OpenSnapshot(s[0])
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); err != nil || !bytes.Equal(b, data(350, 350*20000)) {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	if first := l.First().Index; first < 200 || first > 300 {
		t.Errorf("the log begins behind %d", first)
	}
	check(t, l, 301, 399, 100)
}
