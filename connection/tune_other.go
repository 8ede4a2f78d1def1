//go:build !linux && !darwin

package connection

import "net"

// tune sets what every TCP connection has: nothing beyond what package net
// does here.
func tune(net.Conn) {}
