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

	"github.com/syncmanager/syncmanager/examples/internal/demo"
	"github.com/syncmanager/syncmanager/proxy"
)

func main() {
	log.SetFlags(0)
	if err := run(context.Background(), os.Args[1:]); err != nil {
		log.Fatal("sharedqueue: ", err)
	}
}

func run(ctx context.Context, args []string) error {
	m, done, err := demo.Connect(ctx)
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
