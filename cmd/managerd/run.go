package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/defaults"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/managers/durable"
)

// heapReserve is what keeps the garbage collector from running many times a second
// while the server holds little.
const heapReserve = 32 << 20

// run serves until the context ends.
func run(ctx context.Context, c *Config, stderr io.Writer) error {
	log := c.Log.logger(stderr)
	entries, keyPath, made, err := c.entries()
	if err != nil {
		if _, named := os.LookupEnv(defaults.AuthKeyEnv); named || len(c.Keys) > 0 || c.AuthKeyFile != "" {
			return usage(err)
		}
		return err // the default file cannot be made or read
	}
	keys, err := auth.NewKeyring(entries...)
	if err != nil {
		return usage(err)
	}
	config := c.serverConfig(keys, log)
	if c.DataDir != "" {
		store, err := c.openData(stderr, log)
		if err != nil {
			return err
		}
		defer store.Close()
		config.Durability = store
		config.Fatal = func(err error) {
			fmt.Fprintln(stderr, "managerd: the log in", store.Dir(), "has failed:", err)
			os.Exit(exitError)
		}
	}
	srv := managers.NewServer(config)
	defer srv.Close()
	for _, o := range c.Objects {
		if err := srv.CreateNamed(ctx, o.Name, o.Type, o.Args...); err != nil {
			return usage(err)
		}
	}
	addrs := c.Listen
	if len(addrs) == 0 {
		addrs = []string{defaults.SocketAddress(), defaults.TCPAddress}
	}
	if err := srv.Listen(ctx, addrs...); err != nil {
		return err
	}
	if len(c.PythonListen) > 0 {
		if err := srv.ListenPython(ctx, c.PythonListen...); err != nil {
			return err
		}
	}
	announce(stderr, log, srv.Addrs(), keyPath, made)
	stop := c.reloadOn(srv, log)
	defer stop()
	notify("READY=1")
	told := make(chan struct{})
	context.AfterFunc(ctx, func() {
		notify("STOPPING=1")
		close(told)
	})
	err = srv.Serve(ctx)
	if ctx.Err() != nil {
		<-told
	}
	if errors.Is(err, managers.ErrServerClosed) {
		log.Info("stopped")
		return nil
	}
	return err
}

// openData takes the data directory, and says at its first use where the data are
// and what is promised.
func (c *Config) openData(stderr io.Writer, log *slog.Logger) (*durable.Store, error) {
	store, err := durable.Open(c.DataDir, durable.Options{Level: durable.Level(c.Durability), AcceptLoss: c.acceptLoss, Logger: log})
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", c.DataDir, err)
	}
	promise := "what a call was answered for survives a crash of the server, of the system, and a power cut"
	if durable.Level(c.Durability) == durable.OS {
		promise = "what a call was answered for survives a crash of the server; one of the system, or a power cut, loses a second at most"
	}
	switch {
	case !store.New():
	case isTerminal(stderr):
		fmt.Fprintf(stderr, "The data are in %s: %s.\n", store.Dir(), promise)
	default:
		log.Info("a data directory begins", "directory", store.Dir(), "promise", promise)
	}
	return store, nil
}

func (c *Config) serverConfig(keys *auth.Keyring, log *slog.Logger) managers.Config {
	l := c.Limits
	return managers.Config{
		Keyring: keys, Lease: c.Lease, MaxMessage: c.MaxMessage, MaxUnsent: c.MaxUnsent, MaxStrangers: c.MaxStrangers, HandshakeTimeout: c.Handshake,
		Python:        managers.PythonConfig(c.Python),
		ShutdownGrace: c.ShutdownGrace, HeapReserve: heapReserve, Logger: log, Version: "managerd " + buildVersion(),
		Limits: managers.Limits{
			Sessions: l.Sessions, PerAddress: l.PerAddress, Strangers: l.Strangers, Failures: l.Failures, Depth: l.Depth, Outstanding: l.Outstanding, Parked: l.Parked, Kept: l.Kept,
			Objects: l.Objects, References: l.References, Items: l.Items, Bytes: l.Bytes,
		},
	}
}

// logger returns the log: text on a terminal, JSON elsewhere.
func (l LogConfig) logger(w io.Writer) *slog.Logger {
	level, _ := l.level() // checked when the configuration was loaded
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindDuration {
			a.Value = slog.StringValue(a.Value.Duration().String()) // JSON would have bare nanoseconds
		}
		return a
	}}
	if l.Format == "json" || l.Format == "" && !isTerminal(w) {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// announce says where the server listens and how to connect: in words on a
// terminal, in the log elsewhere.
func announce(w io.Writer, log *slog.Logger, addrs []string, keyPath string, made bool) {
	if !isTerminal(w) {
		log.Info("listening", "addresses", addrs, "authkey_file", keyPath, "authkey_made", made)
		return
	}
	fmt.Fprintln(w, "managerd", buildVersion(), "listens on")
	for _, a := range addrs {
		fmt.Fprintln(w, "  "+a)
	}
	switch {
	case made:
		fmt.Fprintln(w, "A new authkey is in", keyPath)
	case keyPath != "":
		fmt.Fprintln(w, "The authkey is in", keyPath)
	}
	if slices.Contains(addrs, defaults.SocketAddress()) {
		fmt.Fprintln(w, "Try:  mgrctl ping")
		return
	}
	// The addresses for Python, python+..., are not for mgrctl.
	addrs = slices.DeleteFunc(addrs, func(a string) bool { return strings.HasPrefix(a, "python+") })
	if len(addrs) == 0 {
		return
	}
	hint := "Try:  mgrctl --address " + addrs[0]
	if keyPath != "" {
		hint += " --authkey-file " + keyPath
	}
	fmt.Fprintln(w, hint+" ping")
}

// loadOrMake reads the key file, and makes it if there is none.
func loadOrMake(path string) (key auth.Key, made bool, err error) {
	key, err = auth.LoadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, false, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return key, false, err
	}
	key = auth.Generate()
	if err := key.WriteFile(path); err != nil {
		if errors.Is(err, fs.ErrExist) {
			// Another server made it meanwhile.
			key, err = auth.LoadFile(path)
			return key, false, err
		}
		return key, false, err
	}
	return key, true, nil
}

// reloadOn reads the configuration's keys again at every SIGHUP. The keys in use
// stay when one cannot be read.
func (c *Config) reloadOn(srv *managers.Server, log *slog.Logger) (stop func()) {
	hups := make(chan os.Signal, 1)
	if len(reloadSignals) > 0 {
		signal.Notify(hups, reloadSignals...)
	}
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-hups:
			}
			notify(reloading())
			var entries []auth.Entry
			next, err := c.again()
			if err == nil {
				entries, _, _, err = next.entries()
			}
			if err == nil {
				err = srv.ReplaceKeys(entries...)
			}
			if err != nil {
				log.Error("keys were not reloaded; the old ones stay", "err", err)
			} else {
				names := make([]string, len(entries))
				for i, e := range entries {
					names[i] = e.Name
				}
				log.Info("keys reloaded", "keys", strings.Join(names, " "))
			}
			notify("READY=1")
		}
	}()
	return func() {
		signal.Stop(hups)
		close(done)
	}
}
