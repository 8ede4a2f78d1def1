package auth

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

// scripted is a MessageConn that plays in and keeps out.
type scripted struct {
	in, out [][]byte
	sendErr error
}

func (s *scripted) SendBytes(b []byte) error {
	if s.sendErr != nil {
		return s.sendErr
	}
	s.out = append(s.out, bytes.Clone(b))
	return nil
}

func (s *scripted) RecvBytes(int) ([]byte, error) {
	if len(s.in) == 0 {
		return nil, io.EOF
	}
	b := s.in[0]
	s.in = s.in[1:]
	return b, nil
}

// messagePipe returns a pair of connected MessageConns.
func messagePipe() (a, b MessageConn) {
	ab, ba := make(chan []byte, 4), make(chan []byte, 4)
	return chanConn{ba, ab}, chanConn{ab, ba}
}

type chanConn struct {
	in  <-chan []byte
	out chan<- []byte
}

func (c chanConn) SendBytes(b []byte) error { c.out <- bytes.Clone(b); return nil }

func (c chanConn) RecvBytes(most int) ([]byte, error) {
	b := <-c.in
	if len(b) > most {
		return nil, fmt.Errorf("message of %d bytes", len(b))
	}
	return b, nil
}

func TestChallengeBothWays(t *testing.T) {
	for _, c := range []Challenge{{}, {RefuseMD5: true}} {
		for _, answering := range []string{"key", "wrong"} {
			a, b := messagePipe()
			done := make(chan error, 1)
			go func() { done <- c.Answer(b, mustKey(t, answering)) }()
			delivered, answered := c.Deliver(a, mustKey(t, "key")), <-done
			if answering == "key" && (delivered != nil || answered != nil) {
				t.Errorf("good key: %v; %v", delivered, answered)
			}
			if answering == "wrong" && !(errors.Is(delivered, ErrAuthentication) && errors.Is(answered, ErrAuthentication)) {
				t.Errorf("wrong key: %v; %v", delivered, answered)
			}
		}
	}
}

// vectors reads testdata/python_challenge.txt, which was made with CPython.
func vectors(t *testing.T) (lines []map[string][]byte) {
	t.Helper()
	b, err := os.ReadFile("testdata/python_challenge.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		v := map[string][]byte{}
		for _, f := range fields {
			name, value, _ := strings.Cut(f, "=")
			if v[name], err = hex.DecodeString(value); name == "version" {
				v[name] = []byte(value)
			} else if err != nil {
				t.Fatal(err)
			}
		}
		lines = append(lines, v)
	}
	return lines
}

func TestChallengeVectorsOfCPython(t *testing.T) {
	lines := vectors(t)
	if len(lines) < 10 {
		t.Fatalf("only %d vectors", len(lines))
	}
	for _, v := range lines {
		name := fmt.Sprintf("%s, challenge %.24q", v["version"], v["message"])
		key, err := FromBytes(v["key"])
		if err != nil {
			t.Fatal(err)
		}
		// What CPython answered is what Answer answers, unless it is one of the
		// older ones, which sign anything with MD5.
		old := len(v["response"]) == pythonMD5Size && len(v["message"]) != pythonLegacySize
		if !old {
			s := &scripted{in: [][]byte{append([]byte(pythonChallenge), v["message"]...), []byte(pythonWelcome)}}
			if err := AnswerChallenge(s, key); err != nil || len(s.out) != 1 || !bytes.Equal(s.out[0], v["response"]) {
				t.Errorf("%s: answered %x, %v; CPython answered %x", name, s.out, err, v["response"])
			}
		}
		// And Deliver accepts it for the challenge that it sends itself.
		if nonce, ok := bytes.CutPrefix(v["message"], []byte("{sha256}")); ok && len(nonce) == pythonNonceSize {
			s := &scripted{in: [][]byte{v["response"]}}
			c := Challenge{rand: bytes.NewReader(nonce)}
			if err := c.Deliver(s, key); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if len(s.out) != 2 || string(s.out[0]) != pythonChallenge+string(v["message"]) || string(s.out[1]) != pythonWelcome {
				t.Errorf("%s: sent %q", name, s.out)
			}
			s = &scripted{in: [][]byte{v["response"]}}
			c = Challenge{RefuseMD5: true, rand: bytes.NewReader(nonce)}
			if err := c.Deliver(s, key); (err != nil) != old {
				t.Errorf("%s: with MD5 refused: %v", name, err)
			}
		}
	}
}

func TestDeliverRefusesAnswers(t *testing.T) {
	key := mustKey(t, "key")
	for name, answer := range map[string]string{
		"empty":              "",
		"MD5 of another key": strings.Repeat("x", 16),
		"20 bytes":           strings.Repeat("x", 20),
		"no digest":          strings.Repeat("x", 32),
		"unknown digest":     "{sha1}" + strings.Repeat("x", 20),
		"digest without end": "{sha256" + strings.Repeat("x", 32),
		"empty digest":       "{}" + strings.Repeat("x", 32),
		"short sha256":       "{sha256}" + strings.Repeat("x", 31),
		"wrong sha256":       "{sha256}" + strings.Repeat("x", 32),
		"bare sha256 name":   "{sha256}",
		"the welcome":        pythonWelcome,
	} {
		s := &scripted{in: [][]byte{[]byte(answer)}}
		if err := DeliverChallenge(s, key); !errors.Is(err, ErrAuthentication) {
			t.Errorf("%s: error %v", name, err)
		}
		if len(s.out) != 2 || string(s.out[1]) != pythonFailure {
			t.Errorf("%s: sent %q", name, s.out)
		}
	}
}

func TestAnswerRefusesChallenges(t *testing.T) {
	key := mustKey(t, "key")
	for name, message := range map[string]string{
		"empty":          "",
		"no challenge":   "#WELCOME#" + strings.Repeat("x", 40),
		"too short":      pythonChallenge + strings.Repeat("x", 19),
		"16 bytes":       pythonChallenge + strings.Repeat("x", 16),
		"no digest":      pythonChallenge + strings.Repeat("x", 40),
		"unknown digest": pythonChallenge + "{sha1}" + strings.Repeat("x", 40),
	} {
		s := &scripted{in: [][]byte{[]byte(message), []byte(pythonWelcome)}}
		if err := AnswerChallenge(s, key); !errors.Is(err, ErrAuthentication) {
			t.Errorf("%s: error %v", name, err)
		}
		if len(s.out) != 0 {
			t.Errorf("%s: it was answered with %q", name, s.out)
		}
	}
	for name, message := range map[string]string{
		"bare":  pythonChallenge + strings.Repeat("x", 20),
		"named": pythonChallenge + "{md5}" + strings.Repeat("x", 40),
	} {
		s := &scripted{in: [][]byte{[]byte(message), []byte(pythonWelcome)}}
		if err := (Challenge{RefuseMD5: true}).Answer(s, key); !errors.Is(err, ErrAuthentication) || len(s.out) != 0 {
			t.Errorf("MD5 (%s) though it is refused: %v, answered %q", name, err, s.out)
		}
		s = &scripted{in: [][]byte{[]byte(message), []byte(pythonFailure)}}
		if err := AnswerChallenge(s, key); !errors.Is(err, ErrAuthentication) || len(s.out) != 1 {
			t.Errorf("MD5 (%s), refused by the peer: %v, answered %q", name, err, s.out)
		}
	}
}

func TestChallengeReflectedProvesNothing(t *testing.T) {
	key := mustKey(t, "key")
	nonce := make([]byte, pythonNonceSize)
	s := &scripted{in: [][]byte{append([]byte("{sha256}"), nonce...)}}
	if err := (Challenge{rand: bytes.NewReader(nonce)}).Deliver(s, key); !errors.Is(err, ErrAuthentication) {
		t.Errorf("error %v", err)
	}
}

func TestChallengeOnABrokenConnection(t *testing.T) {
	key, broken := mustKey(t, "key"), errors.New("broken")
	challenge := []byte(pythonChallenge + "{sha256}" + strings.Repeat("x", 40))
	for name, err := range map[string]error{
		"deliver, send":      DeliverChallenge(&scripted{sendErr: broken}, key),
		"deliver, receive":   DeliverChallenge(&scripted{}, key),
		"answer, receive":    AnswerChallenge(&scripted{}, key),
		"answer, send":       AnswerChallenge(&scripted{sendErr: broken, in: [][]byte{challenge}}, key),
		"answer, no verdict": AnswerChallenge(&scripted{in: [][]byte{challenge}}, key),
		"deliver, too long":  DeliverChallenge(&scripted{in: [][]byte{make([]byte, 257)}}, key),
		"deliver, no key":    DeliverChallenge(&scripted{}, Key{}),
		"answer, no key":     AnswerChallenge(&scripted{}, Key{}),
	} {
		if err == nil || errors.Is(err, ErrAuthentication) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
