// Nested puts shared objects into shared objects: a dict of lists, as in
// Python's manual. A list that only the dict refers to lives as long as it
// stays there.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

func main() {
	log.SetFlags(0)
	if err := run(context.Background()); err != nil {
		log.Fatal("nested: ", err)
	}
}

func run(ctx context.Context) error {
	key := auth.Generate()
	srv := managers.NewServer(managers.Config{AuthKey: key})
	defer srv.Close()
	if err := srv.Listen(ctx, "tcp://127.0.0.1:0"); err != nil {
		return err
	}
	go srv.Serve(ctx)
	m, err := proxy.Connect(ctx, srv.Addrs()[0], proxy.Config{AuthKey: key})
	if err != nil {
		return err
	}
	defer m.Close()
	teams, err := proxy.OpenDict[string, *proxy.List[string]](ctx, m, "teams")
	if err != nil {
		return err
	}
	for team, members := range map[string][]string{"red": {"ann"}, "blue": {"bob", "eve"}} {
		list, err := proxy.NewList(ctx, m, members...)
		if err != nil {
			return err
		}
		if err := teams.Set(ctx, team, list); err != nil {
			return err
		}
		list.Drop() // the dict holds it now
	}

	// What comes out of the dict is a proxy of the same list.
	red, err := teams.Get(ctx, "red")
	if err != nil {
		return err
	}
	if err := red.Append(ctx, "dan"); err != nil {
		return err
	}
	for _, team := range []string{"red", "blue"} {
		list, err := teams.Get(ctx, team)
		if err != nil {
			return err
		}
		members, err := list.Copy(ctx)
		if err != nil {
			return err
		}
		fmt.Println(team, members)
	}
	before, err := m.Info(ctx)
	if err != nil {
		return err
	}
	red.Drop()
	if err := teams.Clear(ctx); err != nil {
		return err
	}
	fmt.Println("objects before the dict is cleared:", before["objects"])
	return nil
}
