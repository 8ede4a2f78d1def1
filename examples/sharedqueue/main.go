// Sharedqueue passes messages between machines through a queue.
//
//	sharedqueue put MESSAGE ...   puts each message into the queue "messages"
//	sharedqueue get N             takes N messages, and waits for them
//	sharedqueue                   does both, with a server in this process
//
// The server is named by SYNCMANAGER_ADDRESS, its key stands in
// SYNCMANAGER_AUTHKEY.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

func main() {
	log.SetFlags(0)
	if err := run(context.Background(), os.Args[1:]); err != nil {
		log.Fatal("sharedqueue: ", err)
	}
}

func run(ctx context.Context, args []string) error {
	m, done, err := connect(ctx)
	if err != nil {
		return err
	}
	defer done()
	messages, err := proxy.OpenQueue[string](ctx, m, "messages", 0)
	if err != nil {
		return err
	}
	switch {
	case len(args) == 0:
		if err := put(ctx, messages, []string{"hello", "from", "another machine"}); err != nil {
			return err
		}
		return get(ctx, messages, 3)
	case args[0] == "put":
		return put(ctx, messages, args[1:])
	case args[0] == "get" && len(args) == 2:
		n, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		return get(ctx, messages, n)
	}
	return fmt.Errorf("what to do? put MESSAGE ..., or get N")
}

func put(ctx context.Context, q *proxy.Queue[string], messages []string) error {
	for _, msg := range messages {
		if err := q.Put(ctx, msg); err != nil {
			return err
		}
		fmt.Println("put", msg)
	}
	return nil
}

func get(ctx context.Context, q *proxy.Queue[string], n int) error {
	for range n {
		msg, err := q.Get(ctx)
		if err != nil {
			return err
		}
		fmt.Println("got", msg)
	}
	return nil
}

// connect connects to the server that SYNCMANAGER_ADDRESS names, with the key in
// SYNCMANAGER_AUTHKEY. Without an address it starts a server in this process. The
// function that it returns ends both.
func connect(ctx context.Context) (*proxy.Manager, func(), error) {
	if addr := os.Getenv("SYNCMANAGER_ADDRESS"); addr != "" {
		key, err := auth.FromEnv("SYNCMANAGER_AUTHKEY")
		if err != nil {
			return nil, nil, err
		}
		m, err := proxy.Connect(ctx, addr, proxy.Config{AuthKey: key})
		return m, func() { m.Close() }, err
	}
	key := auth.Generate()
	srv := managers.NewServer(managers.Config{AuthKey: key})
	if err := srv.Listen(ctx, "tcp://127.0.0.1:0"); err != nil {
		return nil, nil, err
	}
	go srv.Serve(ctx)
	m, err := proxy.Connect(ctx, srv.Addrs()[0], proxy.Config{AuthKey: key})
	return m, func() { m.Close(); srv.Close() }, err
}
