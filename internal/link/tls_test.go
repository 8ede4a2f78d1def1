package link

import (
	"io"
	"testing"
	"time"
)

// What the TLS connection writes by itself, such as the answer to a key update,
// goes out without a Flush, in the order of the records. Here it is a frame that
// is written past the outbox, which is no more than a probe: it would land inside
// a frame of the outbox if more than tlsChunk waited there.
func TestTLSWritesOfItsOwn(t *testing.T) {
	for _, kind := range []string{"tls", "tls+pipe"} {
		t.Run(kind, func(t *testing.T) {
			a, b := pair(t, kind)
			o := NewOutbox(a, OutboxConfig{})
			const n = 200
			go func() {
				for range n {
					// Whole frames, so that the reader can count them.
					if _, err := a.Write(AppendFrame(nil, 2, []byte("own"))); err != nil {
						t.Error(err)
					}
				}
			}()
			go func() {
				for range n {
					if err := o.Send(kindTest, make([]byte, tlsChunk/n/2)); err != nil {
						t.Error(err)
					}
				}
			}()
			_ = b.SetReadDeadline(time.Now().Add(10 * time.Second))
			r := NewReader(b, 0)
			for range 2 * n {
				if kind, _, err := r.Next(); err != nil || kind != 2 && kind != kindTest {
					t.Fatalf("kind %d, %v", kind, err)
				}
			}
			// The last one, with nobody else writing.
			if _, err := a.Write(AppendFrame(nil, 2, nil)); err != nil {
				t.Fatal(err)
			}
			if _, _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// What came in several records with one read of the socket is one batch.
func TestTLSRecordsAreOneBatch(t *testing.T) {
	a, b := pair(t, "tls+pipe")
	const n = 10
	for i := range n {
		if _, err := a.Write(AppendFrame(nil, kindTest, []byte{byte(i)})); err != nil {
			t.Fatal(err)
		}
	}
	r := NewReader(b, 0)
	for i := range n {
		if i > 0 && !r.Buffered() {
			t.Fatalf("%d frames of %d are one batch", i, n)
		}
		if _, body, err := r.Next(); err != nil || len(body) != 1 || body[0] != byte(i) {
			t.Fatalf("frame %d: % x, %v", i, body, err)
		}
	}
	if r.Buffered() {
		t.Error("a frame that nobody sent is buffered")
	}
	// An end that stands behind the last record is not lost.
	if _, err := a.Write(AppendFrame(nil, kindTest, nil)); err != nil {
		t.Fatal(err)
	}
	a.Close()
	if _, _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Next(); err != io.EOF {
		t.Errorf("error at the end: %v, want io.EOF", err)
	}
}
