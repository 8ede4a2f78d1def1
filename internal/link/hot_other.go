//go:build !linux

package link

import "net"

// hot is for Linux: other systems read as package net does.
type hot struct{ net.Conn }

func newHot(net.Conn) *hot { return nil }

// Cool does nothing.
func (h *hot) Cool() {}
