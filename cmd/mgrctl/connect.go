package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/connection"
	"github.com/syncmanager/syncmanager/internal/defaults"
	"github.com/syncmanager/syncmanager/proxy"
)

// target is a server and how to prove oneself to it.
type target struct {
	address    string
	keyName    string
	credential auth.Credential
}

// connect opens a session with the server that flags, environment and context
// say, or with the default one.
func (a *app) connect(ctx context.Context, config proxy.Config) (*proxy.Manager, error) {
	t, err := a.target()
	if err != nil {
		return nil, err
	}
	return a.dial(ctx, t, config)
}

// dial opens a session with the server.
func (a *app) dial(ctx context.Context, t *target, config proxy.Config) (*proxy.Manager, error) {
	config.AuthKey, config.KeyName = t.credential, t.keyName
	config.DialTimeout = a.answers()
	config.Program = "mgrctl"
	bounded, cancel := a.within(ctx)
	defer cancel()
	m, err := proxy.Connect(bounded, t.address, config)
	switch {
	case err == nil:
		return m, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, proxy.ErrOverloaded):
		return nil, err
	}
	f := &failure{err: &unreachable{t.address, err}}
	if !errors.Is(err, auth.ErrAuthentication) {
		f.hint = "is the server running there? --address or --context name another one"
		if t.address == defaults.SocketAddress() {
			f.hint = "managerd starts the default server; --address or --context name another one"
		}
	}
	return nil, f
}

// target finds out which server is meant, and reads its key.
func (a *app) target() (*target, error) {
	c, err := a.currentContext()
	if err != nil {
		return nil, err
	}
	t := &target{address: c.Address, keyName: a.flags.keyName}
	if a.flags.address != "" {
		t.address = a.flags.address
	}
	if t.keyName == "" {
		t.keyName = c.KeyName
	}
	if t.address == "" {
		t.address = defaults.SocketAddress()
	}
	if _, err := connection.ParseAddress(t.address); err != nil {
		return nil, usage(nil, "%v", err)
	}
	t.credential, err = a.credential(c)
	return t, err
}

// credential reads the key: that of the flags, of the environment, of the
// context, or of the default server.
func (a *app) credential(c *contextEntry) (auth.Credential, error) {
	_, inEnvironment := os.LookupEnv(defaults.AuthKeyEnv)
	switch f := &a.flags; {
	case f.keyFile != "":
		return auth.LoadFile(f.keyFile)
	case f.passphraseFile != "":
		return loadPassphrase(f.passphraseFile)
	case inEnvironment && !(a.named && c.AuthKeyFile+c.PassphraseFile != ""):
		return auth.FromEnv(defaults.AuthKeyEnv)
	case c.AuthKeyFile != "":
		return auth.LoadFile(c.AuthKeyFile)
	case c.PassphraseFile != "":
		return loadPassphrase(c.PassphraseFile)
	}
	path, err := defaults.AuthKeyFile()
	if err != nil {
		return nil, err
	}
	key, err := auth.LoadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &failure{
			exit: exitUnreachable, code: "unreachable",
			err:  fmt.Errorf("there is no authkey in %s: no server has made one", path),
			hint: "managerd starts the default server; for another one give --address and --authkey-file, or a context",
		}
	}
	return key, err
}

// loadPassphrase reads a file that must be as private as a key file.
func loadPassphrase(path string) (auth.Credential, error) {
	key, err := auth.LoadFile(path)
	if err != nil {
		return nil, err
	}
	return auth.NewPassphrase(string(key.Bytes()))
}
