//go:build unix

package connection

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckSocketDir holds which directories of a socket are refused.
func TestCheckSocketDir(t *testing.T) {
	for name, c := range map[string]struct {
		above, dir os.FileMode
		owner      int // 0: this user
		want       string
	}{
		"own":                       {0o700, 0o700, 0, ""},
		"own below an open one":     {0o777 | os.ModeSticky, 0o700, 0, ""},
		"sticky":                    {0o700, 0o777 | os.ModeSticky, 0, ""},
		"open to everybody":         {0o700, 0o777, 0, "everybody may write to"},
		"another's":                 {0o755, 0o755, 4321, ""},
		"another's below an open":   {0o777 | os.ModeSticky, 0o755, 4321, "belongs to another user (uid 4321)"},
		"another's link to our own": {0o777 | os.ModeSticky, 0o700, -1, "belongs to another user (uid 4321)"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.owner != 0 && os.Geteuid() != 0 {
				t.Skip("only root can give a directory away")
			}
			above := filepath.Join(t.TempDir(), "above")
			dir := filepath.Join(above, "dir")
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			must(os.Mkdir(above, 0o700))
			if c.owner < 0 {
				must(os.Symlink(t.TempDir(), dir))
				must(os.Lchown(dir, 4321, 4321))
			} else {
				must(os.Mkdir(dir, 0o700))
				must(os.Chmod(dir, c.dir))
				must(os.Chown(dir, cmp.Or(c.owner, os.Geteuid()), -1))
			}
			must(os.Chmod(above, c.above))
			err := checkSocketDir(filepath.Join(dir, "managerd.sock"))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	if err := checkSocketDir(filepath.Join(t.TempDir(), "missing", "s")); err != nil {
		t.Error(err)
	}
}
