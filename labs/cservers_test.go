package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"posixlab/labs/internal/course"
	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/show"
	"posixlab/labs/internal/target"
)

// needs skips a test on a machine that lacks a program, and fails it in CI, where none may be missing.
func needs(t testing.TB, programs ...string) {
	t.Helper()
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
}

// buildC builds a server in C by its own Makefile, in a copy of its folder.
func buildC(t testing.TB, folder string) string {
	t.Helper()
	needs(t, "make", "cc")
	dir := t.TempDir()
	from := filepath.Join(loadKit(t).course.Root, "testdata", folder)
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("make", "-B", "-C", dir, "server_bin", "CFLAGS=-O2 -Wall -Wextra -Wpedantic -Werror -pthread").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(dir, "server_bin")
}

// TestCReference has the reference in C, which the labs know by nothing but its binary, pass every
// scenario of the lecture's server.
func TestCReference(t *testing.T) {
	judgeC(t, "reference", nil)
}

// TestCDeck has the server in C that follows the slides fail for each of its faults, and for nothing
// else.
func TestCDeck(t *testing.T) {
	judgeC(t, "deck", deckFails, "09-robustness/slow-reader", "09-robustness/no-leak")
}

// deckFails are the scenarios that the deck's server fails, by the faults that its source marks.
var deckFails = []string{
	"02-protocol/errors", "02-protocol/stream", "02-protocol/verbs",
	"04-forkexec/argv", "04-forkexec/birth", "04-forkexec/descriptors", "04-forkexec/exec-failure", "04-forkexec/orphans",
	"05-pipes/ps-fails", "05-pipes/ps-missing",
	"06-list-limit/segments",
	"07-signals/orderly-end", "07-signals/pids",
	"08-zombies/no-trace",
	"09-robustness/descriptors", "09-robustness/vanish",
}

// lectureLabs are those of the lecture's server. From the next one on a server needs more: a class.
const lectureLabs = 9

// judgeC judges a server in C by the scenarios of the lecture's labs, and compares which of them it fails. Those
// that it may fail or not hang on which of its threads a signal interrupts, and on whether it sends before or after
// a reset (SIGPIPE): its own faults, too, which other scenarios show for certain.
func judgeC(t *testing.T, folder string, want []string, may ...string) {
	server := target.Command{Argv: []string{buildC(t, folder)}}
	r := newRunner(t, show.English)
	if r.Isolation < grade.OwnNetwork {
		t.Skip(r.WhyNot) // its port is built in
	}
	var mu sync.Mutex
	var failed []string
	scenarios := slices.DeleteFunc(loadKit(t).course.Scenarios(), func(sc *course.Scenario) bool { return sc.Lab.Number > lectureLabs })
	sideBySide(scenarios, func(sc *course.Scenario) {
		result := r.Run(t.Context(), sc, server, grade.Told{})
		if result.Verdict == grade.Pass || result.Verdict == grade.Fail && slices.Contains(may, sc.ID()) {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		failed = append(failed, sc.ID())
		if result.Verdict != grade.Fail || !slices.Contains(want, sc.ID()) {
			t.Error(why(result))
		}
	})
	slices.Sort(failed)
	if diff := cmp.Diff(want, failed); diff != "" {
		t.Errorf("which scenarios it fails (-want +got):\n%s", diff)
	}
}

// TestNoClass has a server that knows none of a class's options fail every story of lab 10 at its first step,
// and be told so: nothing is the machine's fault.
func TestNoClass(t *testing.T) {
	server := target.Command{Argv: []string{self(t), stubArg, "strict"}}
	r := newRunner(t, show.English)
	if r.Isolation < grade.OwnNetwork {
		t.Skip(r.WhyNot)
	}
	for _, sc := range loadKit(t).course.Find("10") {
		result := r.Run(t.Context(), sc, server, grade.Told{})
		if result.Verdict != grade.Fail || result.StepNumber != 1 || !strings.Contains(result.Seen, "it exited with status 2 before that: no such option: -class") {
			t.Error(why(result))
		}
	}
}
