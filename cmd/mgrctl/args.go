package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// secondsFlag is a flag of a duration: 1m30s, or a bare number of seconds.
type secondsFlag time.Duration

func (s *secondsFlag) String() string { return time.Duration(*s).String() }

func (s *secondsFlag) Type() string { return "duration" }

func (s *secondsFlag) Set(text string) error {
	if n, err := strconv.ParseFloat(text, 64); err == nil && n > -1e9 && n < 1e9 {
		*s = secondsFlag(n * float64(time.Second))
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("it is a number of seconds, or a duration such as 500ms or 1m30s")
	}
	*s = secondsFlag(d)
	return nil
}

// negative matches a number that would be read as a flag, and masked marks one
// until the flags have been read.
var negative = regexp.MustCompile(`^-\.?[0-9]`)

const masked = "\x00"

// maskNegative marks negative numbers among the arguments, up to --, so that they
// are no flags. One behind a flag may be its value, and stays.
func maskNegative(args []string) []string {
	list := make([]string, len(args))
	for i, arg := range args {
		if arg == "--" {
			copy(list[i:], args[i:])
			break
		}
		if list[i] = arg; negative.MatchString(arg) && i > 0 && (!strings.HasPrefix(args[i-1], "-") || negative.MatchString(args[i-1])) {
			list[i] = masked + arg
		}
	}
	return list
}

// anyBytes are the verbs whose arguments need not be text: files, and commands.
var anyBytes = map[string]bool{"keygen": true, "lock run": true}

// unmask has the command and all below it take back what maskNegative did, before
// they check their arguments, and refuse what is no text.
func unmask(cmd *cobra.Command) {
	check := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		for i := range args {
			args[i] = strings.TrimPrefix(args[i], masked)
			if !utf8.ValidString(args[i]) && !anyBytes[verbName(cmd)] {
				return usage(cmd, "argument %q is not UTF-8; a value of bytes is {\"$bytes\": BASE64}, or comes from standard input as -", args[i])
			}
		}
		if check == nil {
			return nil
		}
		return check(cmd, args)
	}
	for _, c := range cmd.Commands() {
		unmask(c)
	}
}

var keyword = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*)=(.*)$`)

// place puts arguments of the form NAME=VALUE in the places that the parameters of a
// signature have, "maxsize=0, name=None". Parameters between that are not given get
// their defaults.
func (in *input) place(params string, args []string) ([]value, error) {
	names, defaults := parameters(params)
	var values []value
	given := map[int]bool{}
	for _, arg := range args {
		at, text := len(values), arg
		if m := keyword.FindStringSubmatch(arg); m != nil && !in.string {
			for i, name := range names {
				if name == m[1] {
					at, text = i, m[2]
				}
			}
		}
		if given[at] {
			return nil, usage(nil, "%s: %s is given twice", arg, names[at])
		}
		v, err := in.value(text)
		if err != nil {
			return nil, err
		}
		for len(values) < at {
			def := defaults[len(values)]
			if def == "" {
				return nil, usage(nil, "%s: %s, which comes before, is not given", arg, names[len(values)])
			}
			x, err := parseJSON(pythonJSON.Replace(def))
			if err != nil {
				return nil, usage(nil, "%s: give %s as well, which comes before", arg, names[len(values)])
			}
			values = append(values, value{arg: x})
		}
		given[at] = true
		if at < len(values) {
			values[at] = v
		} else {
			values = append(values, v)
		}
	}
	return values, nil
}

// pythonJSON makes JSON of the defaults in signatures.
var pythonJSON = strings.NewReplacer("None", "null", "True", "true", "False", "false", "'", `"`)

// parameters returns the names of a signature's parameters, and their defaults, ""
// for those without.
func parameters(params string) (names, defaults []string) {
	depth, start := 0, 0
	add := func(p string) {
		name, def, _ := strings.Cut(strings.TrimSpace(p), "=")
		if name != "" && !strings.HasPrefix(name, "*") {
			names, defaults = append(names, name), append(defaults, def)
		}
	}
	for i, c := range params {
		switch c {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case ',':
			if depth == 0 {
				add(params[start:i])
				start = i + 1
			}
		}
	}
	add(params[start:])
	return names, defaults
}
