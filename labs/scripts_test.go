package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"posixlab/labs/internal/build"
	"posixlab/labs/internal/script"
	"posixlab/labs/internal/show"
)

// TestScripts runs every lab's scripts as they stand, as plain testscript: without the runner,
// without a worker, and in the machine's own network, where the kernel chooses the port.
func TestScripts(t *testing.T) {
	k := buildKit(t)
	builder := build.Builder{Root: k.builder.Root, Dir: k.builder.Dir, Race: raceDetector}
	server, err := builder.Server(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, lab := range k.course.Labs {
		t.Run(lab.Name, func(t *testing.T) {
			tmp := t.TempDir()
			t.Cleanup(func() { noRaces(t, tmp) })
			for _, sc := range lab.Scenarios { // each with a narrator of its own: they run side by side
				params := script.Params(script.Options{
					Server: reference(server),
					Actor:  k.actor,
					Out:    show.NewNarrator(io.Discard, show.English, false),
				}, nil)
				params.Files = []string{sc.Script}
				params.WorkdirRoot = tmp
				testscript.Run(t, params)
			}
		})
	}
}

// noRaces fails the test if a server's log tells of a data race.
func noRaces(t *testing.T, dir string) {
	logs, err := filepath.Glob(filepath.Join(dir, "*", "server*.log"))
	if err != nil {
		t.Fatal(err)
	}
	if len(logs) == 0 {
		t.Error("no server wrote a log")
	}
	for _, path := range logs {
		if data, err := os.ReadFile(path); err != nil {
			t.Error(err)
		} else if strings.Contains(string(data), "DATA RACE") {
			t.Errorf("%s:\n%s", path, data)
		}
	}
}
