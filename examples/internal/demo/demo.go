// Package demo connects the examples to a server.
package demo

import (
	"context"
	"os"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

// Connect connects to the server that SYNCMANAGER_ADDRESS names, with the key in
// SYNCMANAGER_AUTHKEY. Without an address it starts a server in this process,
// with what setup registers. The function that it returns ends both.
func Connect(ctx context.Context, setup ...func(*managers.Server) error) (*proxy.Manager, func(), error) {
	if addr := os.Getenv("SYNCMANAGER_ADDRESS"); addr != "" {
		key, err := auth.FromEnv("SYNCMANAGER_AUTHKEY")
		if err != nil {
			return nil, nil, err
		}
		m, err := proxy.Connect(ctx, addr, proxy.Config{AuthKey: key})
		if err != nil {
			return nil, nil, err
		}
		return m, func() { m.Close() }, nil
	}
	key := auth.Generate()
	srv := managers.NewServer(managers.Config{AuthKey: key})
	for _, f := range setup {
		if err := f(srv); err != nil {
			return nil, nil, err
		}
	}
	if err := srv.Listen(ctx, "tcp://127.0.0.1:0"); err != nil {
		return nil, nil, err
	}
	go srv.Serve(ctx)
	m, err := proxy.Connect(ctx, srv.Addrs()[0], proxy.Config{AuthKey: key})
	if err != nil {
		srv.Close()
		return nil, nil, err
	}
	return m, func() { m.Close(); srv.Close() }, nil
}
