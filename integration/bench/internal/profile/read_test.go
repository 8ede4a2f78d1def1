package profile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/pprof/profile"
)

// sample is a sample of a stack, the innermost function first.
func sample(values []int64, stack ...string) *profile.Sample {
	s := &profile.Sample{Value: values}
	for _, name := range stack {
		s.Location = append(s.Location, &profile.Location{Line: []profile.Line{{Function: &profile.Function{Name: name}}}})
	}
	return s
}

func TestCPU(t *testing.T) {
	const ms = int64(time.Millisecond)
	var s Summary
	s.addCPU(&profile.Profile{Sample: []*profile.Sample{
		sample([]int64{3, 30 * ms}, "syscall.Syscall", "syscall.write", "main.f", "main.main"),
		sample([]int64{1, 10 * ms}, "main.f", "main.f", "main.main"), // a recursion
		sample([]int64{0, 0}),
	}})
	if s.CPU != 40*time.Millisecond {
		t.Errorf("%v in all, want 40 ms", s.CPU)
	}
	if len(s.Parts) != 2 || s.Parts[0] != (Part{"reading and writing (kernel)", 30 * time.Millisecond}) || s.Parts[1] != (Part{partRest, 10 * time.Millisecond}) {
		t.Errorf("parts: %+v", s.Parts)
	}
	if got := s.ByFlat(5); len(got) != 2 || got[1] != (Func{"main.f", 10 * time.Millisecond, 40 * time.Millisecond}) {
		t.Errorf("by their own time: %+v", got)
	}
	if got := s.ByCum(2); len(got) != 2 || got[0].Name != "main.f" || got[1].Name != "main.main" {
		t.Errorf("with what they call: %+v", got)
	}
}

func TestAllocs(t *testing.T) {
	var s Summary
	before := &profile.Profile{Sample: []*profile.Sample{sample([]int64{5, 80, 0, 0}, "main.f"), sample([]int64{5, 80, 0, 0}, "main.g")}}
	after := &profile.Profile{Sample: []*profile.Sample{
		sample([]int64{9, 144, 0, 0}, "main.f"), sample([]int64{5, 80, 0, 0}, "main.g"), sample([]int64{7, 700, 0, 0}, "main.h"),
		sample([]int64{99, 9999, 0, 0}, "compress/flate.NewWriter", "runtime/pprof.writeHeap"), sample([]int64{1, 1, 0, 0}),
	}}
	s.addAllocs(before, after)
	if len(s.Allocs) != 2 || s.Allocs[0] != (Alloc{"main.h", 7, 700}) || s.Allocs[1] != (Alloc{"main.f", 4, 64}) {
		t.Errorf("allocations: %+v, want what came afterwards, without that of the profile itself", s.Allocs)
	}
}

func TestParts(t *testing.T) {
	const ours = "github.com/syncmanager/syncmanager/"
	for _, tt := range []struct {
		want  string
		stack []string
	}{
		{"reading and writing (kernel)", []string{"internal/runtime/syscall/linux.Syscall6", "syscall.RawSyscall6", "syscall.read", "internal/poll.(*FD).Read"}},
		{"Go scheduler, timers", []string{"internal/runtime/syscall/linux.Syscall6", "internal/runtime/syscall/linux.EpollWait", "runtime.netpoll", "runtime.findRunnable"}},
		{"Go scheduler, timers", []string{"runtime.reentersyscall", "runtime.entersyscall", "syscall.Syscall", "syscall.read"}},
		{"Go scheduler, timers", []string{"runtime.futex", "runtime.futexwakeup", "runtime.notewakeup"}},
		{"memory and collector", []string{"runtime.nextFreeFast", "runtime.mallocgcTiny", "runtime.mallocgc", ours + "internal/wire.Scan"}},
		{"memory and collector", []string{"runtime.scanobject", "runtime.gcDrain", "runtime.systemstack"}},
		{"memory and collector", []string{"sync.(*Pool).Get", ours + "internal/client.newCall"}},
		{"copying", []string{"runtime.memmove", ours + "internal/link.(*Outbox).Write"}},
		{"locks", []string{"internal/sync.(*Mutex).lockSlow", "sync.(*Mutex).Lock", ours + "internal/client.(*Session).send"}},
		{"codec", []string{"unicode/utf8.Valid", ours + "internal/wire.Scan", ours + "internal/client.decode[go.shape.string]"}},
		{"codec", []string{"github.com/redis/go-redis/v9/internal/proto.(*Reader).ReadLine"}},
		{"codec", []string{"reflect.Value.Set", "encoding/gob.decString", "net/rpc.(*Client).input"}},
		{"framing and outbox", []string{"bytes.Clone", ours + "internal/link.(*Reader).fill"}},
		{"client library", []string{"github.com/redis/rueidis.(*ring).NextWriteCmd"}},
		{"client library", []string{"internal/runtime/maps.(*Map).Get", ours + "internal/client.(*Session).answerCallLocked"}},
		{"client library", []string{ours + "proxy.(*Dict[go.shape.string,go.shape.string]).Get"}},
		{"engine and objects", []string{"aeshashbody", ours + "internal/objects.(*entry).matches", ours + "internal/engine.(*Engine).Apply"}},
		{"server's connections", []string{ours + "managers.(*conn).handle"}},
		{"server's connections", []string{"net/rpc.(*service).call", "net/rpc.(*Server).ServeCodec"}},
		{"TLS", []string{"crypto/internal/fips140/aes/gcm.gcmAesDec", "crypto/tls.(*halfConn).decrypt"}},
		{"the benchmark itself", []string{"time.Now", ours + "integration/bench/internal/load.(*caller).repeat"}},
		{partRest, []string{"runtime._ExternalCode", "runtime._System"}},
		{partRest, nil},
	} {
		if got := partOf(tt.stack); got != tt.want {
			t.Errorf("%q is %s, want %s", tt.stack, got, tt.want)
		}
	}
}

var sink []byte

// What Start writes, Read reads: a function that is busy and allocates.
func TestRead(t *testing.T) {
	Fine()
	prefix := filepath.Join(t.TempDir(), "one")
	stop, err := Start(prefix)
	if err != nil {
		t.Fatal(err)
	}
	const times = 10_000
	began := time.Now()
	for n := 0; n < times || time.Since(began) < 60*time.Millisecond; n++ {
		if n < times {
			sink = make([]byte, 1000)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s, err := Read(prefix)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, a := range s.Allocs {
		if a.Name == "github.com/syncmanager/syncmanager/integration/bench/internal/profile.TestRead" {
			found = true
			if a.Objects < times/2 || a.Objects > times*2 {
				t.Errorf("%d objects, want about %d", a.Objects, times)
			}
		}
	}
	if !found {
		t.Errorf("allocations: %+v", s.Allocs)
	}
	var sum time.Duration
	for _, p := range s.Parts {
		sum += p.CPU
	}
	if sum != s.CPU {
		t.Errorf("the parts are %v of %v", sum, s.CPU)
	}
	for _, suffix := range []string{allocsSuffix, beforeSuffix, cpuSuffix} {
		if err := os.WriteFile(prefix+suffix, []byte("no profile"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(prefix); err == nil {
			t.Errorf("%s was taken for a profile", suffix)
		}
		if err := os.Remove(prefix + suffix); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(prefix); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("without %s: %v", suffix, err)
		}
	}
}
