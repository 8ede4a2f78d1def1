package proc

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Handle answers one request. It may call pause, which writes an empty answer
// and returns when the next line has come: so a parent can prepare several
// children and then start them together.
type Handle func(line []byte, pause func() error) (any, error)

// Answer is the child's half: it writes ready, then hands each line of in to
// handle and writes what that returns, until in ends. An error of handle's is
// written as {"error": ...} and does not end the child.
func Answer(in *bufio.Scanner, out io.Writer, ready Ready, handle Handle) error {
	ready.PID = os.Getpid()
	enc := json.NewEncoder(out)
	if err := enc.Encode(ready); err != nil {
		return fmt.Errorf("ready line: %w", err)
	}
	pause := func() error {
		if err := enc.Encode(struct{}{}); err != nil {
			return fmt.Errorf("pause: %w", err)
		}
		if !in.Scan() {
			return errors.Join(errors.New("the parent has ended"), in.Err())
		}
		return nil
	}
	for in.Scan() {
		answer, err := handle(in.Bytes(), pause)
		if err != nil {
			answer = failure(err)
		}
		if err := enc.Encode(answer); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
	return in.Err()
}

// Fail writes err in place of the ready line.
func Fail(out io.Writer, err error) {
	// The exit status tells the same to a parent that cannot read this.
	_ = json.NewEncoder(out).Encode(failure(err))
}

// Lines is a scanner over in that takes lines as long as a child may write.
func Lines(in io.Reader) *bufio.Scanner {
	s := bufio.NewScanner(in)
	s.Buffer(nil, maxLine)
	return s
}

func failure(err error) map[string]string {
	text := err.Error()
	if text == "" {
		text = fmt.Sprintf("unnamed error of type %T", err)
	}
	return map[string]string{"error": text}
}
