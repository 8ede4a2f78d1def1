package managers

import (
	"crypto/rand"
	"io"
	"time"

	"github.com/syncmanager/syncmanager/internal/engine"
)

// loadEngine reads a state that snapshotEngine wrote.
func loadEngine(e *engine.Engine, r io.Reader) error {
	buf := make([]byte, 256<<10)
	return e.Load(func() ([]byte, error) {
		n, err := io.ReadFull(r, buf)
		switch {
		case n > 0:
			return buf[:n], nil
		case err == io.EOF:
			return nil, nil
		}
		return nil, err
	})
}

// snapshotEngine freezes the state.
func snapshotEngine(k *core) (func(w io.Writer) error, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.engine.Runs() > 0 {
		return nil, ErrBusy
	}
	var all []engine.Record
	k.engine.Records(func(r engine.Record) { all = append(all, r) })
	return func(w io.Writer) error {
		pause := (&task{began: time.Now()}).pause
		var buf []byte
		for i := range all {
			var err error
			buf, err = all[i].Pieces(buf, func(p []byte) error {
				_, err := w.Write(p)
				return err
			})
			if err != nil {
				return err
			}
			all[i] = engine.Record{}
			pause()
		}
		return nil
	}, nil
}

// idBits is how many low bits of ids are kept for a number of the group.
const idBits = 6

// takeoverLocked returns the record with which this life of the server begins.
func (l *logged) takeoverLocked() []byte {
	k := l.core
	k.ahead.Store(max(k.engine.Now()-k.now(), 0))
	cfg := k.server.config.Limits.engineConfig()
	cfg.IDBits = idBits
	rand.Read(cfg.Seed[:]) // counts at the very first start only, as IDBits does
	return l.record(
		&engine.Command{Op: engine.OpTypes, Types: k.engine.Tables()},
		&engine.Command{Op: engine.OpConfigure, Config: &cfg},
		&engine.Command{Op: engine.OpTakeover, Term: l.term},
	)
}
