package report

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Machine describes where a run took place. What the system does not tell is
// left empty.
type Machine struct {
	OS     string `json:"os"`
	Arch   string `json:"arch"`
	Kernel string `json:"kernel,omitempty"`
	CPU    string `json:"cpu,omitempty"`
	Cores  int    `json:"cores"` // that this process may use
	Memory int64  `json:"memory_bytes,omitempty"`
	Go     string `json:"go"`
}

// ThisMachine asks the system that runs it.
func ThisMachine() Machine {
	m := Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.GOMAXPROCS(0), Go: runtime.Version()}
	if name := field("/etc/os-release", "PRETTY_NAME="); name != "" {
		m.OS = strings.Trim(name, `"`)
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(release))
	}
	if cpu := field("/proc/cpuinfo", "model name"); cpu != "" {
		m.CPU = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(cpu), ":"))
	}
	if total := field("/proc/meminfo", "MemTotal:"); total != "" {
		if kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(total, "kB")), 10, 64); err == nil {
			m.Memory = kb << 10
		}
	}
	return m
}

func (m Machine) String() string {
	parts := []string{fmt.Sprintf("%d cores", m.Cores)}
	if m.CPU != "" {
		parts[0] += " of " + m.CPU
	}
	if m.Memory > 0 {
		parts = append(parts, fmt.Sprintf("%.0f GiB", float64(m.Memory)/(1<<30)))
	}
	parts = append(parts, m.OS+" "+m.Arch)
	if m.Kernel != "" {
		parts = append(parts, "kernel "+m.Kernel)
	}
	return strings.Join(append(parts, m.Go), ", ")
}

// Short is the machine in a few words.
func (m Machine) Short() string {
	if m.CPU == "" {
		return fmt.Sprintf("%d cores, %s", m.Cores, m.Arch)
	}
	return fmt.Sprintf("%d cores, %s", m.Cores, m.CPU)
}

// field is the rest of the first line of a file that starts with prefix.
func field(path, prefix string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		if rest, ok := strings.CutPrefix(s.Text(), prefix); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}
