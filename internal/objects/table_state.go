package objects

import (
	"encoding/binary"

	"github.com/syncmanager/syncmanager/internal/engine"
)

// dump appends the counters of the table, and its entries as rows. Chunks and
// index are not written down: they show in no reply.
func (t *table) dump(b []byte) ([]byte, engine.Rows) {
	b = binary.AppendUvarint(b, t.seq)
	b = binary.AppendUvarint(b, t.version)
	b = binary.AppendUvarint(b, uint64(t.n))
	if t.small() {
		b, _ = tableRows(t.order).AppendRows(b, 0, maxInt)
		return b, nil
	}
	return b, tableRows(t.view().order)
}

// tableRows are the entries of a table: the place, the key and the value, which
// a set has none of.
type tableRows []*chunk

// AppendRows implements engine.Rows. A cursor is a chunk and a place in it.
func (r tableRows) AppendRows(b []byte, from uint64, limit int) ([]byte, uint64) {
	start, i := len(b), int(from&0xff)
	for at := int(from >> 8); at < len(r); at++ {
		for ; i < len(r[at].entries); i++ {
			e := &r[at].entries[i]
			if e.key == "" {
				continue
			}
			if len(b)-start >= limit {
				return b, uint64(at)<<8 | uint64(i)
			}
			b = binary.AppendUvarint(b, e.place())
			b = append(b, e.key...)
			b = engine.AppendOptional(b, e.value)
		}
		i = 0
	}
	return b, 0
}

// load fills an empty table. values says whether its entries have values.
func (t *table) load(d *engine.Decoder, values bool) {
	seq, version := d.Uint(), d.Uint()
	var buf [64]byte
	for n := d.Uint(); n > 0 && !d.Failed(); n-- {
		place, key := d.Uint(), d.Value()
		value := d.Optional()
		l, err := look(key.Bytes(), buf[:0])
		switch {
		case d.Failed():
			return
		case err != nil:
			d.Fail("a key: %v", err)
		case place <= t.seq || place >= oddKey || values != (value != "") || t.find(&l) != 0:
			d.Fail("an entry that does not belong there")
		default:
			t.seq = place - 1
			t.insert(&l, key, value)
		}
	}
	if seq < t.seq {
		d.Fail("an entry at %d; the last was given %d", t.seq, seq)
	}
	t.seq, t.version = seq, version
}
