package link

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
)

// serve answers every frame with itself, a batch at a time.
func serve(c net.Conn) {
	o, r := NewOutbox(c, OutboxConfig{}), NewReader(c, 0)
	for {
		kind, body, err := r.Next()
		if err != nil {
			o.Close()
			return
		}
		buf := AppendFrame(o.Lock(), kind, body)
		if o.Unlock(buf) != nil {
			return
		}
		if !r.Buffered() {
			o.Flush()
		}
	}
}

// One caller, 64 bytes there and back: the floor that a socket sets, and what
// Outbox and Reader make of it.
func BenchmarkPingPong(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		x, y := pair(b, "tcp")
		go func() {
			buf := make([]byte, 64)
			for {
				n, err := y.Read(buf)
				if err != nil {
					return
				}
				if _, err := y.Write(buf[:n]); err != nil {
					return
				}
			}
		}()
		buf := make([]byte, 64)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := x.Write(buf); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(x, buf); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, kind := range kinds {
		b.Run(kind, func(b *testing.B) {
			x, y := pair(b, kind)
			go serve(y)
			o, r := NewOutbox(x, OutboxConfig{}), NewReader(x, 0)
			body := make([]byte, 64-headSize)
			b.ReportAllocs()
			for b.Loop() {
				if err := o.UnlockFlush(AppendFrame(o.Lock(), kindTest, body)); err != nil {
					b.Fatal(err)
				}
				if _, _, err := r.Next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Many goroutines with one frame each.
func BenchmarkManyWriters(b *testing.B) {
	for _, kind := range []string{"tcp", "tls"} {
		b.Run(kind, func(b *testing.B) {
			x, y := pair(b, kind)
			done := make(chan struct{})
			go func() {
				defer close(done)
				for r := NewReader(y, 0); ; {
					if _, _, err := r.Next(); err != nil {
						return
					}
				}
			}()
			o := NewOutbox(x, OutboxConfig{})
			body := make([]byte, 64)
			b.SetParallelism(50)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					if err := o.UnlockFlush(AppendFrame(o.Lock(), kindTest, body)); err != nil {
						b.Error(err)
						return
					}
					if i%64 == 0 {
						_ = o.Wait(context.Background(), 1<<20)
					}
				}
			})
			_ = o.Wait(context.Background(), 0)
			o.Close()
			<-done
		})
	}
}

func BenchmarkReader(b *testing.B) {
	r := NewReader(&cycle{b: bytes.Repeat(AppendFrame(nil, kindTest, make([]byte, 64)), 500)}, 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := r.Next(); err != nil {
			b.Fatal(err)
		}
	}
}

// cycle reads the same bytes again and again.
type cycle struct {
	b  []byte
	at int
}

func (c *cycle) Read(p []byte) (int, error) {
	n := copy(p, c.b[c.at:])
	c.at = (c.at + n) % len(c.b)
	return n, nil
}

func BenchmarkLarge(b *testing.B) {
	x, y := pair(b, "tls")
	go func() {
		for r := NewReader(y, 0); ; {
			if _, _, err := r.Next(); err != nil {
				return
			}
		}
	}()
	o := NewOutbox(x, OutboxConfig{})
	data := make([]byte, 8<<20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if err := o.SendLarge(kindTest, data); err != nil {
			b.Fatal(err)
		}
		if err := o.Wait(context.Background(), 0); err != nil {
			b.Fatal(err)
		}
	}
}
