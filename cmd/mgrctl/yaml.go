package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// plainYAML matches strings that need no quotes, unless they are one of
// wordsYAML.
var plainYAML = regexp.MustCompile(`^[\pL_/][\pL\pN_./@+:-]*( [\pL\pN_./@+:-]+)*$`)

// wordsYAML are values of another type to some reader of YAML.
var wordsYAML = []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}

// yamlOf writes a JSON text as YAML, in block style. Numbers stay as they are,
// also those that no machine type holds.
func yamlOf(text []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var w yamlWriter
	if err := w.next(dec, text, 0, true); err != nil {
		return nil, err
	}
	return w.b, nil
}

type yamlWriter struct{ b []byte }

// next writes the next value, at an indent. top tells that it begins a line, and
// else it follows "key:" or "-".
func (w *yamlWriter) next(dec *json.Decoder, text []byte, indent int, top bool) error {
	start := dec.InputOffset()
	t, err := dec.Token()
	if err != nil {
		return err
	}
	switch t := t.(type) {
	case json.Delim:
		if !dec.More() {
			_, err := dec.Token()
			w.scalar(string(t)+string(t+2), top) // [] or {}
			return err
		}
		return w.block(dec, text, t, indent, top)
	case string:
		s := strings.TrimLeft(string(text[start:dec.InputOffset()]), ",: \t\r\n")
		w.scalar(yamlString(t, s), top)
	case json.Number:
		w.scalar(t.String(), top)
	case bool:
		w.scalar(map[bool]string{true: "true", false: "false"}[t], top)
	default:
		w.scalar("null", top)
	}
	return nil
}

func (w *yamlWriter) scalar(s string, top bool) {
	if !top {
		w.b = append(w.b, ' ')
	}
	w.b = append(append(w.b, s...), '\n')
}

// block writes the elements of an array or an object, a line for each. Those
// of an array within an array begin on the line of the outer one's dash.
func (w *yamlWriter) block(dec *json.Decoder, text []byte, open json.Delim, indent int, top bool) error {
	dash := !top && len(w.b) > 0 && w.b[len(w.b)-1] == '-'
	switch {
	case dash:
		w.b = append(w.b, ' ')
	case !top:
		w.b = append(w.b, '\n')
	}
	for first := true; dec.More(); first = false {
		if !first || !dash {
			w.b = append(w.b, strings.Repeat(" ", indent)...)
		}
		if open == '[' {
			w.b = append(w.b, '-')
			if err := w.next(dec, text, indent+2, false); err != nil {
				return err
			}
			continue
		}
		start := dec.InputOffset()
		t, err := dec.Token()
		if err != nil {
			return err
		}
		key, _ := t.(string)
		quoted := strings.TrimLeft(string(text[start:dec.InputOffset()]), ",: \t\r\n")
		w.b = append(append(w.b, yamlString(key, quoted)...), ':')
		if err := w.next(dec, text, indent+2, false); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return err
}

// yamlString returns s without quotes if that reads as a string, and else its
// JSON form, which is YAML as well.
func yamlString(s, quoted string) string {
	if plainYAML.MatchString(s) && !strings.Contains(s, ": ") && !strings.HasSuffix(s, ":") && !slices.Contains(wordsYAML, strings.ToLower(s)) {
		return s
	}
	return quoted
}
