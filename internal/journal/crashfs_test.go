package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"sync"
)

// crashFS is a directory in memory on a disk that can crash, fill up, fail and lie.
// After a crash each sector that was written and not synced is the new one, an old
// one, zeros or half of each; a file's new size may be lost; names that were not
// synced may be the old ones.
type crashFS struct {
	mu     sync.Mutex // guards what follows
	names  map[string]*crashFile
	safe   map[string]*crashFile // as of the last SyncDir
	ops    int                   // changes so far
	failAt int                   // the change that fails, from 1; 0: none
	fail   error                 // with what
	stopAt int                   // the change at which the power is cut
	off    bool                  // nothing gets through any more
	lies   bool                  // Sync does nothing, and says that it did
	locked bool
}

const sector = 512

type crashFile struct {
	fs    *crashFS
	data  []byte
	safe  []byte
	dirty map[int]bool // sectors that were written since the last sync
}

var errOff = errors.New("the power is off")

func newCrashFS() *crashFS {
	return &crashFS{names: make(map[string]*crashFile), safe: make(map[string]*crashFile)}
}

// changeLocked counts a change, and says whether it takes place.
func (d *crashFS) changeLocked() error {
	if d.off {
		return errOff
	}
	d.ops++
	if d.ops == d.stopAt {
		d.off = true
		return errOff
	}
	if d.ops == d.failAt {
		return d.fail
	}
	return nil
}

// crash returns the directory as it is after a power cut.
func (d *crashFS) crash(rng *rand.Rand) *crashFS {
	d.mu.Lock()
	defer d.mu.Unlock()
	after := newCrashFS()
	names := d.names
	if rng.IntN(2) == 0 {
		names = d.safe
	}
	for name, f := range names {
		c := &crashFile{fs: after, dirty: make(map[int]bool)}
		size := len(f.data)
		if len(f.safe) != size && rng.IntN(2) == 0 {
			size = len(f.safe)
		}
		c.data = make([]byte, size)
		copy(c.data, f.data)
		for at := range f.dirty {
			from := min(at*sector, size)
			to := min(from+sector, size)
			was := make([]byte, sector)
			if from < len(f.safe) {
				copy(was, f.safe[from:])
			}
			switch rng.IntN(4) {
			case 0: // new
			case 1:
				copy(c.data[from:to], was)
			case 2:
				clear(c.data[from:to])
			case 3:
				half := min(from+rng.IntN(sector), to)
				copy(c.data[half:to], was[half-from:])
			}
		}
		c.safe = slices.Clone(c.data)
		after.names[name], after.safe[name] = c, c
	}
	return after
}

// clone returns the directory as it is.
func (d *crashFS) clone() *crashFS {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := newCrashFS()
	for name, f := range d.names {
		g := &crashFile{fs: c, data: slices.Clone(f.data), safe: slices.Clone(f.data), dirty: make(map[int]bool)}
		c.names[name], c.safe[name] = g, g
	}
	return c
}

type crashLock struct{ fs *crashFS }

func (l crashLock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	l.fs.locked = false
	return nil
}

func (d *crashFS) Lock() (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locked {
		return nil, ErrLocked
	}
	d.locked = true
	return crashLock{d}, nil
}

func (d *crashFS) List() ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for name := range d.names {
		names = append(names, name)
	}
	return names, nil
}

func (d *crashFS) Create(name string) (File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.changeLocked(); err != nil {
		return nil, err
	}
	f := &crashFile{fs: d, dirty: make(map[int]bool)}
	d.names[name] = f
	return f, nil
}

func (d *crashFS) Open(name string) (File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.names[name]
	if f == nil {
		return nil, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
	}
	return f, nil
}

func (d *crashFS) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.changeLocked(); err != nil {
		return err
	}
	f := d.names[from]
	if f == nil {
		return fmt.Errorf("rename %s: %w", from, fs.ErrNotExist)
	}
	delete(d.names, from)
	d.names[to] = f
	return nil
}

func (d *crashFS) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.changeLocked(); err != nil {
		return err
	}
	if d.names[name] == nil {
		return fmt.Errorf("remove %s: %w", name, fs.ErrNotExist)
	}
	delete(d.names, name)
	return nil
}

func (d *crashFS) SyncDir() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.changeLocked(); err != nil || d.lies {
		return err
	}
	d.safe = make(map[string]*crashFile)
	for name, f := range d.names {
		d.safe[name] = f
	}
	return nil
}

func (f *crashFile) ReadAt(b []byte, at int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if at >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.data[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *crashFile) WriteAt(b []byte, at int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.fs.changeLocked()
	n := len(b)
	if err != nil {
		n /= 2 // a part of it was written
	}
	if need := int(at) + n; need > len(f.data) {
		f.data = append(f.data, make([]byte, need-len(f.data))...)
	}
	copy(f.data[at:], b[:n])
	for s := int(at) / sector; s*sector < int(at)+n; s++ {
		f.dirty[s] = true
	}
	return n, err
}

func (f *crashFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.changeLocked(); err != nil || f.fs.lies {
		return err
	}
	f.safe = slices.Clone(f.data)
	clear(f.dirty)
	return nil
}

func (f *crashFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.data)), nil
}

func (f *crashFile) Close() error { return nil }
