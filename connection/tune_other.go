//go:build !linux && !darwin

package connection

import "net"

// tuneSocket sets what package net has no method for: nothing here.
func tuneSocket(*net.TCPConn) {}
