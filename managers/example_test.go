package managers_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

// Maths is a type of the program's own.
type Maths struct{ calls int }

// NewMaths makes a Maths.
func NewMaths() *Maths { return &Maths{} }

// Add counts its calls without a lock: calls of one object come one at a time.
func (m *Maths) Add(a, b int) int {
	m.calls++
	return a + b
}

// Calls returns how many calls there were.
func (m *Maths) Calls() int { return m.calls }

// serve listens in the memory of this process, where a program would name an
// address, and returns a client.
func serve(srv *managers.Server, key auth.Key) (m *proxy.Manager, stop func()) {
	ctx := context.Background()
	if err := srv.Listen(ctx, "pipe"); err != nil {
		log.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx) }()
	m, err := proxy.Connect(ctx, srv.Addrs()[0], proxy.Config{AuthKey: key})
	if err != nil {
		log.Fatal(err)
	}
	return m, func() {
		m.Close()
		srv.Close()
		<-done
	}
}

func Example() {
	key := auth.Generate()
	srv := managers.NewServer(managers.Config{AuthKey: key})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	if err := srv.Listen(ctx, "tcp://127.0.0.1:0"); err != nil {
		log.Fatal(err)
	}
	go func() { done <- srv.Serve(ctx) }()

	m, err := proxy.Connect(ctx, srv.Addrs()[0], proxy.Config{AuthKey: key})
	if err != nil {
		log.Fatal(err)
	}
	counts, err := proxy.OpenDict[string, int](ctx, m, "counts")
	if err != nil {
		log.Fatal(err)
	}
	n, err := counts.Add(ctx, "visits", 1)
	fmt.Println(n, err)
	m.Close()

	cancel() // the server ends in good order
	fmt.Println(errors.Is(<-done, managers.ErrServerClosed))
	// Output:
	// 1 <nil>
	// true
}

func ExampleServer_Register() {
	key := auth.Generate()
	srv := managers.NewServer(managers.Config{AuthKey: key})
	err := srv.Register("Maths", NewMaths, managers.TypeOptions{Exposed: []string{"Add"}})
	if err != nil {
		log.Fatal(err)
	}
	m, stop := serve(srv, key)
	defer stop()
	ctx := context.Background()

	maths, err := m.Create(ctx, "Maths")
	if err != nil {
		log.Fatal(err)
	}
	sum, err := proxy.Call[int](ctx, maths, "Add", 4, 3)
	fmt.Println(sum, err)
	_, err = proxy.Call[int](ctx, maths, "Add", 4, "three")
	fmt.Println(err)
	_, err = proxy.Call[int](ctx, maths, "Calls")
	fmt.Println(errors.Is(err, proxy.ErrNotExposed))
	// Output:
	// 7 <nil>
	// Maths.Add(int, int): argument 2: got str, want int: cannot decode str into the Go type int
	// true
}

// One object for every client, as with get_queue of Python's manual.
func ExampleServer_RegisterValue() {
	key := auth.Generate()
	srv := managers.NewServer(managers.Config{AuthKey: key})
	if err := srv.RegisterValue("get_maths", NewMaths(), managers.TypeOptions{}); err != nil {
		log.Fatal(err)
	}
	m, stop := serve(srv, key)
	defer stop()
	ctx := context.Background()

	for range 2 {
		maths, err := m.Create(ctx, "get_maths")
		if err != nil {
			log.Fatal(err)
		}
		if _, err := proxy.Call[int](ctx, maths, "Add", 1, 2); err != nil {
			log.Fatal(err)
		}
		calls, err := proxy.Call[int](ctx, maths, "Calls")
		fmt.Println(calls, err)
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
}
