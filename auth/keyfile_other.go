//go:build !unix

package auth

import "io/fs"

const openFlags = 0

// checkPrivate accepts every file: mode bits say nothing here.
func checkPrivate(fs.FileInfo) error { return nil }
