// Package defaults holds what managerd and mgrctl agree on without being told:
// where the default server listens and where its authkey lies.
package defaults

import (
	"fmt"
	"os"
	"path/filepath"
)

// Prefix begins the name of every environment variable of the two programs.
const Prefix = "SYNCMANAGER_"

// AuthKeyEnv holds the authkey itself.
const AuthKeyEnv = Prefix + "AUTHKEY"

// The default ports: four adjacent ones that no well-known service has, below
// those that systems give to outgoing connections (Linux: from 32768 on).
const (
	Port       = 21600 // for Go programs and mgrctl
	PythonPort = 21601
	AdminPort  = 21602 // metrics, health and pages over HTTP
	PeerPort   = 21603 // of servers that form a group
)

// TCPAddress is where the default server listens besides its socket.
const TCPAddress = "tcp://127.0.0.1:21600"

// SocketPath returns the path of the default server's socket: in the user's
// runtime directory (XDG_RUNTIME_DIR), or in a directory of the user's own
// below the directory for temporary files.
func SocketPath() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "syncmanager", "managerd.sock")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("syncmanager-%d", os.Getuid()), "managerd.sock")
}

// SocketAddress returns the address of the default server's socket.
func SocketAddress() string { return "unix://" + SocketPath() }

// ConfigDir returns the directory for the user's authkey and contexts.
func ConfigDir() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("no directory for configuration: %w; set XDG_CONFIG_HOME or HOME", err)
	}
	return filepath.Join(dir, "syncmanager"), nil
}

// AuthKeyFile returns the path of the default server's authkey.
func AuthKeyFile() (string, error) {
	dir, err := ConfigDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "authkey"), nil
}
