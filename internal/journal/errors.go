package journal

import (
	"errors"
	"fmt"
	"io"
)

// DamageError tells that something that was safely on disk is not there, or is
// another. The log is not used then.
type DamageError struct {
	File   string
	Offset int64
	Index  uint64 // of the first entry that is missing, or of the snapshot
	What   string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("%s: offset %d, index %d: %s; nothing was changed. "+
		"Restore a snapshot (mgrctl snapshot restore), or give up all from index %d on (managerd --accept-loss)",
		e.File, e.Offset, e.Index, e.What, e.Index)
}

// VersionError tells that a file was written by a program with another format.
type VersionError struct {
	File    string
	Version uint32
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s has the format %d; this program reads %d: it was written by another version of the program, which is needed to read it",
		e.File, e.Version, Version)
}

// FormatError tells that a file is not what its name says.
type FormatError struct {
	File string
	What string
}

func (e *FormatError) Error() string { return e.File + ": " + e.What }

// ErrFailed is what the log returns after a write or a sync that failed.
var ErrFailed = errors.New("the log has failed before: what is on disk is not known, and the process must end")

// checkHead checks the first bytes of a file.
func checkHead(file string, b []byte, magic [8]byte, what string) error {
	switch {
	case len(b) < 12 || [8]byte(b) != magic:
		return &FormatError{file, "is no " + what + ": it does not begin with " + string(magic[:])}
	case le.Uint32(b[8:]) != Version:
		return &VersionError{file, le.Uint32(b[8:])}
	}
	return nil
}

// readAt reads as much of the file as there is.
func readAt(f File, b []byte, at int64) (int, error) {
	n, err := f.ReadAt(b, at)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}
