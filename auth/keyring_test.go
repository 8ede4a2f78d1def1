package auth

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestRoles(t *testing.T) {
	for r := Role(0); r < 5; r++ {
		for need := Role(0); need < 5; need++ {
			want := r >= 1 && r <= 3 && need >= 1 && need <= 3 && r >= need
			if got := r.Allows(need); got != want {
				t.Errorf("%v allows %v: %v, want %v", r, need, got, want)
			}
		}
	}
	for _, r := range []Role{RoleRead, RoleWrite, RoleAdmin} {
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var back Role
		if err := json.Unmarshal(b, &back); err != nil || back != r {
			t.Errorf("%s came back as %v, %v", b, back, err)
		}
	}
	for _, bad := range []string{"", "Admin", "root", "read "} {
		if _, err := ParseRole(bad); err == nil {
			t.Errorf("ParseRole(%q) passed", bad)
		}
	}
	if _, err := Role(0).MarshalText(); err == nil {
		t.Error("the zero Role was marshalled")
	}
	if got := Role(9).String(); got != "Role(9)" {
		t.Errorf("got %q", got)
	}
}

func TestKeyNames(t *testing.T) {
	for name, good := range map[string]bool{
		"default": true, "a": true, "A-b_c.d@e9": true, strings.Repeat("x", MaxNameSize): true,
		"": false, strings.Repeat("x", MaxNameSize+1): false, "a b": false, "a\n": false, "ä": false, "a/b": false, "\x00": false,
	} {
		if err := CheckName(name); (err == nil) != good {
			t.Errorf("CheckName(%q): %v", name, err)
		}
	}
}

func TestKeyringRefusesBadEntries(t *testing.T) {
	k := Generate()
	good := Entry{Name: "good", Credential: k, Role: RoleRead}
	for want, entries := range map[string][]Entry{
		"at least one key": nil,
		"twice":            {good, good},
		"no Credential":    {{Name: "x", Role: RoleRead}},
		"zero value":       {{Name: "x", Credential: Key{}, Role: RoleRead}},
		"no passphrase":    {{Name: "x", Credential: Passphrase{}, Role: RoleRead}},
		"no valid Role":    {{Name: "x", Credential: k}},
		"empty prefix":     {{Name: "x", Credential: k, Role: RoleRead, Prefixes: []string{"a", ""}}},
		"key name":         {{Name: "x y", Credential: k, Role: RoleRead}},
	} {
		if _, err := NewKeyringParams(cheap, entries...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
	if _, err := NewKeyringParams(Params{}, good); err == nil {
		t.Error("parameters out of bounds were taken")
	}
}

func TestSingleKey(t *testing.T) {
	k := Generate()
	r, err := SingleKey(k)
	if err != nil {
		t.Fatal(err)
	}
	e, ok := r.Lookup(DefaultName)
	if !ok || e.Role != RoleAdmin || !e.MayOpen("anything") || !e.Credential.(Key).Equal(k) {
		t.Errorf("got %v, %v", e, ok)
	}
	if _, ok := r.Lookup("other"); ok {
		t.Error("a name that is not there was found")
	}
}

func TestPrefixes(t *testing.T) {
	e := Entry{Prefixes: []string{"jobs.", "tmp"}}
	s := Peer{Prefixes: e.Prefixes}
	for name, want := range map[string]bool{"jobs.a": true, "jobs": false, "tmp": true, "tmpfile": true, "": false, "x": false} {
		if e.MayOpen(name) != want || s.MayOpen(name) != want {
			t.Errorf("MayOpen(%q) is %v", name, !want)
		}
	}
}

func TestKeyringOwnsItsEntries(t *testing.T) {
	prefixes := []string{"a"}
	r := mustRing(t, Entry{Name: "x", Credential: Generate(), Role: RoleRead, Prefixes: prefixes})
	prefixes[0] = "b"
	e, _ := r.Lookup("x")
	e.Prefixes[0] = "c"
	r.All()[0].Prefixes[0] = "d"
	if e, _ := r.Lookup("x"); e.Prefixes[0] != "a" {
		t.Errorf("the prefix became %q", e.Prefixes[0])
	}
}

func TestReplaceSaysWhatChanged(t *testing.T) {
	same, old := Generate(), Generate()
	r := mustRing(t,
		Entry{Name: "same", Credential: same, Role: RoleRead},
		Entry{Name: "gone", Credential: old, Role: RoleRead},
		Entry{Name: "rekeyed", Credential: old, Role: RoleRead},
		Entry{Name: "role", Credential: old, Role: RoleRead},
		Entry{Name: "prefix", Credential: old, Role: RoleRead},
	)
	c, err := r.Replace(
		Entry{Name: "same", Credential: mustKey(t, string(same.Bytes())), Role: RoleRead},
		Entry{Name: "rekeyed", Credential: Generate(), Role: RoleRead},
		Entry{Name: "role", Credential: old, Role: RoleWrite},
		Entry{Name: "prefix", Credential: old, Role: RoleRead, Prefixes: []string{"a"}},
		Entry{Name: "new", Credential: old, Role: RoleRead},
	)
	if err != nil {
		t.Fatal(err)
	}
	want := Change{Added: []string{"new"}, Removed: []string{"gone"}, Rekeyed: []string{"rekeyed"}, Regranted: []string{"prefix", "role"}}
	if got := fmt.Sprint(c); got != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", c, want)
	}
	if got := c.Ended(); !slices.Equal(got, []string{"gone", "rekeyed"}) {
		t.Errorf("ended %v", got)
	}
	var names []string
	for _, e := range r.All() {
		names = append(names, e.Name)
	}
	if !slices.Equal(names, []string{"new", "prefix", "rekeyed", "role", "same"}) {
		t.Errorf("names %v", names)
	}
	if _, err := r.Replace(); err == nil {
		t.Error("an empty set was taken")
	}
	if len(r.All()) != 5 {
		t.Error("a failed Replace changed the keyring")
	}
}

func TestReplaceKeepsPassphrases(t *testing.T) {
	p, _ := NewPassphrase("correct horse")
	e := Entry{Name: "p", Credential: p, Role: RoleRead}
	r := mustRing(t, e)
	again, _ := NewPassphrase("correct horse")
	e.Credential = again
	if c, err := r.Replace(e); err != nil || len(c.Ended()) != 0 {
		t.Errorf("the same passphrase, read again, ended %v, %v", c.Ended(), err)
	}
}

func TestSessionFollowsItsKey(t *testing.T) {
	k := mustKey(t, "one")
	r := mustRing(t, Entry{Name: DefaultName, Credential: k, Role: RoleRead})
	client, server := shake(t, clientWith(t, "one"), serverWith(r))
	if client.err != nil || server.err != nil {
		t.Fatal(client.err, server.err)
	}
	if e, ok := r.Current(server.session); !ok || e.Role != RoleRead {
		t.Errorf("got %v, %v", e, ok)
	}
	if _, ok := r.Current(client.session); ok {
		t.Error("the client's session counts as one of the server's")
	}
	r.Replace(Entry{Name: DefaultName, Credential: k, Role: RoleWrite})
	if e, ok := r.Current(server.session); !ok || e.Role != RoleWrite {
		t.Errorf("after a new role: %v, %v", e, ok)
	}
	r.Replace(Entry{Name: DefaultName, Credential: mustKey(t, "two"), Role: RoleRead})
	if _, ok := r.Current(server.session); ok {
		t.Error("the session outlived its key")
	}
	r.Replace(Entry{Name: "other", Credential: k, Role: RoleRead})
	if _, ok := r.Current(server.session); ok {
		t.Error("the session outlived its name")
	}
}

func TestKeyringInUseWhileReplaced(t *testing.T) {
	a := Entry{Name: DefaultName, Credential: mustKey(t, "key"), Role: RoleRead}
	b := a
	b.Role = RoleAdmin
	r := mustRing(t, a)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20 {
				if c, s := shake(t, clientWith(t, "key"), serverWith(r)); c.err != nil || s.err != nil {
					t.Error(c.err, s.err)
				}
				r.Lookup(DefaultName)
				r.All()
			}
		})
	}
	for range 50 {
		r.Replace(b)
		r.Replace(a)
	}
	all.Wait()
}

func TestZeroKeyring(t *testing.T) {
	var r Keyring
	if _, ok := r.Lookup(DefaultName); ok || len(r.All()) != 0 {
		t.Error("the zero Keyring holds a key")
	}
	if _, ok := r.Current(Peer{KeyName: DefaultName}); ok {
		t.Error("the zero Keyring has a session")
	}
	if _, err := r.Replace(Entry{Name: "x", Credential: Generate(), Role: RoleRead}); err == nil {
		t.Error("the zero Keyring took a key")
	}
	if _, err := Server(t.Context(), nil, serverWith(&r)); err == nil {
		t.Error("the zero Keyring served")
	}
}
