package managers

import (
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
