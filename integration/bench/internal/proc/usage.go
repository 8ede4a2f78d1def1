package proc

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The figures of Count.
const (
	CPU      = "cpu"      // microseconds of user and system time
	Reads    = "reads"    // calls of read and readv, also those that found nothing
	Writes   = "writes"   // calls of write and writev
	Switches = "switches" // how often a thread was given a core
)

// What threads have switched that ended in between is not to be had; they show
// as CPU time that no thread has used. So much may be lacking without a figure
// being left out: a share of all, or what a thread that runs at the moment of
// reading has not yet been charged for.
const (
	lackShare = 0.1
	lackTime  = time.Millisecond
)

// Count counts what processes use together from now on. The function that it
// returns ends this and returns what they have used. A figure that the system
// does not tell is left out; all are without Linux' /proc.
//
// The kernel counts reads and writes of sockets too, but none that was made by
// recv, send and their kin. Threads that end meanwhile are missing in the
// switches, which are left out if such threads took more than a tenth of the
// CPU time.
func Count(pids ...int) (stop func() map[string]float64) {
	before := make([]usage, len(pids))
	for i, pid := range pids {
		before[i] = used(pid)
	}
	return func() map[string]float64 {
		sum := make(map[string]float64)
		told := make(map[string]int)
		for i, pid := range pids {
			for name, v := range used(pid).since(before[i]) {
				sum[name] += v
				told[name]++
			}
		}
		for name, n := range told {
			if n < len(pids) { // a sum of some would look like one of all
				delete(sum, name)
			}
		}
		return sum
	}
}

// usage is what a process has used so far.
type usage struct {
	cpu           time.Duration // of all its threads, also of those that have ended
	reads, writes int64
	threads       map[string]thread // by their ids
	failed        map[string]error  // by the figure that is not known
}

// thread is what a living thread has used so far.
type thread struct {
	cpu   time.Duration
	turns int64 // how often it was given a core
}

func used(pid int) usage {
	u := usage{failed: make(map[string]error)}
	var err error
	if u.cpu, err = cpuTime(pid); err != nil {
		u.failed[CPU] = err
	}
	io := fmt.Sprintf("/proc/%d/io", pid)
	if u.reads, err = procField(io, "syscr:"); err != nil {
		u.failed[Reads] = err
	}
	if u.writes, err = procField(io, "syscw:"); err != nil {
		u.failed[Writes] = err
	}
	if u.threads, err = threads(pid); err != nil {
		u.failed[Switches] = err
	}
	return u
}

// since are the figures of what was used after before.
func (u usage) since(before usage) map[string]float64 {
	var turns int64
	var cpu time.Duration
	for id, t := range u.threads {
		turns += t.turns - before.threads[id].turns
		cpu += t.cpu - before.threads[id].cpu
	}
	all := u.cpu - before.cpu
	out := map[string]float64{
		CPU:   float64(all) / float64(time.Microsecond),
		Reads: float64(u.reads - before.reads), Writes: float64(u.writes - before.writes),
		Switches: float64(turns),
	}
	if lack := all - cpu; lack > lackTime && float64(lack) > lackShare*float64(all) {
		delete(out, Switches)
	}
	for _, sample := range []usage{u, before} {
		for name := range sample.failed {
			delete(out, name)
		}
	}
	return out
}

// threads reads the living threads of a process.
func threads(pid int) (map[string]thread, error) {
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("threads of process %d: %w", pid, os.ErrNotExist)
	}
	all := make(map[string]thread)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended
		}
		t, err := parseSchedstat(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all[filepath.Base(filepath.Dir(path))] = t
	}
	return all, nil
}

// parseSchedstat reads nanoseconds on a core, nanoseconds waiting for one, and
// the number of turns.
func parseSchedstat(text string) (thread, error) {
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return thread{}, fmt.Errorf("%q is not three numbers", text)
	}
	cpu, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return thread{}, err
	}
	turns, err := strconv.ParseInt(fields[2], 10, 64)
	return thread{time.Duration(cpu), turns}, err
}
