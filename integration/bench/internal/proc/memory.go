package proc

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// Memory is what a process reports of itself after a forced collection.
type Memory struct {
	RSS        float64 `json:"rss"`  // resident bytes
	Heap       float64 `json:"heap"` // bytes in live heap objects
	Mallocs    float64 `json:"mallocs"`
	Goroutines float64 `json:"goroutines"`
}

// Own collects garbage, gives what is free back to the system and returns what
// is left of this process.
func Own() (Memory, error) {
	// Twice: the first run queues cleanups and empties pools, the second frees
	// what these held.
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	rss, err := RSS(os.Getpid())
	return Memory{
		RSS:        float64(rss),
		Heap:       float64(m.HeapAlloc),
		Mallocs:    float64(m.Mallocs),
		Goroutines: float64(runtime.NumGoroutine()),
	}, err
}

// Counters returns the allocation count and goroutines of this process without
// forcing a collection. RSS is 0.
func Counters() Memory {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Memory{Heap: float64(m.HeapAlloc), Mallocs: float64(m.Mallocs), Goroutines: float64(runtime.NumGoroutine())}
}

// RSS returns the resident size of a process in bytes. It needs Linux' /proc.
func RSS(pid int) (int64, error) {
	// smaps_rollup counts exactly; status lags by up to 64 pages per thread.
	if n, err := procField(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Rss:"); err == nil {
		return n << 10, nil
	}
	n, err := procField(fmt.Sprintf("/proc/%d/status", pid), "VmRSS:")
	if err != nil {
		return 0, fmt.Errorf("resident size of process %d: %w", pid, err)
	}
	return n << 10, nil
}

// procField reads the number of a field from a file of /proc; sizes are in kB.
func procField(path, field string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		rest, ok := strings.CutPrefix(s.Text(), field)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
		return n, err
	}
	return 0, fmt.Errorf("%s has no field %q", path, field)
}
