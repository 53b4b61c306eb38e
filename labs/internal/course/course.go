// Package course reads what the labs are: a folder each, with lab.toml and a script (txtar) for
// each scenario, and the known-bad servers that their scenarios must catch.
package course

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"

	"posixlab/labs/internal/show"
)

// A Lab is a folder of stories about one topic.
type Lab struct {
	Number    int    `toml:"-"`
	Name      string `toml:"-"` // the folder's name: 01-sockets
	Title     show.Text
	Topic     show.Text   // where it is in the lecture
	Slide     string      // the deck that belongs to it
	Scenarios []*Scenario `toml:"scenario"`
	Exercise  string      `toml:"-"` // the path of the server's file that a student completes; "" if there is none
	Hidden    bool        `toml:"-"` // the instructor's own: students do not have it
}

// A Scenario is one story: a claim of the lecture, and a script that proves it.
type Scenario struct {
	Name   string
	Points int       // what it is worth, at least 1
	Claim  show.Text // what it shows
	Hint   show.Text // where to look when a server fails it
	Bugs   []string  // the known-bad servers that it is told against, in this order
	Slide  string    // the id of the slide, in the lab's deck, that prepares for it; "" if there is none

	Lab    *Lab   `toml:"-"`
	Script string `toml:"-"` // path of its txtar
	Hidden bool   `toml:"-"` // the instructor's own, as the lab is
}

// ID names a scenario among all: 01-sockets/lifecycle.
func (s *Scenario) ID() string { return s.Lab.Name + "/" + s.Name }

// SlideID names the slide to read again: 08-zombies#coalesced, or only the deck.
func (s *Scenario) SlideID() string {
	if s.Slide == "" {
		return s.Lab.Slide
	}
	return s.Lab.Slide + "#" + s.Slide
}

// Predicts reports whether the script asks a student something.
func (s *Scenario) Predicts() bool {
	source, err := os.ReadFile(s.Script)
	return err == nil && bytes.Contains(source, []byte("\npredict "))
}

// A Course is all labs, in order, and all known-bad servers.
type Course struct {
	Root string // the project's folder
	Labs []*Lab
	Bugs map[string]*Bug
}

// FindRoot returns the project's folder: dir, or the nearest one above it, that holds labs/ and a
// go.mod of this project.
func FindRoot(dir string) (string, error) {
	start, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for at := start; ; at = filepath.Dir(at) {
		data, err := os.ReadFile(filepath.Join(at, "go.mod"))
		if err == nil && strings.HasPrefix(string(data), "module posixlab\n") {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("%s is not within a copy of posixlab: change to its folder, or name it with -root", start)
		}
	}
}

// Load reads every lab and every known-bad server under root. An error names the file.
func Load(root string) (*Course, error) {
	c := &Course{Root: root, Bugs: make(map[string]*Bug)}
	tomls, err := filepath.Glob(filepath.Join(root, "labs", "[0-9][0-9]-*", "lab.toml"))
	if err != nil {
		return nil, err
	}
	for _, path := range tomls {
		lab, err := loadLab(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		c.Labs = append(c.Labs, lab)
	}
	if len(c.Labs) == 0 {
		return nil, fmt.Errorf("no labs in %s", filepath.Join(root, "labs"))
	}
	patches, err := filepath.Glob(filepath.Join(root, "testdata", "bugs", "*.patch"))
	if err != nil {
		return nil, err
	}
	for _, path := range patches {
		bug, err := loadBug(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		c.Bugs[bug.Name] = bug
	}
	return c, c.check()
}

// Hide adds an instructor's own labs, which students do not have: dir holds a lab.toml, or folders that
// each hold one. They are named like the others, 08-more: the number says which exercise they judge. A
// name that a lab has already is an error.
func (c *Course) Hide(dir string) error {
	var found []string
	for _, pattern := range []string{"lab.toml", "*/lab.toml"} {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		found = append(found, paths...)
	}
	if len(found) == 0 {
		return fmt.Errorf("%s holds no lab.toml, nor a folder with one", dir)
	}
	for _, path := range found {
		path, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		lab, err := loadLab(path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		at := len(c.Labs)
		for i, known := range c.Labs {
			if known.Name == lab.Name {
				return fmt.Errorf("%s: there is a lab of that name, %s: rename its folder", path, known.Name)
			}
			if known.Number > lab.Number && i < at {
				at = i
			}
			if known.Number == lab.Number && lab.Exercise == "" {
				lab.Exercise = known.Exercise
			}
		}
		lab.Hidden = true
		for _, sc := range lab.Scenarios {
			sc.Hidden = true
		}
		c.Labs = slices.Insert(c.Labs, at, lab)
	}
	return c.check()
}

var labName = regexp.MustCompile(`^[0-9][0-9]-[a-z0-9-]+$`)

func loadLab(path string) (*Lab, error) {
	lab := &Lab{Name: filepath.Base(filepath.Dir(path))}
	if !labName.MatchString(lab.Name) {
		return nil, fmt.Errorf("the folder %s is not named like 08-zombies", lab.Name)
	}
	meta, err := toml.DecodeFile(path, lab)
	if err != nil {
		return nil, err
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return nil, fmt.Errorf("unknown key %s", unknown[0])
	}
	if lab.Number, err = strconv.Atoi(lab.Name[:2]); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "exercise", "*.go"))
	if err != nil {
		return nil, err
	}
	if len(files) > 1 {
		return nil, fmt.Errorf("the folder exercise holds %d Go files: one is to be completed", len(files))
	}
	lab.Exercise = strings.Join(files, "")
	for _, s := range lab.Scenarios {
		s.Lab = lab
		s.Script = filepath.Join(filepath.Dir(path), s.Name+".txtar")
		if _, err := os.Stat(s.Script); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("scenario %q has no script %s", s.Name, s.Script)
		}
		if s.Points < 1 {
			return nil, fmt.Errorf("scenario %q: points = %d: give at least 1", s.Name, s.Points)
		}
	}
	return lab, nil
}

// Replaced is the file that an exercise stands for, by its path under root: the server's own of that name,
// or else one of the server's packages.
func Replaced(root, name string) string {
	inPackages, _ := filepath.Glob(filepath.Join(root, "server", "*", name))
	_, err := os.Stat(filepath.Join(root, "server", name))
	if err == nil || len(inPackages) == 0 {
		return "server/" + name
	}
	rel, _ := filepath.Rel(root, inPackages[0])
	return rel
}

// check sees to it that scenarios and known-bad servers name one another. A hidden scenario names
// known-bad servers that cannot name it: the kit does not know of it.
func (c *Course) check() error {
	for _, s := range c.Scenarios() {
		for _, name := range s.Bugs {
			bug := c.Bugs[name]
			if bug == nil {
				return fmt.Errorf("%s: no testdata/bugs/%s.patch", s.ID(), name)
			}
			if !s.Hidden && !slices.Contains(bug.Fails, s.ID()) {
				return fmt.Errorf("%s names the bug %s, whose Fails: line does not name it", s.ID(), name)
			}
		}
	}
	for _, bug := range c.Bugs {
		for _, id := range bug.Fails {
			if c.Scenario(id) == nil {
				return fmt.Errorf("%s.patch: Fails: names %s, and there is no such scenario", bug.Name, id)
			}
		}
	}
	return nil
}

// Scenarios returns those of all labs, in order.
func (c *Course) Scenarios() (all []*Scenario) {
	for _, lab := range c.Labs {
		all = append(all, lab.Scenarios...)
	}
	return all
}

// Scenario finds one by its ID; nil if there is none.
func (c *Course) Scenario(id string) *Scenario {
	for _, s := range c.Scenarios() {
		if s.ID() == id {
			return s
		}
	}
	return nil
}

// Find returns the scenarios that a word names: a lab by its number or name ("1", "01",
// "01-sockets"), or one scenario by its ID or name ("01-sockets/restart", "restart").
func (c *Course) Find(word string) (found []*Scenario) {
	number, err := strconv.Atoi(word)
	for _, s := range c.Scenarios() {
		if err == nil && s.Lab.Number == number || word == s.Lab.Name || word == s.ID() || word == s.Name {
			found = append(found, s)
		}
	}
	return found
}
