package course

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"posixlab/labs/internal/show"
)

// A Bug is a known-bad server: the reference with a patch.
type Bug struct {
	Name   string
	Title  show.Text // what is wrong, in a few words
	Lesson show.Text // what it teaches
	Fails  []string  // the IDs of the scenarios that must fail, and no other may
	Diff   string    // the patch itself

	files []*gitdiff.File
}

// loadBug reads a patch. Its header is lines of "Key: value", a value going on in indented lines,
// up to the diff.
func loadBug(path string) (*Bug, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	b := &Bug{Name: strings.TrimSuffix(filepath.Base(path), ".patch")}
	head, diff, found := strings.Cut(string(data), "\n\n")
	if !found {
		return nil, fmt.Errorf("no empty line between header and diff")
	}
	b.Diff = diff
	keys := make(map[string]string)
	last := ""
	for line := range strings.Lines(head) {
		if strings.HasPrefix(line, " ") {
			keys[last] += " " + strings.TrimSpace(line)
			continue
		}
		key, value, _ := strings.Cut(line, ":")
		last = key
		keys[key] = strings.TrimSpace(value)
	}
	take := func(key string) string {
		value := keys[key]
		if value == "" {
			err = fmt.Errorf("the header has no line %q", key+":")
		}
		delete(keys, key)
		return value
	}
	b.Title = show.Text{EN: take("Title"), ES: take("Título")}
	b.Lesson = show.Text{EN: take("Lesson"), ES: take("Lección")}
	b.Fails = strings.Fields(take("Fails"))
	if err != nil {
		return nil, err
	}
	for key := range keys {
		return nil, fmt.Errorf("the header has a line %q, which means nothing", key+":")
	}
	b.files, _, err = gitdiff.Parse(strings.NewReader(diff))
	if err == nil && len(b.files) == 0 {
		err = fmt.Errorf("no diff")
	}
	return b, err
}

// A Misfit says that a patch does not fit the source: one of the two was changed.
type Misfit struct {
	Bug  string
	File string // by its path under the root
	Why  error
}

func (m *Misfit) Error() string { return fmt.Sprintf("%s.patch: %s: %v", m.Bug, m.File, m.Why) }
func (m *Misfit) Unwrap() error { return m.Why }

// Apply returns the patched files, by their path under root. A hunk is applied where its old lines
// stand, once and only once, whatever line number it gives; else the error is a Misfit.
func (b *Bug) Apply(root string) (map[string][]byte, error) {
	patched := make(map[string][]byte)
	for _, file := range b.files {
		source, err := os.ReadFile(filepath.Join(root, file.OldName))
		if err != nil {
			return nil, err
		}
		moved := *file
		moved.TextFragments = nil
		shift := int64(0)
		for _, hunk := range file.TextFragments {
			at, err := locate(source, hunk)
			if err != nil {
				return nil, &Misfit{b.Name, file.OldName, err}
			}
			h := *hunk
			h.OldPosition = at
			h.NewPosition = at + shift
			shift += h.NewLines - h.OldLines
			moved.TextFragments = append(moved.TextFragments, &h)
		}
		var out bytes.Buffer
		if err := gitdiff.Apply(&out, bytes.NewReader(source), &moved); err != nil {
			return nil, fmt.Errorf("%s.patch: %w", b.Name, err)
		}
		patched[file.NewName] = out.Bytes()
	}
	return patched, nil
}

// locate finds the line, from 1, where a hunk's old lines stand.
func locate(source []byte, hunk *gitdiff.TextFragment) (int64, error) {
	var old []string
	for _, line := range hunk.Lines {
		if line.Old() {
			old = append(old, line.Line)
		}
	}
	lines := slices.Collect(strings.Lines(string(source)))
	var found []int64
	for i := range lines[:max(0, len(lines)-len(old)+1)] {
		if slices.Equal(lines[i:i+len(old)], old) {
			found = append(found, int64(i+1))
		}
	}
	if len(found) != 1 {
		return 0, fmt.Errorf("the old lines of hunk %q stand in %d places: update the patch", strings.TrimSpace(hunk.Header()), len(found))
	}
	return found[0], nil
}
