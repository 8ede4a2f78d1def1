package auth

import (
	"encoding/hex"
	"strings"
	"sync"
	"testing"
)

// The vector is one of those of the reference implementation of argon2.
func TestFromPassphraseVector(t *testing.T) {
	k, err := FromPassphrase("password", []byte("somesalt"), Params{Time: 2, Memory: 64 << 10, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	const want = "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"
	if got := hex.EncodeToString(k.Bytes()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestParamsBounds(t *testing.T) {
	for _, test := range []struct {
		p    Params
		good bool
	}{
		{DefaultParams(), true},
		{cheap, true},
		{Params{1, 64 << 10, 1}, true},
		{Params{4, MaxMemory, MaxThreads}, true},
		{Params{}, false},
		{Params{0, 64 << 10, 1}, false},
		{Params{1, MinMemory, 1}, false},
		{Params{64, MinMemory - 1, 1}, false},
		{Params{5, MaxMemory, 1}, false},
		{Params{1, MaxMemory + 1, 1}, false},
		{Params{1, 1<<32 - 1, 1}, false},
		{Params{1<<32 - 1, 1<<32 - 1, 255}, false},
		{Params{65, MinMemory, 1}, false},
		{Params{1, 64 << 10, 0}, false},
		{Params{1, 64 << 10, MaxThreads + 1}, false},
	} {
		if err := test.p.Validate(); (err == nil) != test.good {
			t.Errorf("%+v: %v", test.p, err)
		}
	}
}

func TestFromPassphraseRefuses(t *testing.T) {
	good := []byte("12345678")
	for name, f := range map[string]func() (Key, error){
		"no passphrase":   func() (Key, error) { return FromPassphrase("", good, cheap) },
		"long passphrase": func() (Key, error) { return FromPassphrase(strings.Repeat("x", MaxKeySize+1), good, cheap) },
		"short salt":      func() (Key, error) { return FromPassphrase("x", good[:7], cheap) },
		"long salt":       func() (Key, error) { return FromPassphrase("x", make([]byte, 65), cheap) },
		"bad parameters":  func() (Key, error) { return FromPassphrase("x", good, Params{}) },
	} {
		if k, err := f(); err == nil || !k.IsZero() {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := NewPassphrase(""); err == nil {
		t.Error("NewPassphrase took an empty one")
	}
	if _, err := (Passphrase{}).derive([saltSize]byte{}, cheap); err == nil {
		t.Error("the zero Passphrase was derived")
	}
}

func TestPassphraseIsDerivedOncePerSalt(t *testing.T) {
	p, err := NewPassphrase("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	keys := make([]Key, 4)
	for i := range keys {
		all.Go(func() { keys[i], _ = p.derive([saltSize]byte{1}, cheap) })
	}
	all.Wait()
	for _, k := range keys {
		if k.IsZero() || &k.raw()[0] != &keys[0].raw()[0] {
			t.Fatal("the key was derived again")
		}
	}
	again, err := p.derive([saltSize]byte{2}, cheap)
	if err != nil || again.Equal(keys[0]) {
		t.Errorf("another salt gave the same key, or error %v", err)
	}
}
