package managers

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
)

// TestDirectCallsAreTraced checks that calls which come through a door, or from
// the server itself, are logged at debug level as those of connections are.
func TestDirectCallsAreTraced(t *testing.T) {
	for level, want := range map[slog.Level]bool{slog.LevelDebug: true, slog.LevelInfo: false} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			s := newTestServer(t, func(c *Config) {
				c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level}))
			})
			if err := s.CreateNamed(context.Background(), "jobs", "Queue"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if got := strings.Contains(log.String(), "msg=call") && strings.Contains(log.String(), "method=open"); got != want {
				t.Errorf("at %v the log says of a call: %v\n%s", level, got, log.String())
			}
		})
	}
}
