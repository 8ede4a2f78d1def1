package managers

import (
	"net"
	"slices"
	"testing"

	"github.com/syncmanager/syncmanager/auth"
)

// TestAddrsAreInOrder holds that the addresses come in the same order each time.
func TestAddrsAreInOrder(t *testing.T) {
	s := NewServer(Config{AuthKey: auth.Generate()})
	defer s.Close()
	if err := s.Listen(t.Context(), "pipe://addrs-b", "pipe://addrs-a", "pipe://addrs-d", "pipe://addrs-c"); err != nil {
		t.Fatal(err)
	}
	want := []string{"pipe://addrs-a", "pipe://addrs-b", "pipe://addrs-c", "pipe://addrs-d"}
	for range 20 {
		if got := s.Addrs(); !slices.Equal(got, want) {
			t.Fatalf("addresses %q, want %q", got, want)
		}
	}
}

func TestRemoteText(t *testing.T) {
	for _, c := range []struct {
		addr net.Addr
		want string
	}{
		{&net.UnixAddr{Name: "@", Net: "unix"}, "unix"},
		{&net.UnixAddr{Net: "unix"}, "unix"},
		{&net.UnixAddr{Name: "/run/a", Net: "unix"}, "/run/a"},
		{&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5}, "192.0.2.1:5"},
	} {
		if got := remoteText(c.addr); got != c.want {
			t.Errorf("%q: %q, want %q", c.addr, got, c.want)
		}
	}
}
