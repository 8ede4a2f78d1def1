package journal

import (
	"crypto/rand"
	"errors"
	"time"
)

// prepare makes segments ahead until the log is closed: new ones, filled with
// zeros, or those that are not needed any more.
func (l *Log) prepare(number uint64) {
	for {
		s, err := l.makeSegment(number, l.used())
		switch {
		case errors.Is(err, ErrNoSpace):
			l.setFull(true)
			select {
			case <-l.done:
				return
			case <-time.After(fullPause):
			}
			continue
		case err != nil:
			l.o.Logger.Error("no segment can be made for the log", "err", err)
			l.failed.Store(true)
			close(l.broken)
			return
		}
		l.setFull(false)
		number++
		select {
		case l.ready <- s:
		case <-l.done:
			s.file.Close()
			return
		}
	}
}

// fullPause is how often a full disk is tried.
const fullPause = 200 * time.Millisecond

// used returns a segment that is not needed any more, or nil.
func (l *Log) used() *segment {
	select {
	case s := <-l.recycle:
		return s
	default:
		return nil
	}
}

func (l *Log) setFull(full bool) {
	l.mu.Lock()
	changed := l.full != full
	l.full = full
	l.mu.Unlock()
	if !changed {
		return
	}
	if full {
		l.o.Logger.Error("the disk is full: the log's next segment cannot be made", "reserve_segments", spares)
	} else {
		l.o.Logger.Info("there is room for the log again")
	}
	l.o.Full(full)
}

const segmentTmp = "log.tmp"

// makeSegment makes a segment, out of an old one if there is one.
func (l *Log) makeSegment(number uint64, old *segment) (s *segment, err error) {
	var f File
	if old != nil {
		// Its name must be gone for good before its number is.
		f = old.file
		if err = l.fs.Rename(segmentName(old.number), segmentTmp); err == nil {
			err = l.fs.SyncDir()
		}
	} else if f, err = l.fs.Create(segmentTmp); err == nil {
		err = fill(f, l.o.Segment)
	}
	var b [8]byte
	rand.Read(b[:])
	salt := le.Uint64(b[:])
	if err == nil {
		_, err = f.WriteAt(headOf(number, salt), 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = l.fs.Rename(segmentTmp, segmentName(number))
	}
	if err == nil {
		err = l.fs.SyncDir()
	}
	if err != nil {
		if f != nil {
			f.Close()
			_ = l.fs.Remove(segmentTmp)
		}
		return nil, err
	}
	return &segment{number: number, seed: seed(number, salt), file: f, end: headSize}, nil
}

// fill writes zeros, so that later writes change no metadata.
func fill(f File, size int64) error {
	zeros := make([]byte, min(size, 1<<20))
	for at := int64(0); at < size; at += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at); err != nil {
			return err
		}
	}
	return nil
}
