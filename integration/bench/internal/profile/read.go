package profile

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/pprof/profile"
)

// Summary is what the profiles of one side of a measurement say.
type Summary struct {
	CPU    time.Duration // sampled in all
	Parts  []Part        // of CPU, most first
	Funcs  []Func        // that used CPU, in no order
	Allocs []Alloc       // most objects first
}

// Part is a kind of work.
type Part struct {
	Name string
	CPU  time.Duration
}

// Func is the CPU time of a function: its own, and with what it calls.
type Func struct {
	Name      string
	Flat, Cum time.Duration
}

// Alloc is what a function itself allocated while it was measured. Both figures
// are estimates from samples.
type Alloc struct {
	Name           string
	Objects, Bytes int64
}

// Read reads what Start has written with a prefix.
func Read(prefix string) (*Summary, error) {
	cpu, err := open(prefix + cpuSuffix)
	if err != nil {
		return nil, err
	}
	s := new(Summary)
	s.addCPU(cpu)
	before, err := open(prefix + beforeSuffix)
	if err != nil {
		return nil, err
	}
	after, err := open(prefix + allocsSuffix)
	if err != nil {
		return nil, err
	}
	s.addAllocs(before, after)
	return s, nil
}

func open(path string) (*profile.Profile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	defer f.Close()
	p, err := profile.Parse(f)
	if err != nil {
		return nil, fmt.Errorf("profile %s: %w", path, err)
	}
	return p, nil
}

// addCPU counts the samples of a CPU profile: their second value is the time in
// nanoseconds.
func (s *Summary) addCPU(p *profile.Profile) {
	parts := make(map[string]time.Duration)
	funcs := make(map[string]*Func)
	for _, sample := range p.Sample {
		cpu := time.Duration(sample.Value[1])
		stack := names(sample)
		s.CPU += cpu
		parts[partOf(stack)] += cpu
		for i, name := range stack {
			f := funcs[name]
			if f == nil {
				f = &Func{Name: name}
				funcs[name] = f
			}
			if i == 0 {
				f.Flat += cpu
			}
			if !slices.Contains(stack[:i], name) { // a recursion counts once
				f.Cum += cpu
			}
		}
	}
	for name, cpu := range parts {
		s.Parts = append(s.Parts, Part{name, cpu})
	}
	slices.SortFunc(s.Parts, func(a, b Part) int {
		return order(int64(b.CPU), int64(a.CPU), a.Name, b.Name)
	})
	for _, f := range funcs {
		s.Funcs = append(s.Funcs, *f)
	}
}

// ByFlat are the n functions with most time of their own.
func (s *Summary) ByFlat(n int) []Func {
	return top(s.Funcs, n, func(f Func) time.Duration { return f.Flat })
}

// ByCum are the n functions with most time of theirs and of what they call.
func (s *Summary) ByCum(n int) []Func {
	return top(s.Funcs, n, func(f Func) time.Duration { return f.Cum })
}

func top(funcs []Func, n int, by func(Func) time.Duration) []Func {
	sorted := slices.DeleteFunc(slices.Clone(funcs), func(f Func) bool { return by(f) == 0 })
	slices.SortFunc(sorted, func(a, b Func) int {
		return order(int64(by(b)), int64(by(a)), a.Name, b.Name)
	})
	return sorted[:min(n, len(sorted))]
}

// order compares by number, and by name where these are the same.
func order(a, b int64, nameA, nameB string) int {
	if a != b {
		if a < b {
			return -1
		}
		return 1
	}
	return strings.Compare(nameA, nameB)
}

// addAllocs counts what the second of two allocation profiles has more than the
// first: their first two values are objects and bytes.
func (s *Summary) addAllocs(before, after *profile.Profile) {
	byName := make(map[string]Alloc)
	count := func(p *profile.Profile, sign int64) {
		for _, sample := range p.Sample {
			stack := names(sample)
			if len(stack) == 0 || slices.ContainsFunc(stack, ofProfiling) {
				continue
			}
			a := byName[stack[0]]
			byName[stack[0]] = Alloc{stack[0], a.Objects + sign*sample.Value[0], a.Bytes + sign*sample.Value[1]}
		}
	}
	count(before, -1)
	count(after, 1)
	for _, a := range byName {
		if a.Objects > 0 {
			s.Allocs = append(s.Allocs, a)
		}
	}
	slices.SortFunc(s.Allocs, func(a, b Alloc) int { return order(b.Objects, a.Objects, a.Name, b.Name) })
}

// ofProfiling reports whether a function makes profiles.
func ofProfiling(name string) bool { return strings.HasPrefix(name, "runtime/pprof.") }

// names are the functions of a sample's stack, the innermost first and inlined
// ones on their own.
func names(s *profile.Sample) []string {
	var stack []string
	for _, at := range s.Location {
		for _, line := range at.Line {
			if line.Function != nil {
				stack = append(stack, line.Function.Name)
			}
		}
	}
	return stack
}
