package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/defaults"
)

// everything has every key of the configuration file.
const everything = `
listen:
  - tcp://127.0.0.1:0
  - unix:///tmp/x.sock
python_listen: ["tcp://127.0.0.1:21601"]
python:
  refuse_md5: true
  advertise: db:21601
  max_message: 1000
  max_memory: 2000
  idle_references: 1h
  drop_dead_processes: true
  release_holds: -1s
keys:
  - {name: ops, file: KEY, role: admin}
  - name: web
    passphrase_file: KEY
    role: write
    prefixes: [web., "*"]
objects:
  - {name: jobs, type: Queue, args: [100]}
  - {name: config, type: dict}
data_dir: /tmp/x
durability: os
lease: 20s
shutdown_grace: 3s
handshake_timeout: 4s
max_message: 1000000
max_unsent: 2000000
max_strangers: 7
limits: {sessions: 1, per_address: 2, strangers: 9, failures: 10, depth: 3, outstanding: 4, parked: 5, kept: 6, objects: 7, references: 8, items: -1, bytes: 1000000}
log:
  level: debug
  format: text
`

// start runs managerd's command line and returns what it printed.
func start(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var out bytes.Buffer
	cmd := command()
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(append([]string{}, args...)) // nil would stand for those of the test
	err := cmd.ExecuteContext(ctx)
	return out.String(), err
}

// file writes a configuration, with KEY as the path of a key file.
func file(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if err := auth.Generate().WriteFile(key); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "managerd.yaml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "KEY", key)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// keysOf returns the paths of all keys of a configuration type.
func keysOf(t reflect.Type, path string) (keys []string) {
	for t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		key := t.Field(i).Tag.Get("yaml")
		if key == "" {
			continue
		}
		keys = append(keys, path+key)
		keys = append(keys, keysOf(t.Field(i).Type, path+key+".")...)
	}
	return keys
}

// TestEveryKey reads a file with every key, and finds each in the server's
// configuration.
func TestEveryKey(t *testing.T) {
	path := file(t, everything)
	flags := new(Config)
	cmd := command()
	c, err := load(path, flags, cmd.Flags())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keysOf(reflect.TypeFor[Config](), "") {
		if key == "authkey_file" { // not beside keys
			continue
		}
		found := false
		for at := range c.source.lines {
			plain := strings.NewReplacer("[0]", "", "[1]", "").Replace(at)
			found = found || plain == key
		}
		if !found {
			t.Errorf("the file of this test has no %s", key)
		}
	}
	s := c.serverConfig(nil, nil)
	// What the file says of the server is in its configuration: no field is
	// left at its zero value but those that come from elsewhere.
	zero := map[string]bool{"AuthKey": true, "Keyring": true, "Logger": true, "Durability": true, "Fatal": true, "Errors": true}
	v := reflect.ValueOf(s)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.IsExported() && v.Field(i).IsZero() != zero[f.Name] {
			t.Errorf("managers.Config.%s is %v", f.Name, v.Field(i))
		}
	}
	for _, part := range []reflect.Value{reflect.ValueOf(s.Limits), reflect.ValueOf(s.Python)} {
		for i := range part.NumField() {
			if part.Field(i).IsZero() {
				t.Errorf("%v.%s cannot be set in the file", part.Type(), part.Type().Field(i).Name)
			}
		}
	}
	if s.HandshakeTimeout != 4*time.Second || s.Lease != 20*time.Second || s.Limits.Items != -1 || s.Python.ReleaseHolds != -time.Second {
		t.Errorf("the server's configuration is %+v", s)
	}
	if out, err := start(t, "--config", file(t, "authkey_file: KEY\n"), "--check-config"); err != nil || out != "the configuration is fine\n" {
		t.Errorf("authkey_file: %q, %v", out, err)
	}
}

func TestCheckConfig(t *testing.T) {
	out, err := start(t, "--config", file(t, strings.ReplaceAll(everything, "bytes: 1000000", "bytes: 0")), "--check-config")
	if err != nil || out != "the configuration is fine\n" {
		t.Errorf("%q, %v", out, err)
	}
	for _, empty := range []string{"", "\n", "# nothing\n", "listen:\nlimits: null\n", "---\nlease: 2s\n"} {
		if _, err := start(t, "--config", file(t, empty), "--check-config"); err != nil {
			t.Errorf("%q: %v", empty, err)
		}
	}
	anchors := "listen: [&a \"tcp://127.0.0.1:1\", *a]\nlog: &l {level: info}\n"
	if _, err := start(t, "--config", file(t, anchors), "--check-config"); err != nil {
		t.Errorf("%q: %v", anchors, err)
	}
}

// TestWrongFile holds that what is wrong in a file is told with file, line and
// key, and ends the program before it listens.
func TestWrongFile(t *testing.T) {
	for text, want := range map[string]string{
		// unknown keys
		"lease: 2s\nleese: 3s": `:2: leese: unknown key; there are authkey_file, `,
		"limits: {sesions: 3}": `:1: limits.sesions: unknown key; there are bytes, `,
		"keys:\n- {name: a, role: read, file: KEY}\n- {name: b, role: read, file: KEY, nam: b}": `:3: keys[1].nam: unknown key; there are file, `,
		"python:\n  refuse_md5: true\n  md: 1":                                                  `:3: python.md: unknown key`,
		// wrong types
		"lease: soon":                                  `:1: lease: "soon" is not a duration such as 15s`,
		"lease: 15":                                    `:1: lease: "15" is not a duration`,
		"listen: tcp://127.0.0.1:1":                    `:1: listen: "tcp://127.0.0.1:1" is not a list`,
		"listen:\n- 3":                                 `:2: listen[0]: "3" is not a string`,
		"listen: {a: b}":                               `:1: listen: a mapping is not a list`,
		"limits: 3":                                    `:1: limits: "3" is not a mapping of keys`,
		"limits:\n  depth: 1\n  items: many":           `:3: limits.items: "many" is not a whole number`,
		"limits: {bytes: 99999999999999999999}":        `:1: limits.bytes: "99999999999999999999" is not a whole number`,
		"max_message: 1.5":                             `:1: max_message: "1.5" is not a whole number`,
		"max_message: [1]":                             `:1: max_message: a list is not a whole number`,
		"python:\n  refuse_md5: perhaps":               `:2: python.refuse_md5: "perhaps" is not true or false`,
		"objects:\n- name: a\n  type: dict\n  args: 3": `:4: objects[0].args: "3" is not a list`,
		"objects:\n- jobs":                             `:2: objects[0]: "jobs" is not a mapping of keys`,
		"- a":                                          `:1: a list is not a mapping of keys`,
		"keys:\n- {name: 7, role: read, file: KEY}":    `:2: keys[0].name: "7" is not a string`,
		// no YAML
		"lease: 2s\nlease: 3s":      `:2: mapping key "lease" already defined`,
		"listen: [":                 `:1: `,
		"lease: 2s\n---\nlease: 3s": `:3: a second document`,
		"lease: *nothing":           `:1: `,
		// wrong values
		"lease: 1ms":                      `:1: lease: 1ms: it lies between 1s and 10m0s`,
		"log:\n  level: loud":             `:2: log.level: "loud": it is debug, info, warn or error`,
		"log: {format: xml}":              `:1: log.format: "xml": it is text or json`,
		"listen:\n- tcp://a:1\n- nowhere": `:3: listen[1]: bad address "nowhere"`,
		"data_dir: d\ndurability: tape":   `:2: durability: "tape": it is disk or os`,
		"durability: os":                  `:1: durability: "os" without a data directory`,
		"listen: [pipe://x]":              `:1: listen[0]: "pipe://x" is for one process`,
		"python_listen: [pipe://x]":       `:1: python_listen[0]: "pipe://x": write tcp://`,
		"max_unsent: -1":                  `:1: max_unsent: -1: it is 0`,
		"handshake_timeout: -1s":          `:1: handshake_timeout: -1s: it is 0`,
		"authkey_file: KEY\nkeys: [{name: a, role: read, file: KEY}]":                   `:1: authkey_file: keys is set as well`,
		"keys: [{name: a, role: king, file: KEY}]":                                      `:1: keys[0].role: `,
		"keys: [{name: a b, role: read, file: KEY}]":                                    `:1: keys[0].name: `,
		"keys: [{name: a, role: read}]":                                                 `:1: keys[0]: key "a": set either`,
		"keys:\n- {name: a, role: read, file: KEY}\n- {name: a, role: read, file: KEY}": `:3: keys[1].name: a second key`,
		"objects:\n- {name: a}":                                                         `:2: objects[0]: object "a" of type ""`,
		// what shows when it is tried
		"objects:\n- {name: a, type: Nope}":                           `:2: objects[0]: object "a": typeid "Nope" is not registered`,
		"objects:\n- {name: a, type: dict}\n- {name: a, type: Queue}": `:3: objects[1]: object "a": `,
		"keys: [{name: a, role: read, file: /does/not/exist}]":        `:1: keys[0]: key "a": auth: key file: open /does/not/exist`,
	} {
		path := file(t, text)
		out, err := start(t, "--config", path, "--check-config")
		if err == nil || out != "" || !strings.HasPrefix(err.Error(), path+want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q\n   is %v %s\n want %s%s", text, err, out, path, want)
		}
	}
}

// TestAllMistakes holds that all that is wrong is told, a line each in the order of
// the file, and nothing that follows from another mistake.
func TestAllMistakes(t *testing.T) {
	path := file(t, `lease: soon
listen: [nowhere, 3]
leese: 3s
keys:
- {name: a, role: king}
- {name: b, role: read, file: /does/not/exist}
- {name: [c], role: read, file: KEY}
objects:
- {name: x, type: Nope}
- {name: 3, type: dict}
- {name: y, type: dict}
log: {level: loud, format: xml}
`)
	_, err := start(t, "--config", path, "--check-config", "--create", "z")
	if err == nil {
		t.Fatal("nothing is wrong")
	}
	lines := strings.Split(err.Error(), "\n")
	want := []string{
		`--create "z": it should be`, `:1: lease: "soon" is not a duration`, `:2: listen[0]: bad address "nowhere"`, `:2: listen[1]: "3" is not a string`, `:3: leese: unknown key`,
		`:5: keys[0]: key "a": set either`, `:5: keys[0].role: `, `:6: keys[1]: key "b": `, `:7: keys[2].name: a list is not a string`,
		`:9: objects[0]: object "x": typeid "Nope"`, `:10: objects[1].name: "3" is not a string`, `:12: log.format: "xml"`, `:12: log.level: "loud"`,
	}
	for i, w := range want {
		if i >= len(lines) || !strings.HasPrefix(strings.TrimPrefix(lines[i], path), w) {
			t.Errorf("line %d should begin with %q", i+1, w)
		}
	}
	if len(lines) != len(want) {
		t.Errorf("%d lines, want %d", len(lines), len(want))
	}
	if t.Failed() {
		t.Log(err)
	}
}

// TestNestedAnchors holds that anchors of aliases of anchors are refused before they
// are unfolded, and that those which are few are not.
func TestNestedAnchors(t *testing.T) {
	var b strings.Builder
	b.WriteString("objects:\n- {name: a0, type: list, args: [&a0 [1, 2, 3]]}\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&b, "- {name: a%d, type: list, args: [&a%d [%s*a%d]]}\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), i-1)
		if i == 3 {
			if _, err := start(t, "--config", file(t, b.String()), "--check-config"); err != nil {
				t.Errorf("four levels: %v", err)
			}
		}
	}
	began := time.Now()
	_, err := start(t, "--config", file(t, b.String()), "--check-config")
	if err == nil || !strings.Contains(err.Error(), "the file has more than 100000 values, counting what its aliases stand for") {
		t.Errorf("thirty levels: %v", err)
	}
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("it took %v", d)
	}
	for _, text := range []string{"objects: &x [*x]", "objects:\n- {name: a, type: list, args: [&x [*x]]}", "log: &x {<<: *x}"} {
		if _, err := start(t, "--config", file(t, text), "--check-config"); err == nil || !strings.Contains(err.Error(), "stands for") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestFlagsGoFirst holds the order of flag, environment and file, and that each
// flag has its variable.
func TestFlagsGoFirst(t *testing.T) {
	path := file(t, "lease: 2s\nlisten: [nowhere]\nlog: {level: loud}\n")
	if _, err := start(t, "--config", path, "--check-config", "--listen", "tcp://127.0.0.1:1", "--log-level", "warn"); err != nil {
		t.Errorf("flags: %v", err)
	}
	t.Setenv(defaults.Prefix+"CONFIG", path)
	t.Setenv(defaults.Prefix+"CHECK_CONFIG", "true")
	t.Setenv(defaults.Prefix+"LOG_LEVEL", "warn")
	t.Setenv(defaults.Prefix+"LISTEN", "tcp://127.0.0.1:1,unix:///tmp/s")
	if _, err := start(t); err != nil {
		t.Errorf("environment: %v", err)
	}
	if _, err := start(t, "--lease", "1ms"); err == nil || !strings.HasPrefix(err.Error(), "--lease: 1ms") {
		t.Errorf("a wrong flag: %v", err)
	}
	if _, err := start(t, "--create", "x=Nope"); err == nil || !strings.HasPrefix(err.Error(), `--create: object "x": typeid "Nope"`) {
		t.Errorf("an object that there is not: %v", err)
	}
	t.Setenv(defaults.Prefix+"LEASE", "soon")
	if _, err := start(t); err == nil || !strings.HasPrefix(err.Error(), defaults.Prefix+`LEASE="soon"`) {
		t.Errorf("a wrong variable: %v", err)
	}
}

// TestCreateFromEnvironment holds that the variable of a flag which may be
// repeated takes a list, also of entries with commas in them.
func TestCreateFromEnvironment(t *testing.T) {
	path := file(t, "objects: [{name: a, type: dict}]")
	for _, text := range []string{
		`jobs=Queue:[100],config=dict:[[["x", 1], ["y", 2]]],l=list`,
		"jobs=Queue:[100]\nconfig=dict:[[[\"x\", 1],\n [\"y\", 2]]]\nl=list\n",
	} {
		t.Setenv(defaults.Prefix+"CREATE", text)
		cmd := command()
		if err := defaults.FromEnvironment(cmd.Flags()); err != nil {
			t.Fatal(err)
		}
		create, err := cmd.Flags().GetStringArray("create")
		if err != nil {
			t.Fatal(err)
		}
		c, err := load(path, &Config{create: create}, cmd.Flags())
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, o := range c.Objects {
			names = append(names, o.Name+" "+o.Type)
		}
		if want := []string{"a dict", "jobs Queue", "config dict", "l list"}; !slices.Equal(names, want) {
			t.Errorf("%q makes %q, want %q", text, names, want)
		}
		if out, err := start(t, "--check-config"); err != nil {
			t.Errorf("%q: %v\n%s", text, err, out)
		}
	}
	t.Setenv(defaults.Prefix+"CREATE", "a=list,b")
	if _, err := start(t, "--check-config"); err == nil || !strings.HasPrefix(err.Error(), `--create "b": it should be NAME=TYPEID`) {
		t.Errorf("a wrong entry gives %v", err)
	}
}

// TestExitCodes holds that what is wrong with the command line, the environment
// or the configuration ends the program in another way than what is wrong with
// the machine.
func TestExitCodes(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for name, c := range map[string]struct {
		args []string
		want int
	}{
		"unknown flag":           {[]string{"--bogus"}, exitUsage},
		"flag of another type":   {[]string{"--lease", "soon"}, exitUsage},
		"flag out of range":      {[]string{"--lease", "1ms"}, exitUsage},
		"argument":               {[]string{"serve"}, exitUsage},
		"no such file":           {[]string{"--config", "/does/not/exist"}, exitUsage},
		"unknown key":            {[]string{"--config", file(t, "what: 1")}, exitUsage},
		"checked, unknown type":  {[]string{"--check-config", "--create", "x=Nope"}, exitUsage},
		"unknown type":           {[]string{"--authkey-file", key, "--create", "x=Nope", "--listen", "tcp://127.0.0.1:0"}, exitUsage},
		"key file out of bounds": {[]string{"--authkey-file", "/dev/null/key", "--listen", "tcp://127.0.0.1:0"}, exitUsage},
		"address in use":         {[]string{"--authkey-file", key, "--listen", "tcp://" + busy.Addr().String()}, exitError},
	} {
		if _, err := start(t, c.args...); err == nil || exitCode(err) != c.want {
			t.Errorf("%s: %v, exit code %d, want %d", name, err, exitCode(err), c.want)
		}
	}
	t.Setenv(defaults.AuthKeyEnv, "")
	if _, err := start(t, "--listen", "tcp://127.0.0.1:0"); exitCode(err) != exitUsage {
		t.Errorf("an empty authkey: %v, exit code %d, want %d", err, exitCode(err), exitUsage)
	}
	if out, err := start(t, "--check-config"); exitCode(err) != exitUsage {
		t.Errorf("an empty authkey, checked: %q, %v, exit code %d, want %d", out, err, exitCode(err), exitUsage)
	}
	t.Setenv(defaults.Prefix+"LEASE", "soon")
	if _, err := start(t); exitCode(err) != exitUsage {
		t.Errorf("a wrong variable: %v, exit code %d, want %d", err, exitCode(err), exitUsage)
	}
}

// TestDocumentedKeys holds that the documentation has every key and none that
// there is not: its example is read.
func TestDocumentedKeys(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "```yaml\n")
	example, _, ok2 := strings.Cut(rest, "```")
	if !ok || !ok2 {
		t.Fatal("docs/operations.md has no example of a file")
	}
	path := file(t, example)
	c := new(Config)
	if err := readFile(path, c); err != nil {
		t.Fatal(err)
	}
	c.check()
	if err := c.source.err(); err != nil {
		t.Error(err)
	}
	// One of several keys is an alternative, in comments.
	example = strings.ReplaceAll(example, "# keys:", "keys:")
	example = strings.ReplaceAll(example, "#   - {", "  - {")
	if err := readFile(file(t, example), c); err != nil {
		t.Fatal(err)
	}
	var have []string
	for at := range maps.Keys(c.source.lines) {
		have = append(have, strings.NewReplacer("[0]", "", "[1]", "", "[2]", "").Replace(at))
	}
	for _, key := range keysOf(reflect.TypeFor[Config](), "") {
		if !slices.Contains(have, key) {
			t.Errorf("docs/operations.md does not show %s", key)
		}
	}
}

// FuzzReadFile holds that no file makes the program panic, and that what is
// read without an error is what the decoder itself takes.
func FuzzReadFile(f *testing.F) {
	f.Add([]byte(everything))
	f.Add([]byte("a: &x [*x]"))
	f.Add([]byte("limits: &l {items: 1}\npython: {<<: *l}"))
	f.Add([]byte("? [a]\n: b"))
	f.Add([]byte("!!binary x"))
	path := filepath.Join(f.TempDir(), "fuzz.yaml")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		c := new(Config)
		if err := readFile(path, c); err != nil {
			if !strings.HasPrefix(err.Error(), path+":") {
				t.Errorf("the error is %v, without the file", err)
			}
			return
		}
		if c.source.err() != nil {
			c.check()
			return
		}
		var again Config
		if err := yaml.UnmarshalWithOptions(text, &again, yaml.Strict()); err != nil {
			t.Errorf("the decoder says %v", err)
		}
	})
}
