package proxy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

// records is a log that can be read while it is written.
type records struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (r *records) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.Write(b)
}

// calls returns the calls that the log speaks of, by method.
func (r *records) calls(t *testing.T) map[string]map[string]any {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[string]map[string]any)
	dec := json.NewDecoder(bytes.NewReader(r.buf.Bytes()))
	for dec.More() {
		var rec map[string]any
		must(t, dec.Decode(&rec))
		if rec["msg"] == "call" {
			if rec["level"] != "DEBUG" {
				t.Errorf("a call is logged at level %v", rec["level"])
			}
			all[rec["method"].(string)] = rec
		}
	}
	return all
}

// converse runs a server and a client with these loggers, has calls made, and
// ends both.
func converse(t *testing.T, server, client *slog.Logger) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	key := auth.Generate()
	srv := managers.NewServer(managers.Config{AuthKey: key, Logger: server})
	must(t, srv.Listen(ctx, "pipe"))
	served, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(served) }()
	m, err := proxy.Connect(ctx, srv.Addrs()[0], proxy.Config{AuthKey: key, Logger: client})
	must(t, err)
	d, err := proxy.OpenDict[string, int](ctx, m, "d")
	must(t, err)
	must(t, d.Set(ctx, "a", 1))
	_, err = d.Get(ctx, "none")
	wantErr(t, "Get", err, proxy.ErrKey)
	must(t, m.Close())
	stop()
	<-done
}

// TestCallsAreTraced holds that client and server each log every call at debug
// level, and none above it.
func TestCallsAreTraced(t *testing.T) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo} {
		var server, client records
		options := &slog.HandlerOptions{Level: level}
		converse(t, slog.New(slog.NewJSONHandler(&server, options)), slog.New(slog.NewJSONHandler(&client, options)))
		for side, log := range map[string]*records{"server": &server, "client": &client} {
			calls := log.calls(t)
			if level != slog.LevelDebug {
				if len(calls) > 0 {
					t.Errorf("at %v the %s logs calls: %v", level, side, calls)
				}
				continue
			}
			set, get := calls["set"], calls["getitem"]
			if set == nil {
				set, get = calls["dict.set"], calls["dict.getitem"]
			}
			if set == nil || get == nil {
				t.Errorf("the %s logs %v, without set and getitem", side, calls)
				continue
			}
			for _, key := range []string{"session", "serial", "object"} {
				if n, ok := set[key].(float64); !ok || n == 0 {
					t.Errorf("the %s logs a call without its %s: %v", side, key, set)
				}
			}
			if side == "client" && (get["err"] == nil || set["err"] != nil || set["took"] == nil) {
				t.Errorf("the client logs %v and %v", set, get)
			}
		}
	}
}

// TestSilentByDefault holds that without a logger nothing is logged, neither to
// slog's default nor to the standard streams.
func TestSilentByDefault(t *testing.T) {
	var log records
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	defer slog.SetDefault(old)
	r, w, err := os.Pipe()
	must(t, err)
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = w, w
	converse(t, nil, nil)
	os.Stdout, os.Stderr = stdout, stderr
	w.Close()
	var said bytes.Buffer
	_, err = said.ReadFrom(r)
	must(t, err)
	r.Close()
	if log.buf.Len() > 0 || said.Len() > 0 {
		t.Errorf("logged %q, printed %q", log.buf.String(), said.String())
	}
}
