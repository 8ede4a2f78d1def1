package proc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

const asChild = "SYNCMANAGER_BENCH_TEST_CHILD"

// TestMain lets the test binary be the children of its tests.
func TestMain(m *testing.M) {
	role := os.Getenv(asChild)
	if role == "" {
		os.Exit(m.Run())
	}
	in := Lines(os.Stdin)
	switch role {
	case "silent":
		os.Exit(0)
	case "garbage":
		fmt.Println("what?")
	case "refuses":
		fmt.Fprintln(os.Stderr, "the reason on standard error")
		Fail(os.Stdout, errors.New("cannot serve"))
		os.Exit(1)
	case "dies":
		fmt.Println(`{"pid":1}`)
		fmt.Fprintln(os.Stderr, "out of luck")
		os.Exit(3)
	case "serves": // a foreign program for the guard
		l, err := net.Listen("tcp", os.Getenv(asChild+"_ADDR"))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		for {
			if _, err := l.Accept(); err != nil {
				return
			}
		}
	default:
		in.Scan()
		first := in.Text()
		err := Answer(in, os.Stdout, Ready{Addrs: map[string]string{"first": first}}, func(line []byte, pause func() error) (any, error) {
			switch text := string(line); text {
			case `"fail"`:
				return nil, errors.New("no")
			case `"hold"`:
				return "went on", pause()
			default:
				return map[string]string{"echo": text}, nil
			}
		})
		if err != nil {
			os.Exit(1)
		}
	}
}

func start(t *testing.T, role string) (*Child, error) {
	t.Helper()
	t.Setenv(asChild, role)
	c, err := Start(t.Context(), role, map[string]int{"n": 1}, os.Args[0])
	if c != nil {
		t.Cleanup(c.Close)
	}
	return c, err
}

func TestConversation(t *testing.T) {
	c, err := start(t, "answers")
	if err != nil {
		t.Fatal(err)
	}
	if c.PID != c.cmd.Process.Pid || c.Addrs["first"] != `{"n":1}` {
		t.Errorf("ready line: %+v", c.Ready)
	}
	var got struct{ Echo string }
	if err := c.Do([]int{1, 2}, &got); err != nil || got.Echo != "[1,2]" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := c.Do("fail", &got); err == nil || err.Error() != "answers: no" {
		t.Errorf("a failure of the child's: %v", err)
	}
	if err := c.Do("hold", &struct{}{}); err != nil {
		t.Error(err)
	}
	var text string
	if err := c.Do("go", &text); err == nil {
		// A bare string carries no error field and is no object.
		t.Errorf("an answer that is no object was taken: %q", text)
	}
	c.Close()
	c.Close()
	if err := c.Do(1, &got); err == nil {
		t.Error("a closed child answered")
	}
}

func TestChildrenThatFail(t *testing.T) {
	for role, want := range map[string]string{
		"silent": "ended without a word", "garbage": "which is not JSON", "refuses": "the reason on standard error",
	} {
		_, err := start(t, role)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", role, err, want)
		}
	}
	c, err := start(t, "dies")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Do(1, &struct{}{}); err == nil || !strings.Contains(err.Error(), "out of luck") {
		t.Errorf("a child that has died: %v", err)
	}
	if _, err := Start(t.Context(), "nothing", nil); err == nil {
		t.Error("no program must be an error")
	}
	if _, err := Start(t.Context(), "nothing", nil, "/no/such/program"); err == nil {
		t.Error("a missing program must be an error")
	}
}

func TestEndOfContextEndsTheChild(t *testing.T) {
	t.Setenv(asChild, "answers")
	ctx, cancel := context.WithCancel(t.Context())
	c, err := Start(ctx, "answers", 1, os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case <-c.exited:
	case <-time.After(2 * closeWait):
		t.Error("the child outlives its context")
	}
}

func TestGuard(t *testing.T) {
	port, err := FreePort()
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	inR, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	written := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		g := Guarded{Argv: []string{os.Args[0]}, Env: []string{asChild + "=serves", asChild + "_ADDR=" + addr}, Addrs: map[string]string{"tcp": addr}}
		ended <- Guard(g, Lines(inR), notify{&out, written})
	}()
	select {
	case <-written:
	case err := <-ended:
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	inW.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", addr); err == nil {
		conn.Close()
		t.Error("the program outlives its guard")
	}
	if !strings.Contains(out.String(), `"pid":`) {
		t.Errorf("ready line: %s", out.String())
	}
}

func TestGuardOfWhatEnds(t *testing.T) {
	g := Guarded{Argv: []string{os.Args[0]}, Env: []string{asChild + "=silent"}, Addrs: map[string]string{"tcp": "127.0.0.1:1"}}
	if err := Guard(g, Lines(strings.NewReader("")), &strings.Builder{}); err == nil || !strings.Contains(err.Error(), "ended while starting") {
		t.Errorf("a program that ends at once: %v", err)
	}
	if err := Guard(Guarded{}, Lines(strings.NewReader("")), &strings.Builder{}); err == nil {
		t.Error("no program must be an error")
	}
}

func TestMemory(t *testing.T) {
	if c := Counters(); c.Mallocs <= 0 || c.Goroutines < 1 {
		t.Errorf("counters: %+v", c)
	}
	if runtime.GOOS != "linux" {
		if _, err := RSS(os.Getpid()); err == nil {
			t.Error("a resident size without /proc")
		}
		return
	}
	m, err := Own()
	if err != nil {
		t.Fatal(err)
	}
	if m.RSS < m.Heap || m.RSS < 1<<20 || m.RSS > 1<<34 {
		t.Errorf("memory: %+v", m)
	}
	if _, err := RSS(-1); err == nil {
		t.Error("a process that cannot be must be an error")
	}
}

// notify closes a channel at the first write.
type notify struct {
	to *strings.Builder
	at chan struct{}
}

func (n notify) Write(p []byte) (int, error) {
	first := n.to.Len() == 0
	n.to.Write(p)
	if first {
		close(n.at)
	}
	return len(p), nil
}
