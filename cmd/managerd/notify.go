package main

import (
	"net"
	"os"
)

// notify tells systemd of a change of state (sd_notify(3)). Without systemd it
// does nothing.
func notify(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	c, err := net.Dial("unixgram", path)
	if err != nil {
		return // readiness is a courtesy: the server works without it
	}
	defer c.Close()
	_, _ = c.Write([]byte(state))
}
