package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/syncmanager/syncmanager/proxy"
)

// lines are the flags of a verb that takes its values from standard input, one a
// line.
type lines struct{ plain, jsonl bool }

// maxBatch is how many values of a stream are sent in one call, and maxLine the
// longest line.
const (
	maxBatch = 1000
	maxLine  = 64 << 20
)

// takesLines gives the command the flags.
func takesLines(cmd *cobra.Command) *lines {
	l := new(lines)
	cmd.Flags().BoolVar(&l.plain, "lines", false, "read the values from standard input, one a line, as arguments are read")
	cmd.Flags().BoolVar(&l.jsonl, "jsonl", false, "read the values from standard input, one JSON text a line")
	check := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		switch {
		case l.plain && l.jsonl:
			return usage(cmd, "--lines and --jsonl are both set: use one of them")
		case l.given() && len(args) != 1:
			return usage(cmd, "%s takes a name alone, and the values from standard input", verbName(cmd))
		case l.given():
			return nil
		}
		return check(cmd, args)
	}
	return l
}

func (l *lines) given() bool { return l.plain || l.jsonl }

// each calls send with the values: those of the arguments, or those of standard
// input in batches. done counts the values before the batch.
func (l *lines) each(ctx context.Context, m *proxy.Manager, in *input, args []value, send func(done int, values []value) error) error {
	if !l.given() {
		if err := attach(ctx, m, args); err != nil {
			return err
		}
		return send(0, args)
	}
	r := bufio.NewScanner(in.app.stdin)
	r.Buffer(make([]byte, 0, 64<<10), maxLine)
	done, number := 0, 0
	var batch []value
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := attach(ctx, m, batch); err != nil {
			return err
		}
		err := send(done, batch)
		done += len(batch)
		batch = nil
		return err
	}
	for r.Scan() {
		number++
		v, err := l.parse(in, strings.TrimSuffix(r.Text(), "\r"))
		if err != nil {
			return fmt.Errorf("line %d of standard input: %w; %d values before it were sent", number, err, done)
		}
		if batch = append(batch, v); len(batch) == maxBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := r.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			err = usage(nil, "line %d of standard input has more than %d bytes", number+1, maxLine)
		}
		return err
	}
	return flush()
}

func (l *lines) parse(in *input, line string) (value, error) {
	if !utf8.ValidString(line) {
		return value{}, usage(nil, "it is not UTF-8")
	}
	if !l.jsonl {
		return in.parse(line)
	}
	x, err := parseJSON(line)
	if err != nil {
		return value{}, usage(nil, "%q is not JSON: %v", clip(line, 60), err)
	}
	return value{arg: x}, nil
}
