package journal

import (
	"errors"
	"io/fs"
)

const markName = "mark"

// mark is how far the log was safely on disk.
type mark struct {
	index, number uint64
	slot          int64 // the one that it stands in
}

func (m mark) append(b []byte) []byte {
	at := len(b)
	b = append(b, markMagic[:]...)
	b = le.AppendUint32(b, Version)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint64(b, m.index)
	b = le.AppendUint64(b, m.number)
	return le.AppendUint32(b, crc(b[at:]))
}

const markSize = 36

// parseMark reads the better one of the two slots. Not ok: neither is valid.
func parseMark(b []byte) (m mark, ok bool, err error) {
	for slot := range int64(2) {
		if int64(len(b)) < slot*512+markSize {
			break
		}
		s := b[slot*512:][:markSize]
		if crc(s[:32]) != le.Uint32(s[32:]) || [8]byte(s) != markMagic {
			continue
		}
		if err := checkHead(markName, s, markMagic, "mark"); err != nil {
			return m, false, err
		}
		if index := le.Uint64(s[16:]); !ok || index >= m.index {
			m, ok = mark{index, le.Uint64(s[24:]), slot}, true
		}
	}
	return m, ok, nil
}

// openMark reads the mark. A directory without a log gets one; so does any, if that
// is asked for, instead of one that is missing or damaged.
func openMark(d FS, fresh bool) (File, mark, error) {
	f, err := d.Open(markName)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, mark{}, err
	}
	if err == nil {
		b := make([]byte, 1024)
		n, err := readAt(f, b, 0)
		m, ok := mark{}, false
		if err == nil {
			m, ok, err = parseMark(b[:n])
		}
		if err == nil && ok {
			return f, m, nil
		}
		f.Close()
		if err != nil {
			return nil, mark{}, err
		}
	}
	if !fresh {
		return nil, mark{}, &FormatError{markName, "is missing or damaged: how far the log was safely on disk is not known (managerd --accept-loss goes on without)"}
	}
	f, err = makeMark(d)
	return f, mark{}, err
}

const markTmp = "mark.tmp"

// makeMark makes a mark that says nothing.
func makeMark(d FS) (File, error) {
	f, err := d.Create(markTmp)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 1024)
	copy(b, mark{}.append(nil))
	if _, err = f.WriteAt(b, 0); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = d.Rename(markTmp, markName)
	}
	if err == nil {
		err = d.SyncDir()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// writeMark notes how far the log is safe, in the slot that was not written last.
func (l *Log) writeMark(index, number uint64) error {
	l.marking.Lock()
	defer l.marking.Unlock()
	if index <= l.mark.index {
		return nil
	}
	m := mark{index: index, number: number, slot: 1 - l.mark.slot}
	if _, err := l.markFile.WriteAt(m.append(nil), m.slot*512); err != nil {
		return err
	}
	if err := l.markFile.Sync(); err != nil {
		return err
	}
	l.mark = m
	return nil
}
