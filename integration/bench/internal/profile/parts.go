package profile

import "regexp"

// partRest is the work of stacks that no part knows.
const partRest = "rest"

// parts name the kinds of work by the functions that do it. A sample belongs to
// the innermost function of its stack that any of them knows; so a helper that
// none knows, of maps or byte order, counts for who called it. Where several
// know one, the first counts.
var parts = []struct {
	name string
	re   *regexp.Regexp
}{
	{"reading and writing (kernel)", regexp.MustCompile(`^syscall\.|^golang\.org/x/sys/unix\.`)},
	{"Go scheduler, timers", regexp.MustCompile(`^runtime\.(mcall|schedule|gopark|goready|ready|wakep|netpoll|sysmon|mstart|mPark|gosched|goschedguarded|` +
		`chansend|chanrecv|closechan|selectgo|selectnb|semacquire|semrelease|entersyscall|exitsyscall|reentersyscall|newproc|gopreempt|asyncPreempt|` +
		`morestack|newstack|usleep|osyield|futex|notewakeup|notesleep|stopm|startm|goexit0|park_m|goyield|\(\*timer|resetForSleep|note)|` +
		`^sync\.\(\*(WaitGroup|Cond)\)|^time\.(Sleep|AfterFunc|\(\*Timer\))|^internal/sync\.runtime_|^sync\.runtime_[SN]`)},
	{"memory and collector", regexp.MustCompile(`^runtime\.(malloc|newobject|growslice|makeslice|gc|\(\*gc|scan|mark|grey|sweep|bgsweep|bgscavenge|\(\*m(heap|central|cache|span)|` +
		`\(\*sweep|\(\*pageAlloc|\(\*scavenge|memclr|wb|bulkBarrier|deductAssist|heapSetType|slicebytetostring|stringtoslice|rawstring|rawbyteslice|concatstring|sysUsed|sysAlloc|madvise|` +
		`runGCProg|findObject|spanOf|typePointers|tryDeferToSpanScan|\(\*spanInline|\(\*stackScan|adjustframe|copystack|stackalloc|stackfree|deferproc)|^sync\.\(\*(Pool|poolChain)|^sync\.runtime_p`)},
	{"copying", regexp.MustCompile(`^runtime\.(memmove|typedmemmove|typedslicecopy|duffcopy|memequal)`)},
	{"locks", regexp.MustCompile(`^(internal/)?sync\.\(\*(Mutex|RWMutex|Map|HashTrieMap|Once)`)},
	{"TLS", regexp.MustCompile(`^(vendor/)?(golang\.org/x/)?crypto/`)},
	{"codec", regexp.MustCompile(`/internal/wire\.|^encoding/|/pickle\.|/go-redis/v9/internal/proto\.|/rueidis\.(read|write)[A-Z]`)},
	{"framing and outbox", regexp.MustCompile(`syncmanager/internal/link\.|^bufio\.`)},
	{"the benchmark itself", regexp.MustCompile(`/integration/bench/`)},
	{"engine and objects", regexp.MustCompile(`syncmanager/internal/(engine|objects)\.`)},
	{"server's connections", regexp.MustCompile(`syncmanager/(managers|internal/pydoor)\.|^net/rpc\.\(\*(Server|service|gobServerCodec)`)},
	{"client library", regexp.MustCompile(`syncmanager/internal/client\.|syncmanager/proxy\.|/rueidis[./@]|/go-redis/|^net/rpc\.`)},
}

// partOf is the kind of work of a stack, the innermost function first.
func partOf(stack []string) string {
	for _, name := range stack {
		for _, p := range parts {
			if p.re.MatchString(name) {
				return p.name
			}
		}
	}
	return partRest
}
