//go:build !linux

package main

// reloading is what a service manager is told when the server begins to reload.
func reloading() string { return "RELOADING=1" }
