// Wordcount counts the words of text files with several processes that share a
// queue, a dict and a lock through a manager server.
//
//	go run ./examples/wordcount [-workers N] [FILE ...]
//
// It starts a server, one producer and N workers, each a process of its own. The
// producer puts the lines into a queue. The workers take them, count words of
// their own, and add their counts to the shared dict; the lock keeps the lines
// of their reports whole. At the end the result is checked against a count made
// in one process.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

// The names under which the processes find what they share.
const (
	linesQueue = "lines"
	countsDict = "counts"
	reportLock = "report"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("wordcount: ")
	workers := flag.Int("workers", 4, "worker processes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch role := os.Getenv("WORDCOUNT_ROLE"); role {
	case "":
		err = run(ctx, *workers, flag.Args())
	case "producer":
		err = connected(ctx, func(m *proxy.Manager) error { return produce(ctx, m, flag.Args()) })
	default:
		err = connected(ctx, func(m *proxy.Manager) error { return work(ctx, m, role) })
	}
	if err != nil {
		log.Fatal(err)
	}
}

// run is the first process: it holds the server and starts the others.
func run(ctx context.Context, workers int, files []string) error {
	if len(files) == 0 {
		var err error
		if files, err = filepath.Glob("docs/*.md"); err != nil || len(files) == 0 {
			return errors.New("no text: name some files, or run it in the repository, where it takes docs/*.md")
		}
	}
	key := auth.Generate()
	srv := managers.NewServer(managers.Config{AuthKey: key})
	defer srv.Close()
	if err := srv.Listen(ctx, "tcp://127.0.0.1:0"); err != nil {
		return err
	}
	addr := srv.Addrs()[0]
	go srv.Serve(ctx)
	fmt.Println("server listens on", addr)

	start := func(role string, args ...string) (*exec.Cmd, error) {
		cmd := exec.CommandContext(ctx, os.Args[0], args...)
		cmd.Env = append(os.Environ(), "WORDCOUNT_ROLE="+role, "WORDCOUNT_ADDRESS="+addr, "SYNCMANAGER_AUTHKEY="+string(key.Bytes()))
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		return cmd, cmd.Start()
	}
	var started []*exec.Cmd
	for i := range workers {
		cmd, err := start(fmt.Sprintf("worker %d", i+1))
		if err != nil {
			return err
		}
		started = append(started, cmd)
	}
	producer, err := start("producer", files...)
	if err != nil {
		return err
	}
	for _, cmd := range append(started, producer) {
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("a process failed: %w", err)
		}
	}

	m, err := proxy.Connect(ctx, addr, proxy.Config{AuthKey: key})
	if err != nil {
		return err
	}
	defer m.Close()
	return check(ctx, m, files)
}

// connected connects a process to the server and runs its part.
func connected(ctx context.Context, part func(*proxy.Manager) error) error {
	key, err := auth.FromEnv("SYNCMANAGER_AUTHKEY")
	if err != nil {
		return err
	}
	m, err := proxy.Connect(ctx, os.Getenv("WORDCOUNT_ADDRESS"), proxy.Config{AuthKey: key})
	if err != nil {
		return err
	}
	defer m.Close()
	return part(m)
}

// produce puts all lines into the queue and then shuts it down.
func produce(ctx context.Context, m *proxy.Manager, files []string) error {
	lines, err := proxy.OpenQueue[string](ctx, m, linesQueue, 0)
	if err != nil {
		return err
	}
	n := 0
	err = eachLine(files, func(line string) error {
		n++
		return lines.Put(ctx, line)
	})
	if err != nil {
		return err
	}
	if err := report(ctx, m, "producer: %d lines of %d files", n, len(files)); err != nil {
		return err
	}
	return lines.Shutdown(ctx, false) // workers get what is left, and then ErrShutDown
}

// work counts the words of the lines that this worker gets.
func work(ctx context.Context, m *proxy.Manager, name string) error {
	lines, err := proxy.OpenQueue[string](ctx, m, linesQueue, 0)
	if err != nil {
		return err
	}
	counts, err := proxy.OpenDict[string, int](ctx, m, countsDict)
	if err != nil {
		return err
	}
	n := 0
	for {
		line, err := lines.Get(ctx)
		if errors.Is(err, proxy.ErrShutDown) {
			return report(ctx, m, "%s: %d lines", name, n)
		}
		if err != nil {
			return err
		}
		n++
		for word, count := range countWords(line) {
			if _, err := counts.Add(ctx, word, count); err != nil {
				return err
			}
		}
	}
}

// report prints a line while it holds the lock.
func report(ctx context.Context, m *proxy.Manager, format string, args ...any) error {
	lock, err := proxy.OpenLock(ctx, m, reportLock)
	if err != nil {
		return err
	}
	hold, err := lock.Acquire(ctx)
	if err != nil {
		return err
	}
	defer hold.Release(ctx)
	fmt.Printf(format+"\n", args...)
	return nil
}

// check compares the shared dict with a count made here.
func check(ctx context.Context, m *proxy.Manager, files []string) error {
	counts, err := proxy.OpenDict[string, int](ctx, m, countsDict)
	if err != nil {
		return err
	}
	got, err := counts.Copy(ctx)
	if err != nil {
		return err
	}
	want := make(map[string]int)
	if err := eachLine(files, func(line string) error {
		for word, n := range countWords(line) {
			want[word] += n
		}
		return nil
	}); err != nil {
		return err
	}
	if !maps.Equal(got, want) {
		return fmt.Errorf("the shared dict has %d words and differs from the %d counted here", len(got), len(want))
	}
	total := 0
	for _, n := range got {
		total += n
	}
	words := slices.SortedFunc(maps.Keys(got), func(a, b string) int {
		if got[a] != got[b] {
			return got[b] - got[a]
		}
		return strings.Compare(a, b)
	})
	for _, w := range words[:min(5, len(words))] {
		fmt.Printf("%6d %s\n", got[w], w)
	}
	fmt.Printf("checked: %d words, %d of them different\n", total, len(got))
	return nil
}

func eachLine(files []string, fn func(line string) error) error {
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		in := bufio.NewScanner(f)
		in.Buffer(nil, 1<<20)
		for err == nil && in.Scan() {
			err = fn(in.Text())
		}
		f.Close()
		if err = errors.Join(err, in.Err()); err != nil {
			return err
		}
	}
	return nil
}

func countWords(line string) map[string]int {
	counts := make(map[string]int)
	for _, word := range strings.FieldsFunc(strings.ToLower(line), func(r rune) bool { return !unicode.IsLetter(r) }) {
		counts[word]++
	}
	return counts
}
