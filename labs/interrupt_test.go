package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/build"
	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/proc"
)

// A labsRun is this program as a subprocess: in a process group of its own, as a shell would start
// it, with a folder of its own for temporary files.
type labsRun struct {
	cmd     *exec.Cmd
	lines   *bufio.Reader // what it says on standard output
	stderr  bytes.Buffer
	tmp     string
	results string // the file that it writes if it was given -results
	tag     string // in its environment, and in that of all that comes of it
	read    bytes.Buffer
}

const tagVariable = "POSIXLAB_TEST_RUN"

// startLabs starts it. If the test fails before it has been waited for, it is killed.
func startLabs(t *testing.T, args ...string) *labsRun {
	t.Helper()
	return startProgram(t, self(t), args...)
}

// startProgram is startLabs with another build of this program.
func startProgram(t *testing.T, program string, args ...string) *labsRun {
	t.Helper()
	run := &labsRun{tmp: t.TempDir(), tag: rand.Text()}
	run.results = filepath.Join(t.TempDir(), "results.json")
	for i, arg := range args {
		args[i] = strings.ReplaceAll(arg, "RESULTS", run.results)
	}
	run.cmd = exec.Command(program, args...)
	run.cmd.Env = append(os.Environ(), "LC_ALL=C", "TMPDIR="+run.tmp, tagVariable+"="+run.tag)
	run.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	run.cmd.Stderr = &run.stderr
	out, err := run.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	run.lines = bufio.NewReader(io.TeeReader(out, &run.read))
	if err := run.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, st := range run.living() {
			unix.Kill(st.PID, unix.SIGKILL)
		}
		run.cmd.Process.Kill()
		run.cmd.Wait()
	})
	return run
}

// readLines reads so many lines, and reports whether there were as many.
func (run *labsRun) readLines(n int) bool {
	for range n {
		if _, err := run.lines.ReadString('\n'); err != nil {
			return false
		}
	}
	return true
}

// wait reads the rest and returns the exit status; -1 if a signal ended it.
func (run *labsRun) wait() int {
	io.Copy(io.Discard, run.lines)
	run.cmd.Wait()
	return run.cmd.ProcessState.ExitCode()
}

// living returns the processes of the run that have not ended.
func (run *labsRun) living() (found []proc.Stat) {
	all, err := proc.All()
	if err != nil {
		panic(err)
	}
	for _, st := range all {
		if st.State != "Z" && proc.HasEnv(st.PID, tagVariable, run.tag) {
			found = append(found, st)
		}
	}
	return found
}

// find waits for a process of the run that is like this.
func (run *labsRun) find(t *testing.T, like func(proc.Stat) bool) {
	t.Helper()
	await(t, "a process of the run", func() bool { return slices.ContainsFunc(run.living(), like) })
}

func called(name string) func(proc.Stat) bool {
	return func(st proc.Stat) bool { return st.Comm == name }
}

// mustBeGone fails the test unless nothing of the run is left: no process (and so no socket, since
// only a process holds one open), and no file.
func (run *labsRun) mustBeGone(t *testing.T) {
	t.Helper()
	var left []proc.Stat
	await(t, "the end of all that the run started", func() bool {
		left = run.living()
		return len(left) == 0
	})
	if left := entries(t, run.tmp); len(left) > 0 {
		t.Errorf("left in TMPDIR: %v", left)
	}
}

// mustBeJSON returns the results that were written; none if it had not come so far.
func (run *labsRun) mustBeJSON(t *testing.T) (results grade.Results) {
	t.Helper()
	data, err := os.ReadFile(run.results)
	if errors.Is(err, os.ErrNotExist) {
		return results
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &results); err != nil {
		t.Errorf("the results file: %v\n%s", err, data)
	}
	killed := run.cmd.ProcessState.ExitCode() == -1 // perhaps while it wrote them
	if left := entries(t, filepath.Dir(run.results)); len(left) > 1 && !killed {
		t.Errorf("beside the results file: %v", left)
	}
	return results
}

// A signalling is one way to end a run from outside.
type signalling struct {
	name   string
	send   func(*labsRun)
	status int // of the runner
}

var signallings = []signalling{
	{"INT to the group", func(run *labsRun) { unix.Kill(-run.cmd.Process.Pid, unix.SIGINT) }, grade.ExitInt}, // Ctrl-C
	{"TERM to the runner", func(run *labsRun) { run.cmd.Process.Signal(unix.SIGTERM) }, grade.ExitInt},
	{"HUP to the group", func(run *labsRun) { unix.Kill(-run.cmd.Process.Pid, unix.SIGHUP) }, grade.ExitInt},
	{"KILL to the runner", func(run *labsRun) { run.cmd.Process.Kill() }, -1},
}

// interruptAt starts a run and sends it the signal when it has come to the moment, which reports
// whether the run may be over by then. It then looks at what is left.
func interruptAt(t *testing.T, s signalling, args []string, moment func(*labsRun) bool) {
	t.Helper()
	run := startLabs(t, slices.Clone(args)...)
	late := moment(run)
	s.send(run)
	status := run.wait()
	run.mustBeGone(t)
	run.mustBeJSON(t)
	complaint := run.stderr.String()
	switch {
	case status == s.status && (status == -1 || strings.Contains(complaint, "interrupted")):
	case status == grade.ExitPass && late: // it had come to its end already
	case status == -1 && run.read.Len() == 0: // it did not yet listen to signals: it had started nothing
	default:
		t.Errorf("exit status %d; want %d, and to be told so\n%s\n%s", status, s.status, complaint, run.read.String())
	}
}

// TestInterrupt ends runs at many moments, in every way, and looks at what is left: nothing. With
// -repeat, it does so after each line of their output.
func TestInterrupt(t *testing.T) {
	step := 4
	if *repeat > 0 {
		step = 1
	} else if testing.Short() {
		step = 8
	}
	k := buildKit(t)
	k.bug(t, "no-reuseaddr") // so that no build is under way, here
	commands := [][]string{
		{"run", "01-sockets/restart"},
		{"check", "-reference", "-results", "RESULTS", "1"},
		{"run", "-no-bugs", "05-pipes/eof"},            // a grandchild
		{"run", "-no-bugs", "06-list-limit/thousands"}, // four thousand zombies
		{"run", "-no-bugs", "07-signals/errors"},       // a process of the runner's own, as another user
	}
	for _, args := range commands {
		whole := startLabs(t, slices.Clone(args)...)
		if status := whole.wait(); status != grade.ExitPass {
			t.Fatalf("labs %s: status %d\n%s%s", args, status, whole.read.String(), whole.stderr.String())
		}
		whole.mustBeGone(t)
		lines := strings.Count(whole.read.String(), "\n")
		for n := 0; n <= lines; n++ {
			for i, s := range signallings {
				if n%(step*len(signallings)) != i*step {
					continue
				}
				t.Run(fmt.Sprintf("%s/line %d/%s", args[0], n, s.name), func(t *testing.T) {
					t.Parallel()
					interruptAt(t, s, args, func(run *labsRun) (late bool) { return !run.readLines(n) || n >= lines/2-1 })
				})
			}
		}
	}
}

// TestInterruptBuild ends runs while they build, each in a copy of the project in which nothing was
// built before.
func TestInterruptBuild(t *testing.T) {
	k := buildKit(t)
	moments := map[string]func(*testing.T, *labsRun, string){
		"a folder to build in": func(t *testing.T, run *labsRun, bin string) {
			await(t, "a folder to build in", func() bool {
				found, _ := filepath.Glob(filepath.Join(bin, "building-*"))
				return len(found) > 0
			})
		},
		"go":                                     func(t *testing.T, run *labsRun, _ string) { run.find(t, called("go")) },
		"compile":                                func(t *testing.T, run *labsRun, _ string) { run.find(t, called("compile")) },
		"link":                                   func(t *testing.T, run *labsRun, _ string) { run.find(t, called("link")) },
		"the first bug, while the story is told": func(t *testing.T, run *labsRun, _ string) { run.readLines(8) },
	}
	for name, moment := range moments {
		for i, s := range signallings {
			if testing.Short() && (i > 0 || name != "go") {
				continue
			}
			t.Run(name+"/"+s.name, func(t *testing.T) {
				t.Parallel()
				root := t.TempDir()
				copyProject(t, k.course.Root, root)
				b, err := build.New(root)
				if err != nil {
					t.Fatal(err)
				}
				interruptAt(t, s, []string{"run", "-root", root, "01-sockets/lifecycle"},
					func(run *labsRun) (late bool) { moment(t, run, b.Dir); return false })
				left, _ := filepath.Glob(filepath.Join(b.Dir, "building-*"))
				if s.status != -1 && len(left) > 0 {
					t.Errorf("half a build is left: %v", left)
				}
			})
		}
	}
}

// copyProject copies what labs need.
func copyProject(t *testing.T, from, to string) {
	t.Helper()
	for _, name := range []string{"server", "labs", "testdata"} {
		if err := os.CopyFS(filepath.Join(to, name), os.DirFS(filepath.Join(from, name))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKilledWorker kills a worker, with its server running: that scenario's verdict is infra, and
// the run goes on to the others.
func TestKilledWorker(t *testing.T) {
	k := buildKit(t)
	for _, args := range [][]string{
		{"check", "-reference", "-results", "RESULTS", "-jobs", "1", "1"},
		{"check", "-reference", "-results", "RESULTS", "3"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			run := startLabs(t, slices.Clone(args)...)
			killWorker(t, run)
			status := run.wait()
			run.mustBeGone(t)
			results := run.mustBeJSON(t)
			infra := 0
			for _, r := range results.Results {
				switch {
				case r.Verdict == grade.Infra && strings.Contains(r.Reason, "killed"):
					infra++
				case r.Verdict != grade.Pass:
					t.Error(why(r))
				}
			}
			if want := len(k.course.Find(args[len(args)-1])); len(results.Results) != want || infra != 1 || status != grade.ExitInfra {
				t.Errorf("%d results of %d, %d infra, status %d; want 1 infra and status %d\n%s%s", len(results.Results), want,
					infra, status, grade.ExitInfra, run.read.String(), run.stderr.String())
			}
		})
	}
}

// killWorker kills a worker of the run whose server lives. So that it cannot end by itself
// meanwhile, it is stopped first.
func killWorker(t *testing.T, run *labsRun) {
	t.Helper()
	await(t, "a worker with a server", func() bool {
		for _, st := range run.living() {
			if st.Parent != run.cmd.Process.Pid || !isWorker(st.PID) {
				continue
			}
			unix.Kill(st.PID, unix.SIGSTOP)
			await(t, "the worker to stop", func() bool {
				now, err := proc.ReadStat(st.PID)
				return err != nil || now.State == "T" || now.State == "Z"
			})
			children, err := proc.Children(st.PID)
			if err == nil && slices.ContainsFunc(children, called("server")) {
				unix.Kill(st.PID, unix.SIGKILL)
				return true
			}
			unix.Kill(st.PID, unix.SIGCONT)
		}
		return false
	})
}

func isWorker(pid int) bool {
	argv, err := proc.Argv(pid)
	return err == nil && len(argv) > 1 && argv[1] == workerArg
}
