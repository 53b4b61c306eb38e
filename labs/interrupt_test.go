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
	return startIn(t, program, nil, args...)
}

// startIn is startProgram with more in its environment.
func startIn(t *testing.T, program string, env []string, args ...string) *labsRun {
	t.Helper()
	run := &labsRun{tmp: t.TempDir(), tag: rand.Text()}
	run.results = filepath.Join(t.TempDir(), "results.json")
	for i, arg := range args {
		args[i] = strings.ReplaceAll(arg, "RESULTS", run.results)
	}
	run.cmd = exec.Command(program, args...)
	run.cmd.Env = append(os.Environ(), "LC_ALL=C", "TMPDIR="+run.tmp, tagVariable+"="+run.tag)
	run.cmd.Env = append(run.cmd.Env, env...)
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
// whether the run may be over by then.
func interruptAt(t *testing.T, s signalling, args []string, moment func(*labsRun) bool) {
	t.Helper()
	run := startLabs(t, slices.Clone(args)...)
	late := moment(run)
	s.send(run)
	run.mustHaveEnded(t, s, late)
}

// mustHaveEnded waits for the end of a run that was told to end, and looks at what is left. Late says that
// it may have been over by then.
func (run *labsRun) mustHaveEnded(t *testing.T, s signalling, late bool) {
	t.Helper()
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

// TestNohup has a run under nohup(1) outlive its terminal.
func TestNohup(t *testing.T) {
	buildKit(t)
	run := startIn(t, "/bin/sh", nil, "-c", `trap "" HUP; exec "$@"`, "sh", self(t), "run", "-no-bugs", "01-sockets/restart")
	run.readLines(4)
	unix.Kill(-run.cmd.Process.Pid, unix.SIGHUP)
	if status := run.wait(); status != grade.ExitPass {
		t.Errorf("status %d\n%s\n%s", status, run.read.String(), run.stderr.String())
	}
	run.mustBeGone(t)
}

// holdTool is what the go command runs its tools by (go help build, -toolexec): before the N-th run of TOOL,
// it says so in $HOLD, and waits for a line.
const holdTool = `#!/bin/sh
case $2 in
-V*) exec "$@" ;; # which version it is
esac
if [ "${1##*/}" = "$TOOL" ]; then
	n=1
	until mkdir "$HOLD/$n" 2>/dev/null; do n=$((n + 1)); done
	if [ "$n" = "$N" ]; then
		: >"$HOLD/held"
		read -r line <"$HOLD/go-on"
	fi
fi
exec "$@"
`

// TestInterruptBuild ends runs while they build, each in a copy of the project in which nothing was
// built before. The build stands still at the moment, and goes on once the run has been told to end.
func TestInterruptBuild(t *testing.T) {
	k := buildKit(t)
	tool := filepath.Join(t.TempDir(), "hold")
	if err := os.WriteFile(tool, []byte(holdTool), 0o755); err != nil {
		t.Fatal(err)
	}
	moments := []struct {
		name, tool string
		n          int // the first program is the actor, the second the server
	}{
		{"compile", "compile", 1},
		{"link", "link", 2},
		{"the first bug, while the story is told", "link", 3},
	}
	for _, moment := range moments {
		for i, s := range signallings {
			if testing.Short() && (i > 0 || moment.name != "compile") {
				continue
			}
			t.Run(moment.name+"/"+s.name, func(t *testing.T) {
				t.Parallel()
				root := t.TempDir()
				copyProject(t, k.course.Root, root)
				b, err := build.New(root)
				if err != nil {
					t.Fatal(err)
				}
				hold := t.TempDir()
				path := filepath.Join(hold, "go-on")
				if err := unix.Mkfifo(path, 0o600); err != nil {
					t.Fatal(err)
				}
				goOn, err := os.OpenFile(path, os.O_RDWR, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer goOn.Close()
				env := []string{"GOFLAGS=-toolexec=" + tool, "HOLD=" + hold, "TOOL=" + moment.tool, fmt.Sprint("N=", moment.n)}
				run := startIn(t, self(t), env, "run", "-root", root, "01-sockets/lifecycle")
				await(t, moment.name, func() bool {
					_, err := os.Stat(filepath.Join(hold, "held"))
					return err == nil
				})
				s.send(run)
				if _, err := goOn.WriteString("\n"); err != nil {
					t.Fatal(err)
				}
				run.mustHaveEnded(t, s, false)
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

// gate is a server that, the first time that it is started, stands still before it is one; to others it lets
// through.
const gate = `#!/bin/sh
if mkdir "${0%/*}/first" 2>/dev/null; then
	exec "${0%/*}/standing"
fi
exec SERVER "$@"
`

// TestKilledWorker kills a worker, with its server running: that scenario's verdict is infra, and
// the run goes on to the others.
func TestKilledWorker(t *testing.T) {
	k := buildKit(t)
	for _, args := range [][]string{
		{"check", "-results", "RESULTS", "-jobs", "1", "-server", "GATE", "1"},
		{"check", "-results", "RESULTS", "-server", "GATE", "3"},
	} {
		t.Run("lab "+args[len(args)-1], func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			for name, text := range map[string]string{"gate": strings.ReplaceAll(gate, "SERVER", k.server), "standing": "#!/bin/sh\nwhile :; do :; done\n"} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			args := slices.Clone(args)
			args[slices.Index(args, "GATE")] = filepath.Join(dir, "gate")
			run := startLabs(t, args...)
			killWorker(t, run, "standing")
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

// killWorker kills the worker of the run whose server is called so.
func killWorker(t *testing.T, run *labsRun, server string) {
	t.Helper()
	await(t, "a worker with a server", func() bool {
		if st, err := proc.ReadStat(run.cmd.Process.Pid); err != nil || st.State == "Z" {
			t.Fatalf("the run is over: status %d\n%s\n%s", run.wait(), run.stderr.String(), run.read.String())
		}
		workers, err := proc.Children(run.cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range workers {
			if servers, err := proc.Children(st.PID); err == nil && slices.ContainsFunc(servers, called(server)) {
				unix.Kill(st.PID, unix.SIGKILL)
				return true
			}
		}
		return false
	})
}
