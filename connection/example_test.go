package connection_test

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/connection"
)

func Example() {
	ctx := context.Background()
	key := auth.Generate() // both sides hold it
	l, err := connection.Listen(ctx, "tcp://127.0.0.1:0", connection.ListenConfig{AuthKey: key})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	go func() {
		c, err := l.Accept(ctx)
		if err != nil {
			return
		}
		defer c.Close()
		_ = c.Send([]any{2.25, nil, "junk"})
		_ = c.SendBytes([]byte("hello"))
	}()

	c, err := connection.Dial(ctx, l.Addr().String(), connection.DialConfig{AuthKey: key})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	var v []any
	fmt.Println(c.Recv(&v), v)
	b, err := c.RecvBytes(100)
	fmt.Printf("%s %v\n", b, err)
	_, err = c.RecvBytes(100)
	fmt.Println(err == io.EOF)
	// Output:
	// <nil> [2.25 <nil> junk]
	// hello <nil>
	// true
}

func ExamplePipe() {
	a, b := connection.Pipe(true)
	defer a.Close()
	defer b.Close()
	_ = a.Send(map[string]int{"answer": 42})
	var m map[string]int
	fmt.Println(b.Recv(&m), m["answer"])
	// Output: <nil> 42
}

func ExampleConn_RecvBytesInto() {
	a, b := connection.Pipe(true)
	defer a.Close()
	defer b.Close()
	_ = a.SendBytes([]byte("thirty two bytes, give or take"))
	buf := make([]byte, 8)
	_, err := b.RecvBytesInto(buf)
	var short *connection.BufferTooShort
	if errors.As(err, &short) {
		fmt.Printf("%s\n", short.Message)
	}
	// Output: thirty two bytes, give or take
}

func ExampleWait() {
	ctx := context.Background()
	var readers []*connection.Conn
	for i := range 3 {
		r, w := connection.Pipe(false)
		readers = append(readers, r)
		go func() {
			_ = w.Send(i)
			w.Close()
		}()
	}
	sum := 0
	for len(readers) > 0 {
		ready, err := connection.Wait(ctx, readers...)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, r := range ready {
			var n int
			if err := r.Recv(&n); err == nil {
				sum += n
				continue
			}
			r.Close()
			for i := range readers {
				if readers[i] == r {
					readers = append(readers[:i], readers[i+1:]...)
					break
				}
			}
		}
	}
	fmt.Println(sum)
	// Output: 3
}
