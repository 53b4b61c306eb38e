package sandbox

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/build"
	"posixlab/labs/internal/proc"
	"posixlab/labs/internal/show"
)

// TestMain makes us what a grader is: whoever was left alone is our child.
func TestMain(m *testing.M) {
	unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	os.Exit(m.Run())
}

// walls are the sandboxes that this machine offers, and none at all is not among them.
func walls(t *testing.T) (boxes []*Sandbox) {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	b, err := build.New(root)
	if err != nil {
		t.Fatal(err)
	}
	actor, err := b.Actor(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, wall := range []Wall{Bubblewrap, OtherUser} {
		_, err := New(actor, 90, func(s *Sandbox) error {
			if s.Wall != wall {
				return errors.New("another one is wanted")
			}
			if _, err := s.Run(t.Context(), []string{"/bin/true"}, s.Env()); err != nil {
				return err
			}
			boxes = append(boxes, s)
			return nil
		})
		if err != nil {
			t.Logf("%s: %v", wall, err)
		}
	}
	if len(boxes) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("no wall")
		}
		t.Skip("no wall")
	}
	return boxes
}

// folder is one that a sandbox's program may write to, and reach.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "posixlab-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestRun has programs behind each wall do what they may, and be ended by what they may not; and nothing
// is left of them.
func TestRun(t *testing.T) {
	sh := func(script string) []string { return []string{"/bin/sh", "-c", script} }
	limits := Limits{Processes: 60, Memory: 64 << 20, CPU: 3 * time.Second, Wall: time.Minute,
		FileSize: 16 << 20, Files: 64, Output: 100_000, Disk: 4 << 20}
	for _, box := range walls(t) {
		for _, test := range []struct {
			name   string
			script string
			says   string
			fails  bool
			limit  string
		}{
			{name: "works", script: "echo done; echo x > file; cat file", says: "done\nx\n"},
			{name: "fails", script: "echo alas >&2; exit 7", says: "alas\n", fails: true},
			{name: "cpu", script: "while :; do :; done", limit: "cpu"},
			{name: "output", script: "while :; do echo and on, and on, and on; done", limit: "output"},
			{name: "disk", script: "for i in 1 2 3; do dd if=/dev/zero of=big$i bs=1M count=2 2>/dev/null; done; sleep 100", limit: "disk"},
			{name: "memory", script: `x=0123456789abcdef; while :; do x=$x$x; done`, limit: "memory"},
			{name: "processes", script: "for i in 0 1 2 3 4 5 6 7; do for j in 0 1 2 3 4 5 6 7; do sleep 100 & done; done; wait", limit: "processes"},
			{name: "daemon", script: "(setsid sleep 1000 &) ; (trap '' TERM HUP INT; setsid sleep 1001 &); echo gone", says: "gone\n"},
		} {
			t.Run(string(box.Wall)+"/"+test.name, func(t *testing.T) {
				own := *box
				dir := folder(t)
				own.Limits, own.Dir, own.Write = limits, dir, []string{dir}
				said, err := own.Run(t.Context(), sh(test.script), own.Env())
				var hit *Hit
				switch {
				case test.limit != "":
					if !errors.As(err, &hit) || hit.Limit != test.limit {
						t.Errorf("want the limit %s, got %v\n%.300s", test.limit, err, said)
					}
				case test.fails:
					if _, ok := errors.AsType[*exec.ExitError](err); !ok || string(said) != test.says {
						t.Errorf("%v\n%s", err, said)
					}
				case err != nil || string(said) != test.says:
					t.Errorf("%v\n%s", err, said)
				}
				mustBeAlone(t)
			})
		}
	}
}

// mustBeAlone fails the test if anything of a sandbox is left: a process, or a zombie.
func mustBeAlone(t *testing.T) {
	t.Helper()
	children, err := proc.Children(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range children {
		t.Errorf("a child is left: %+v", st)
	}
}

// TestWalls has a program behind each wall not reach what is the grader's.
func TestWalls(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("the answers"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, box := range walls(t) {
		dir := folder(t)
		own := *box
		own.Dir, own.Write = dir, []string{dir}
		t.Setenv("SECRET", "the answers")
		said, _ := own.Run(t.Context(), []string{"/bin/sh", "-c", "cat " + secret + "; env; echo x > /usr/x; echo x > /etc/x; cat /etc/shadow; kill -9 " +
			"1; ls /proc/1/fd; echo end"}, own.Env())
		for _, never := range []string{"the answers", "root:"} {
			if strings.Contains(string(said), never) {
				t.Errorf("%s: %q in\n%s", box.Wall, never, said)
			}
		}
		if !strings.HasSuffix(string(said), "end\n") {
			t.Errorf("%s:\n%s", box.Wall, said)
		}
	}
}

// TestCancelled has a run end with its context, and nothing be left.
func TestCancelled(t *testing.T) {
	for _, box := range walls(t) {
		ctx, cancel := context.WithCancel(t.Context())
		dir := folder(t)
		own := *box
		own.Dir, own.Write = dir, []string{dir}
		go func() {
			for { // until it runs
				if _, err := os.Stat(filepath.Join(dir, "begun")); err == nil {
					cancel()
					return
				}
				time.Sleep(time.Millisecond)
			}
		}()
		if _, err := own.Run(ctx, []string{"/bin/sh", "-c", "touch begun; sleep 1000 & sleep 1000"}, own.Env()); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", box.Wall, err)
		}
		mustBeAlone(t)
	}
}

// TestLimitsSaid has every limit be told in both languages.
func TestLimitsSaid(t *testing.T) {
	en, es := Usual.SayAll(show.English), Usual.SayAll(show.Spanish)
	for i := range en {
		if en[i] == es[i] || strings.Contains(en[i]+es[i], "%!") {
			t.Errorf("%q, %q", en[i], es[i])
		}
	}
	if got := Usual.over(Usage{Memory: Usual.Memory + 1}); got != "memory" {
		t.Errorf("%q", got)
	}
	if got := Usual.over(Usage{}); got != "" {
		t.Errorf("nothing used, and over the limit %q", got)
	}
}
