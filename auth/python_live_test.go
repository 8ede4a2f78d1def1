package auth

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// framedConn carries messages as Python does: a big-endian int32 length each.
type framedConn struct{ net.Conn }

func (c framedConn) SendBytes(b []byte) error {
	_, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
	return err
}

func (c framedConn) RecvBytes(most int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > uint32(most) {
		return nil, fmt.Errorf("message of %d bytes", n)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(c, b)
	return b, err
}

// TestChallengeWithCPython runs both roles against the interpreters that
// SYNCMANAGER_TEST_PYTHONS lists, separated as in PATH. Elsewhere
// TestChallengeVectorsOfCPython has to do.
func TestChallengeWithCPython(t *testing.T) {
	list := os.Getenv("SYNCMANAGER_TEST_PYTHONS")
	if list == "" {
		t.Skip("SYNCMANAGER_TEST_PYTHONS names no interpreter")
	}
	for _, python := range filepath.SplitList(list) {
		for _, theirs := range []string{"key", "wrong"} {
			t.Run(python+" client "+theirs, func(t *testing.T) {
				listener, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer listener.Close()
				script := `import sys; from multiprocessing.connection import Client, AuthenticationError
try:
    Client(("127.0.0.1", int(sys.argv[1])), authkey=sys.argv[2].encode()); print("welcome")
except AuthenticationError: print("refused")`
				_, port, _ := net.SplitHostPort(listener.Addr().String())
				cmd := exec.Command(python, "-c", script, port, theirs)
				cmd.Stderr = os.Stderr
				out := make(chan string, 1)
				go func() {
					b, err := cmd.Output()
					if err != nil {
						listener.Close()
					}
					out <- string(b)
				}()
				conn, err := listener.Accept()
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(20 * time.Second))
				err = DeliverChallenge(framedConn{conn}, mustKey(t, "key"))
				if err == nil {
					err = AnswerChallenge(framedConn{conn}, mustKey(t, "key"))
				}
				checkPython(t, theirs, err, <-out)
			})
			t.Run(python+" server "+theirs, func(t *testing.T) {
				script := `import sys; from multiprocessing.connection import Listener, AuthenticationError
l = Listener(("127.0.0.1", 0), authkey=sys.argv[1].encode())
print(l.address[1]); sys.stdout.flush()
try:
    l.accept(); print("welcome")
except AuthenticationError: print("refused")`
				cmd := exec.Command(python, "-c", script, theirs)
				cmd.Stderr = os.Stderr
				stdout, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				defer cmd.Process.Kill()
				var port string
				if _, err := fmt.Fscanln(stdout, &port); err != nil {
					t.Fatal(err)
				}
				conn, err := net.Dial("tcp", "127.0.0.1:"+port)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(20 * time.Second))
				err = AnswerChallenge(framedConn{conn}, mustKey(t, "key"))
				if err == nil {
					err = DeliverChallenge(framedConn{conn}, mustKey(t, "key"))
				}
				out, _ := io.ReadAll(stdout)
				checkPython(t, theirs, err, string(out))
				if err := cmd.Wait(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func checkPython(t *testing.T, theirs string, err error, out string) {
	t.Helper()
	if theirs == "key" && (err != nil || strings.TrimSpace(out) != "welcome") {
		t.Errorf("error %v; Python says %q", err, out)
	}
	if theirs != "key" && (!errors.Is(err, ErrAuthentication) || strings.TrimSpace(out) != "refused") {
		t.Errorf("error %v; Python says %q", err, out)
	}
}
