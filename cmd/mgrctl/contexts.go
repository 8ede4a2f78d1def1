package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/syncmanager/syncmanager/internal/defaults"
)

// contextFile is the file with the contexts, contexts.yaml in the user's
// directory for configuration.
type contextFile struct {
	Current  string         `yaml:"current,omitempty"`
	Contexts []contextEntry `yaml:"contexts"`
}

// contextEntry is one server and its key. The file holds no key, only where it
// lies.
type contextEntry struct {
	Name           string `yaml:"name"`
	Address        string `yaml:"address"`
	AuthKeyFile    string `yaml:"authkey_file,omitempty"`
	PassphraseFile string `yaml:"passphrase_file,omitempty"`
	KeyName        string `yaml:"key_name,omitempty"`
}

func contextPath() (string, error) {
	dir, err := defaults.ConfigDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "contexts.yaml"), nil
}

// loadContexts reads the file. One that is missing holds no contexts.
func loadContexts() (*contextFile, error) {
	path, err := contextPath()
	if err != nil {
		return nil, err
	}
	f := new(contextFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	err = yaml.UnmarshalWithOptions(text, f, yaml.Strict())
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		return nil, fmt.Errorf("%s:%d: %s", path, at.GetToken().Position.Line, at.GetMessage())
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// save writes the file in one step.
func (f *contextFile) save() error {
	path, err := contextPath()
	if err != nil {
		return err
	}
	text, err := yaml.Marshal(f)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".contexts-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails once it was renamed
	_, err = tmp.Write(text)
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	return err
}

func (f *contextFile) index(name string) int {
	return slices.IndexFunc(f.Contexts, func(c contextEntry) bool { return c.Name == name })
}

// find returns the context, or an error that names those there are.
func (f *contextFile) find(name string) (*contextEntry, error) {
	if i := f.index(name); i >= 0 {
		return &f.Contexts[i], nil
	}
	names := make([]string, len(f.Contexts))
	for i, c := range f.Contexts {
		names[i] = c.Name
	}
	hint := "mgrctl context add NAME makes one"
	if len(names) > 0 {
		hint = "there are: " + strings.Join(names, ", ")
	}
	return nil, &failure{exit: exitNotFound, code: "not_found", err: fmt.Errorf("no context %q", name), hint: hint}
}

// currentContext returns the context that is in force: the one that --context
// names, or the current one unless --address says where to go. It is empty for
// the default server.
func (a *app) currentContext() (*contextEntry, error) {
	name := a.flags.context
	if name == "" && a.flags.address != "" {
		return new(contextEntry), nil
	}
	f, err := loadContexts()
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = f.Current
	}
	if name == "" {
		return new(contextEntry), nil
	}
	return f.find(name)
}
