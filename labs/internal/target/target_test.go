package target

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/proc"
)

// newRun returns a run that is ended with the test, which fails if anything of it is left.
func newRun(t *testing.T) *Run {
	t.Helper()
	r, err := NewRun()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.End()
		if tree, err := r.Tree(); len(tree) > 0 || err != nil {
			t.Errorf("left: %v, %v", tree, err)
		}
	})
	return r
}

// shell starts a "server" that is a shell script.
func shell(t *testing.T, r *Run, script string) *Server {
	t.Helper()
	s, err := r.Start(Command{Argv: []string{"sh", "-c", script}}, os.Environ(), filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// awaitTree waits until the run has so many processes.
func awaitTree(t *testing.T, r *Run, n int) []proc.Stat {
	t.Helper()
	var tree []proc.Stat
	limit := time.Now().Add(time.Minute)
	poll(nil, func() (bool, error) {
		var err error
		if tree, err = r.Tree(); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(limit) {
			t.Fatalf("waited a minute in vain for %d processes: %v", n, tree)
		}
		return len(tree) == n, nil
	})
	return tree
}

var never = func() (bool, error) { return false, nil }

// TestStandsStill has a server that sleeps: that is told within seconds, and not by the guard.
func TestStandsStill(t *testing.T) {
	t.Parallel()
	r := newRun(t)
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	shell(t, r, "cat <>"+fifo+" & exec cat <>"+fifo)
	awaitTree(t, r, 2)
	start := time.Now()
	err := r.Await(nil, never)
	hang, ok := errors.AsType[*Hang](err)
	if !ok || !hang.Quiet {
		t.Fatalf("%v; want a quiet Hang", err)
	}
	if took := time.Since(start); took < Quiet || hang.After < Quiet {
		t.Errorf("called stuck after %v, %v: too early", took, hang.After)
	}
	if !strings.Contains(hang.Error(), "stands still") {
		t.Error(hang)
	}
}

// TestRuns has servers of which something runs, if only at times: none of them is called stuck.
func TestRuns(t *testing.T) {
	for name, script := range map[string]string{
		"an alarm clock":                   "exec sleep 100000",
		"busy":                             "while :; do :; done",
		"a busy grandchild":                "(while :; do :; done) & wait",
		"wakes at times":                   "while :; do sleep 0.2; done",
		"a child of another session wakes": "setsid sh -c 'while :; do sleep 0.2; done' & exec sleep 100000",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRun(t)
			shell(t, r, script)
			start := time.Now()
			longer := func() (bool, error) { return time.Since(start) > 2*Quiet, nil }
			if err := r.Await(nil, longer); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAwait(t *testing.T) {
	t.Parallel()
	r := newRun(t)
	if err := r.Await(nil, func() (bool, error) { return true, nil }); err != nil {
		t.Error(err)
	}
	mine := errors.New("mine")
	if err := r.Await(nil, func() (bool, error) { return false, mine }); err != mine {
		t.Error(err)
	}
	wake := make(chan struct{}, 1)
	looks := 0
	err := r.Await(wake, func() (bool, error) {
		wake <- struct{}{} // looks again at once
		looks++
		if looks < 10 {
			return false, nil
		}
		<-wake
		return true, nil
	})
	if err != nil || looks != 10 {
		t.Error(err, looks)
	}
	if n := load(); n < 1 || n > 20 {
		t.Errorf("load %v", n)
	}
}

// TestEnd ends what has left its parent, its session and its process group, and what ignores all
// signals that can be ignored.
func TestEnd(t *testing.T) {
	t.Parallel()
	r := newRun(t)
	s := shell(t, r, `trap "" TERM INT HUP
		setsid sh -c 'trap "" TERM; setsid sleep 100000 & sleep 100000' &
		(sleep 100000 &) ; exec sleep 100000`)
	awaitTree(t, r, 5)
	found, err := r.End()
	if err != nil || len(found) != 5 {
		t.Errorf("found %v, %v; want 5 processes", found, err)
	}
	<-s.Exited
	if !s.Status.Signaled() {
		t.Errorf("status %#x", s.Status)
	}
	if _, err := proc.ReadStat(s.Root); err != proc.ErrGone {
		t.Errorf("%v; want ErrGone", err)
	}
	if found, err := r.End(); err != nil || len(found) > 0 {
		t.Errorf("a second End found %v, %v", found, err)
	}
	if _, err := r.Start(Command{Argv: []string{"true"}}, nil, filepath.Join(t.TempDir(), "log")); err != ErrEnded {
		t.Errorf("Start after End: %v", err)
	}
}

// TestTwoRuns do not see each other's processes.
func TestTwoRuns(t *testing.T) {
	t.Parallel()
	a, b := newRun(t), newRun(t)
	shell(t, a, "exec sleep 100000")
	shell(t, b, "exec sleep 100000")
	awaitTree(t, a, 1)
	awaitTree(t, b, 1)
	if _, err := a.End(); err != nil {
		t.Error(err)
	}
	awaitTree(t, a, 0)
	awaitTree(t, b, 1)
}

func TestStart(t *testing.T) {
	t.Parallel()
	r := newRun(t)
	log := filepath.Join(t.TempDir(), "log")
	for _, argv := range [][]string{nil, {"no-such-program"}, {"/no/such/program"}, {"./relative"}} {
		if s, err := r.Start(Command{Argv: argv}, nil, log); err == nil {
			t.Errorf("%q was started: %+v", argv, s)
		}
	}
	dir := t.TempDir()
	s, err := r.Start(Command{Argv: []string{"sh", "-c", `echo "$A"; pwd; ls -l /proc/self/fd | wc -l; exit 3`}, Dir: dir}, []string{"A=b", "PATH=" + os.Getenv("PATH")}, log)
	if err != nil {
		t.Fatal(err)
	}
	<-s.Exited
	if s.Status.ExitStatus() != 3 {
		t.Errorf("status %#x", s.Status)
	}
	dir, _ = filepath.EvalSymlinks(dir)
	said, _ := os.ReadFile(log)
	if want := "b\n" + dir + "\n"; !strings.HasPrefix(string(said), want) {
		t.Errorf("the log has %q; want %q", said, want)
	}
	if listening, err := r.Listening(s, 0); listening || err != nil {
		t.Error(listening, err)
	}
}
