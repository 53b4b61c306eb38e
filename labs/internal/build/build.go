// Package build makes the programs that labs run: the reference server, the known-bad ones, and
// the actor.
package build

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/course"
	"posixlab/labs/internal/inuse"
	"posixlab/labs/internal/proc"
)

// A Builder builds programs of the project at Root into folders of Dir that are named by a hash
// of what went into them: what stands there is never rewritten, and two builders do not meet.
type Builder struct {
	Root string
	Dir  string
	Race bool // with the race detector

	// Run runs the go command; nil: as a process of ours. It returns what was said.
	Run func(context.Context, Job) (said []byte, err error)

	from *where // nil: what `go env` says
}

// A Job is one run of the go command.
type Job struct {
	Argv []string
	Dir  string   // where it runs: the project's folder
	Env  []string // what it needs beside the environment
	Tmp  string   // the folder that it writes to
	Read []string // what it reads beside that, and the system
}

// New returns a builder that keeps what it built in the project's .build folder or, if that
// cannot be written, in the user's cache.
func New(root string) (*Builder, error) {
	dir := filepath.Join(root, ".build", "bin")
	if os.MkdirAll(dir, 0o777) == nil {
		if probe, err := os.CreateTemp(dir, "probe"); err == nil {
			probe.Close()
			os.Remove(probe.Name())
			sweep(dir)
			return &Builder{Root: root, Dir: dir}, nil
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	dir = filepath.Join(cache, "posixlab")
	sweep(dir)
	return &Builder{Root: root, Dir: dir}, os.MkdirAll(dir, 0o777)
}

// Server builds the reference, or a known-bad server if bug is not nil, and returns its path.
func (b *Builder) Server(ctx context.Context, bug *course.Bug) (string, error) {
	if bug == nil {
		return b.build(ctx, "server", "./server", nil)
	}
	patched, err := bug.Apply(b.Root)
	if err != nil {
		return "", err
	}
	return b.build(ctx, "server", "./server", patched)
}

// Broken says that an exercise does not compile.
type Broken struct {
	File string // by its path under the root
	Said string // by the compiler
}

func (b *Broken) Error() string { return fmt.Sprintf("%s does not compile:\n%s", b.File, b.Said) }

// Exercise builds the server with a lab's exercise in the place of the server's file of that name. If
// it does not compile, the error is Broken.
func (b *Builder) Exercise(ctx context.Context, lab *course.Lab) (string, error) {
	source, err := os.ReadFile(lab.Exercise)
	if err != nil {
		return "", err
	}
	name, err := filepath.Rel(b.Root, lab.Exercise)
	if err != nil {
		return "", err
	}
	replaced := course.Replaced(b.Root, filepath.Base(lab.Exercise))
	path, said, err := b.Replaced(ctx, map[string][]byte{replaced: source})
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", &Broken{name, strings.ReplaceAll(said, filepath.Base(name)+":", name+":")}
	}
	return path, err
}

// Replaced builds the server with some of its files replaced, by their paths under the root. If it does
// not compile, the error is an *exec.ExitError, and said is what the compiler said, of files by their
// names.
func (b *Builder) Replaced(ctx context.Context, files map[string][]byte) (path, said string, err error) {
	path, err = b.build(ctx, "server", "./server", files)
	if failed, ok := errors.AsType[*failed](err); ok {
		said = packageLine.ReplaceAllLiteralString(failed.said, "")
		for name := range files {
			overlaid := regexp.MustCompile(`\S*/` + regexp.QuoteMeta(overlayName(name)) + ":")
			said = overlaid.ReplaceAllLiteralString(said, filepath.Base(name)+":")
		}
		return "", said, failed.err
	}
	return path, "", err
}

// packageLine is what the go command says above the complaints about a package.
var packageLine = regexp.MustCompile(`(?m)^# posixlab/server\S*\n`)

// failed is what the go command said of a build.
type failed struct {
	args []string
	err  error
	said string
}

func (f *failed) Error() string {
	return fmt.Sprintf("go %s: %v\n%s", strings.Join(f.args, " "), f.err, f.said)
}

// exerciseTag is the build constraint of exercises: ./... is without them.
const exerciseTag = "exercise"

// Actor builds the program that scripts command.
func (b *Builder) Actor(ctx context.Context) (string, error) {
	return b.build(ctx, "actor", "./labs/internal/actor", nil)
}

// build builds a package, some of whose files are replaced, unless that has been done before.
func (b *Builder) build(ctx context.Context, name, pkg string, replaced map[string][]byte) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	hash, err := b.hash(pkg, replaced)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(b.Dir, fmt.Sprintf("%s-%.6x", name, hash))
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err == nil {
		now := time.Now()
		os.Chtimes(dir, now, now) // it is in use: see tidy
		return path, nil
	}
	b.tidy()
	tmp, err := os.MkdirTemp(b.Dir, building+"-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	held, err := inuse.Hold(tmp) // see sweep
	if err != nil {
		return "", err
	}
	defer unix.Close(held)               // the only copy
	ready := filepath.Join(tmp, "ready") // what tmp holds beside it is needed only by the build
	out := filepath.Join(ready, name)
	// Git refuses a clone of somebody else's; nobody debugs what is built here, and linking it without DWARF is faster.
	args := []string{"build", "-buildvcs=false", "-ldflags=-w", "-tags", exerciseTag, "-o", out}
	if b.Race {
		args = append(args, "-race")
	}
	if len(replaced) > 0 {
		overlay, err := b.overlay(tmp, replaced)
		if err != nil {
			return "", err
		}
		args = append(args, "-overlay", overlay)
	}
	job := Job{Argv: append(append([]string{"go"}, args...), pkg), Dir: b.Root, Tmp: tmp}
	job.Env = []string{"GOTMPDIR=" + tmp} // an interrupted go may leave files
	if !b.Race {
		job.Env = append(job.Env, "CGO_ENABLED=0") // no C compiler is needed, nor its threads
	}
	if b.Run != nil {
		if err := b.shutIn(&job); err != nil {
			return "", err
		}
	}
	if err := b.run(ctx, job); err != nil {
		return "", err
	}
	if err := os.Rename(ready, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err // ErrExist: somebody else has built the same meanwhile
	}
	return path, nil
}

// Warm has the go command build the server as it does behind a wall: outside of it, what it needs is then
// in its cache, which behind the wall it cannot write to; and there, it tells whether it can. It writes to
// the folder tmp, if it has one; env is for that time only.
func (b *Builder) Warm(ctx context.Context, tmp string, env ...string) error {
	job := Job{Argv: []string{"go", "build", "-buildvcs=false", "-tags", exerciseTag, "-o", os.DevNull, "./server"},
		Dir: b.Root, Env: []string{"CGO_ENABLED=0", "GOFLAGS="}, Tmp: tmp} // as there
	if tmp != "" {
		job.Env = append(job.Env, "GOTMPDIR="+tmp)
	}
	if err := b.shutIn(&job); err != nil {
		return err
	}
	job.Env = append(job.Env, env...)
	return b.run(ctx, job)
}

// run runs the go command, where it is to run. If that fails, the error is a failed.
func (b *Builder) run(ctx context.Context, job Job) error {
	run := b.Run
	if run == nil {
		run = runGo
	}
	if said, err := run(ctx, job); ctx.Err() != nil {
		return ctx.Err()
	} else if err != nil {
		return &failed{job.Argv[1:], err, string(said)}
	}
	return nil
}

// runGo runs the go command as a process of ours.
func runGo(ctx context.Context, job Job) (said []byte, err error) {
	cmd := exec.CommandContext(ctx, job.Argv[0], job.Argv[1:]...)
	cmd.Dir, cmd.Env = job.Dir, append(os.Environ(), job.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C reaches it through us
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGINT) }
	cmd.WaitDelay = 10 * time.Second
	said, err = cmd.CombinedOutput()
	if cmd.Process != nil {
		endGroup(cmd.Process.Pid)
	}
	if interrupted(cmd.ProcessState) {
		select { // it was not yet in its group when Ctrl-C came, which reaches us too, if later
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	return said, err
}

// endGroup ends what is left of a process group (setpgid(2)) whose leader has been waited for: a go command
// that a signal ends does not wait for its compilers, which would go on writing files.
func endGroup(pgid int) {
	for unix.Kill(-pgid, unix.SIGKILL) == nil { // zombies are still of the group: they may be somebody else's to reap
		all, err := proc.All()
		if err != nil || !slices.ContainsFunc(all, func(st proc.Stat) bool { return st.Group == pgid && st.State != "Z" }) {
			return
		}
		time.Sleep(time.Millisecond) // until the kernel has ended them
	}
}

// interrupted reports whether a process ended by a signal that a terminal sends to all of its foreground
// processes.
func interrupted(state *os.ProcessState) bool {
	if state == nil {
		return false
	}
	sig := state.Sys().(syscall.WaitStatus).Signal()
	return sig == syscall.SIGINT || sig == syscall.SIGTERM || sig == syscall.SIGHUP
}

// shutIn tells a job that sees nothing of ours what to read: the toolchain, its caches, which it cannot
// write to, and the server's source.
func (b *Builder) shutIn(job *Job) error {
	c := b.from
	if c == nil {
		own, err := caches()
		if err != nil {
			return err
		}
		c = &own
	}
	job.Argv[0] = filepath.Join(c.GOROOT, "bin", "go")
	job.Env = append(job.Env, "GOROOT="+c.GOROOT, "GOCACHE="+c.GOCACHE, "GOMODCACHE="+c.GOMODCACHE,
		"GOPROXY=off", "GOTOOLCHAIN=local", "GOTELEMETRY=off", "GOENV=off", "GOWORK=off")
	job.Read = []string{c.GOROOT, c.GOCACHE, c.GOMODCACHE,
		filepath.Join(b.Root, "go.mod"), filepath.Join(b.Root, "go.sum"), filepath.Join(b.Root, "server")}
	return nil
}

// where is what `go env` says of where things are.
type where struct{ GOROOT, GOCACHE, GOMODCACHE string }

var caches = sync.OnceValues(func() (c where, err error) {
	said, err := exec.Command("go", "env", "-json", "GOROOT", "GOCACHE", "GOMODCACHE").Output()
	if err == nil {
		err = json.Unmarshal(said, &c)
	}
	return c, err
})

// overlayName is the file that replaces one of the project's, in a folder for that.
func overlayName(name string) string { return strings.ReplaceAll(name, "/", "_") }

// overlay writes the replacements and the file that tells the go command of them.
func (b *Builder) overlay(dir string, replaced map[string][]byte) (string, error) {
	replace := make(map[string]string)
	for name, data := range replaced {
		path := filepath.Join(dir, overlayName(name))
		if err := os.WriteFile(path, data, 0o666); err != nil {
			return "", err
		}
		replace[filepath.Join(b.Root, name)] = path
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, data, 0o666)
}

// hash digests all that a build depends on within the project, and the toolchain.
func (b *Builder) hash(pkg string, replaced map[string][]byte) ([]byte, error) {
	h := sha256.New()
	fmt.Fprintln(h, runtime.Version(), runtime.GOARCH, b.Race)
	files := []string{"go.mod", "go.sum"}                          // see sources
	for _, dir := range []string{pkg, "labs/internal/namespace"} { // which the actor needs
		err := filepath.WalkDir(filepath.Join(b.Root, dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			name, err := filepath.Rel(b.Root, path)
			if err == nil && name != program && !strings.HasPrefix(entry.Name(), ".") && !strings.HasSuffix(name, "_test.go") {
				files = append(files, name)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	sort.Strings(files)
	for _, name := range files {
		data, is := replaced[name]
		if !is {
			var err error
			if data, err = os.ReadFile(filepath.Join(b.Root, name)); err != nil {
				return nil, err
			}
		}
		fmt.Fprintln(h, name, len(data))
		h.Write(data)
	}
	return h.Sum(nil), nil
}

// building begins the name of a folder in which a build is under way.
const building = "building"

// sweep removes what builders left that were killed. What they had started has ended since.
func sweep(dir string) { inuse.Sweep(filepath.Join(dir, building+"-*"), os.RemoveAll) }

// program is what make builds among the sources.
const program = "server/server"

// tidy removes what has not been used for a week.
func (b *Builder) tidy() {
	entries, err := os.ReadDir(b.Dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > 7*24*time.Hour {
			os.RemoveAll(filepath.Join(b.Dir, entry.Name()))
		}
	}
}
