package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/pflag"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/defaults"
	"github.com/syncmanager/syncmanager/managers"
)

// Config is the configuration file; docs/operations.md describes it.
type Config struct {
	Listen        []string       `yaml:"listen"`
	PythonListen  []string       `yaml:"python_listen"`
	Python        PythonConfig   `yaml:"python"`
	AuthKeyFile   string         `yaml:"authkey_file"`
	Keys          []KeyConfig    `yaml:"keys"`
	Objects       []ObjectConfig `yaml:"objects"`
	Lease         time.Duration  `yaml:"lease"`
	ShutdownGrace time.Duration  `yaml:"shutdown_grace"`
	MaxMessage    int            `yaml:"max_message"`
	MaxUnsent     int            `yaml:"max_unsent"`
	MaxStrangers  int            `yaml:"max_strangers"`
	Limits        LimitsConfig   `yaml:"limits"`
	Log           LogConfig      `yaml:"log"`

	create []string // --create, not parsed yet
}

// PythonConfig is managers.PythonConfig.
type PythonConfig struct {
	RefuseMD5         bool          `yaml:"refuse_md5"`
	Advertise         string        `yaml:"advertise"`
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
	f.StringVar(&c.AuthKeyFile, "authkey-file", "", "`file` that holds the authkey; made if it is missing")
	f.StringArrayVar(&c.create, "create", nil, "object to create at the start: `NAME=TYPEID` or NAME=TYPEID:ARGS with a JSON list (may be repeated)")
	f.DurationVar(&c.Lease, "lease", 0, fmt.Sprintf("how long a session outlives its connection (default %v)", managers.DefaultLease))
	f.StringVar(&c.Log.Level, "log-level", "", "debug, info, warn or error (default info)")
	f.StringVar(&c.Log.Format, "log-format", "", "text or json (default: text on a terminal, json elsewhere)")
}

// load merges the file and the flags, and checks the result.
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
		"log-level":        func() { c.Log.Level = flags.Log.Level },
		"log-format":       func() { c.Log.Format = flags.Log.Format },
	} {
		if set.Changed(name) {
			take()
		}
	}
	for _, text := range flags.create {
		o, err := parseObject(text)
		if err != nil {
			return nil, err
		}
		c.Objects = append(c.Objects, o)
	}
	return c, c.check()
}

// readFile reads a configuration file. Its errors name file, line and key.
func readFile(file string, c *Config) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	err = yaml.UnmarshalWithOptions(text, c, yaml.Strict())
	var syntax yaml.Error
	if errors.As(err, &syntax) && syntax.GetToken() != nil {
		return lineError(file, text, syntax)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// lineError says file, line, key and value of a mistake.
func lineError(file string, text []byte, e yaml.Error) error {
	at := e.GetToken()
	line := at.Position.Line
	var key string
	if lines := strings.Split(string(text), "\n"); line >= 1 && line <= len(lines) {
		key, _, _ = strings.Cut(strings.TrimLeft(lines[line-1], " -"), ":")
	}
	var mistyped *yaml.TypeError
	if errors.As(e, &mistyped) {
		return fmt.Errorf("%s:%d: %s: %q is not a %s", file, line, key, at.Value, mistyped.DstType)
	}
	return fmt.Errorf("%s:%d: %s", file, line, e.GetMessage())
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

func (c *Config) check() error {
	if _, err := c.Log.level(); err != nil {
		return err
	}
	switch c.Log.Format {
	case "", "text", "json":
	default:
		return fmt.Errorf("log format %q: it is text or json", c.Log.Format)
	}
	if c.AuthKeyFile != "" && len(c.Keys) > 0 {
		return errors.New("authkey_file and keys are both set: use one of them")
	}
	for _, k := range c.Keys {
		if (k.File == "") == (k.PassphraseFile == "") {
			return fmt.Errorf("key %q: set either file or passphrase_file", k.Name)
		}
		if _, err := auth.ParseRole(k.Role); err != nil {
			return fmt.Errorf("key %q: %w", k.Name, err)
		}
	}
	for _, o := range c.Objects {
		if o.Name == "" || o.Type == "" {
			return fmt.Errorf("object %q of type %q: both a name and a type are needed", o.Name, o.Type)
		}
	}
	if c.Lease != 0 && (c.Lease < managers.MinLease || c.Lease > managers.MaxLease) {
		return fmt.Errorf("lease %v: it lies between %v and %v", c.Lease, managers.MinLease, managers.MaxLease)
	}
	return nil
}

func (l LogConfig) level() (slog.Level, error) {
	var level slog.Level
	if l.Level == "" {
		return slog.LevelInfo, nil
	}
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		return level, fmt.Errorf("log level %q: it is debug, info, warn or error", l.Level)
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
