package auth

import (
	"crypto/tls"
	"errors"
	"fmt"
)

// The kinds of transport. Client and server must name the same one.
const (
	TransportTLS  = "tcp+tls" // needs an exporter value
	TransportTCP  = "tcp"     // without TLS
	TransportUnix = "unix"
	TransportPipe = "pipe" // in memory
)

// exporterLabel and ExporterSize are those of tls-exporter in RFC 9266.
const exporterLabel = "EXPORTER-Channel-Binding"

// ExporterSize is the length of a TLS exporter value in bytes.
const ExporterSize = 32

// Channel is what one side knows of the connection under a handshake, by
// itself and not from the peer.
type Channel struct {
	Kind     string // TransportTLS, ...
	Exporter []byte // from ExporterTLS; ExporterSize bytes with TransportTLS, else none
}

func (c Channel) validate() error {
	if err := checkKind(c.Kind); err != nil {
		return fmt.Errorf("auth: %w", err)
	}
	want := 0
	if c.Kind == TransportTLS {
		want = ExporterSize
	}
	if len(c.Exporter) != want {
		return fmt.Errorf("auth: the exporter value of transport %q has %d bytes, it must have %d", c.Kind, len(c.Exporter), want)
	}
	return nil
}

// ExporterTLS returns the value that ties a handshake to its TLS connection:
// tls-exporter of RFC 9266, ExporterSize bytes, the same on both ends and
// different on every connection. It fails unless the TLS handshake is complete
// and the version is 1.3.
func ExporterTLS(state *tls.ConnectionState) ([]byte, error) {
	switch {
	case state == nil || !state.HandshakeComplete:
		return nil, errors.New("auth: the TLS handshake is not complete")
	case state.Version < tls.VersionTLS13:
		return nil, fmt.Errorf("auth: the connection uses %s, TLS 1.3 is needed", tls.VersionName(state.Version))
	}
	b, err := state.ExportKeyingMaterial(exporterLabel, []byte{}, ExporterSize)
	if err != nil {
		return nil, fmt.Errorf("auth: TLS exporter: %w", err)
	}
	return b, nil
}
