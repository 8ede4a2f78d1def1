package journal

import (
	"errors"
	"io"
)

// FS is one flat directory.
type FS interface {
	// Lock takes the directory for this process, or fails with ErrLocked.
	Lock() (io.Closer, error)
	// List returns the names of the files, in any order.
	List() ([]string, error)
	// Create makes a file, or empties the one that is there. Its name is safe only
	// after SyncDir.
	Create(name string) (File, error)
	// Open opens a file for reading and writing.
	Open(name string) (File, error)
	// Rename gives a file another name, in place of one that has it.
	Rename(from, to string) error
	Remove(name string) error
	// SyncDir makes names safe.
	SyncDir() error
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync returns when the content is safe: all that was written, and a size that
	// it needs.
	Sync() error
	Size() (int64, error)
}

// ErrLocked tells that another process uses the directory.
var ErrLocked = errors.New("another server uses the data directory")

// ErrNoSpace tells that the disk is full.
var ErrNoSpace = errors.New("no space left on the disk")
