package journal

import (
	"encoding/binary"
	"hash/crc32"
)

// Entry is one entry of the log.
type Entry struct {
	Index, Term uint64
	Type        uint8 // 0: commands; 1, 2: a change of members
	Data        []byte
}

// Vote is what a member must not forget of an election, and how far it knows the
// log to be committed.
type Vote struct{ Term, Member, Commit uint64 }

// Version is the version of all files, and the only one so far.
const Version = 1

const (
	sectorSize = 512
	headSize   = sectorSize // of a segment
	recordHead = 40
	maxType    = 2

	kindEntry = 1
	kindVote  = 2
)

var (
	le         = binary.LittleEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	logMagic   = [8]byte([]byte("SYNCMLOG"))
	markMagic  = [8]byte([]byte("SYNCMARK"))
	snapMagic  = [8]byte([]byte("SYNCMSNP"))
)

func crc(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// record is what stands before a record's content.
type record struct {
	kind, typ           uint8
	index, term, synced uint64
	content             []byte
}

// aligned returns the next multiple of a sector. What is appended together begins
// there, so that what is safe already is not written again.
func aligned(at int64) int64 { return (at + sectorSize - 1) &^ (sectorSize - 1) }

// padded returns how many bytes a record with a content of n takes.
func padded(n int) int64 { return (recordHead + int64(n) + 7) &^ 7 }

// seed is the CRC of a segment's number and salt, with which the CRC of its
// records begins.
func seed(number, salt uint64) uint32 {
	var b [16]byte
	le.PutUint64(b[:], number)
	le.PutUint64(b[8:], salt)
	return crc(b[:])
}

// appendRecord appends a record of the segment with the seed.
func appendRecord(b []byte, seed uint32, r record) []byte {
	at := len(b)
	b = le.AppendUint32(b, uint32(len(r.content)))
	b = le.AppendUint32(b, 0)
	b = append(b, r.kind, r.typ, 0, 0)
	b = le.AppendUint32(b, seed)
	b = le.AppendUint64(b, r.index)
	b = le.AppendUint64(b, r.term)
	b = le.AppendUint64(b, r.synced)
	b = append(b, r.content...)
	le.PutUint32(b[at+4:], crc32.Update(seed, castagnoli, b[at+8:]))
	for len(b)&7 != at&7 {
		b = append(b, 0)
	}
	return b
}

// parseRecord reads the record that b begins with. Its content lies in b. Not ok:
// there is none.
func parseRecord(b []byte, seed uint32) (r record, size int64, ok bool) {
	if len(b) < recordHead {
		return r, 0, false
	}
	n := le.Uint32(b)
	r = record{kind: b[8], typ: b[9], index: le.Uint64(b[16:]), term: le.Uint64(b[24:]), synced: le.Uint64(b[32:])}
	if !plausible(b, seed) || uint64(n) > uint64(len(b)-recordHead) {
		return r, 0, false
	}
	end := recordHead + int(n)
	if crc32.Update(seed, castagnoli, b[8:end]) != le.Uint32(b[4:]) {
		return r, 0, false
	}
	r.content = b[recordHead:end:end]
	return r, padded(int(n)), true
}

// plausible looks at what costs no checksum. The seed, which nobody outside knows,
// keeps what clients send from looking like a record.
func plausible(b []byte, seed uint32) bool {
	if le.Uint32(b[12:]) != seed || le.Uint16(b[10:]) != 0 {
		return false
	}
	switch b[8] {
	case kindEntry:
		if b[9] > maxType || le.Uint64(b[16:]) == 0 {
			return false
		}
	case kindVote:
		if b[9] != 0 || le.Uint32(b) != 8 {
			return false
		}
	default:
		return false
	}
	return true
}

// headOf returns the first sector of a segment.
func headOf(number, salt uint64) []byte {
	b := make([]byte, headSize)
	copy(b, logMagic[:])
	le.PutUint32(b[8:], Version)
	le.PutUint64(b[16:], number)
	le.PutUint64(b[24:], salt)
	le.PutUint32(b[32:], crc(b[:32]))
	return b
}
