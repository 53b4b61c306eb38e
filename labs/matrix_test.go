package main

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"posixlab/labs/internal/course"
	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/show"
)

// TestReference has the reference pass every scenario, in both languages.
func TestReference(t *testing.T) {
	k := buildKit(t)
	for _, lang := range []show.Lang{show.English, show.Spanish} {
		t.Run(string(lang), func(t *testing.T) {
			r := newRunner(t, lang)
			sideBySide(k.course.Scenarios(), func(sc *course.Scenario) {
				result := r.Run(t.Context(), sc, reference(k.server), grade.Told{})
				if result.Verdict != grade.Pass || result.Points != sc.Points {
					t.Error(why(result))
				}
			})
		})
	}
}

// TestMatrix has every known-bad server fail the scenarios that its header names, and no other.
// With -short, only those that it names are run.
func TestMatrix(t *testing.T) {
	k := buildKit(t)
	r := newRunner(t, show.English)
	r.Worker = []string{buildLabs(t), workerArg} // without the race detector: TestReference has it
	want := make(map[string][]string)
	servers := k.bugs(t)
	var trials []trial
	for name, bug := range k.course.Bugs {
		if name == allOfThem && r.Isolation < grade.Contained {
			continue
		}
		want[name] = slices.Sorted(slices.Values(bug.Fails))
		for _, sc := range k.course.Scenarios() {
			if !testing.Short() || slices.Contains(bug.Fails, sc.ID()) {
				trials = append(trials, trial{name, servers[name], sc})
			}
		}
	}

	var mu sync.Mutex
	got := make(map[string][]string)
	sideBySide(trials, func(tr trial) {
		result := r.Run(t.Context(), tr.sc, tr.command(), grade.Told{})
		if result.Verdict == grade.Pass {
			return
		}
		mu.Lock()
		got[tr.bug] = append(got[tr.bug], tr.sc.ID())
		mu.Unlock()
		if !slices.Contains(want[tr.bug], tr.sc.ID()) {
			t.Errorf("%s should pass: %s", tr.name(), why(result))
		}
		tellsWhy(t, tr, result)
	})
	for _, ids := range got {
		slices.Sort(ids)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("which scenarios catch which bug (-headers +verdicts):\n%s", diff)
	}
	for name, bug := range k.course.Bugs {
		told := slices.ContainsFunc(k.course.Scenarios(), func(sc *course.Scenario) bool {
			return slices.Contains(sc.Bugs, name) && slices.Contains(bug.Fails, sc.ID())
		})
		if !told {
			t.Errorf("%s: no lab.toml names it, so that no student sees it", name)
		}
	}
}

// tellsWhy fails the test unless a verdict is a failure of the server's that says all that a
// student needs.
func tellsWhy(t *testing.T, tr trial, r grade.Result) {
	t.Helper()
	if r.Verdict != grade.Fail {
		t.Errorf("%s: want fail, got %s", tr.name(), why(r))
		return
	}
	missing := map[string]bool{
		"Expected": r.Expected == "", "Seen": r.Seen == "", "Evidence": len(r.Evidence) == 0,
		"Hint": r.Hint == "", "Slide": r.Slide == "", "Step": r.Step == "", "Line": r.Line == 0,
		"Command": r.Command == "",
	}
	for field, is := range missing {
		if is {
			t.Errorf("%s: no %s in %s", tr.name(), field, why(r))
		}
	}
}

// TestRepeat looks for verdicts that depend on luck. It does so while the machine is otherwise
// idle, and then while every CPU is busy.
func TestRepeat(t *testing.T) {
	if *repeat == 0 {
		t.Skip("say how often: go test ./labs -run TestRepeat -repeat 200 -timeout 0")
	}
	k := buildKit(t)
	var trials []trial
	for _, sc := range k.course.Scenarios() {
		for range (*repeat + 1) / 2 {
			trials = append(trials, trial{"", k.server, sc})
		}
	}
	servers := k.bugs(t)
	for name, bug := range k.course.Bugs {
		if name == allOfThem {
			continue // see TestMatrix
		}
		for _, id := range bug.Fails {
			for range (*repeat/10 + 1) / 2 {
				trials = append(trials, trial{name, servers[name], k.course.Scenario(id)})
			}
		}
	}
	again := func(t *testing.T) {
		r := newRunner(t, show.English)
		var mu sync.Mutex
		wrong, slowest := 0, make(map[string]float64)
		sideBySide(trials, func(tr trial) {
			want := tr.want()
			result := r.Run(t.Context(), tr.sc, tr.command(), grade.Told{})
			mu.Lock()
			defer mu.Unlock()
			slowest[tr.name()] = max(slowest[tr.name()], result.Seconds)
			if result.Verdict != want {
				wrong++
				t.Errorf("%s: want %s, got %s", tr.name(), want, why(result))
			}
		})
		t.Logf("%d of %d verdicts changed; the slowest of each, in seconds: %.4v", wrong, len(trials), slowest)
	}
	t.Run("idle", again)
	t.Run("busy", func(t *testing.T) {
		keepBusy(t)
		again(t)
	})
}

// busyArg makes the test binary a process that keeps a CPU busy.
const busyArg = "busy"

// keepBusy keeps every CPU busy until the test ends.
func keepBusy(t *testing.T) {
	for range runtime.NumCPU() {
		cmd := exec.Command(self(t), busyArg)
		end, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			end.Close()
			cmd.Wait()
		})
	}
}

var spun uint

// busy keeps a CPU busy until standard input ends.
func busy() int {
	runtime.GOMAXPROCS(2) // one to spin, one to see the end of the input
	go func() {
		for n := uint(0); ; n++ {
			spun = n
		}
	}()
	io.Copy(io.Discard, os.Stdin)
	return 0
}
