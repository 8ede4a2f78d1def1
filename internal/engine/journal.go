package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"hash"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// Journal records commands, and sums up the replies that they caused, so that
// a replay can be compared. It is what a durable log will be made of.
type Journal struct {
	Log []byte
	sum hash.Hash
}

// entry is a command as it stands in the log. An error stands there encoded,
// since its texts may hold any bytes.
type entry struct {
	Command
	Failure []byte `json:",omitempty"`
}

// Apply applies the command and records it.
func (j *Journal) Apply(e *Engine, c *Command, fx *Effects) error {
	from := len(fx.Replies)
	err := e.Apply(c, fx)
	record := entry{Command: *c}
	record.Result, record.Version = nil, CommandVersion
	if c.Error != nil {
		record.Error, record.Failure = nil, wire.AppendError(nil, c.Error)
	}
	line, jsonErr := json.Marshal(record)
	if jsonErr != nil {
		return jsonErr
	}
	j.Log = binary.AppendUvarint(j.Log, uint64(len(line)))
	j.Log = append(j.Log, line...)
	j.add(fx.Replies[from:], err)
	return err
}

func (j *Journal) add(replies []Reply, err error) {
	if j.sum == nil {
		j.sum = sha256.New()
	}
	var b []byte
	for i := range replies {
		b = replies[i].Append(b)
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

// Replay applies a log to a fresh engine and returns the digest of its
// replies. Work that a handler put outside is run again when the log says that
// it was done. peer stands for the connections of the sessions that had one.
func Replay(e *Engine, log []byte, peer any) ([32]byte, error) {
	var j Journal
	var fx Effects
	runs := make(map[uint64]func(pause func()) any)
	for len(log) > 0 {
		n, size := binary.Uvarint(log)
		if size <= 0 || n > uint64(len(log)-size) {
			return [32]byte{}, wire.Errorf(wire.CodeValue, "the log is cut short")
		}
		var line entry
		if err := json.Unmarshal(log[size:size+int(n)], &line); err != nil {
			return [32]byte{}, err
		}
		c := line.Command
		if line.Failure != nil {
			failure, err := wire.ParseError(line.Failure)
			if err != nil {
				return [32]byte{}, err
			}
			c.Error = failure
		}
		log = log[size+int(n):]
		if run := runs[c.Work]; c.Op == OpComplete && run != nil {
			c.Result = run(func() {})
			delete(runs, c.Work)
		}
		fx.Reset()
		if s := e.sessions[c.Session]; c.Op == OpResume && s != nil {
			s.Peer = peer // resuming sends replies
		}
		err := e.Apply(&c, &fx)
		if fx.Opened != 0 {
			e.sessions[fx.Opened].Peer = peer
		}
		for i := range fx.Work {
			if fx.Work[i].Run != nil {
				runs[fx.Work[i].ID] = fx.Work[i].Run
			}
		}
		j.add(fx.Replies, err)
	}
	return j.Sum(), nil
}
