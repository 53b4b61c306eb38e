// Package grade runs scenarios, each in a process of its own, and gives their verdicts.
package grade

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"posixlab/labs/internal/script"
)

// A Verdict is the outcome of a scenario.
type Verdict string

const (
	Pass  Verdict = "pass"
	Fail  Verdict = "fail"
	Skip  Verdict = "skip"  // the reason says what is missing
	Infra Verdict = "infra" // the kit or the machine failed: never the student's fault
)

// A Result is a verdict and why. Its texts are in the reader's language.
type Result struct {
	Lab      string  `json:"lab"`
	Scenario string  `json:"scenario"`
	Verdict  Verdict `json:"verdict"`
	Points   int     `json:"points"`     // what the server gets
	Max      int     `json:"max_points"` // what it could get
	Seconds  float64 `json:"seconds"`

	Reason     string   `json:"reason,omitempty"`      // of skip and infra
	Step       string   `json:"step,omitempty"`        // of fail and infra: where the story ended
	StepNumber int      `json:"step_number,omitempty"` // from 1
	Steps      int      `json:"steps,omitempty"`       // how many the scenario has
	Line       int      `json:"line,omitempty"`        // in the script
	Command    string   `json:"command,omitempty"`     // that line
	Expected   string   `json:"expected,omitempty"`
	Seen       string   `json:"seen,omitempty"`
	Evidence   []string `json:"evidence,omitempty"` // what the kernel showed, line by line
	Hint       string   `json:"hint,omitempty"`
	Limit      string   `json:"limit,omitempty"` // the limit of the sandbox that was hit: memory, processes, …
	Hidden     bool     `json:"hidden,omitempty"`
	Slide      string   `json:"slide,omitempty"`

	Predictions script.Predictions `json:"predictions,omitzero"` // by a student at a terminal
}

// Results is what `labs check` writes.
type Results struct {
	Version int       `json:"version"` // of this format: 1
	Server  string    `json:"server"`  // the command
	Lang    string    `json:"lang"`
	Started time.Time `json:"started"`
	Results []Result  `json:"results"`
}

// Write replaces a file by these results.
func (r *Results) Write(path string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(path, append(data, '\n'))
}

// WriteFile replaces a file, all or nothing: it writes beside it and renames.
func WriteFile(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".results-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if err := tmp.Chmod(0o644); err != nil {
		return err
	}
	if _, err := tmp.Write(data); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// Exit statuses of the kit.
const (
	ExitPass  = 0   // all passed, or were skipped
	ExitFail  = 1   // some failed
	ExitUsage = 2   // wrong use
	ExitInfra = 3   // the kit or the machine failed
	ExitInt   = 130 // interrupted
)

// Exit is the status that results come to: infra outweighs fail.
func Exit(results []Result) int {
	status := ExitPass
	for _, r := range results {
		switch r.Verdict {
		case Fail:
			status = max(status, ExitFail)
		case Infra:
			status = ExitInfra
		}
	}
	return status
}
