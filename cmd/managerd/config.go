package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/pflag"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/connection"
	"github.com/syncmanager/syncmanager/internal/defaults"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/managers/durable"
)

// Config is the configuration file; docs/operations.md describes it.
type Config struct {
	Listen        []string       `yaml:"listen"`
	PythonListen  []string       `yaml:"python_listen"`
	Python        PythonConfig   `yaml:"python"`
	DataDir       string         `yaml:"data_dir"`
	Durability    string         `yaml:"durability"`
	AuthKeyFile   string         `yaml:"authkey_file"`
	Keys          []KeyConfig    `yaml:"keys"`
	Objects       []ObjectConfig `yaml:"objects"`
	Lease         time.Duration  `yaml:"lease"`
	ShutdownGrace time.Duration  `yaml:"shutdown_grace"`
	MaxMessage    int            `yaml:"max_message"`
	MaxUnsent     int            `yaml:"max_unsent"`
	MaxStrangers  int            `yaml:"max_strangers"`
	Handshake     time.Duration  `yaml:"handshake_timeout"`
	Limits        LimitsConfig   `yaml:"limits"`
	Log           LogConfig      `yaml:"log"`

	acceptLoss bool     // --accept-loss
	create     []string // --create, not parsed yet
	source     source   // where the file says what

	again     func() (*Config, error) // reads the configuration again
	keysExist bool                    // a key file that is missing is not made
}

// PythonConfig is managers.PythonConfig.
type PythonConfig struct {
	RefuseMD5         bool          `yaml:"refuse_md5"`
	Advertise         string        `yaml:"advertise"`
	MaxMessage        int           `yaml:"max_message"`
	MaxMemory         int64         `yaml:"max_memory"`
	IdleReferences    time.Duration `yaml:"idle_references"`
	DropDeadProcesses bool          `yaml:"drop_dead_processes"`
	ReleaseHolds      time.Duration `yaml:"release_holds"`
}

// KeyConfig is one of several authkeys.
type KeyConfig struct {
	Name           string   `yaml:"name"`
	File           string   `yaml:"file"`
	PassphraseFile string   `yaml:"passphrase_file"`
	Role           string   `yaml:"role"`
	Prefixes       []string `yaml:"prefixes"`
}

// ObjectConfig is a named object to create at the start.
type ObjectConfig struct {
	Name string `yaml:"name"`
	Type string `yaml:"type"`
	Args []any  `yaml:"args"`
}

// LimitsConfig is managers.Limits; 0 is the default, negative no limit.
type LimitsConfig struct {
	Sessions    int   `yaml:"sessions"`
	PerAddress  int   `yaml:"per_address"`
	Strangers   int   `yaml:"strangers"`
	Failures    int   `yaml:"failures"`
	Depth       int   `yaml:"depth"`
	Outstanding int   `yaml:"outstanding"`
	Parked      int   `yaml:"parked"`
	Kept        int   `yaml:"kept"`
	Objects     int   `yaml:"objects"`
	References  int   `yaml:"references"`
	Items       int   `yaml:"items"`
	Bytes       int64 `yaml:"bytes"`
}

// LogConfig says what is logged and how.
type LogConfig struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

func (c *Config) register(f *pflag.FlagSet) {
	f.StringSliceVar(&c.Listen, "listen", nil, "`address` to listen on: tcp://host:port, tcp+plain://host:port or unix:///path (may be repeated)")
	f.StringSliceVar(&c.PythonListen, "python-listen", nil, "`address` to listen on for Python's multiprocessing clients, without encryption: tcp://host:port or unix:///path (may be repeated)")
	f.StringVar(&c.Python.Advertise, "python-advertise", "", "`address` that Python clients are told for nested proxies: host:port or a path (default: the one that they used)")
	f.StringVar(&c.DataDir, "data-dir", "", "`directory` that keeps the state; made if it is missing (default: the state ends with the server)")
	f.StringVar(&c.Durability, "durability", "", "with --data-dir, what a call waits for: `disk` or os (default disk)")
	f.BoolVar(&c.acceptLoss, "accept-loss", false, "start with a damaged --data-dir, without what follows the damage")
	f.StringVar(&c.AuthKeyFile, "authkey-file", "", "`file` that holds the authkey; made if it is missing")
	f.StringArrayVar(&c.create, "create", nil, "object to create at the start: `NAME=TYPEID` or NAME=TYPEID:ARGS with a JSON list (may be repeated)")
	f.DurationVar(&c.Lease, "lease", 0, fmt.Sprintf("how long a session outlives its connection (default %v)", managers.DefaultLease))
	f.StringVar(&c.Log.Level, "log-level", "", "debug, info, warn or error (default info)")
	f.StringVar(&c.Log.Format, "log-format", "", "text or json (default: text on a terminal, json elsewhere)")
}

// load merges the file and the flags, and checks the result. With an error the
// configuration is what could be read; it is nil if that is nothing.
func load(file string, flags *Config, set *pflag.FlagSet) (*Config, error) {
	c := new(Config)
	if file != "" {
		if err := readFile(file, c); err != nil {
			return nil, err
		}
	}
	for name, take := range map[string]func(){
		"listen":           func() { c.Listen = flags.Listen },
		"python-listen":    func() { c.PythonListen = flags.PythonListen },
		"python-advertise": func() { c.Python.Advertise = flags.Python.Advertise },
		"authkey-file":     func() { c.AuthKeyFile = flags.AuthKeyFile },
		"lease":            func() { c.Lease = flags.Lease },
		"data-dir":         func() { c.DataDir = flags.DataDir },
		"durability":       func() { c.Durability = flags.Durability },
		"accept-loss":      func() { c.acceptLoss = flags.acceptLoss },
		"log-level":        func() { c.Log.Level = flags.Log.Level },
		"log-format":       func() { c.Log.Format = flags.Log.Format },
	} {
		if set.Changed(name) {
			take()
			for _, path := range flagPaths(name) {
				c.source.drop(path)
			}
		}
	}
	for _, text := range flags.create {
		o, err := parseObject(text)
		if err != nil {
			c.source.other("objects", err)
			continue
		}
		c.Objects = append(c.Objects, o)
	}
	c.check()
	return c, c.source.err()
}

// parseObject reads NAME=TYPEID or NAME=TYPEID:ARGS.
func parseObject(text string) (ObjectConfig, error) {
	name, rest, ok := strings.Cut(text, "=")
	typeid, args, hasArgs := strings.Cut(rest, ":")
	if !ok || name == "" || typeid == "" {
		return ObjectConfig{}, fmt.Errorf("--create %q: it should be NAME=TYPEID or NAME=TYPEID:ARGS, e.g. jobs=Queue:[100]", text)
	}
	o := ObjectConfig{Name: name, Type: typeid}
	if hasArgs {
		// JSON is YAML.
		if err := yaml.Unmarshal([]byte(args), &o.Args); err != nil {
			return o, fmt.Errorf("--create %q: %q is not a JSON list of arguments", text, args)
		}
	}
	return o, nil
}

// flagPaths returns where in the file the flag's setting stands.
func flagPaths(flag string) []string {
	under := strings.ReplaceAll(flag, "-", "_")
	return []string{under, strings.Replace(under, "_", ".", 1)}
}

// check checks what the form of the settings does not show.
func (c *Config) check() {
	wrong := c.source.mistake
	if _, err := c.Log.level(); err != nil {
		wrong("log.level", "%w", err)
	}
	switch c.Log.Format {
	case "", "text", "json":
	default:
		wrong("log.format", "%q: it is text or json", c.Log.Format)
	}
	switch {
	case c.Durability != "" && c.Durability != string(durable.Disk) && c.Durability != string(durable.OS):
		wrong("durability", "%q: it is disk or os", c.Durability)
	case c.Durability != "" && c.DataDir == "":
		wrong("durability", "%q without a data directory: set --data-dir or data_dir", c.Durability)
	case c.acceptLoss && c.DataDir == "":
		wrong("accept_loss", "there is no data directory: set --data-dir")
	}
	for i, a := range c.Listen {
		p, err := connection.ParseAddress(a)
		switch {
		case err != nil:
			wrong(fmt.Sprintf("listen[%d]", i), "%w", err)
		case p.Transport == connection.Memory:
			wrong(fmt.Sprintf("listen[%d]", i), "%q is for one process: write tcp://host:port, tcp+plain://host:port or unix:///path", a)
		}
	}
	for i, a := range c.PythonListen {
		if p, err := connection.ParseAddress(a); err != nil || p.Transport == connection.Memory {
			wrong(fmt.Sprintf("python_listen[%d]", i), "%q: write tcp://host:port or unix:///path", a)
		}
	}
	for path, n := range map[string]int{"max_message": c.MaxMessage, "max_unsent": c.MaxUnsent, "max_strangers": c.MaxStrangers} {
		if n < 0 {
			wrong(path, "%d: it is 0, for the default, or more", n)
		}
	}
	for path, d := range map[string]time.Duration{
		"shutdown_grace": c.ShutdownGrace, "handshake_timeout": c.Handshake, "python.idle_references": c.Python.IdleReferences,
	} {
		if d < 0 {
			wrong(path, "%v: it is 0, for the default, or more", d)
		}
	}
	if c.Lease != 0 && (c.Lease < managers.MinLease || c.Lease > managers.MaxLease) {
		wrong("lease", "%v: it lies between %v and %v", c.Lease, managers.MinLease, managers.MaxLease)
	}
	c.checkKeys()
	for i, o := range c.Objects {
		if o.Name == "" || o.Type == "" {
			wrong(fmt.Sprintf("objects[%d]", i), "object %q of type %q: both a name and a type are needed", o.Name, o.Type)
		}
	}
}

func (c *Config) checkKeys() {
	if c.AuthKeyFile != "" && len(c.Keys) > 0 {
		c.source.mistake("authkey_file", "keys is set as well: use one of them")
	}
	names := make(map[string]bool)
	for i, k := range c.Keys {
		path := fmt.Sprintf("keys[%d]", i)
		if (k.File == "") == (k.PassphraseFile == "") {
			c.source.mistake(path, "key %q: set either file or passphrase_file", k.Name)
		}
		if err := auth.CheckName(k.Name); err != nil {
			c.source.mistake(path+".name", "%w", err)
		}
		if names[k.Name] {
			c.source.mistake(path+".name", "a second key of the name %q", k.Name)
		}
		names[k.Name] = true
		if _, err := auth.ParseRole(k.Role); err != nil {
			c.source.mistake(path+".role", "%w", err)
		}
	}
}

// rehearse finds what is wrong before the server runs: it loads the keys that
// are there, and makes the objects in a server that nobody can reach.
func (c *Config) rehearse(ctx context.Context) {
	wrong := c.source.mistake
	for i, k := range c.Keys {
		path := fmt.Sprintf("keys[%d]", i)
		if c.source.isWrong(path) {
			continue
		}
		if _, err := k.entry(); err != nil {
			wrong(path, "key %q: %w", k.Name, err)
		}
	}
	if c.AuthKeyFile != "" {
		if _, err := auth.LoadFile(c.AuthKeyFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
			wrong("authkey_file", "%w", err)
		}
	} else if _, ok := os.LookupEnv(defaults.AuthKeyEnv); ok && len(c.Keys) == 0 {
		if _, err := auth.FromEnv(defaults.AuthKeyEnv); err != nil {
			c.source.other("authkey_file", err)
		}
	}
	keys, err := auth.SingleKey(auth.Generate())
	if err != nil {
		c.source.other("keys", err)
		return
	}
	srv := managers.NewServer(c.serverConfig(keys, slog.New(slog.DiscardHandler)))
	defer srv.Close()
	for i, o := range c.Objects {
		path := fmt.Sprintf("objects[%d]", i)
		if c.source.isWrong(path) {
			continue
		}
		if err := srv.CreateNamed(ctx, o.Name, o.Type, o.Args...); err != nil {
			wrong(path, "%w", err)
		}
	}
}

func (l LogConfig) level() (slog.Level, error) {
	var level slog.Level
	if l.Level == "" {
		return slog.LevelInfo, nil
	}
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		return level, fmt.Errorf("%q: it is debug, info, warn or error", l.Level)
	}
	return level, nil
}

// entries loads the keys. With none configured it is the one of the
// environment, of the key file, or of the default file, which is made if it is
// missing; made tells its path then.
func (c *Config) entries() (entries []auth.Entry, path string, made bool, err error) {
	if len(c.Keys) > 0 {
		for _, k := range c.Keys {
			e, err := k.entry()
			if err != nil {
				return nil, "", false, fmt.Errorf("key %q: %w", k.Name, err)
			}
			entries = append(entries, e)
		}
		return entries, "", false, nil
	}
	single := func(k auth.Key) []auth.Entry {
		return []auth.Entry{{Name: auth.DefaultName, Credential: k, Role: auth.RoleAdmin}}
	}
	path = c.AuthKeyFile
	if _, ok := os.LookupEnv(defaults.AuthKeyEnv); ok && path == "" {
		k, err := auth.FromEnv(defaults.AuthKeyEnv)
		return single(k), "", false, err
	}
	if path == "" {
		if path, err = defaults.AuthKeyFile(); err != nil {
			return nil, "", false, err
		}
	}
	if c.keysExist {
		k, err := auth.LoadFile(path)
		return single(k), path, false, err
	}
	k, made, err := loadOrMake(path)
	return single(k), path, made, err
}

func (k KeyConfig) entry() (auth.Entry, error) {
	role, err := auth.ParseRole(k.Role)
	if err != nil {
		return auth.Entry{}, err
	}
	e := auth.Entry{Name: k.Name, Role: role, Prefixes: k.Prefixes}
	if k.File != "" {
		key, err := auth.LoadFile(k.File)
		e.Credential = key
		return e, err
	}
	// A passphrase file must be as private as a key file.
	key, err := auth.LoadFile(k.PassphraseFile)
	if err != nil {
		return e, err
	}
	e.Credential, err = auth.NewPassphrase(string(key.Bytes()))
	return e, err
}
