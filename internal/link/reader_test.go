package link

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// frag returns a FRAGMENT frame; total < 0 leaves the length out.
func frag(id uint64, flags byte, total int, data []byte) []byte {
	b := binary.AppendUvarint(nil, id)
	b = append(b, flags)
	if total >= 0 {
		b = binary.BigEndian.AppendUint32(b, uint32(total))
	}
	return AppendFrame(nil, KindFragment, append(b, data...))
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// Every trick of a hostile peer gets an error that says what is wrong.
func TestHostileFrames(t *testing.T) {
	many := func(n, total int) []byte {
		var b []byte
		for i := range n {
			b = append(b, frag(uint64(i), flagFirst, total, []byte{1})...)
		}
		return b
	}
	for _, tt := range []struct {
		name, want string
		in         []byte
	}{
		{"length zero", "length 0", []byte{0, 0, 0, 0}},
		{"length above the limit", "frame of 4294967295 bytes is above the limit of 1048576", []byte{255, 255, 255, 255}},
		{"length just above the limit", "frame of 1048577 bytes is above the limit of 1048576", []byte{0, 16, 0, 1}},
		{"fragment without id", "without a message id", AppendFrame(nil, KindFragment, nil)},
		{"fragment with endless id", "without a message id", AppendFrame(nil, KindFragment, bytes.Repeat([]byte{255}, 12))},
		{"fragment without flags", "message 3 without flags", AppendFrame(nil, KindFragment, []byte{3})},
		{"unknown flags", "flags 0x4", frag(3, 4, -1, nil)},
		{"no total", "message 3 without a length", frag(3, flagFirst, -1, []byte{1, 2})},
		{"total zero", "message 3 declares a length of 0", frag(3, flagFirst, 0, nil)},
		{"total above the limit", "message 3 of 1048577 bytes is above the limit of 1048576", frag(3, flagFirst, 1<<20+1, []byte{1})},
		{"not begun", "message 3, which was not begun", frag(3, 0, -1, []byte{1})},
		{"begun twice", "message 3, which is under way", join(frag(3, flagFirst, 5, []byte{1}), frag(3, flagFirst, 5, []byte{1}))},
		{"empty first", "empty fragment of message 3", frag(3, flagFirst, 5, nil)},
		{"empty later", "empty fragment of message 3", join(frag(3, flagFirst, 5, []byte{1}), frag(3, 0, -1, nil))},
		{"too long a piece", "carries 262145 bytes", frag(3, flagFirst, 1<<20, make([]byte, FragmentSize+1))},
		{"far too long a piece", "carries 299994 bytes", AppendFrame(nil, KindFragment, join([]byte{3, flagFirst, 0, 8, 0, 0}, make([]byte, 299994)))},
		{"more than declared", "2 bytes more than the 3 that it declared", frag(3, flagFirst|flagLast, 3, []byte{1, 2, 3, 4, 5})},
		{"less than declared", "ends 2 bytes short of the 5 that it declared", frag(3, flagFirst|flagLast, 5, []byte{1, 2, 3})},
		{"last not marked", "not marked as the last", frag(3, flagFirst, 2, []byte{1, 2})},
		{"fragment in a fragment", "kind 13, which cannot be cut", frag(3, flagFirst|flagLast, 2, []byte{KindFragment, 2})},
		{"mux in a fragment", "kind 14, which cannot be cut", frag(3, flagFirst|flagLast, 2, []byte{KindMux, 2})},
		{"too many under way", "one more than the 16", many(17, 1000)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := NewReader(bytes.NewReader(tt.in), 1<<20)
			_, _, err := r.Next()
			if !errors.Is(err, ErrFrame) || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want ErrFrame with %q", err, tt.want)
			}
			if _, _, again := r.Next(); again != err {
				t.Errorf("the error does not stick: %v", again)
			}
		})
	}
	r := NewReader(bytes.NewReader(many(3, 30<<20)), 0)
	if _, _, err := r.Next(); err == nil || !strings.Contains(err.Error(), "above 67108864") {
		t.Errorf("90 MiB under way: %v", err)
	}
}

// A length costs no memory before the bytes come.
func TestLengthLieCostsNothing(t *testing.T) {
	var in []byte
	for i := range MaxMessages {
		in = append(in, frag(uint64(i), flagFirst, 4<<20, []byte{1})...)
	}
	in = append(in, 0, 255, 255, 255, 1)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := NewReader(bytes.NewReader(in), 0)
	_, _, err := r.Next()
	runtime.ReadMemStats(&after)
	if err != io.ErrUnexpectedEOF {
		t.Fatalf("error %v", err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 2<<20 {
		t.Errorf("%d bytes were allocated for lengths alone", n)
	}
}

// A large message is moved at most while half of it is there, and then stays where it
// is, whatever its length.
func TestLargeStaysInPlace(t *testing.T) {
	for _, total := range []int{100, size2, size2 + 1, growth*size2 - 1, growth*size2 + 9, 4<<20 + 1, 32<<20 + 77} {
		var w whole
		w.begin(total)
		reserved, moved := 0, 0
		for !w.done() {
			if len(w.b) == cap(w.b) {
				moved += len(w.b)
			}
			n := len(w.space(4 << 10))
			if c := cap(w.b); c > max(2*growth*len(w.b), 2*size2) {
				t.Fatalf("total %d: %d bytes reserved when %d were there", total, c, len(w.b))
			}
			w.wrote(n)
			reserved = cap(w.b)
		}
		if reserved < total || reserved > 2*total || moved > total/2+2*size2 {
			t.Errorf("total %d: %d bytes reserved, %d moved", total, reserved, moved)
		}
	}
}

func TestEOF(t *testing.T) {
	whole := AppendFrame(nil, kindTest, []byte("abc"))
	for name, tt := range map[string]struct {
		in   []byte
		want error
	}{
		"nothing":            {nil, io.EOF},
		"after a frame":      {whole, io.EOF},
		"in the length":      {join(whole, whole[:2]), io.ErrUnexpectedEOF},
		"in the body":        {join(whole, whole[:6]), io.ErrUnexpectedEOF},
		"in a large body":    {join(whole, []byte{0, 16, 0, 0, 1, 2, 3}), io.ErrUnexpectedEOF},
		"between fragments":  {join(whole, frag(1, flagFirst, 10, []byte{1})), io.ErrUnexpectedEOF},
		"after large length": {join(whole, []byte{0, 16, 0, 0}), io.ErrUnexpectedEOF},
	} {
		for _, src := range []io.Reader{bytes.NewReader(tt.in), iotest.OneByteReader(bytes.NewReader(tt.in)), iotest.DataErrReader(bytes.NewReader(tt.in))} {
			r := NewReader(src, 0)
			var err error
			for err == nil {
				_, _, err = r.Next()
			}
			if err != tt.want {
				t.Errorf("%s: %v, want %v", name, err, tt.want)
			}
		}
	}
}

// Frames of all sizes, cut into reads of all sizes, come out as they went in.
func TestReaderSizes(t *testing.T) {
	var in []byte
	var sizes []int
	for n := 0; n < 200<<10; n = n*3/2 + 1 {
		sizes = append(sizes, n)
	}
	sizes = append(sizes, size0-5, size0-4, size1-5, size2-6, size2-5, size2-4, size2)
	for i, n := range sizes {
		in = AppendFrame(in, kindTest, bytes.Repeat([]byte{byte(i)}, n))
	}
	for _, step := range []int{1, 3, 1000, 5000, 70000, 1 << 20} {
		r := NewReader(&stepReader{in, step}, 0)
		for i, n := range sizes {
			_, body, err := r.Next()
			if err != nil || len(body) != n || n > 0 && (body[0] != byte(i) || body[n-1] != byte(i)) {
				t.Fatalf("reads of %d: frame %d has %d bytes, want %d; error %v", step, i, len(body), n, err)
			}
		}
		if _, _, err := r.Next(); err != io.EOF {
			t.Fatal(err)
		}
		r.Release()
	}
}

type stepReader struct {
	b    []byte
	step int
}

func (s *stepReader) Read(p []byte) (int, error) {
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.b[:min(s.step, len(s.b))])
	s.b = s.b[n:]
	return n, nil
}

// All that is buffered can be handled before the next read, and the bodies of
// one batch are valid together.
func TestBatch(t *testing.T) {
	var in []byte
	for i := range 50 {
		in = AppendFrame(in, kindTest, fmt.Appendf(nil, "%02d", i))
		if i == 20 {
			in = append(in, frag(9, flagFirst, 3, []byte{7, 8})...)
		}
	}
	in = append(in, frag(9, flagLast, -1, []byte{9})...)
	r := NewReader(bytes.NewReader(in), 0)
	if r.Buffered() {
		t.Fatal("Buffered before anything was read")
	}
	var bodies [][]byte
	for {
		kind, body, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if kind == 7 {
			if !r.Owned() || !bytes.Equal(body, []byte{8, 9}) {
				t.Errorf("message 9: %v, owned %v", body, r.Owned())
			}
		} else {
			bodies = append(bodies, body)
		}
		if !r.Buffered() {
			break
		}
	}
	if len(bodies) != 50 {
		t.Fatalf("a batch of %d frames, want 50", len(bodies))
	}
	for i, b := range bodies {
		if want := fmt.Sprintf("%02d", i); string(b) != want {
			t.Errorf("body %d is %q", i, b)
		}
	}
}

// The buffer grows under load and shrinks when little comes.
func TestReaderBuffer(t *testing.T) {
	one := AppendFrame(nil, kindTest, make([]byte, 60))
	r := NewReader(&phases{first: bytes.Repeat(one, 10000), then: one}, 0)
	grown := 0
	for range 10000 {
		if _, _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		grown = max(grown, len(r.b))
	}
	if grown != size2 {
		t.Errorf("under load the buffer grew to %d, want %d", grown, size2)
	}
	for range 12 {
		if _, _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.b) != size0 {
		t.Errorf("with little to read the buffer has %d bytes, want %d", len(r.b), size0)
	}
	if n := testing.AllocsPerRun(1000, func() { _, _, _ = r.Next() }); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

// phases gives all it can of first, then one frame a read.
type phases struct{ first, then []byte }

func (p *phases) Read(b []byte) (int, error) {
	if len(p.first) > 0 {
		n := copy(b, p.first)
		p.first = p.first[n:]
		return n, nil
	}
	return copy(b, p.then), nil
}

func FuzzReader(f *testing.F) {
	f.Add(AppendFrame(nil, kindTest, []byte("abc")), uint8(3))
	f.Add(join(frag(1, flagFirst, 4, []byte{4, 1}), AppendFrame(nil, 2, nil), frag(1, flagLast, -1, []byte{2, 3})), uint8(1))
	f.Add([]byte{0, 2, 0, 0, 1}, uint8(200))
	f.Add([]byte{0, 0, 0, 0}, uint8(1))
	f.Add(frag(3, flagFirst|flagLast, 2, []byte{KindMux, 2}), uint8(9))
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		// However the bytes are cut into reads, the same frames come out.
		read := func(src io.Reader) (out []byte, msg string) {
			r := NewReader(src, 1<<18)
			for {
				kind, body, err := r.Next()
				if err != nil {
					return out, err.Error()
				}
				if len(body) >= 1<<18 {
					t.Fatalf("a body of %d bytes", len(body))
				}
				out = AppendFrame(out, kind, body)
			}
		}
		a, errA := read(bytes.NewReader(in))
		b, errB := read(&stepReader{in, int(step) + 1})
		if !bytes.Equal(a, b) || errA != errB {
			t.Fatalf("read at once: %x, %s; in steps: %x, %s", a, errA, b, errB)
		}
	})
}

// stutter fails every other read with the error, and else reads one byte.
type stutter struct {
	r     io.Reader
	err   error
	fails bool
}

func (s *stutter) Read(b []byte) (int, error) {
	if s.fails = !s.fails; s.fails {
		return 0, s.err
	}
	return s.r.Read(b[:min(1, len(b))])
}

// A read deadline interrupts a reader, wherever it is in a frame. All other
// errors end the stream.
func TestReadDeadline(t *testing.T) {
	small, whole, pieces := bytes.Repeat([]byte("s"), 10), bytes.Repeat([]byte("w"), size2+10), bytes.Repeat([]byte("p"), 100)
	stream := join(AppendFrame(nil, 4, small), AppendFrame(nil, 5, whole),
		frag(3, flagFirst, 101, append([]byte{6}, pieces[:60]...)), frag(3, flagLast, -1, pieces[60:]))
	expired := &net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}
	r := NewReader(&stutter{r: bytes.NewReader(stream), err: expired}, 0)
	interruptions := 0
	for i, want := range [][]byte{small, whole, pieces} {
		kind, body, err := r.Next()
		for ; errors.Is(err, os.ErrDeadlineExceeded); interruptions++ {
			kind, body, err = r.Next()
		}
		if err != nil || int(kind) != 4+i || !bytes.Equal(body, want) {
			t.Fatalf("frame %d: kind %d, %d bytes, %v", i, kind, len(body), err)
		}
	}
	if interruptions != len(stream) {
		t.Errorf("%d interruptions, want one for each of %d bytes", interruptions, len(stream))
	}
	broken := errors.New("broken")
	r = NewReader(&stutter{r: bytes.NewReader(stream), err: broken}, 0)
	for range 2 {
		if _, _, err := r.Next(); err != broken {
			t.Errorf("got %v, want an error that sticks", err)
		}
	}
}
