// Package long says which tests run only where there is time for them. "go test
// ./..." leaves them out and stays below two minutes on two cores; .ci/run has
// them all.
package long

import (
	"os"
	"testing"
)

// Env is the environment variable that asks for the long tests, whatever its
// value.
const Env = "SYNCMANAGER_TEST_LONG"

// Enabled reports whether long tests run. Tests that make many random trials make
// more of them then.
func Enabled() bool { return os.Getenv(Env) != "" }

// Test skips a test that takes long, unless Env asks for it.
func Test(t testing.TB) {
	t.Helper()
	if !Enabled() {
		t.Skip("takes long; " + Env + "=1 runs it")
	}
}
