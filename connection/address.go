package connection

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
)

// Transport is the part of an address before "://".
type Transport string

const (
	TCP      Transport = "tcp"       // TLS 1.3 over TCP
	TCPPlain Transport = "tcp+plain" // TCP without encryption
	Unix     Transport = "unix"      // a unix socket
	Memory   Transport = "pipe"      // a name inside this process
)

// maxUnixPath is the longest path of a unix socket that all systems take: 104
// bytes with the closing NUL on macOS, 108 on Linux.
const maxUnixPath = 103

// Address says where a listener is. It is a net.Addr. The zero Address is not
// valid; use ParseAddress.
type Address struct {
	Transport Transport

	// Host and Port are set with TCP and TCPPlain. Host is a name or an IP
	// address, without brackets; an empty one means all of this machine's
	// addresses to Listen, and this machine to Dial. With port 0, Listen
	// picks a free one.
	Host string
	Port uint16

	// Path is the absolute path of a unix socket.
	Path string

	// Name is the name of an in-memory listener. With an empty one, Listen
	// makes one up.
	Name string
}

// ErrAddress is what every error of ParseAddress wraps.
var ErrAddress = errors.New("bad address")

const addressForms = "write tcp://host:port, tcp+plain://host:port, unix:///path or pipe://name"

// ParseAddress parses an address of one of the forms
//
//	tcp://host:port         TLS over TCP; an IPv6 address stands in brackets
//	tcp+plain://host:port   TCP without encryption
//	unix:///path            a unix socket, by absolute path
//	pipe://name, pipe       in the memory of this process
//
// An error wraps ErrAddress and says what would be right.
func ParseAddress(s string) (Address, error) {
	if s == string(Memory) {
		return Address{Transport: Memory}, nil
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return Address{}, fmt.Errorf("%w %q: no transport; %s", ErrAddress, s, addressForms)
	}
	a := Address{Transport: Transport(scheme)}
	var why error
	switch a.Transport {
	case TCP, TCPPlain:
		why = a.parseTCP(rest)
	case Unix:
		a.Path = strings.TrimPrefix(rest, driveSlash(rest))
		why = checkPath(a.Path)
	case Memory:
		a.Name, why = rest, checkName(rest)
	default:
		why = fmt.Errorf("unknown transport %q; %s", scheme, addressForms)
	}
	if why != nil {
		return Address{}, fmt.Errorf("%w %q: %w", ErrAddress, s, why)
	}
	return a, nil
}

func (a *Address) parseTCP(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		var ae *net.AddrError
		if !errors.As(err, &ae) {
			return err
		}
		bare := s
		if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' {
			bare = s[1 : len(s)-1]
		}
		if strings.Contains(bare, ":") && net.ParseIP(bare) != nil {
			return fmt.Errorf("no port, or no brackets; write %s://[%s]:PORT", a.Transport, bare)
		}
		if ae.Err == "too many colons in address" {
			return fmt.Errorf("%s; an IPv6 address stands in brackets, as in %s://[::1]:21600", ae.Err, a.Transport)
		}
		if ae.Err == "missing port in address" {
			return fmt.Errorf("no port; write %s://%s:PORT", a.Transport, s)
		}
		return errors.New(ae.Err)
	}
	if i := strings.IndexFunc(host, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`/\@?#"<>[]`, r) }); i >= 0 {
		return fmt.Errorf("host %q has a %q in it", host, host[i])
	}
	if strings.Contains(host, ":") && net.ParseIP(strings.SplitN(host, "%", 2)[0]) == nil {
		return fmt.Errorf("host %q is not an IPv6 address", host)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || port != strconv.FormatUint(n, 10) {
		return fmt.Errorf("port %q is not a number from 0 to 65535", port)
	}
	a.Host, a.Port = host, uint16(n)
	return nil
}

// driveSlash returns the slash before a drive letter, on systems that have
// them: the path of unix:///C:/dir/name is C:/dir/name.
func driveSlash(p string) string {
	if filepath.Separator == '\\' && len(p) > 2 && p[0] == '/' && p[2] == ':' {
		return "/"
	}
	return ""
}

func checkPath(p string) error {
	switch {
	case p == "":
		return errors.New("no path; write unix:///run/managerd.sock")
	case strings.IndexByte(p, 0) >= 0:
		return errors.New("the path has a NUL byte in it")
	case !filepath.IsAbs(p):
		return fmt.Errorf("the path %q is not absolute; unix:// is followed by one, as in unix:///run/managerd.sock", p)
	case strings.HasSuffix(p, "/"):
		return errors.New("the path names a directory")
	case len(p) > maxUnixPath:
		return fmt.Errorf("the path has %d bytes, a unix socket's may have %d", len(p), maxUnixPath)
	}
	return nil
}

func checkName(s string) error {
	if s == "" || len(s) > 255 {
		return fmt.Errorf("the name has %d bytes, it may have 1 to 255; write pipe://name", len(s))
	}
	if i := strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }); i >= 0 {
		return fmt.Errorf("the name has a %q in it", s[i])
	}
	return nil
}

// String returns the address in the form that ParseAddress takes.
func (a Address) String() string {
	switch a.Transport {
	case TCP, TCPPlain:
		return string(a.Transport) + "://" + a.hostPort()
	case Unix:
		if a.Path != "" && a.Path[0] != '/' {
			return "unix:///" + a.Path // a drive
		}
		return "unix://" + a.Path
	case Memory:
		if a.Name == "" {
			return "pipe"
		}
		return "pipe://" + a.Name
	}
	return "no address"
}

// Network returns the transport.
func (a Address) Network() string { return string(a.Transport) }

// hostPort is what package net takes.
func (a Address) hostPort() string {
	return net.JoinHostPort(a.Host, strconv.Itoa(int(a.Port)))
}

// check finds what is wrong with an address that was not parsed.
func (a Address) check() error {
	b, err := ParseAddress(a.String())
	if err != nil {
		return err
	}
	if a != b {
		return fmt.Errorf("%w %+v: fields that do not belong to its transport", ErrAddress, a)
	}
	return nil
}
