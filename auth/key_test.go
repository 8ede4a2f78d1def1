package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestGenerate(t *testing.T) {
	a, b := Generate(), Generate()
	if a.Equal(b) {
		t.Error("two generated keys are equal")
	}
	if got := len(a.Bytes()); got != 64 {
		t.Errorf("a generated key has %d bytes, want 64", got)
	}
	if s := string(a.Bytes()); strings.Trim(s, "0123456789abcdef") != "" {
		t.Errorf("a generated key is not hexadecimal")
	}
}

func TestKeySizes(t *testing.T) {
	for _, n := range []int{0, 1, MaxKeySize, MaxKeySize + 1} {
		k, err := FromBytes(make([]byte, n))
		if want := n >= 1 && n <= MaxKeySize; (err == nil) != want {
			t.Errorf("FromBytes of %d bytes: error %v", n, err)
		}
		if k.IsZero() != (err != nil) {
			t.Errorf("FromBytes of %d bytes: IsZero is %v", n, k.IsZero())
		}
	}
}

func TestKeyOwnsItsBytes(t *testing.T) {
	b := []byte("secret")
	k, _ := FromBytes(b)
	b[0] = 'X'
	k.Bytes()[1] = 'X'
	if got := string(k.Bytes()); got != "secret" {
		t.Errorf("the key became %q", got)
	}
}

func TestKeyEqual(t *testing.T) {
	a, same, other, longer := mustKey(t, "abc"), mustKey(t, "abc"), mustKey(t, "abd"), mustKey(t, "abcd")
	if !a.Equal(same) || a.Equal(other) || a.Equal(longer) || a.Equal(Key{}) || !(Key{}).Equal(Key{}) {
		t.Error("Equal does not compare the bytes")
	}
	if a.Fingerprint() != same.Fingerprint() || a.Fingerprint() == other.Fingerprint() {
		t.Error("fingerprints do not follow the bytes")
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	const secret = "hunter2hunter2hunter2hunter2-32b"
	key := mustKey(t, secret)
	pass, err := NewPassphrase(secret)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pass.derive([saltSize]byte{}, cheap); err != nil {
		t.Fatal(err)
	}
	sessionKey := SessionKey([]byte(secret))
	type shown struct {
		Key  Key
		Pass Passphrase
		Sess SessionKey
		Cred Credential
	}
	type private struct {
		key  Key
		pass Passphrase
		ring *Keyring
	}
	ring := mustRing(t, Entry{Name: "a", Credential: key, Role: RoleRead}, Entry{Name: "b", Credential: pass, Role: RoleRead})
	values := []any{
		key, &key, pass, &pass, sessionKey, &sessionKey,
		shown{key, pass, sessionKey, key}, &shown{key, pass, sessionKey, pass},
		private{key, pass, ring}, &private{key, pass, ring},
		[]Key{key}, map[string]Key{"k": key}, ring.All(),
		Peer{SessionKey: sessionKey}, ClientConfig{Credential: key}, Entry{Credential: pass},
	}
	var out bytes.Buffer
	text, js := slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil))
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		if b, err := json.Marshal(v); err == nil {
			out.Write(b)
		}
		text.Info("x", "v", v)
		js.Info("x", "v", v)
	}
	for name, form := range map[string]string{
		"plain":   secret,
		"hex":     fmt.Sprintf("%x", secret),
		"HEX":     fmt.Sprintf("%X", secret),
		"decimal": strings.Trim(fmt.Sprint([]byte(secret)), "[]"),
		"commas":  strings.ReplaceAll(strings.Trim(fmt.Sprint([]byte(secret)), "[]"), " ", ","),
		"gosyntax": strings.TrimSuffix(strings.TrimPrefix(
			fmt.Sprintf("%#v", []byte(secret)), "[]byte{"), "}"),
	} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the secret was printed (%s)", name)
		}
	}
	if s := fmt.Sprint(key); !strings.HasPrefix(s, "authkey:sha256:") || len(s) != len("authkey:sha256:1a2b3c4d5e6f") {
		t.Errorf("fingerprint %q", s)
	}
	for _, v := range []any{key, pass, sessionKey} {
		want, _ := json.Marshal(fmt.Sprint(v))
		if got, err := json.Marshal(v); err != nil || !bytes.Equal(got, want) {
			t.Errorf("JSON %s, %v, want %s", got, err, want)
		}
		if got, want := fmt.Sprintf("%#v", v), fmt.Sprint(v); got != want {
			t.Errorf("%%#v gives %q, want %q", got, want)
		}
	}
}

func TestWriteFileAndLoadFile(t *testing.T) {
	for _, content := range []string{"plain", "two\n", "crlf\r\n", "cr\r", "\n", "\r", "\r\n", "\x00\xff binary\n\n", strings.Repeat("x", MaxKeySize)} {
		path := filepath.Join(t.TempDir(), "key")
		k := mustKey(t, content)
		if err := k.WriteFile(path); err != nil {
			t.Errorf("%q: %v", content, err)
			continue
		}
		got, err := LoadFile(path)
		if err != nil || !got.Equal(k) {
			t.Errorf("%q came back as %q, %v", content, got.Bytes(), err)
		}
		if names, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(names) != 1 {
			t.Errorf("files left behind: %v", names)
		}
	}
}

func TestWriteFileNeverOverwrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Generate().WriteFile(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v, want fs.ErrExist", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Errorf("the file became %q", got)
	}
	if err := (Key{}).WriteFile(path + "2"); err == nil {
		t.Error("the zero Key was written")
	}
	if err := Generate().WriteFile(filepath.Join(path, "below", "a", "file")); err == nil {
		t.Error("a key was written below a file")
	}
}

func TestWriteFileByManyAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	keys := make([]Key, 8)
	won := make([]bool, len(keys))
	var all sync.WaitGroup
	for i := range keys {
		keys[i] = Generate()
		all.Go(func() {
			err := keys[i].WriteFile(path)
			won[i] = err == nil
			if err != nil && !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
			if _, err := LoadFile(path); err != nil { // complete as soon as it is there
				t.Error(err)
			}
		})
	}
	all.Wait()
	got, err := LoadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	winners := 0
	for i := range keys {
		if won[i] {
			winners++
			if !got.Equal(keys[i]) {
				t.Error("the file holds another key than the one that was written")
			}
		}
	}
	if winners != 1 {
		t.Errorf("%d keys were written, want 1", winners)
	}
}

func TestLoadFileContent(t *testing.T) {
	for _, test := range []struct{ content, want string }{
		{"key", "key"},
		{"key\n", "key"},
		{"key\r\n", "key"},
		{"key\n\n", "key\n"},
		{" key \n", " key "},
		{"", ""},
		{"\n", ""},
		{strings.Repeat("x", MaxKeySize) + "\n", strings.Repeat("x", MaxKeySize)},
		{strings.Repeat("x", MaxKeySize) + "\r\n", strings.Repeat("x", MaxKeySize)},
		{strings.Repeat("x", MaxKeySize+1), ""},
		{strings.Repeat("x", 100_000), ""},
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
			t.Fatal(err)
		}
		k, err := LoadFile(path)
		if string(k.Bytes()) != test.want || (err == nil) != (test.want != "") {
			t.Errorf("content of %d bytes: key of %d bytes, error %v", len(test.content), len(k.Bytes()), err)
		}
		if err != nil && !strings.Contains(err.Error(), path) {
			t.Errorf("the error %q does not name the file", err)
		}
	}
}

func TestLoadFileRefusesWhatIsNoFile(t *testing.T) {
	if _, err := LoadFile(t.TempDir()); err == nil || !strings.Contains(err.Error(), "regular") {
		t.Errorf("a directory: %v", err)
	}
	if _, err := LoadFile(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestFromEnv(t *testing.T) {
	const name = "SYNCMANAGER_TEST_AUTHKEY"
	if _, err := FromEnv(name); err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("not set: %v", err)
	}
	for _, test := range []struct{ value, want string }{
		{"key", "key"}, {"key\n", "key"}, {"", ""}, {"\n", ""}, {strings.Repeat("x", MaxKeySize+1), ""},
	} {
		t.Setenv(name, test.value)
		k, err := FromEnv(name)
		if string(k.Bytes()) != test.want || (err == nil) != (test.want != "") {
			t.Errorf("value of %d bytes: key of %d bytes, error %v", len(test.value), len(k.Bytes()), err)
		}
	}
}
