package proxy

import (
	"fmt"

	"github.com/syncmanager/syncmanager/internal/client"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// ScanOptions adjusts an iteration over a container. The zero value is that of
// All.
type ScanOptions struct {
	// Strict makes an iteration end with ErrChanged once keys or elements came
	// or went since it began, as Python does.
	Strict bool
	// PageSize is how many entries one page has at most, 1 to 1000: 0 means
	// 1000. A page is one message.
	PageSize int
}

// scan is one iteration. It is not safe for concurrent use, as a loop is not.
type scan struct {
	ScanOptions
	err error
}

func newScan(options ScanOptions) *scan {
	if options.PageSize == 0 {
		options.PageSize = pageRows
	}
	return &scan{ScanOptions: options}
}

// pages calls page for one page after the other until it says that there is no
// more, and keeps its error.
func (s *scan) pages(page func(after, version uint64, first bool) (next, newVersion uint64, more bool, err error)) {
	var after, version uint64
	for first, more := true, true; more; first = false {
		after, version, more, s.err = page(after, version, first)
		if s.err != nil {
			return
		}
	}
}

// args appends cursor and limit.
func (s *scan) args(c *client.Call, after uint64) {
	client.Arg(c, after)
	client.Arg(c, s.PageSize)
}

// version appends the version that the container must still have.
func (s *scan) version(c *client.Call, version uint64, first bool) {
	if s.Strict && !first {
		client.Arg(c, version)
	} else {
		c.ArgNil()
	}
}

func (s *scan) end() error { return s.err }

// scanPage is the reply of a page: [next, version, rows].
type scanPage[R any] struct {
	Next    uint64
	Version uint64
	Rows    R
}

// pairRows are keys and values in turn.
type pairRows[K, V any] []Entry[K, V]

// UnmarshalWire decodes a list of keys and values in turn.
func (p *pairRows[K, V]) UnmarshalWire(v []byte, ctx any) error {
	r, err := wire.NewReader(v)
	if err != nil {
		return err
	}
	if r.NArgs()%2 != 0 {
		return fmt.Errorf("%d keys and values in turn", r.NArgs())
	}
	rows := make([]Entry[K, V], 0, r.NArgs()/2)
	for r.More() {
		var e Entry[K, V]
		if err := wire.Unmarshal(r.Next(), &e.Key, ctx); err != nil {
			return err
		}
		if err := wire.Unmarshal(r.Next(), &e.Value, ctx); err != nil {
			return err
		}
		rows = append(rows, e)
	}
	*p = rows
	return nil
}
