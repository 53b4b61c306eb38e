package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/proc"
)

// A Hit says that a program was ended because it exceeded a limit.
type Hit struct{ Limit string }

func (h *Hit) Error() string { return "the limit of the sandbox was hit: " + h.Limit }

// Run starts a program behind the wall, in namespaces of its own where the machine allows them, and waits until
// it and all that came of it has ended. It returns what was said on standard output and standard error,
// as far as that goes. The error is a Hit, an *exec.ExitError or one of the machine's.
func (s *Sandbox) Run(ctx context.Context, argv, env []string) (said []byte, err error) {
	own := *s
	if s.Wraps() {
		own.Write, own.Tmp, own.fresh = nil, "", slices.Concat(s.Write, Shared)
	} else {
		for _, dir := range s.Write {
			if err := s.handOver(dir); err != nil {
				return nil, err
			}
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	argv = own.Command(argv, nil)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = s.Dir, env
	if s.Wraps() {
		cmd.Dir = "/" // bwrap goes where it should; the caller's folder may not be there
	}
	out := &limited{most: s.Limits.Output}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL}
	if s.ownNamespaces() { // the program is the init of its own: all that came of it ends with it
		cmd.SysProcAttr.Cloneflags = newNamespaces
	}
	cmd.WaitDelay = 2 * time.Second // for what outlives it and holds its output
	var disk *disks
	if s.Wraps() {
		if disk, err = s.start(cmd); disk != nil {
			defer disk.close()
		}
	} else {
		onThread(func() { err = cmd.Start() })
	}
	if err != nil {
		if cmd.Process != nil {
			cancel()
			cmd.Wait()
			collect(cmd.Process.Pid)
		}
		return nil, err
	}
	watched := Watched{
		Processes: func() ([]proc.Stat, error) { return proc.Tree(cmd.Process.Pid) },
		Output:    out.size,
		Disk:      func() int { return leftBy(anybody, s.Write...) },
	}
	if disk != nil {
		watched.Disk, watched.Whole = disk.used, disk.devices()
	}
	if s.Wall == OtherUser { // where orphans do not stay in the tree, and other folders are open
		watched.Processes, watched.Mine = proc.All, s.Mine
		watched.Disk = func() int { return leftBy(s.UID, append(slices.Clone(Shared), s.Write...)...) }
	}
	watch := s.Watch(watched)
	err = cmd.Wait()
	hit, _ := watch.Close()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it ended well; what it left behind is about to end
	}
	if sweepErr := errors.Join(collect(cmd.Process.Pid), s.Sweep()); sweepErr != nil {
		return nil, sweepErr
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if hit == "" && disk != nil {
		back := disk.bringBack(s.Limits.Disk)
		if back == errTooMuch {
			hit = "disk"
		} else if back != nil {
			return nil, back
		}
	}
	if hit != "" {
		err = &Hit{hit}
	}
	return out.bytes(), err
}

// collect ends what is left of a session (setsid(2)) of which we have become the parent, a subreaper.
func collect(session int) error {
	children, err := proc.Children(os.Getpid())
	for _, st := range children {
		if st.Session == session {
			unix.Kill(st.PID, unix.SIGKILL)
			unix.Wait4(st.PID, nil, 0, nil)
		}
	}
	return err
}

// handOver gives a folder and all in it to the sandbox's user.
func (s *Sandbox) handOver(dir string) error { return owned(dir, s.UID) }

// TakeBack makes a folder that the sandbox's program wrote to, and all in it, ours again; others may
// read it.
func (s *Sandbox) TakeBack(dir string) error { return owned(dir, os.Geteuid()) }

func owned(dir string, uid int) error {
	if os.Geteuid() != 0 {
		return nil
	}
	fd, err := openFolder(dir)
	if err != nil {
		return err
	}
	defer unix.Close(fd) // the only copy
	return chown(fd, uid, deepest)
}

// Sweep ends whatever runs as the sandbox's user, until nothing does, and removes what it left where
// everybody may write, but for what it was to write. It is for those who are only another user: what
// bubblewrap holds ends with its pid namespace.
func (s *Sandbox) Sweep() error {
	if s == nil || s.Wall != OtherUser {
		return nil
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		all, err := proc.All()
		if err != nil {
			return err
		}
		left := 0
		for _, st := range all {
			if s.Mine(st.PID) {
				left++
				unix.Kill(st.PID, unix.SIGKILL)
				unix.Wait4(st.PID, nil, unix.WNOHANG, nil) // if it was left to us
			}
		}
		if left == 0 {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes of user %d fork faster than they can be killed", s.UID)
		}
		time.Sleep(time.Millisecond) // until the kernel has ended them
	}
	for _, dir := range Shared {
		if fd, err := openFolder(dir); err == nil { // there may be none
			remove(fd, s.UID, deepest, idsOf(s.Write))
			unix.Close(fd)
		}
	}
	return nil
}

// limited keeps the beginning of what is written to it, and knows how much that was in all.
type limited struct {
	mu   sync.Mutex
	kept []byte
	all  int
	most int
}

func (l *limited) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = append(l.kept, p[:min(len(p), l.most-len(l.kept))]...)
	l.all += len(p)
	return len(p), nil
}

func (l *limited) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all
}

func (l *limited) bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.kept
}

// thread is the one that starts programs: the kernel ends a child with the thread that made it, if it
// was asked to end it with its parent (prctl(2), PR_SET_PDEATHSIG).
var thread = sync.OnceValue(func() chan func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

func onThread(f func()) {
	done := make(chan struct{})
	thread() <- func() { defer close(done); f() }
	<-done
}
