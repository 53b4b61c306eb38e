package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/tools/present"

	"posixlab/labs/internal/course"
	"posixlab/labs/internal/show"
)

// languages are those of the decks, each in a folder of slides/.
var languages = []show.Lang{show.English, show.Spanish}

// A deck is a file of slides, parsed.
type deck struct {
	Name string // 08-zombies: the same in each language
	Path string
	Text string // the source
	*present.Doc
}

// folder is where a language's decks are.
func folder(c *course.Course, lang show.Lang) string {
	return filepath.Join(c.Root, "slides", string(lang))
}

// decks reads those of a language, in order.
func decks(c *course.Course, lang show.Lang) (all []*deck, err error) {
	paths, err := filepath.Glob(filepath.Join(folder(c, lang), "*.slide"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		doc, err := present.Parse(strings.NewReader(string(text)), path, 0)
		if err != nil {
			return nil, err
		}
		all = append(all, &deck{strings.TrimSuffix(filepath.Base(path), ".slide"), path, string(text), doc})
	}
	return all, nil
}

// slide finds a slide by its id.
func (d *deck) slide(id string) *present.Section {
	i := slices.IndexFunc(d.Sections, func(s present.Section) bool { return s.ID == id })
	if i < 0 {
		return nil
	}
	return &d.Sections[i]
}

// quoted finds the scenarios whose recorded runs a deck shows: NAME, or LAB.NAME where labs share a name.
var quoted = regexp.MustCompile(`(?m)^\.code recorded/([a-z0-9.-]+)\.txt `)

// scenarioOf is how labs run names what is recorded under a name.
func scenarioOf(recording string) string { return strings.Replace(recording, ".", "/", 1) }
