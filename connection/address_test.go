package connection

import (
	"errors"
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	for s, want := range map[string]Address{
		"tcp://example.org:21600":        {Transport: TCP, Host: "example.org", Port: 21600},
		"tcp://127.0.0.1:0":              {Transport: TCP, Host: "127.0.0.1"},
		"tcp://:21600":                   {Transport: TCP, Port: 21600},
		"tcp+plain://[::1]:65535":        {Transport: TCPPlain, Host: "::1", Port: 65535},
		"tcp://[fe80::1%eth0]:1":         {Transport: TCP, Host: "fe80::1%eth0", Port: 1},
		"unix:///run/user/1/a b.sock":    {Transport: Unix, Path: "/run/user/1/a b.sock"},
		"pipe":                           {Transport: Memory},
		"pipe://jobs":                    {Transport: Memory, Name: "jobs"},
		"tcp+plain://xn--bcher-kva.de:8": {Transport: TCPPlain, Host: "xn--bcher-kva.de", Port: 8},
	} {
		got, err := ParseAddress(s)
		if err != nil || got != want {
			t.Errorf("ParseAddress(%q) = %+v, %v, want %+v", s, got, err, want)
		}
		if got.String() != s {
			t.Errorf("%q became %q", s, got.String())
		}
		if got.Network() != string(want.Transport) {
			t.Errorf("%q: network %q", s, got.Network())
		}
	}
}

// Each error names what is wrong and what would be right.
func TestParseAddressErrors(t *testing.T) {
	for s, want := range map[string]string{
		"":                                    "no transport; write tcp://host:port",
		"localhost:21600":                     "no transport",
		"http://host:80":                      `unknown transport "http"; write tcp://`,
		"TCP://host:80":                       `unknown transport "TCP"`,
		"tcp://host":                          "no port; write tcp://host:PORT",
		"tcp://":                              "no port",
		"tcp://host:":                         `port "" is not a number`,
		"tcp://host:65536":                    `port "65536" is not a number from 0 to 65535`,
		"tcp://host:-1":                       `port "-1"`,
		"tcp://host:+1":                       `port "+1"`,
		"tcp://host:http":                     `port "http"`,
		"tcp://host:080":                      `port "080"`,
		"tcp://::1:21600":                     "in brackets, as in tcp://[::1]:21600",
		"tcp://::1":                           "write tcp://[::1]:PORT",
		"tcp://[::1]":                         "write tcp://[::1]:PORT",
		"tcp://a:b:c":                         "in brackets",
		"tcp://[nonsense:x]:1":                `host "nonsense:x" is not an IPv6 address`,
		"tcp://[::1:1":                        "missing ']'",
		"tcp://ho st:1":                       `has a ' ' in it`,
		"tcp://user@host:1":                   `has a '@' in it`,
		"tcp://host/path:1":                   `has a '/' in it`,
		"unix://":                             "no path; write unix:///run/managerd.sock",
		"unix://run/a.sock":                   `"run/a.sock" is not absolute`,
		"unix:///run/":                        "names a directory",
		"unix:///a\x00b":                      "NUL byte",
		"unix:///" + strings.Repeat("x", 103): "104 bytes, a unix socket's may have 103",
		"pipe://":                             "0 bytes, it may have 1 to 255",
		"pipe://a b":                          `has a ' ' in it`,
		"pipes":                               "no transport",
	} {
		_, err := ParseAddress(s)
		if !errors.Is(err, ErrAddress) || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseAddress(%q): %v, want %q in it", s, err, want)
		}
	}
	for _, a := range []Address{{}, {Transport: TCP, Host: "a", Port: 1, Path: "/x"}, {Transport: Unix, Path: "x"}} {
		if _, err := DialStream(t.Context(), a, StreamConfig{}); !errors.Is(err, ErrAddress) {
			t.Errorf("dial %+v: %v", a, err)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"tcp://h:1", "tcp+plain://[::1%x]:0", "unix:///a", "pipe", "pipe://n", "tcp://[", "x://", "tcp://a:b:c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			if !errors.Is(err, ErrAddress) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		b, err := ParseAddress(a.String())
		if err != nil || a != b {
			t.Fatalf("%q is %+v, and back %+v, %v", s, a, b, err)
		}
	})
}
