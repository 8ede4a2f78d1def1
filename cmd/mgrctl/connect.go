package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

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
	keyFrom    string // where the credential was found
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
	case errors.Is(err, auth.ErrAuthentication):
		return nil, t.refused(err)
	}
	f := &failure{err: &unreachable{t.address, err}, hint: "is the server running there? --address or --context name another one"}
	if t.address == defaults.SocketAddress() {
		f.hint = "managerd starts the default server; --address or --context name another one"
	}
	return nil, f
}

// refused is the error of an authkey that is not the server's.
func (t *target) refused(err error) error {
	why := strings.TrimPrefix(oneLine(err.Error()), "proxy: connect to "+t.address+": auth: ")
	return &failure{
		err:   fmt.Errorf("%s: the authkey from %s was refused: %s", t.address, t.keyFrom, why),
		cause: err,
		hint:  "--authkey-file, " + defaults.AuthKeyEnv + " or a context must give the server's key, --key-name its name",
	}
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
	if err := checkAddress(t.address); err != nil {
		return nil, usage(nil, "%v", err)
	}
	t.credential, t.keyFrom, err = a.credential(c)
	return t, err
}

// checkAddress checks the address of a server in another process.
func checkAddress(s string) error {
	a, err := connection.ParseAddress(s)
	if err == nil && a.Transport == connection.Memory {
		return fmt.Errorf("bad address %q: it lies in the memory of one process; write tcp://host:port, tcp+plain://host:port or unix:///path", s)
	}
	if err != nil {
		err = errors.New(strings.ReplaceAll(err.Error(), ", unix:///path or pipe://name", " or unix:///path")) // a name in memory is of one process
	}
	return err
}

// credential reads the key: that of the flags, of the environment, of the
// context, or of the default server. It says where it was found.
func (a *app) credential(c *contextEntry) (key auth.Credential, from string, err error) {
	_, inEnvironment := os.LookupEnv(defaults.AuthKeyEnv)
	switch f := &a.flags; {
	case f.keyFile != "":
		key, err = auth.LoadFile(f.keyFile)
		return key, f.keyFile, err
	case f.passphraseFile != "":
		key, err = loadPassphrase(f.passphraseFile)
		return key, f.passphraseFile, err
	case inEnvironment && !(a.named && c.AuthKeyFile+c.PassphraseFile != ""):
		key, err = auth.FromEnv(defaults.AuthKeyEnv)
		return key, defaults.AuthKeyEnv, err
	case c.AuthKeyFile != "":
		key, err = auth.LoadFile(c.AuthKeyFile)
		return key, c.AuthKeyFile, err
	case c.PassphraseFile != "":
		key, err = loadPassphrase(c.PassphraseFile)
		return key, c.PassphraseFile, err
	}
	path, err := defaults.AuthKeyFile()
	if err != nil {
		return nil, "", err
	}
	key, err = auth.LoadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", &failure{
			exit: exitUnreachable, code: "unreachable",
			err:  fmt.Errorf("there is no authkey in %s: no server has made one", path),
			hint: "managerd starts the default server; for another one give --address and --authkey-file, or a context",
		}
	}
	return key, path, err
}

// loadPassphrase reads a file that must be as private as a key file.
func loadPassphrase(path string) (auth.Credential, error) {
	key, err := auth.LoadFile(path)
	if err != nil {
		return nil, err
	}
	return auth.NewPassphrase(string(key.Bytes()))
}
