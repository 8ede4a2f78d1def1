package main

import (
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"golang.org/x/term"
)

// width returns the cells that a text takes on a terminal.
func width(s string) int { return uniseg.StringWidth(s) }

// pad appends spaces up to a width.
func pad(s string, cells int) string { return s + strings.Repeat(" ", max(cells-width(s), 0)) }

// cut shortens a text to a number of cells; no cluster is divided.
func cut(s string, cells int) string {
	if width(s) <= cells {
		return s
	}
	var b strings.Builder
	left, state := cells-1, -1
	for rest := s; rest != ""; {
		var cluster string
		var w int
		cluster, rest, w, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if left -= w; left < 0 {
			break
		}
		b.WriteString(cluster)
	}
	return b.String() + "…"
}

// columns returns the width of the terminal that the output goes to, 0 if it goes
// elsewhere.
func (a *app) columns() int {
	f, ok := a.stdout.(*os.File)
	if !ok {
		return 0
	}
	w, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return w
}

// unsafe reports whether a rune does not show, or changes how others show: a control
// character, one that turns the direction of the text, a half of a surrogate pair.
func unsafe(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError
}
