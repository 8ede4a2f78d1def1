package wire

import (
	"errors"
	"net/netip"
	"testing"
)

type outer struct{ *netip.Addr }

type inner struct{ netip.Addr }

type hidden struct{ *inner }

// The methods of an embedded pointer that is nil: decoding makes it point to
// something, encoding is an error.
func TestEmbeddedPointer(t *testing.T) {
	addr := netip.MustParseAddr("10.0.0.1")
	b, err := Marshal(nil, outer{&addr})
	if err != nil {
		t.Fatal(err)
	}
	var o outer
	if err := Unmarshal(b, &o, nil); err != nil || *o.Addr != addr {
		t.Errorf("decoded %v, %v", o.Addr, err)
	}
	var list []outer
	if err := Unmarshal(append([]byte{0x91}, b...), &list, nil); err != nil || len(list) != 1 || *list[0].Addr != addr {
		t.Errorf("decoded a list %v, %v", list, err)
	}
	var ve *ValueError
	var h hidden
	if err := Unmarshal(b, &h, nil); !errors.As(err, &ve) {
		t.Errorf("into an unexported pointer: %v", err)
	}
	for _, v := range []any{outer{}, &outer{}, []outer{{}}} {
		if _, err := Marshal(nil, v); !errors.As(err, &ve) {
			t.Errorf("nil inside of %T: %v", v, err)
		}
	}
}
