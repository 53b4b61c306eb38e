package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestChild: whatever the server was started with, a child gets /dev/null three times and no
// other descriptor, an empty signal mask, default dispositions, and a process group of its own.
func TestChild(t *testing.T) {
	s := start(t, options{
		shell: `trap "" HUP INT QUIT PIPE USR1`,
		before: func() {
			mask := unix.Sigset_t{Val: [16]uint64{1<<(unix.SIGTERM-1) | 1<<(unix.SIGCHLD-1) | 1<<(unix.SIGUSR2-1)}}
			unix.PthreadSigmask(unix.SIG_BLOCK, &mask, nil)
		},
		change: func(cmd *exec.Cmd) {
			for range 18 { // descriptors 3 to 20
				file, err := os.Open("/etc/passwd")
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { file.Close() })
				cmd.ExtraFiles = append(cmd.ExtraFiles, file)
			}
		},
	})
	if n := len(descriptors(s.pid)); n < 21 {
		t.Fatalf("the server has %d descriptors: this test is to give it at least 21", n)
	}
	c := s.connect()
	pid := c.start("sleep 1000")
	want := map[string]string{"0": "/dev/null", "1": "/dev/null", "2": "/dev/null"}
	s.await("the child to hold /dev/null three times, and nothing once its libraries are loaded", func() bool {
		return cmp.Equal(want, descriptors(pid))
	})
	for _, field := range []string{"SigBlk", "SigIgn"} {
		set, err := strconv.ParseUint(status(pid, field), 16, 64)
		if set &^= cLibrarys; set != 0 || err != nil {
			t.Errorf("the child's %s is %x (%v)", field, set, err)
		}
	}
	if group, _ := unix.Getpgid(pid); group != pid {
		t.Errorf("the child %d is in the process group %d", pid, group)
	}
	if parent := status(pid, "PPid"); parent != fmt.Sprint(s.pid) {
		t.Errorf("the child's parent is %s, and the server is %d", parent, s.pid)
	}
}

// cLibrarys are the two signals that glibc keeps to itself, 32 and 33 (nptl(7)). Its posix_spawn
// leaves them ignored, and make starts what it starts by that.
const cLibrarys = 1<<31 | 1<<32

// TestArgv: the tokens arrive as they are. No shell reads them.
func TestArgv(t *testing.T) {
	s := start(t, options{})
	c := s.connect()
	out := s.dir + "/argv"
	exe := s.script("show", `for arg; do echo "$arg"; done >`+out+`.part; mv `+out+`.part `+out)
	c.start(exe + "  ;  $HOME\t| * \"a b\" `id` ñandú  ")
	s.await("the script's output", func() bool { _, err := os.Stat(out); return err == nil })
	text, _ := os.ReadFile(out)
	if diff := cmp.Diff(";\n$HOME\n|\n*\n\"a\nb\"\n`id`\nñandú\n", string(text)); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
}

// TestReaped: a child that ends is collected at once, and the log says how it ended.
func TestReaped(t *testing.T) {
	s := start(t, options{})
	c := s.connect()
	for _, test := range []struct{ program, how string }{
		{"true", "exited with status 0"},
		{"false", "exited with status 1"},
		{s.script("seven", "exit 7"), "exited with status 7"},
		{s.script("usr1", "kill -USR1 $$"), `was killed by signal 10 \(SIGUSR1\)`},
	} {
		pid := c.start(test.program)
		s.awaitLog(fmt.Sprintf(`  reap     child %d \(.*\) %s$`, pid, test.how))
		if state := status(pid, "State"); state != "" && status(pid, "PPid") == fmt.Sprint(s.pid) {
			t.Errorf("%s was reaped, but is still there: %s", test.program, state)
		}
	}
}

// TestReapedTogether: ten children that end while the server is stopped are one pending SIGCHLD.
func TestReapedTogether(t *testing.T) {
	s := start(t, options{})
	c := s.connect()
	var pids []int
	for range 10 {
		pids = append(pids, c.start("sleep 1000"))
	}
	unix.Kill(s.pid, unix.SIGSTOP)
	for _, pid := range pids {
		unix.Kill(pid, unix.SIGKILL)
		s.await("a zombie", func() bool { return strings.HasPrefix(status(pid, "State"), "Z") })
	}
	unix.Kill(s.pid, unix.SIGCONT)
	for _, pid := range pids {
		s.await("its end", func() bool { return status(pid, "State") == "" })
		s.awaitLog(fmt.Sprintf(`  reap     child %d \(sleep\) was killed by signal 9 \(SIGKILL\)$`, pid))
	}
}

// TestFastChildren: ones that end at once, from many clients, are all known when they are reaped.
func TestFastChildren(t *testing.T) {
	s := start(t, options{})
	done := make(chan int)
	const each = 50
	for range 4 {
		c := s.connect()
		go func() {
			started := 0
			for range each {
				if strings.HasPrefix(c.ask("START true"), "OK: ") {
					started++
				}
			}
			done <- started
		}()
	}
	for range 4 {
		if n := <-done; n != each {
			t.Errorf("%d of %d were started", n, each)
		}
	}
	s.await("all to be reaped", func() bool {
		return strings.Count(s.log(), " (true) exited with status 0\n") == 4*each
	})
	if strings.Contains(s.log(), "did not start") {
		t.Error("a child was reaped as a stranger")
	}
}

func TestStop(t *testing.T) {
	s := start(t, options{})
	c := s.connect()
	pid := c.start("sleep 1000")
	want := fmt.Sprintf("OK: sent SIGKILL to process %d (forced end)", pid)
	if reply := c.ask(fmt.Sprintf("STOP %d", pid)); reply != want {
		t.Errorf("STOP: %q, want %q", reply, want)
	}
	s.awaitLog(fmt.Sprintf(`  reap     child %d \(sleep\) was killed by signal 9 \(SIGKILL\)$`, pid))
	s.await("its end", func() bool { return status(pid, "State") == "" })
	want = fmt.Sprintf("Error: cannot stop process %d: kill: no such process (ESRCH)", pid)
	if reply := c.ask(fmt.Sprintf("STOP %d", pid)); reply != want {
		t.Errorf("STOP again: %q, want %q", reply, want)
	}
}

// TestStopItself: neither the server's pid nor that of any of its threads, by which kill(2)
// would reach it too.
func TestStopItself(t *testing.T) {
	s := start(t, options{})
	for range 5 {
		s.connect().ask("STOP 0") // has a thread
	}
	c := s.connect()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", s.pid))
	if err != nil || len(tasks) < 6 {
		t.Fatalf("%d threads, %v", len(tasks), err)
	}
	for _, task := range tasks {
		want := fmt.Sprintf("Error: process %s is protected", task.Name())
		if reply := c.ask("STOP 00" + task.Name()); reply != want {
			t.Errorf("STOP %s: %q, want %q", task.Name(), reply, want)
		}
	}
}

// TestStopOthers: another user's process is an error of its own kind.
func TestStopOthers(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can have a server of one user and a process of another")
	}
	s := start(t, options{change: asNobody})
	roots := exec.Command("sleep", "1000")
	if err := roots.Start(); err != nil {
		t.Fatal(err)
	}
	defer roots.Wait()
	defer roots.Process.Kill()
	want := fmt.Sprintf("Error: cannot stop process %d: kill: operation not permitted (EPERM)", roots.Process.Pid)
	if reply := s.connect().ask(fmt.Sprintf("STOP %d", roots.Process.Pid)); reply != want {
		t.Errorf("STOP: %q, want %q", reply, want)
	}
}
