package auth

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// DefaultName is the name of the key of a client or server that names none.
const DefaultName = "default"

// MaxNameSize is the greatest length of a key name in bytes.
const MaxNameSize = 64

// Role says how much the holder of a key may do. Roles are ordered: each
// includes the ones below it. The zero Role allows nothing.
type Role uint8

const (
	RoleRead  Role = 1 + iota // calls that only read
	RoleWrite                 // every call on objects
	RoleAdmin                 // the server's own business as well
)

var roleNames = [...]string{RoleRead: "read", RoleWrite: "write", RoleAdmin: "admin"}

// ParseRole returns the role called "read", "write" or "admin".
func ParseRole(s string) (Role, error) {
	for r := RoleRead; r <= RoleAdmin; r++ {
		if roleNames[r] == s {
			return r, nil
		}
	}
	return 0, fmt.Errorf("auth: role %q is unknown, it must be read, write or admin", s)
}

// Valid reports whether r is one of the three roles.
func (r Role) Valid() bool { return r >= RoleRead && r <= RoleAdmin }

// Allows reports whether r includes need. An invalid role allows nothing, and
// nothing allows one.
func (r Role) Allows(need Role) bool { return r.Valid() && need.Valid() && r >= need }

// String returns the role's name.
func (r Role) String() string {
	if !r.Valid() {
		return fmt.Sprintf("Role(%d)", uint8(r))
	}
	return roleNames[r]
}

// MarshalText returns the role's name. It fails for an invalid role.
func (r Role) MarshalText() ([]byte, error) {
	if !r.Valid() {
		return nil, fmt.Errorf("auth: role %d is invalid", uint8(r))
	}
	return []byte(roleNames[r]), nil
}

// UnmarshalText sets r to the role with that name.
func (r *Role) UnmarshalText(text []byte) error {
	role, err := ParseRole(string(text))
	if err == nil {
		*r = role
	}
	return err
}

// CheckName reports what is wrong with a key name. A good one has 1 to
// MaxNameSize bytes, all of them ASCII letters, digits or one of "._@-".
func CheckName(name string) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("auth: %w", err)
	}
	return nil
}

func checkName(name string) error {
	if name == "" || len(name) > MaxNameSize {
		return fmt.Errorf("a key name has %d bytes, it must have 1 to %d", len(name), MaxNameSize)
	}
	for i := range len(name) {
		c := name[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("._@-", c) >= 0) {
			return fmt.Errorf("key name %q holds %q, allowed are ASCII letters, digits and any of \"._@-\"", name, c)
		}
	}
	return nil
}

// Entry is one key of a Keyring and what its holder may do.
type Entry struct {
	Name       string
	Credential Credential // a Key or a Passphrase
	Role       Role
	Prefixes   []string // of the names that it may open; none: every name
}

// MayOpen reports whether the entry's holder may open the object called name.
func (e Entry) MayOpen(name string) bool { return mayOpen(e.Prefixes, name) }

func mayOpen(prefixes []string, name string) bool {
	if len(prefixes) == 0 {
		return true
	}
	for _, p := range prefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

func (e Entry) clone() Entry {
	e.Prefixes = slices.Clone(e.Prefixes)
	return e
}

// Keyring is the set of keys that a server accepts. It is safe for concurrent
// use. A set is replaced as a whole: a handshake sees the old one or the new
// one. The zero Keyring holds no key and takes none: use NewKeyring.
type Keyring struct {
	// Fixed at creation.
	secret hidden[[32]byte] // salts of all names, known and unknown, come from it
	params Params

	// Serialises Replace. Held while keys are derived; readers never take it.
	replacing sync.Mutex

	grants atomic.Pointer[grantSet]
}

// grantSet is one state of a Keyring. It never changes.
type grantSet struct {
	byName map[string]*grant
	nobody *grant // stands in for a name that is not there
}

// grant is an entry with what handshakes need of its key, derived beforehand so
// that each costs a handshake the same time.
type grant struct {
	entry Entry
	keys  derivedKeys
}

// NewKeyring returns a keyring of the given entries, with DefaultParams for
// passphrases. Each passphrase takes one derivation. It fails if there is no
// entry, if a name, role, credential or prefix is missing or malformed, or if a
// name comes twice.
func NewKeyring(entries ...Entry) (*Keyring, error) {
	return NewKeyringParams(DefaultParams(), entries...)
}

// NewKeyringParams is NewKeyring with the costs of argon2id chosen by the
// caller.
func NewKeyringParams(p Params, entries ...Entry) (*Keyring, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	var secret [32]byte
	rand.Read(secret[:]) // never fails
	r := &Keyring{secret: hide(secret), params: p}
	set, err := r.build(entries)
	if err != nil {
		return nil, err
	}
	r.grants.Store(set)
	return r, nil
}

// SingleKey returns a keyring of one key, called DefaultName, with RoleAdmin
// and no prefixes.
func SingleKey(c Credential) (*Keyring, error) {
	return NewKeyring(Entry{Name: DefaultName, Credential: c, Role: RoleAdmin})
}

// KeyringOf returns the keyring of a configuration that has either one key or a
// keyring: nil if it has neither. Both are an error, and so is a zero value.
func KeyringOf(key Credential, keyring *Keyring) (*Keyring, error) {
	switch {
	case key != nil && keyring != nil:
		return nil, errors.New("AuthKey and Keyring are both set; one of them says who is let in")
	case key != nil:
		return SingleKey(key)
	case keyring != nil && keyring.grants.Load() == nil:
		return nil, errors.New("the Keyring is the zero value; it must come from NewKeyring")
	}
	return keyring, nil
}

func (r *Keyring) build(entries []Entry) (*grantSet, error) {
	if r.secret == nil {
		return nil, errors.New("auth: the Keyring is the zero value: use NewKeyring")
	}
	if len(entries) == 0 {
		return nil, errors.New("auth: a keyring needs at least one key")
	}
	set := &grantSet{byName: make(map[string]*grant, len(entries))}
	for _, e := range entries {
		if err := checkEntry(e); err != nil {
			return nil, err
		}
		if _, ok := set.byName[e.Name]; ok {
			return nil, fmt.Errorf("auth: key name %q comes twice", e.Name)
		}
		key, err := e.Credential.derive(r.salt(e.Name), r.params)
		if err != nil {
			return nil, fmt.Errorf("auth: key %q: %w", e.Name, err)
		}
		keys, err := deriveKeys(key)
		if err != nil {
			return nil, fmt.Errorf("auth: key %q: %w", e.Name, err)
		}
		set.byName[e.Name] = &grant{entry: e.clone(), keys: keys}
	}
	keys, err := deriveKeys(Generate())
	if err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	set.nobody = &grant{keys: keys}
	return set, nil
}

func checkEntry(e Entry) error {
	if err := CheckName(e.Name); err != nil {
		return err
	}
	if e.Credential == nil {
		return fmt.Errorf("auth: key %q has no Credential", e.Name)
	}
	if !e.Role.Valid() {
		return fmt.Errorf("auth: key %q has no valid Role (%v)", e.Name, e.Role)
	}
	if slices.Contains(e.Prefixes, "") {
		return fmt.Errorf("auth: key %q has an empty prefix, which would allow every name; leave Prefixes empty to mean that", e.Name)
	}
	return nil
}

// salt returns the salt for a name, whether or not there is a key of that name.
func (r *Keyring) salt(name string) [saltSize]byte {
	secret := r.secret()
	h := hmac.New(sha256.New, secret[:])
	io.WriteString(h, "syncmanager/1 salt\x00")
	io.WriteString(h, name)
	return [saltSize]byte(h.Sum(nil)[:saltSize])
}

// set returns the present state, which is empty for the zero Keyring.
func (r *Keyring) set() *grantSet {
	if set := r.grants.Load(); set != nil {
		return set
	}
	return &grantSet{}
}

// grant returns the grant for a name, or one that nobody can have the key of.
func (r *Keyring) grant(name string) (g *grant, known bool) {
	set := r.grants.Load()
	if g, known = set.byName[name]; !known {
		g = set.nobody
	}
	return g, known
}

// Change lists by name, in order, how one set of keys differs from the next.
type Change struct {
	Added     []string
	Removed   []string
	Rekeyed   []string // another key under the same name
	Regranted []string // the same key with another role or other prefixes
}

// Ended returns the names whose sessions must end: removed and rekeyed ones.
func (c Change) Ended() []string {
	names := slices.Concat(c.Removed, c.Rekeyed)
	slices.Sort(names)
	return names
}

// Replace puts new entries in place of all the old ones and says what changed.
// It fails as NewKeyring does, and then the old entries stay. A session keeps
// what the handshake gave it: the caller ends those of Change.Ended and asks
// Current about the others.
func (r *Keyring) Replace(entries ...Entry) (Change, error) {
	r.replacing.Lock()
	defer r.replacing.Unlock()
	next, err := r.build(entries)
	if err != nil {
		return Change{}, err
	}
	old := r.grants.Swap(next)
	var c Change
	for name, was := range old.byName {
		is, ok := next.byName[name]
		switch {
		case !ok:
			c.Removed = append(c.Removed, name)
		case !is.keys.equal(&was.keys):
			c.Rekeyed = append(c.Rekeyed, name)
		case is.entry.Role != was.entry.Role || !slices.Equal(is.entry.Prefixes, was.entry.Prefixes):
			c.Regranted = append(c.Regranted, name)
		}
	}
	for name := range next.byName {
		if _, ok := old.byName[name]; !ok {
			c.Added = append(c.Added, name)
		}
	}
	for _, names := range [][]string{c.Added, c.Removed, c.Rekeyed, c.Regranted} {
		slices.Sort(names)
	}
	return c, nil
}

// Lookup returns the entry called name. How long it takes may say whether there
// is one.
func (r *Keyring) Lookup(name string) (Entry, bool) {
	g, ok := r.set().byName[name]
	if !ok {
		return Entry{}, false
	}
	return g.entry.clone(), true
}

// Current returns the entry under which p, a Peer from Server, was
// authenticated, as it is now. It reports false if that key has been removed or
// replaced by another since. A server asks it once it has registered a session,
// because the keyring may have changed during the handshake.
func (r *Keyring) Current(p Peer) (Entry, bool) {
	g, ok := r.set().byName[p.KeyName]
	if !ok || p.keyID == nil {
		return Entry{}, false
	}
	if id := p.keyID(); !hmac.Equal(g.keys.id[:], id[:]) {
		return Entry{}, false
	}
	return g.entry.clone(), true
}

// All returns the entries in order of their names.
func (r *Keyring) All() []Entry {
	set := r.set()
	all := make([]Entry, 0, len(set.byName))
	for _, g := range set.byName {
		all = append(all, g.entry.clone())
	}
	slices.SortFunc(all, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
