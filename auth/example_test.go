package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/syncmanager/syncmanager/auth"
)

// Both sides prove the key that they share, here over an in-memory connection.
func Example() {
	key := auth.Generate()
	ring, err := auth.SingleKey(key)
	if err != nil {
		fmt.Println(err)
		return
	}
	channel := auth.Channel{Kind: auth.TransportPipe}
	clientConn, serverConn := net.Pipe()
	go auth.Client(context.Background(), clientConn, auth.ClientConfig{Credential: key, Channel: channel})

	session, err := auth.Server(context.Background(), serverConn, auth.ServerConfig{Keyring: ring, Channel: channel})
	fmt.Println(session.KeyName, session.Role, err)
	// Output: default admin <nil>
}

// A client without the key hears "no".
func ExampleClient_wrongKey() {
	ring, err := auth.SingleKey(auth.Generate())
	if err != nil {
		fmt.Println(err)
		return
	}
	channel := auth.Channel{Kind: auth.TransportPipe}
	clientConn, serverConn := net.Pipe()
	go auth.Server(context.Background(), serverConn, auth.ServerConfig{Keyring: ring, Channel: channel})

	_, err = auth.Client(context.Background(), clientConn, auth.ClientConfig{Credential: auth.Generate(), Channel: channel})
	fmt.Println(err)
	fmt.Println(errors.Is(err, auth.ErrAuthentication))
	// Output:
	// auth: the server refused key name "default": authentication failed
	// true
}

// A key is kept in a file that its owner alone may read.
func ExampleLoadFile() {
	dir, err := os.MkdirTemp("", "auth")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "authkey")
	written := auth.Generate()
	if err := written.WriteFile(path); err != nil {
		fmt.Println(err)
		return
	}
	key, err := auth.LoadFile(path)
	fmt.Println(key.Equal(written), err)
	fmt.Println(written.WriteFile(path) != nil) // a file is never replaced
	// Output:
	// true <nil>
	// true
}

// A key prints as a fingerprint.
func ExampleKey() {
	key, err := auth.FromBytes([]byte("not a good key"))
	fmt.Println(key, err)
	// Output: authkey:sha256:038270a8a5b5 <nil>
}

// A keyring holds several keys, and can be replaced while it is in use.
func ExampleKeyring() {
	ops := auth.Entry{Name: "ops", Credential: auth.Generate(), Role: auth.RoleAdmin}
	jobs := auth.Entry{Name: "jobs", Credential: auth.Generate(), Role: auth.RoleWrite, Prefixes: []string{"jobs."}}
	ring, err := auth.NewKeyring(ops, jobs)
	if err != nil {
		fmt.Println(err)
		return
	}
	entry, _ := ring.Lookup("jobs")
	fmt.Println(entry.Role.Allows(auth.RoleRead), entry.Role.Allows(auth.RoleAdmin))
	fmt.Println(entry.MayOpen("jobs.today"), entry.MayOpen("users"))
	change, err := ring.Replace(ops)
	fmt.Println(change.Ended(), err)
	// Output:
	// true false
	// true false
	// [jobs] <nil>
}
