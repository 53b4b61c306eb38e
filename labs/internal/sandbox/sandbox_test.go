package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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
			if apart := *s; wall == OtherUser {
				apart.Namespaces = true
				if _, err := apart.Run(t.Context(), []string{"/bin/true"}, s.Env()); err != nil {
					t.Logf("%s, namespaces: %v", wall, err)
				} else {
					boxes = append(boxes, &apart)
				}
			}
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

// name tells the walls apart.
func name(box *Sandbox) string {
	if box.Namespaces {
		return string(box.Wall) + ", namespaces"
	}
	return string(box.Wall)
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
	limits := Limits{Processes: 60, Memory: 64 << 20, CPU: 2 * time.Second, Wall: time.Minute,
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
			{name: "disk, files without a name", script: `for i in 3 4 5; do eval "exec $i>big$i"; rm big$i; done
				for i in 3 4 5; do eval "head -c 2000000 /dev/zero >&$i"; done; sleep 100`, limit: "disk"},
			{name: "disk, a closed folder", script: "mkdir d; head -c 5000000 /dev/zero >d/big; chmod 0 d; sleep 100", limit: "disk"},
			{name: "cpu of children that nobody waits for", script: autoReaped, limit: "cpu"},
			{name: "memory", script: `x=0123456789abcdef; while :; do x=$x$x; done`, limit: "memory"},
			{name: "processes", script: "for i in 0 1 2 3 4 5 6 7; do for j in 0 1 2 3 4 5 6 7; do sleep 100 & done; done; wait", limit: "processes"},
			{name: "daemon", script: "(setsid sleep 1000 &) ; (trap '' TERM HUP INT; setsid sleep 1001 &); echo gone", says: "gone\n"},
		} {
			t.Run(name(box)+"/"+test.name, func(t *testing.T) {
				if _, err := exec.LookPath("python3"); err != nil && test.script == autoReaped && os.Getenv("CI") != "true" {
					t.Skip(err)
				}
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

// autoReaped has the kernel collect its children, each of which works for half a second.
const autoReaped = `exec python3 -c '
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    if os.fork() == 0:
        while time.process_time() < 0.5:
            pass
        os._exit(0)
    try:
        os.wait()
    except ChildProcessError: # when the last has ended
        pass
'`

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

// TestNeighbours has a program not enter the folder of another submission, whose name it knows, and see no
// process but its own where the machine allows namespaces.
func TestNeighbours(t *testing.T) {
	for _, box := range walls(t) {
		parent := folder(t)
		if err := os.Chmod(parent, 0o711); err != nil {
			t.Fatal(err)
		}
		groups := []int{os.Getegid(), os.Getegid()}
		if os.Geteuid() == 0 {
			var err error
			if groups, err = Groups(91, len(groups)); err != nil {
				t.Fatal(err)
			}
		}
		theirs := "/nobody"
		for _, group := range groups {
			own := filepath.Join(parent, rand.Text())
			dir := filepath.Join(own, "files")
			if err := errors.Join(os.Mkdir(own, 0o710), os.Chown(own, -1, group), os.Mkdir(dir, 0o755),
				os.WriteFile(filepath.Join(dir, "work"), []byte("mine\n"), 0o644)); err != nil {
				t.Fatal(err)
			}
			lane := box.In(group)
			lane.Dir, lane.Write = dir, []string{dir}
			script := fmt.Sprintf("cat work; cat %s/work; ls %s %s; [ -d /proc/%d ] && echo the grader", theirs, theirs, parent, os.Getpid())
			said, _ := lane.Run(t.Context(), []string{"/bin/sh", "-c", "exec 2>/dev/null; " + script}, lane.Env())
			want := "mine\n"
			switch {
			case box.Wall == Bubblewrap: // of the folder above there is nothing but the way
				want += parent + ":\n" + filepath.Base(own) + "\n"
			case box.Namespaces:
			default:
				want += "the grader\n"
			}
			if diff := cmp.Diff(want, string(said)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name(box), diff)
			}
			theirs = dir
		}
	}
}

// TestKept has what a program leaves come back as plain files, however it closed them, in the place of what
// was there; and what is more than the limit, though it takes no room, not at all.
func TestKept(t *testing.T) {
	for _, box := range walls(t) {
		dir := folder(t)
		if err := os.WriteFile(filepath.Join(dir, "old"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		own := *box
		own.Limits.Disk = 4 << 20
		own.Dir, own.Write = dir, []string{dir}
		run := func(script string) error {
			t.Helper()
			_, err := own.Run(t.Context(), []string{"/bin/sh", "-c", script}, own.Env())
			return err
		}
		if err := run("rm old; mkdir -p a/b; echo x >a/b/c; chmod 700 a/b/c; ln -s c a/b/d; chmod 0 a/b/c a/b a; mkfifo f"); err != nil {
			t.Errorf("%s: %v", name(box), err)
		}
		if box.Wraps() {
			var kept []string
			err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
				info, statErr := entry.Info()
				kept = append(kept, fmt.Sprint(info.Mode(), " ", strings.TrimPrefix(path, dir)))
				return errors.Join(err, statErr)
			})
			want := []string{"drwxr-xr-x ", "drwxr-xr-x /a", "drwxr-xr-x /a/b", "-rw-r--r-- /a/b/c", "Lrwxrwxrwx /a/b/d"}
			if diff := cmp.Diff(want, kept); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			hit, _ := errors.AsType[*Hit](run("truncate -s 3M sparse; ln sparse again"))
			if hit == nil || hit.Limit != "disk" {
				t.Errorf("%s: 6 MiB of holes: %v", name(box), hit)
			}
		}
		if err := Remove(dir); err != nil {
			t.Error(err)
		}
	}
}

// TestConcealed has a program not see what is the grader's in a folder of the system's, but for what it is
// shown of that.
func TestConcealed(t *testing.T) {
	dir := "/opt"
	kit, err := os.MkdirTemp(dir, "posixlab-test-")
	if err != nil {
		t.Skipf("only root can put files into %s: %v", dir, err)
	}
	t.Cleanup(func() { os.RemoveAll(kit) })
	at := func(name string) string { return filepath.Join(kit, name) }
	if err := errors.Join(os.Chmod(kit, 0o755), os.Mkdir(at("labs"), 0o755), os.WriteFile(at("labs/hidden"), []byte("the answers\n"), 0o644),
		os.Mkdir(at("server"), 0o755), os.WriteFile(at("server/go"), []byte("shown\n"), 0o644),
		os.WriteFile(kit+".zip", []byte("another's\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(kit + ".zip") })
	for _, box := range walls(t) {
		if box.Wall != Bubblewrap { // another user sees what everybody may read
			continue
		}
		own := box.Showing(at("server"))
		if err := own.Conceal(kit, kit+".zip", at("labs"), "/nowhere", t.TempDir()); err != nil {
			t.Fatal(err)
		}
		said, _ := own.Run(t.Context(), []string{"/bin/sh", "-c", "exec 2>/dev/null; cd " + kit + "; cat labs/hidden ../*.zip; cat server/go; echo x >x; echo x >labs; ls"}, own.Env())
		if diff := cmp.Diff("shown\nserver\n", string(said)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if err := own.Conceal("/usr/../opt"); err == nil {
			t.Error("/opt itself was hidden")
		}
	}
}

// TestNothingElseIsWritable has a program behind bubblewrap's wall find no other place to write to than those
// that are bounded.
func TestNothingElseIsWritable(t *testing.T) {
	for _, box := range walls(t) {
		if box.Wall != Bubblewrap {
			continue
		}
		for _, fresh := range []bool{true, false} { // as builds are started, and as servers are
			own, tmp := *box, folder(t)
			own.Tmp, own.Dir = tmp, "/tmp"
			argv := []string{"/bin/sh", "-c", `find / \( -type d -writable -print -o -true \) \
				\( -path /proc -o -path /usr -o -path /etc -o -path /opt -o -path /tmp -o -path /var/tmp -o -path /dev/shm \) -prune`}
			var said []byte
			if err := os.Chmod(tmp, 0o777|os.ModeSticky); err != nil {
				t.Fatal(err)
			}
			if fresh {
				said, _ = own.Run(t.Context(), argv, own.Env())
			} else {
				argv = own.Command(argv, nil)
				cmd := exec.Command(argv[0], argv[1:]...)
				cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
				said, _ = cmd.Output()
				if err := collect(cmd.Process.Pid); err != nil {
					t.Fatal(err)
				}
			}
			got := slices.DeleteFunc(strings.Fields(string(said)), func(path string) bool {
				return path == "/dev/pts" // whosever it is, only the kernel makes files there
			})
			slices.Sort(got)
			if diff := cmp.Diff([]string{"/dev/shm", "/tmp", "/var/tmp"}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
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
		over := make(chan struct{})
		go func() { // until both run
			defer cancel()
			for {
				tree, _ := proc.Tree(os.Getpid())
				sleeping := slices.DeleteFunc(tree, func(st proc.Stat) bool { return st.Comm != "sleep" })
				if len(sleeping) == 2 {
					return
				}
				select {
				case <-over:
					return
				case <-time.After(time.Millisecond):
				}
			}
		}()
		_, err := own.Run(ctx, []string{"/bin/sh", "-c", "sleep 1000 & sleep 1000"}, own.Env())
		close(over)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name(box), err)
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
