package auth

import (
	"errors"
	"testing"
)

// A peer may prove any of several keys, and is told apart by the one that it
// proved.
func TestDeliverAny(t *testing.T) {
	var keys []Key
	for _, text := range []string{"one", "two", "three"} {
		k, err := FromBytes([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
	deliver := func(peer Key, accepted ...Key) (int, error) {
		a, b := messagePipe()
		answered := make(chan error, 1)
		go func() { answered <- AnswerChallenge(b, peer) }()
		at, err := Challenge{}.DeliverAny(a, accepted...)
		if answer := <-answered; (answer == nil) != (err == nil) {
			t.Errorf("one side says %v, the other %v", err, answer)
		}
		return at, err
	}
	for want, k := range keys {
		if at, err := deliver(k, keys...); err != nil || at != want {
			t.Errorf("key %d: %d, %v", want, at, err)
		}
	}
	if _, err := deliver(keys[2], keys[:2]...); !errors.Is(err, ErrAuthentication) {
		t.Errorf("a key that is not accepted: %v", err)
	}
	for _, none := range [][]Key{nil, {{}}} {
		if _, err := (Challenge{}).DeliverAny(nil, none...); err == nil || errors.Is(err, ErrAuthentication) {
			t.Errorf("no key: %v", err)
		}
	}
}
