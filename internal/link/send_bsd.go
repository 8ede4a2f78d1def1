//go:build unix && !linux

package link

import "syscall"

// trySend sends what fits at once; the socket never blocks.
func trySend(fd uintptr, p []byte) (int, error) { return syscall.Write(int(fd), p) }

// tryReceive receives what is there.
func tryReceive(fd uintptr, p []byte) (int, error) { return syscall.Read(int(fd), p) }
