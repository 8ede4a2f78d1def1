package client

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// Token returns the object's name across processes, typeid@address#ident. Who
// has it and a key of the server can attach to the object as long as it lives:
// the ident has an unguessable part. It is "" after Release.
func (r Ref) Token() string {
	if r.h == nil {
		return ""
	}
	o := r.h.object.Load()
	if o == nil {
		return ""
	}
	return formatToken(o.ref, o.session.Address())
}

func formatToken(r wire.Ref, address string) string {
	return fmt.Sprintf("%s@%s#%016x%016x", r.TypeID, address, r.ID, r.Secret)
}

// ParseToken reads a token. The address is where its maker reached the server.
func ParseToken(token string) (ref wire.Ref, address string, err error) {
	bad := func(why string) (wire.Ref, string, error) {
		return wire.Ref{}, "", wire.Errorf(wire.CodeValue, "token %.80q: %s; want typeid@address#ident with an ident of 32 hexadecimal digits", token, why)
	}
	at := strings.LastIndexByte(token, '#')
	if at < 0 {
		return bad("it has no #")
	}
	head, ident := token[:at], token[at+1:]
	typeid, address, ok := strings.Cut(head, "@")
	if !ok || typeid == "" || len(typeid) > wire.MaxTypeIDBytes {
		return bad("it has no typeid")
	}
	var b [16]byte
	if len(ident) != 2*len(b) {
		return bad(fmt.Sprintf("its ident has %d characters", len(ident)))
	}
	if _, err := hex.Decode(b[:], []byte(ident)); err != nil {
		return bad("its ident is not hexadecimal")
	}
	ref.TypeID = typeid
	for i := range 8 {
		ref.ID = ref.ID<<8 | uint64(b[i])
		ref.Secret = ref.Secret<<8 | uint64(b[8+i])
	}
	return ref, address, nil
}
