package report

import (
	"bytes"
	"errors"
	"fmt"
	"os"
)

// Begin and End are the lines of a document between which the newest run
// stands.
const (
	Begin = "<!-- benchmark: begin -->"
	End   = "<!-- benchmark: end -->"
)

// UpdateDocument replaces what stands between the two markers of the document
// at path by r, and leaves all else as it is.
func (r *Report) UpdateDocument(path, plots string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("document: %w", err)
	}
	var table bytes.Buffer
	if err := r.Markdown(&table, plots); err != nil {
		return fmt.Errorf("document %s: %w", path, err)
	}
	text, err := between(old, table.Bytes())
	if err != nil {
		return fmt.Errorf("document %s: %w", path, err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return fmt.Errorf("document: %w", err)
	}
	return nil
}

// between puts fresh between the markers of old.
func between(old, fresh []byte) ([]byte, error) {
	head, rest, ok := bytes.Cut(old, []byte(Begin))
	if !ok {
		return nil, errors.New("has no line " + Begin)
	}
	_, tail, ok := bytes.Cut(rest, []byte(End))
	if !ok {
		return nil, errors.New("has no line " + End + " after " + Begin)
	}
	return bytes.Join([][]byte{
		head, []byte(Begin + "\n\n"), bytes.TrimRight(fresh, "\n"), []byte("\n\n" + End), tail,
	}, nil), nil
}
