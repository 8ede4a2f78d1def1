package journal

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"slices"
	"time"
)

const (
	chunkMost   = 1 << 20
	aboutMost   = 1 << 20
	snapHead    = 32
	snapshotTmp = "snapshot.tmp"
	keepSnaps   = 2
	syncEvery   = 8 << 20 // bytes of a snapshot between syncs, so that none is long
)

// SnapshotInfo describes a snapshot.
type SnapshotInfo struct {
	Position
	Name  string
	About []byte // what its writer said of it
	Size  int64
	Time  time.Time // when it was made, as far as this process knows
	Err   error     // why it cannot be used, or nil
}

func snapshotName(index uint64) string { return fmt.Sprintf("snapshot-%016x", index) }

// Snapshots returns the snapshots, newest first.
func (l *Log) Snapshots() []SnapshotInfo {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Clone(l.snaps)
	slices.Reverse(all)
	return all
}

func (l *Log) readSnapshotHead(name string, index uint64) (SnapshotInfo, error) {
	r, err := openSnapshot(l.fs, name)
	if err != nil {
		return SnapshotInfo{}, err
	}
	defer r.Close()
	if r.Info.Index != index {
		return SnapshotInfo{}, &FormatError{name, fmt.Sprintf("its head says index %d", r.Info.Index)}
	}
	return r.Info, nil
}

// SnapshotReader reads a snapshot's bytes, and checks them: io.EOF comes only after
// the last checksum was right.
type SnapshotReader struct {
	Info SnapshotInfo

	file  File
	in    *bufio.Reader
	sum   hash.Hash
	chunk []byte // what is left of it
	spare []byte
	n     uint64 // of the next chunk
	at    int64
	err   error
}

// OpenSnapshot opens a snapshot.
func (l *Log) OpenSnapshot(s SnapshotInfo) (*SnapshotReader, error) {
	return openSnapshot(l.fs, s.Name)
}

func openSnapshot(d FS, name string) (*SnapshotReader, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err == nil {
		r := &SnapshotReader{file: f}
		if err = r.head(io.NewSectionReader(f, 0, size), name, size); err == nil {
			return r, nil
		}
	}
	f.Close()
	return nil, err
}

// ReadSnapshot reads a snapshot from any reader, such as a backup's file.
func ReadSnapshot(in io.Reader, name string) (*SnapshotReader, error) {
	r := new(SnapshotReader)
	return r, r.head(in, name, 0)
}

func (r *SnapshotReader) head(in io.Reader, name string, size int64) error {
	r.sum = sha256.New()
	r.in = bufio.NewReaderSize(in, 256<<10)
	r.Info = SnapshotInfo{Name: name, Size: size}
	b := make([]byte, snapHead)
	if n, err := io.ReadFull(r.in, b); err != nil {
		if e := checkHead(name, b[:n], snapMagic, "snapshot"); e != nil {
			return e
		}
		return &FormatError{name, "it is cut short in its head"}
	}
	if err := checkHead(name, b, snapMagic, "snapshot"); err != nil {
		return err
	}
	n := le.Uint32(b[12:])
	if n > aboutMost {
		return &FormatError{name, "its head is damaged"}
	}
	b = append(b, make([]byte, n+4)...)
	if _, err := io.ReadFull(r.in, b[snapHead:]); err != nil {
		return &FormatError{name, "it is cut short in its head"}
	}
	end := snapHead + int(n)
	if crc(b[:end]) != le.Uint32(b[end:]) {
		return &FormatError{name, "its head is damaged"}
	}
	r.sum.Write(b)
	r.at = int64(len(b))
	r.Info.Position = Position{le.Uint64(b[16:]), le.Uint64(b[24:])}
	r.Info.About = b[snapHead:end]
	return nil
}

// Read implements io.Reader.
func (r *SnapshotReader) Read(b []byte) (int, error) {
	for len(r.chunk) == 0 {
		if r.err == nil {
			r.err = r.next()
		}
		if r.err != nil {
			return 0, r.err
		}
	}
	n := copy(b, r.chunk)
	r.chunk = r.chunk[n:]
	return n, nil
}

// next reads the next chunk, or the end.
func (r *SnapshotReader) next() error {
	damaged := func(what string) error {
		return &DamageError{File: r.Info.Name, Offset: r.at, Index: r.Info.Index, What: what}
	}
	var head [8]byte
	if _, err := io.ReadFull(r.in, head[:4]); err != nil {
		return damaged("the snapshot is cut short")
	}
	n := le.Uint32(head[:])
	if n == 0 {
		var want [sha256.Size]byte
		if _, err := io.ReadFull(r.in, want[:]); err != nil {
			return damaged("the snapshot is cut short")
		}
		if [sha256.Size]byte(r.sum.Sum(nil)) != want {
			return damaged("the checksum of the whole snapshot is wrong")
		}
		if _, err := r.in.ReadByte(); !errors.Is(err, io.EOF) {
			return damaged("something follows the snapshot's end")
		}
		return io.EOF
	}
	if n > chunkMost {
		return damaged(fmt.Sprintf("a chunk of %d bytes", n))
	}
	if _, err := io.ReadFull(r.in, head[4:]); err != nil {
		return damaged("the snapshot is cut short")
	}
	if r.spare == nil {
		r.spare = make([]byte, chunkMost)
	}
	b := r.spare[:n]
	if _, err := io.ReadFull(r.in, b); err != nil {
		return damaged("the snapshot is cut short")
	}
	if chunkCRC(r.n, b) != le.Uint32(head[4:]) {
		return damaged("the checksum of a chunk is wrong")
	}
	r.sum.Write(head[:])
	r.sum.Write(b)
	r.chunk = b
	r.n++
	r.at += 8 + int64(n)
	return nil
}

func chunkCRC(n uint64, b []byte) uint32 {
	var number [8]byte
	le.PutUint64(number[:], n)
	return crc32.Update(crc(number[:]), castagnoli, b)
}

// Close closes the file.
func (r *SnapshotReader) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// SnapshotWriter writes a snapshot.
type SnapshotWriter struct {
	out   io.Writer
	sum   hash.Hash
	chunk []byte
	n     uint64
	size  int64
	pos   Position
	about []byte
}

// NewSnapshotWriter writes a snapshot's head to any writer.
func NewSnapshotWriter(out io.Writer, pos Position, about []byte) (*SnapshotWriter, error) {
	if len(about) > aboutMost {
		return nil, fmt.Errorf("the description of a snapshot has %d bytes; at most %d", len(about), aboutMost)
	}
	w := &SnapshotWriter{sum: sha256.New(), chunk: make([]byte, 8, 8+chunkMost), pos: pos, about: about}
	w.out = io.MultiWriter(out, w.sum)
	b := append([]byte(nil), snapMagic[:]...)
	b = le.AppendUint32(b, Version)
	b = le.AppendUint32(b, uint32(len(about)))
	b = le.AppendUint64(b, pos.Index)
	b = le.AppendUint64(b, pos.Term)
	b = append(b, about...)
	b = le.AppendUint32(b, crc(b))
	w.size = int64(len(b))
	_, err := w.out.Write(b)
	return w, err
}

// Write implements io.Writer.
func (w *SnapshotWriter) Write(b []byte) (int, error) {
	wrote := len(b)
	for len(b) > 0 {
		n := min(len(b), 8+chunkMost-len(w.chunk))
		w.chunk = append(w.chunk, b[:n]...)
		b = b[n:]
		if len(w.chunk) == 8+chunkMost {
			if err := w.flush(); err != nil {
				return 0, err
			}
		}
	}
	return wrote, nil
}

func (w *SnapshotWriter) flush() error {
	n := len(w.chunk) - 8
	if n == 0 {
		return nil
	}
	le.PutUint32(w.chunk, uint32(n))
	le.PutUint32(w.chunk[4:], chunkCRC(w.n, w.chunk[8:]))
	w.n++
	w.size += int64(len(w.chunk))
	_, err := w.out.Write(w.chunk)
	w.chunk = w.chunk[:8]
	return err
}

// Finish writes the end.
func (w *SnapshotWriter) Finish() error {
	if err := w.flush(); err != nil {
		return err
	}
	sum := w.sum.Sum(nil)
	w.size += 4 + sha256.Size
	_, err := w.out.Write(append(make([]byte, 4), sum...))
	return err
}

// fileWriter writes a file from its beginning, and syncs it now and then.
type fileWriter struct {
	file   File
	at     int64
	synced int64
}

func (w *fileWriter) Write(b []byte) (int, error) {
	n, err := w.file.WriteAt(b, w.at)
	w.at += int64(n)
	if err == nil && w.at-w.synced >= syncEvery {
		w.synced = w.at
		err = w.file.Sync()
	}
	return n, err
}

// WriteSnapshot makes a snapshot of what write writes. It is there when
// WriteSnapshot returns without an error; older ones but one are removed. One
// snapshot is written at a time.
func (l *Log) WriteSnapshot(pos Position, about []byte, write func(w io.Writer) error) (SnapshotInfo, error) {
	f, err := l.fs.Create(snapshotTmp)
	if err != nil {
		return SnapshotInfo{}, err
	}
	out := &fileWriter{file: f}
	w, err := NewSnapshotWriter(out, pos, about)
	if err == nil {
		err = write(w)
	}
	if err == nil {
		err = w.Finish()
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = l.fs.Remove(snapshotTmp)
		return SnapshotInfo{}, err
	}
	info := SnapshotInfo{Position: pos, Name: snapshotName(pos.Index), About: about, Size: w.size, Time: time.Now()}
	if err := l.fs.Rename(snapshotTmp, info.Name); err != nil {
		return info, err
	}
	if err := l.fs.SyncDir(); err != nil {
		return info, err
	}
	l.mu.Lock()
	l.snaps = slices.DeleteFunc(l.snaps, func(s SnapshotInfo) bool { return s.Index == info.Index })
	l.snaps = append(l.snaps, info)
	slices.SortFunc(l.snaps, func(a, b SnapshotInfo) int {
		switch {
		case a.Index < b.Index:
			return -1
		case a.Index > b.Index:
			return 1
		}
		return 0
	})
	var gone []SnapshotInfo
	good := 0
	for i := len(l.snaps) - 1; i >= 0; i-- {
		if good == keepSnaps {
			gone = append(gone, l.snaps[i])
		} else if l.snaps[i].Err == nil {
			good++
		}
	}
	l.snaps = slices.DeleteFunc(l.snaps, func(s SnapshotInfo) bool {
		return slices.ContainsFunc(gone, func(g SnapshotInfo) bool { return g.Name == s.Name })
	})
	l.mu.Unlock()
	for _, s := range gone {
		if err := l.fs.Remove(s.Name); err != nil {
			return info, err
		}
	}
	return info, nil
}
