package journal

import (
	"fmt"
	"io"
)

// Check reads a whole directory that no server uses: every record of the log, and
// every byte of the snapshots. It changes nothing. each, if not nil, is called with
// each entry that stands, in their order. An error is what a server would refuse to
// start over, or what is wrong with a snapshot.
func Check(d FS, each func(e Entry) error) (Stats, error) {
	l, err := Open(d, Options{readOnly: true})
	if err != nil {
		return Stats{}, err
	}
	defer l.closeFiles()
	for _, s := range l.Snapshots() {
		if s.Err != nil {
			return Stats{}, fmt.Errorf("%s: %w", s.Name, s.Err)
		}
		if _, err := CheckSnapshot(d, s.Name); err != nil {
			return Stats{}, err
		}
	}
	if each != nil {
		for i := l.First().Index + 1; i <= l.Last().Index; i++ {
			e, err := l.entry(i)
			if err != nil {
				return Stats{}, err
			}
			if err := each(e); err != nil {
				return Stats{}, err
			}
		}
	}
	return l.Stats(), nil
}

// CheckSnapshot reads a snapshot of the directory to its end.
func CheckSnapshot(d FS, name string) (SnapshotInfo, error) {
	r, err := openSnapshot(d, name)
	if err != nil {
		return SnapshotInfo{}, err
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	return r.Info, err
}

// Import begins a directory that holds nothing yet with a snapshot from r, under
// another description.
func Import(d FS, in io.Reader, name string, about func(old []byte) ([]byte, error)) (SnapshotInfo, error) {
	r, err := ReadSnapshot(in, name)
	if err != nil {
		return SnapshotInfo{}, err
	}
	l, err := Open(d, Options{})
	if err != nil {
		return SnapshotInfo{}, err
	}
	defer l.closeFiles()
	if len(l.snaps) > 0 || len(l.segs) > 0 {
		return SnapshotInfo{}, fmt.Errorf("the directory holds a state already: restore into a new one")
	}
	text, err := about(r.Info.About)
	if err != nil {
		return SnapshotInfo{}, err
	}
	return l.WriteSnapshot(r.Info.Position, text, func(w io.Writer) error {
		_, err := io.Copy(w, r)
		return err
	})
}
