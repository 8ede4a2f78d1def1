package managers

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// serve runs a method of the server object that is not the engine's own.
func (s *Server) serve(j *job) done {
	d := done{job: j}
	switch j.work.Method.Name {
	case "info":
		d.value = s.info()
	case "shutdown":
		d.value = wire.AppendNil(nil)
		// The reply first: Shutdown waits for this work.
		s.RequestShutdown()
	case "connections":
		d.value, d.err = s.connections(j.work.Args)
	case "snapshot":
		d.value = wire.AppendNil(nil)
		if s.config.Durability == nil {
			d.err = wire.Errorf(wire.CodeValue, "the server has no data directory (managerd --data-dir): its state is in memory alone")
		} else if err := s.config.Durability.Snapshot(); err != nil {
			d.err = wire.Errorf(wire.CodeUnavailable, "no snapshot was made: %v", err)
		}
	case "disconnect":
		d.value, d.err = s.disconnect(j.work.Args)
	default:
		d.err = wire.Errorf(wire.CodeNotExposed, "server.%s is not exposed", j.work.Method.Name)
	}
	return d
}

// info describes the server, as a dict.
func (s *Server) info() []byte {
	s.core.mu.Lock()
	stats := s.core.engine.Stats()
	s.core.mu.Unlock()
	s.mu.Lock()
	conns := len(s.conns)
	s.mu.Unlock()
	python := 0
	if door := s.pythonDoor(); door != nil {
		python = door.Conns()
	}
	host, _ := os.Hostname()
	addrs := make([]any, 0, 4)
	for _, a := range s.Addrs() {
		addrs = append(addrs, a)
	}
	module := "unknown"
	if b, ok := debug.ReadBuildInfo(); ok {
		module = b.Main.Version
	}
	// Package runtime/metrics reads these without stopping the world.
	mem := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"}}
	metrics.Read(mem)
	// The reserve is memory that was never touched.
	heap, sys := int64(mem[0].Value.Uint64())-int64(len(s.reserve)), int64(mem[1].Value.Uint64())-int64(len(s.reserve))
	about := map[string]any{
		"server": s.config.Version, "version": module, "protocol": int64(wire.Version), "go": runtime.Version(),
		"pid": int64(os.Getpid()), "host": host, "addresses": addrs,
		"uptime_seconds": time.Since(s.started).Seconds(), "lease_seconds": s.config.Lease.Seconds(),
		"sessions": int64(stats.Sessions), "connections": int64(conns + python), "python_connections": int64(python), "objects": int64(stats.Objects),
		"names": int64(stats.Names), "parked": int64(stats.Parked), "running": int64(stats.Running),
		"bytes": stats.Bytes, "goroutines": int64(runtime.NumGoroutine()),
		"heap_bytes": heap, "sys_bytes": sys, "durability": "memory",
	}
	if d := s.config.Durability; d != nil {
		st := d.Stats()
		about["durability"], about["data_dir"], about["disk_full"] = st.Level, st.Directory, st.Full
		about["log_bytes"], about["log_index"] = st.LogBytes, int64(st.LastIndex)
		about["snapshot_bytes"], about["snapshot_index"] = st.SnapshotBytes, int64(st.SnapshotIndex)
		about["sync_median_seconds"], about["sync_p99_seconds"] = st.SyncMedian.Seconds(), st.SyncP99.Seconds()
		if !st.LastSync.IsZero() {
			about["last_sync_seconds"] = time.Since(st.LastSync).Seconds()
		}
	}
	b, err := wire.AppendAny(nil, about)
	if err != nil {
		return wire.AppendNil(nil)
	}
	return b
}
