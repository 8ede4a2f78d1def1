package link

import (
	"bytes"
	"testing"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// The kinds that this package consumes are those of the protocol, and its
// frames are laid out as those of package wire.
func TestFramesAreThoseOfWire(t *testing.T) {
	if KindFragment != wire.KindFragment || KindMux != wire.KindMux {
		t.Errorf("fragment %d, mux %d; wire says %d and %d", KindFragment, KindMux, wire.KindFragment, wire.KindMux)
	}
	r := NewReader(bytes.NewReader(wire.AppendPing(nil, wire.KindPing, 7)), 0)
	kind, body, err := r.Next()
	if err != nil || kind != wire.KindPing {
		t.Fatalf("kind %d, %v", kind, err)
	}
	if got := AppendFrame(nil, kind, body); !bytes.Equal(got, wire.AppendPing(nil, wire.KindPing, 7)) {
		t.Errorf("%x", got)
	}
}
