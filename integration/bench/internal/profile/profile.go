// Package profile writes the profiles of one measurement, and sums up what they
// say.
package profile

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
)

// The profiles of the two sides of a measurement, behind a common prefix.
const (
	Client = "-client"
	Server = "-server"
)

// The files of one side, behind its prefix.
const (
	cpuSuffix    = ".cpu.pprof"
	beforeSuffix = ".allocs-before.pprof"
	allocsSuffix = ".allocs.pprof"
)

// fineRate is how many bytes are allocated between two samples of a profile
// that counts single calls; Go's own rate would see a few samples a second.
const fineRate = 8 << 10

// Fine makes all that is allocated from now on be sampled often enough for a
// measurement of half a second. It is called first in a program.
func Fine() { runtime.MemProfileRate = fineRate }

// Start starts a CPU profile into prefix.cpu.pprof and returns what ends it.
// Allocations are counted from the program's start on; those until Start are
// written to prefix.allocs-before.pprof, and those until the end to
// prefix.allocs.pprof, so that
//
//	go tool pprof -base prefix.allocs-before.pprof prefix.allocs.pprof
//
// shows what was allocated in between. With an empty prefix both do nothing.
// Only one profile can run at a time.
func Start(prefix string) (stop func() error, err error) {
	if prefix == "" {
		return func() error { return nil }, nil
	}
	if err := allocations(prefix + beforeSuffix); err != nil {
		return nil, err
	}
	f, err := os.Create(prefix + cpuSuffix)
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(fmt.Errorf("profile: %w", err), f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return errors.Join(f.Close(), allocations(prefix+allocsSuffix))
	}, nil
}

func allocations(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	runtime.GC() // the profile is as of the last collection
	return errors.Join(pprof.Lookup("allocs").WriteTo(f, 0), f.Close())
}
