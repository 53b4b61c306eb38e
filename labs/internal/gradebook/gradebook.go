// Package gradebook holds what the grading of a class came to, and keeps it in files from which
// every report is made.
package gradebook

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"posixlab/labs/internal/grade"
)

// Version is that of the files' format, which labs/results.schema.json describes.
const Version = 1

// A Class is every submission of a class, as it was judged.
type Class struct {
	Version     int           `json:"version"`
	Lang        string        `json:"lang"` // of the texts: en or es
	Started     time.Time     `json:"started"`
	Isolation   string        `json:"isolation"`   // how submissions were kept apart, in words
	Limits      []string      `json:"limits"`      // what each could use at most, in words
	Scenarios   []Scenario    `json:"scenarios"`   // in the order of the labs
	Submissions []*Submission `json:"submissions"` // by name
}

// A Scenario is one that the class was judged by.
type Scenario struct {
	Lab    string `json:"lab"`
	Name   string `json:"name"`
	Title  string `json:"title"` // the lab's
	Claim  string `json:"claim"` // what it shows
	Points int    `json:"points"`
	Hidden bool   `json:"hidden"` // the instructor's own: students do not have it
}

// ID names a scenario among all: 01-sockets/lifecycle.
func (s Scenario) ID() string { return s.Lab + "/" + s.Name }

// A Kind is how a submission makes a server.
type Kind string

const (
	Exercise Kind = "exercise" // exercise files, built into the reference
	Make     Kind = "make"     // a Makefile or Makefile.server, which builds server_bin
	Program  Kind = "program"  // an executable server_bin
)

// A Submission is one student's, and what came of it.
type Submission struct {
	Version int    `json:"version"`
	Name    string `json:"name"`              // of its folder, or of its archive without the extension
	Student string `json:"student,omitempty"` // by the roster
	Digest  string `json:"digest"`            // of all that it consists of, and of what judged it
	Kind    Kind   `json:"kind,omitempty"`    // "" if it holds no server

	// Problem says why no server could be made of it, and Said what the compiler said; both are empty
	// if one could. Every scenario is failed then.
	Problem string   `json:"problem,omitempty"`
	Said    []string `json:"said,omitempty"`

	Complete bool           `json:"complete"`   // every scenario has its verdict
	Points   int            `json:"points"`     // the sum of the results'
	Max      int            `json:"max_points"` // of those that have a verdict: see Sum
	Seconds  float64        `json:"seconds"`    // what judging took
	Results  []grade.Result `json:"results"`    // in the order of the labs
}

// Sum adds up the points. What was skipped, or failed by the machine's fault, counts neither for the
// student nor against her.
func (s *Submission) Sum() {
	s.Points, s.Max = 0, 0
	for _, r := range s.Results {
		if r.Verdict == grade.Pass || r.Verdict == grade.Fail {
			s.Points += r.Points
			s.Max += r.Max
		}
	}
}

// Who is the student's name or, if it is not known, the submission's.
func (s *Submission) Who() string {
	if s.Student != "" {
		return s.Student
	}
	return s.Name
}

// Count is how many results have this verdict.
func (s *Submission) Count(v grade.Verdict) (n int) {
	for _, r := range s.Results {
		if r.Verdict == v {
			n++
		}
	}
	return n
}

// Result finds the verdict of a scenario; nil if there is none yet.
func (s *Submission) Result(sc Scenario) *grade.Result {
	for i := range s.Results {
		if r := &s.Results[i]; r.Lab == sc.Lab && r.Scenario == sc.Name {
			return r
		}
	}
	return nil
}

// File is the name of the file of a class in the folder of its results, and of each submission in
// its own folder under that.
const File = "results.json"

// WriteFile replaces a file by v as JSON, all or nothing: it writes beside it and renames.
func WriteFile(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return grade.WriteFile(path, append(data, '\n'))
}

// ReadFile reads a file that WriteFile wrote. It returns an fs.ErrNotExist if there is none.
func ReadFile[T Class | Submission](path string) (*T, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var header struct{ Version int }
	v := new(T)
	if err := errors.Join(json.Unmarshal(data, &header), json.Unmarshal(data, v)); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if header.Version != Version {
		return nil, fmt.Errorf("%s: version %d of the format: this program knows %d", path, header.Version, Version)
	}
	return v, nil
}

// Read reads the results of a class from their folder.
func Read(dir string) (*Class, error) {
	c, err := ReadFile[Class](filepath.Join(dir, File))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: no results of a class here: %w", dir, err)
	}
	return c, err
}
