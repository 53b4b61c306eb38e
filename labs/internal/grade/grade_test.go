package grade

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestExit(t *testing.T) {
	for _, c := range []struct {
		verdicts string
		want     int
	}{
		{"", ExitPass},
		{"pass", ExitPass},
		{"skip pass skip", ExitPass},
		{"pass fail pass", ExitFail},
		{"infra", ExitInfra},
		{"infra fail pass", ExitInfra},
		{"fail infra fail", ExitInfra},
	} {
		var results []Result
		for _, v := range strings.Fields(c.verdicts) {
			results = append(results, Result{Verdict: Verdict(v)})
		}
		if got := Exit(results); got != c.want {
			t.Errorf("%s: %d; want %d", c.verdicts, got, c.want)
		}
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "results.json")
	want := Results{Version: 1, Server: "./my server", Lang: "es", Started: time.Now().UTC().Round(0),
		Results: []Result{{Lab: "01-a", Scenario: "x", Verdict: Fail, Line: 3, Seen: "ñ <\x1b", Evidence: []string{"a"}}}}
	for range 2 { // anew, and over what is there
		if err := want.Write(path); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var got Results
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := want.Write(filepath.Join(dir, "none", "results.json")); err == nil {
		t.Error("there is no such folder")
	}
	if err := want.Write(dir); err == nil {
		t.Error("a folder was replaced by a file")
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left beside it: %v", left)
	}
}

// TestWriteAtomic reads the file all the time while it is written: it is always whole.
func TestWriteAtomic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	r := Results{Version: 1}
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		reading.Go(func() {
			for {
				data, err := os.ReadFile(path)
				if err != nil || !json.Valid(data) {
					t.Errorf("%v, %q", err, data)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for range 200 {
		r.Results = append(r.Results, Result{Verdict: Pass, Reason: strings.Repeat("x", 100)})
		if err := r.Write(path); err != nil {
			t.Error(err)
		}
	}
	close(done)
	reading.Wait()
}

// TestSweep removes the folders of workers that were killed, and no others.
func TestSweep(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	dir := func(name string) string { return filepath.Join(tmp, name) }
	for _, name := range []string{dirPrefix + "old", dirPrefix + "new", "other"} {
		if err := os.MkdirAll(filepath.Join(dir(name), "work"), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := claim(dir(dirPrefix + "used")); err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-time.Hour)
	for _, name := range []string{dirPrefix + "old", dirPrefix + "used", "other"} {
		if err := os.Chtimes(dir(name), long, long); err != nil {
			t.Fatal(err)
		}
	}
	sweep()
	var left []string
	entries, _ := os.ReadDir(tmp)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if diff := cmp.Diff([]string{"other", dirPrefix + "new", dirPrefix + "used"}, left); diff != "" {
		t.Error(diff)
	}
	if err := claim(dir("other")); err == nil {
		t.Error("a folder that is there was claimed")
	}
}
