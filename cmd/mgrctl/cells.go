package main

import (
	"fmt"
	"strconv"
	"time"
)

// cell is one value in its three forms.
type cell struct {
	human string // in tables
	plain string // raw
	json  string
}

func text(s string) cell { return cell{s, s, string(appendString(nil, s))} }

func number(n int64) cell {
	s := strconv.FormatInt(n, 10)
	return cell{s, s, s}
}

// ident is a number that names something.
func ident(n uint64) cell {
	s := strconv.FormatUint(n, 10)
	return cell{s, s, s}
}

// optional is a number that may be missing.
func optional(n *int64) cell {
	if n == nil {
		return cell{"-", "", "null"}
	}
	return number(*n)
}

func boolean(b bool) cell {
	s := strconv.FormatBool(b)
	human := "no"
	if b {
		human = "yes"
	}
	return cell{human, s, s}
}

// mark is a bool that is shown as a star or nothing.
func mark(b bool) cell {
	c := boolean(b)
	if c.human = ""; b {
		c.human = "*"
	}
	return c
}

// size is a number of bytes.
func size(n int64) cell {
	s := strconv.FormatInt(n, 10)
	return cell{humanBytes(n), s, s}
}

// instant is a time, which tables show as an age.
func instant(t time.Time) cell {
	s := t.UTC().Format(time.RFC3339)
	return cell{humanAge(time.Since(t)), s, `"` + s + `"`}
}

// seconds is a duration; JSON has it in seconds.
func seconds(d time.Duration) cell {
	s := strconv.FormatFloat(d.Seconds(), 'f', -1, 64)
	return cell{humanDuration(d), s, s}
}

// valueCell is a value of an object.
func valueCell(v value) cell {
	return cell{clip(v.asLine(), 80), v.asLine(), string(v.asJSON())}
}

// clip shortens a text to n cells.
func clip(s string, n int) string { return cut(s, n) }

// humanBytes writes a number of bytes with three digits at most.
func humanBytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n)/1024, 0
	for f >= 1023.5 && unit < 5 {
		f /= 1024
		unit++
	}
	format := "%.0f %ciB"
	if f < 9.95 {
		format = "%.1f %ciB"
	}
	return fmt.Sprintf(format, f, "KMGTPE"[unit])
}

// humanAge writes how long ago something was.
func humanAge(d time.Duration) string {
	if d < time.Second {
		return "now" // clocks differ
	}
	return humanDuration(d) + " ago"
}

// humanDuration writes a duration with its two largest units.
func humanDuration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d >= 10*time.Second:
		return fmt.Sprintf("%ds", d/time.Second)
	case d >= time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%.1fms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%dµs", d/time.Microsecond)
}
