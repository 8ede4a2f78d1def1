package auth

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// LoadFile reads a key from a file. The key is the file's content without one
// trailing newline ("\n" or "\r\n").
//
// It fails if path is not a regular file, if the key would not have 1 to
// MaxKeySize bytes, or, on Unix, if anyone but the owner has any permission on
// the file. Symbolic links are followed; what counts is the file behind them.
// On Windows the file's access list is not examined.
func LoadFile(path string) (Key, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return Key{}, fmt.Errorf("auth: key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Key{}, fmt.Errorf("auth: key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return Key{}, fmt.Errorf("auth: key file %q is not a regular file (%s)", path, info.Mode().Type())
	}
	if err := checkPrivate(info); err != nil {
		return Key{}, fmt.Errorf("auth: key file %q %w", path, err)
	}
	b, err := io.ReadAll(io.LimitReader(f, MaxKeySize+int64(len("\r\n"))+1))
	if err != nil {
		return Key{}, fmt.Errorf("auth: key file: %w", err)
	}
	b = trimNewline(b)
	if err := checkKeySize(len(b)); err != nil {
		return Key{}, fmt.Errorf("auth: key file %q: %w", path, err)
	}
	return newKey(b), nil
}

// FromEnv reads a key from an environment variable. The key is the variable's
// value without one trailing newline ("\n" or "\r\n"). It fails if the variable
// is not set or the key would not have 1 to MaxKeySize bytes.
func FromEnv(name string) (Key, error) {
	s, ok := os.LookupEnv(name)
	if !ok {
		return Key{}, fmt.Errorf("auth: the environment variable %s, which should hold the authkey, is not set", name)
	}
	b := trimNewline([]byte(s))
	if err := checkKeySize(len(b)); err != nil {
		return Key{}, fmt.Errorf("auth: environment variable %s: %w", name, err)
	}
	return newKey(b), nil
}

// trimNewline removes one trailing newline.
func trimNewline(b []byte) []byte {
	if cut, ok := bytes.CutSuffix(b, []byte("\r\n")); ok {
		return cut
	}
	return bytes.TrimSuffix(b, []byte("\n"))
}

// WriteFile writes the key's bytes and a newline to a new file that the owner
// alone may read and write; LoadFile gives the same key again. It never
// replaces a file: if path exists, the error matches fs.ErrExist and the file
// stays as it is. Where the file system has hard links, nobody sees the file
// before it is complete, so of several processes that start at once one writes
// the key and the others can load it.
func (k Key) WriteFile(path string) error {
	if k.IsZero() {
		return fmt.Errorf("auth: key file %q: there is no key to write", path)
	}
	content := k.Bytes()
	if content[len(content)-1] != '\r' { // "\r" and "\n" would be read as one newline
		content = append(content, '\n')
	}
	if _, err := os.Lstat(path); err == nil {
		return &fs.PathError{Op: "auth: write key file", Path: path, Err: fs.ErrExist}
	}
	temp := path + ".new-" + rand.Text()
	if err := writeNew(temp, content); err != nil {
		return fmt.Errorf("auth: write key file: %w", err)
	}
	err := os.Link(temp, path)
	removed := os.Remove(temp)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		err = writeNew(path, content) // no hard links here
	}
	if err = cmp.Or(err, removed); err != nil {
		return fmt.Errorf("auth: write key file: %w", err)
	}
	return nil
}

// writeNew creates the file path with content, or leaves nothing behind.
func writeNew(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		os.Remove(path)
	}
	return err
}
