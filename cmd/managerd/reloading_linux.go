package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// reloading is what systemd is told when the server begins to reload. Without
// the time, a service of Type=notify-reload would seem never to have begun.
func reloading() string {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return "RELOADING=1"
	}
	return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000)
}
