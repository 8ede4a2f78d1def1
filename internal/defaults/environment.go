package defaults

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// FromEnvironment sets the flags that were not given from their variables:
// Prefix and the flag's name in capitals, with underscores for dashes. For a flag
// that may be repeated the variable holds a list, as List reads it. An error
// names the variable and its value.
func FromEnvironment(f *pflag.FlagSet) error {
	var err error
	f.VisitAll(func(flag *pflag.Flag) {
		name := Prefix + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
		value, ok := os.LookupEnv(name)
		if !ok || flag.Changed || err != nil || flag.Name == "help" || flag.Name == "version" {
			return
		}
		set := func(text string) error { return f.Set(flag.Name, text) }
		if many, ok := flag.Value.(pflag.SliceValue); ok {
			set = func(text string) error {
				flag.Changed = true
				return many.Replace(List(text))
			}
		}
		if e := set(value); e != nil {
			err = fmt.Errorf("%s=%q: %w", name, value, e)
		}
	})
	return err
}

// List splits a text at commas and line breaks that stand neither in brackets
// nor in double quotes, so that an entry may hold JSON. Space around the entries
// is left out, and so are empty entries.
func List(text string) []string {
	list := []string{}
	var depth, start int
	var quoted, escaped bool
	add := func(end int) {
		if entry := strings.TrimSpace(text[start:end]); entry != "" {
			list = append(list, entry)
		}
		start = end + 1
	}
	for i := range len(text) {
		c := text[i]
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = c == '\\', c != '"'
		case c == '"':
			quoted = true
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth = max(depth-1, 0)
		case depth == 0 && (c == ',' || c == '\n' || c == '\r'):
			add(i)
		}
	}
	if start < len(text) {
		add(len(text))
	}
	return list
}
