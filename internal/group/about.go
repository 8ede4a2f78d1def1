package group

import (
	"encoding/binary"
	"errors"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// About is the description of a snapshot: what the group is.
type About struct {
	Lineage uint64 // drawn when the state began, or was restored from a backup
	Member  uint64 // the one that wrote the snapshot
	Conf    *raftpb.ConfState
}

// Append appends the description's bytes: lineage and member as u64,
// little-endian, then the members as raft's message ConfState.
func (a About) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, a.Lineage)
	b = binary.LittleEndian.AppendUint64(b, a.Member)
	b, _ = proto.MarshalOptions{Deterministic: true}.MarshalAppend(b, a.Conf) // no field of it can fail
	return b
}

// ParseAbout reads a description.
func ParseAbout(b []byte) (a About, err error) {
	if len(b) < 16 {
		return a, errors.New("the description of the group is cut short")
	}
	a.Lineage, a.Member = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	a.Conf = new(raftpb.ConfState)
	if err := proto.Unmarshal(b[16:], a.Conf); err != nil {
		return a, err
	}
	if a.Member == 0 || len(a.Conf.GetVoters()) == 0 {
		return a, errors.New("the description of the group names no member")
	}
	return a, nil
}
