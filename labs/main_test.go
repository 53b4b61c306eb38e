package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"posixlab/labs/internal/build"
	"posixlab/labs/internal/course"
	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/proc"
	"posixlab/labs/internal/show"
)

// Run with -repeat N, TestRepeat judges every scenario N times.
var repeat = flag.Int("repeat", 0, "judge every scenario on the reference `N` times, and each known-bad server's own N/10 times")

// guard is how long a condition may take before a test says that it does not come. No verdict of
// a test that passes depends on it.
const guard = 2 * time.Minute

// TestMain makes the test binary act as this program when its first argument is a command, so
// that the race detector watches the workers too, and as the servers of stub_test.go. Flags of
// the testing package begin with a dash, so the two do not meet.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		switch os.Args[1] {
		case stubArg:
			os.Exit(stub(os.Args[2:]))
		case busyArg:
			os.Exit(busy())
		}
		program(os.Args[1:])
	}
	status := m.Run()
	if left := descendants(); len(left) > 0 {
		fmt.Printf("FAIL: the tests left processes behind: %v\n", left)
		status = 1
	}
	os.Exit(status)
}

// A kit is what the tests share.
type kit struct {
	course  *course.Course
	builder *build.Builder
	actor   string
	server  string // the reference
}

var loadOnce = sync.OnceValues(func() (*kit, error) {
	root, err := course.FindRoot(".")
	if err != nil {
		return nil, err
	}
	k := new(kit)
	if k.course, err = course.Load(root); err != nil {
		return nil, err
	}
	if k.builder, err = build.New(root); err != nil {
		return nil, err
	}
	return k, nil
})

var buildOnce = sync.OnceValues(func() (*kit, error) {
	k, err := loadOnce()
	if err != nil {
		return nil, err
	}
	if k.actor, err = k.builder.Actor(context.Background()); err != nil {
		return nil, err
	}
	k.server, err = k.builder.Server(context.Background(), nil)
	return k, err
})

// loadKit returns the course alone; nothing is built.
func loadKit(t testing.TB) *kit {
	t.Helper()
	k, err := loadOnce()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// buildKit returns the course with the programs that every scenario needs, built once.
func buildKit(t testing.TB) *kit {
	t.Helper()
	k, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// bug builds a known-bad server.
func (k *kit) bug(t testing.TB, name string) string {
	t.Helper()
	path, err := k.builder.Server(t.Context(), k.course.Bugs[name])
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// bugs builds all known-bad servers, and returns their paths by name.
func (k *kit) bugs(t testing.TB) map[string]string {
	t.Helper()
	var mu sync.Mutex
	paths := make(map[string]string)
	sideBySide(slices.Collect(maps.Keys(k.course.Bugs)), func(name string) {
		path, err := k.builder.Server(t.Context(), k.course.Bugs[name])
		mu.Lock()
		defer mu.Unlock()
		if paths[name] = path; err != nil {
			t.Error(err)
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	return paths
}

// newRunner returns a runner whose workers are this test binary. When the test ends, it fails it
// if a process or a file is left. A runner's Close ends everything that descends from the test,
// so tests that have one do not run beside others.
func newRunner(t testing.TB, lang show.Lang) *grade.Runner {
	t.Helper()
	k := buildKit(t)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	r, err := grade.NewRunner(lang, k.actor, []string{self(t), workerArg})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left := descendants(); len(left) > 0 {
			t.Errorf("processes are left: %v", left)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if left := entries(t, tmp); len(left) > 0 {
			t.Errorf("files are left in TMPDIR: %v", left)
		}
	})
	return r
}

// buildLabs builds this program, as make does.
func buildLabs(t testing.TB) string {
	t.Helper()
	labs := filepath.Join(t.TempDir(), "labs")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", labs, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return labs
}

// self is the path of the test binary.
func self(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// descendants returns what descends from the test and has not ended, but for what keeps the CPUs
// busy.
func descendants() (left []proc.Stat) {
	tree, err := proc.Tree(os.Getpid())
	if err != nil {
		panic(err)
	}
	for _, st := range tree {
		argv, _ := proc.Argv(st.PID)
		busy := len(argv) == 2 && argv[1] == busyArg
		if st.PID != os.Getpid() && st.State != "Z" && !busy {
			left = append(left, st)
		}
	}
	return left
}

func entries(t testing.TB, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// await looks until a condition holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for limit := time.Now().Add(guard); !holds(); <-ticker.C {
		if time.Now().After(limit) {
			t.Fatalf("waited %v in vain for %s", guard, what)
		}
	}
}

// why tells a verdict in one line, for a test's log.
func why(r grade.Result) string {
	return fmt.Sprintf("%s/%s: %s: %s; step %q; %s:%d: %s; expected %q; saw %q\n\t%s", r.Lab, r.Scenario, r.Verdict,
		r.Reason, r.Step, filepath.Base(r.Scenario), r.Line, r.Command, r.Expected, r.Seen, strings.Join(r.Evidence, "\n\t"))
}
