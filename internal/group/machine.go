package group

import (
	"encoding/binary"
	"errors"
	"io"

	"go.etcd.io/raft/v3/raftpb"
)

// Machine is what the entries are applied to. The applier alone calls it.
type Machine interface {
	// Restore replaces the state by the one of a snapshot, or by an empty one, if r
	// is nil. After an error it is called again, with another snapshot.
	Restore(r io.Reader) error
	// Apply applies the records of an entry. tags are those of the records if this
	// member proposed the entry, else nil. The records are the machine's for good.
	Apply(index uint64, records [][]byte, tags []any)
	// Lead tells that this member leads from now on, and that all entries of its
	// predecessors are applied.
	Lead(term uint64)
	// Dropped gives back what was proposed and will not be applied.
	Dropped(tags []any)
	// Snapshot freezes the state after the last entry. write is called once, from
	// another goroutine, while entries are applied. ErrBusy: not now, ask again.
	Snapshot() (write func(w io.Writer) error, err error)
}

// ErrBusy is what Machine.Snapshot returns when the state cannot be written down
// after this entry.
var ErrBusy = errors.New("work outside the state is under way")

// Transport brings messages to the other members. Send does not block, and may
// lose a message.
type Transport interface {
	Send(m *raftpb.Message)
}

// entryVersion is the first byte of an entry of commands.
const entryVersion = 1

// forming is an entry that still takes records.
type forming struct {
	data  []byte
	tags  []any
	index uint64 // once raft has given it one
	size  int64  // of data, which is let go when raft has it
}

// add adds a record, and returns by how much the entry grew.
func (f *forming) add(record []byte, tag any) int64 {
	was := len(f.data)
	if f.data == nil {
		f.data = append(make([]byte, 0, max(4096, len(record)+16)), entryVersion)
	}
	f.data = binary.AppendUvarint(f.data, uint64(len(record)))
	f.data = append(f.data, record...)
	f.tags = append(f.tags, tag)
	return int64(len(f.data) - was)
}

// Split returns the records of an entry, which lie in it.
func Split(data []byte, into [][]byte) ([][]byte, error) {
	if len(data) == 0 || data[0] != entryVersion {
		return nil, errors.New("group: an entry of a version that this program does not know")
	}
	for b := data[1:]; len(b) > 0; {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return nil, errors.New("group: an entry is cut short")
		}
		b = b[size:]
		into = append(into, b[:n:n])
		b = b[n:]
	}
	return into, nil
}
