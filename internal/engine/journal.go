package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"hash/crc32"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// Journal records commands, each as a log entry, and sums up the replies that
// they caused, so that a replay can be compared. It serves tests: the log of a
// durable server is kept elsewhere.
//
// Before each entry stand its length and its checksum (CRC32C, little-endian).
type Journal struct {
	Log   []byte
	Twin  *Twin // if set, it does each command too
	sum   hash.Hash
	ended bool
	final []byte // the state before OpShutdown
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Apply applies the command and records it. OpShutdown ends the record: it is no
// part of a log.
func (j *Journal) Apply(e *Engine, c *Command, fx *Effects) error {
	if c.Op == OpShutdown && !j.ended {
		j.ended, j.final = true, e.Dump(nil)
	}
	from := len(fx.Replies)
	apply := e.Apply
	if j.Twin != nil {
		apply = func(c *Command, fx *Effects) error { return j.Twin.apply(e, c, fx) }
	}
	err := apply(c, fx)
	if j.ended {
		return err
	}
	entry, encodeErr := AppendCommand(AppendEntry(nil, e.term, c.Now), c)
	if encodeErr != nil {
		return encodeErr
	}
	j.Log = binary.AppendUvarint(j.Log, uint64(len(entry)))
	j.Log = binary.LittleEndian.AppendUint32(j.Log, crc32.Checksum(entry, castagnoli))
	j.Log = append(j.Log, entry...)
	j.add(fx.Replies[from:], err)
	return err
}

// State returns the state at the end of the record.
func (j *Journal) State(e *Engine) []byte {
	if j.ended {
		return j.final
	}
	return e.Dump(nil)
}

func (j *Journal) add(replies []Reply, err error) {
	if j.sum == nil {
		j.sum = sha256.New()
	}
	var b []byte
	for i := range replies {
		b = replies[i].Append(b, nil)
	}
	if err != nil {
		b = append(b, err.Error()...)
	}
	j.sum.Write(b)
}

// Sum returns the digest of all replies so far.
func (j *Journal) Sum() [32]byte {
	if j.sum == nil {
		j.sum = sha256.New()
	}
	return [32]byte(j.sum.Sum(nil))
}

// Replay applies the entries of a journal to a fresh engine and returns the digest
// of its replies. Work of the engine's own is run again when the log says that it
// was done. peer stands for the connections of the sessions that had one.
func Replay(e *Engine, log []byte, peer any) ([32]byte, error) {
	var j Journal
	var fx Effects
	for len(log) > 0 {
		n, size := binary.Uvarint(log)
		if size <= 0 || n+4 > uint64(len(log)-size) || n+4 < n {
			return [32]byte{}, wire.Errorf(wire.CodeValue, "the log is cut short")
		}
		sum, entry := binary.LittleEndian.Uint32(log[size:]), log[size+4:size+4+int(n)]
		if crc32.Checksum(entry, castagnoli) != sum {
			return [32]byte{}, wire.Errorf(wire.CodeValue, "an entry of the log has another checksum")
		}
		log = log[size+4+int(n):]
		d := entryDecoder(entry)
		_, now := d.head()
		for d.err == nil && len(d.b) > 0 {
			var item logItem
			if item.read(d); d.err != nil {
				break
			}
			fx.Reset()
			if s := e.sessions[item.command.Session]; item.command.Op == OpResume && s != nil {
				s.Peer = peer // resuming sends replies
			}
			e.applyItem(&item, now, &fx, func(c *Command, err error) {
				if fx.Opened != 0 {
					e.sessions[fx.Opened].Peer = peer
				}
				j.add(fx.Replies, err)
			})
		}
		if d.err != nil {
			return [32]byte{}, d.err
		}
	}
	return j.Sum(), nil
}
