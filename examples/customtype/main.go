// Customtype registers a Go type with a server, and calls it from a client.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

// Bank is the type: plain Go. Its methods run in the server, one at a time.
type Bank struct{ accounts map[string]int }

// NewBank is its constructor; clients pass the arguments.
func NewBank(names ...string) *Bank {
	b := &Bank{accounts: make(map[string]int)}
	for _, n := range names {
		b.accounts[n] = 0
	}
	return b
}

// ErrNoAccount comes back to the client as a *proxy.RemoteError.
var ErrNoAccount = errors.New("no such account")

// Deposit adds an amount and returns the new balance.
func (b *Bank) Deposit(name string, amount int) (int, error) {
	if _, ok := b.accounts[name]; !ok {
		return 0, fmt.Errorf("%w: %s", ErrNoAccount, name)
	}
	b.accounts[name] += amount
	return b.accounts[name], nil
}

// Statement fills a list that the client passes as a proxy.
func (b *Bank) Statement(ctx context.Context, lines *proxy.List[string]) error {
	for _, name := range []string{"ann", "bob"} {
		if err := lines.Append(ctx, fmt.Sprintf("%s has %d", name, b.accounts[name])); err != nil {
			return err
		}
	}
	return nil
}

// BankProxy is a typed proxy for the type: a line for each method. With the Ref
// inside, it can also be a result, an element or an argument.
type BankProxy struct{ proxy.Ref }

func (p BankProxy) Deposit(ctx context.Context, name string, amount int) (int, error) {
	return proxy.Call[int](ctx, p, "Deposit", name, amount)
}

func (p BankProxy) Statement(ctx context.Context, lines *proxy.List[string]) error {
	_, err := proxy.Call[struct{}](ctx, p, "Statement", lines)
	return err
}

func main() {
	log.SetFlags(0)
	if err := run(context.Background()); err != nil {
		log.Fatal("customtype: ", err)
	}
}

func run(ctx context.Context) error {
	key := auth.Generate()
	srv := managers.NewServer(managers.Config{AuthKey: key})
	defer srv.Close()
	if err := srv.Register("Bank", NewBank, managers.TypeOptions{}); err != nil {
		return err
	}
	if err := srv.Listen(ctx, "tcp://127.0.0.1:0"); err != nil {
		return err
	}
	go srv.Serve(ctx)
	m, err := proxy.Connect(ctx, srv.Addrs()[0], proxy.Config{AuthKey: key})
	if err != nil {
		return err
	}
	defer m.Close()
	ref, err := m.Create(ctx, "Bank", "ann", "bob")
	if err != nil {
		return err
	}
	bank := BankProxy{*ref}

	var callers sync.WaitGroup
	for range 100 {
		callers.Go(func() {
			if _, err := bank.Deposit(ctx, "ann", 1); err != nil {
				log.Print("customtype: ", err)
			}
		})
	}
	callers.Wait()

	lines, err := proxy.NewList[string](ctx, m)
	if err != nil {
		return err
	}
	if err := bank.Statement(ctx, lines); err != nil {
		return err
	}
	all, errOf := lines.All(ctx)
	for _, line := range all {
		fmt.Println(line)
	}
	if err := errOf(); err != nil {
		return err
	}

	_, err = bank.Deposit(ctx, "eve", 1)
	var remote *proxy.RemoteError
	fmt.Println("a remote error:", errors.As(err, &remote), err)
	methods, err := bank.Methods(ctx)
	for _, method := range methods {
		fmt.Printf("%s(%s) %s\n", method.Name, method.Params, method.Result)
	}
	return err
}
