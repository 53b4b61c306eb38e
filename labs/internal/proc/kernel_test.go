package proc

import (
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestWaitStatus reads of a zombie what its parent then learns from wait.
func TestWaitStatus(t *testing.T) {
	for script, want := range map[string]string{
		"exit 0": "exit status 0", "exit 7": "exit status 7", "kill -9 $$": "signal: killed", "kill -TERM $$": "signal: terminated"} {
		cmd := exec.Command("sh", "-c", script)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		pid := cmd.Process.Pid
		await(t, "a zombie", func() bool {
			st, err := ReadStat(pid)
			return err == nil && st.State == "Z"
		})
		status, err := WaitStatus(pid)
		cmd.Wait()
		if told := cmd.ProcessState.Sys().(syscall.WaitStatus); err != nil || status != unix.WaitStatus(told) {
			t.Errorf("%s: %#x, %v; wait says %#x (%s)", script, status, err, told, want)
		}
		if _, err := WaitStatus(pid); err != ErrGone {
			t.Errorf("once it is collected: %v", err)
		}
	}
}

// TestSignals changes this process's own sets.
func TestSignals(t *testing.T) {
	before, err := ReadSignals(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if before.Ignored.Has(unix.SIGUSR2) {
		t.Skip("SIGUSR2 is ignored already")
	}
	signal.Ignore(unix.SIGUSR2)
	defer signal.Reset(unix.SIGUSR2)
	after, err := ReadSignals(os.Getpid())
	if err != nil || !after.Ignored.Has(unix.SIGUSR2) || after.Caught.Has(unix.SIGUSR2) {
		t.Errorf("%+v, %v", after, err)
	}
	if changed := after.Ignored ^ before.Ignored; changed != 1<<(unix.SIGUSR2-1) {
		t.Errorf("%016x has changed", uint64(changed))
	}
	pid := start(t, "sh", "-c", "trap '' TERM; echo; read line")
	awaitExec(t, pid, "sh")
	await(t, "SIGTERM ignored", func() bool {
		got, err := ReadSignals(pid)
		return err == nil && got.Ignored.Has(unix.SIGTERM)
	})
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	// Not before it has stopped: of two pending signals the kernel takes the smaller number first.
	await(t, "a stopped process", func() bool {
		st, err := ReadStat(pid)
		return err == nil && st.State == "T"
	})
	unix.Kill(pid, unix.SIGUSR1)
	await(t, "SIGUSR1 pending", func() bool {
		got, err := ReadSignals(pid)
		return err == nil && got.Pending.Has(unix.SIGUSR1)
	})
	if _, err := ReadSignals(1 << 30); err != ErrGone {
		t.Error(err)
	}
}

func TestSignalNames(t *testing.T) {
	set := SignalSet(1<<(unix.SIGHUP-1) | 1<<(unix.SIGTERM-1) | 1<<31 | 1<<32 | 1<<63)
	if diff := cmp.Diff([]string{"SIGHUP", "SIGTERM", "SIGRTMIN+0", "SIGRTMIN+1", "SIGRTMIN+32"}, set.Names()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"SIGHUP", "SIGTERM", "SIGRTMIN+32"}, set.Known().Names()); diff != "" {
		t.Error(diff)
	}
}

// TestPipe looks at a pipe between this process and a child.
func TestPipe(t *testing.T) {
	cmd := exec.Command("sh", "-c", "yes; true")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		out.Close()
		cmd.Wait()
	}()
	pid := cmd.Process.Pid
	inode := PipeOf(pid, 1)
	if inode == 0 || PipeOf(pid, 0) == inode || PipeOf(pid, 77) != 0 {
		t.Errorf("descriptor 1 is pipe %d", inode)
	}
	await(t, "a full pipe", func() bool {
		bytes, capacity, err := PipeFill(pid, 1)
		return err == nil && bytes == capacity && capacity >= 4096
	})
	tree, err := Tree(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	ends := PipeEnds(tree, inode)
	var readers, writers []int
	for _, e := range ends {
		if e.Writes {
			writers = append(writers, e.PID)
		} else {
			readers = append(readers, e.PID)
		}
	}
	if !slices.Equal(readers, []int{os.Getpid()}) || !slices.Contains(writers, pid) || slices.Contains(writers, os.Getpid()) {
		t.Errorf("read by %v, written by %v", readers, writers)
	}
}

// TestMemoryAndUser looks at this process.
func TestMemoryAndUser(t *testing.T) {
	now, most, err := Memory(os.Getpid())
	if err != nil || now < 1<<20 || most < now {
		t.Errorf("%d, %d, %v", now, most, err)
	}
	exe, err := Exe(os.Getpid())
	if own, _ := os.Executable(); err != nil || exe != own && !strings.HasSuffix(exe, "(deleted)") {
		t.Errorf("%s, %v", exe, err)
	}
	if _, _, err := Memory(1 << 30); err != ErrGone {
		t.Error(err)
	}
}

// leaderless makes the test binary a process whose first thread ends, and whose others do not.
const leaderless = "POSIXLAB_TEST_LEADERLESS"

func init() {
	if os.Getenv(leaderless) != "" {
		go func() {
			syscall.Read(0, make([]byte, 1)) // until the test closes the other end
			os.Exit(0)
		}()
		syscall.RawSyscall(unix.SYS_EXIT, 0, 0, 0) // init runs on the first thread
	}
}

// TestLeaderless has a process whose first thread has ended be called a zombie only once the others have
// ended too.
func TestLeaderless(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), leaderless+"=1")
	end, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	pid := cmd.Process.Pid
	await(t, "the end of the first thread", func() bool {
		data, err := os.ReadFile(path(pid, "stat"))
		return err == nil && strings.Contains(string(data), ") Z ")
	})
	if st, err := ReadStat(pid); err != nil || st.State == "Z" {
		t.Errorf("%+v, %v", st, err)
	}
	end.Close()
	await(t, "a zombie", func() bool {
		st, err := ReadStat(pid)
		return err == nil && st.State == "Z"
	})
}
