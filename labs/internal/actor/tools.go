package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/namespace"
)

// tools are what scripts use this program for beside acting: the first argument names one.
var tools = map[string]func(args []string) error{
	"launch": launch,
	"herd":   herd,
}

// launch becomes another program, under limits:
//
//	nofile=N    at most N descriptors (RLIMIT_NOFILE); so too nproc, cpu, fsize and core. Where no more
//	            than less is allowed already, that stays
//	victim=1    the first to go when the machine runs out of memory (oom_score_adj)
//	settle=1    make the namespaces in which it was started fit to live in: /proc shows their processes,
//	            and the loopback interface is up
//	folder=PATH with lend: this folder
//	lend=FD     open the folders, send their descriptors over a socket (SCM_RIGHTS in unix(7)), and wait for
//	            a byte from it: whoever has them puts into them what the program needs
//	group=N     with uid: be in this group too
//	uid=N       become this user and its group, with no capability left
//	fork=0      no new process: fork and its kin fail with EAGAIN; threads are allowed. Whoever then
//	            takes the -1 of fork for a pid is kept from signalling everybody by it (kill(2))
//	spare=PID   no signal to this process: kill and its kin fail with EPERM
//	namespaces=0 no namespace and no mount, as in most containers: unshare, setns and mount fail with
//	            EPERM, and so does a clone that would make one
//	without=N   not this capability (capabilities(7))
//
// A "--" and the program's argv follow; without them it only tries.
func launch(args []string) error {
	runtime.LockOSThread() // the thread that calls exec has to be the one with the filter
	var filter []unix.SockFilter
	var groups []int
	var folders []string
	for len(args) > 0 && args[0] != "--" {
		name, value, _ := strings.Cut(args[0], "=")
		n, err := strconv.Atoi(value)
		if err != nil && name != "folder" {
			return err
		}
		switch name {
		case "nofile", "nproc", "cpu", "fsize", "core":
			err = limit(resources[name], uint64(n))
		case "victim":
			err = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
		case "settle":
			err = errors.Join(namespace.ShowProcesses(), namespace.LoopbackUp())
		case "folder":
			folders, err = append(folders, value), nil
		case "lend":
			err = lend(n, folders)
		case "group":
			groups = append(groups, n)
		case "uid":
			err = become(n, groups)
		case "fork":
			filter = append(append(filter, noForks()...), noSignalsTo(-1)...)
		case "spare":
			filter = append(filter, noSignalsTo(n)...)
		case "namespaces":
			filter = append(filter, noNamespaces()...)
		case "without":
			err = unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(n), 0, 0, 0)
		default:
			err = os.ErrInvalid
		}
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		args = args[1:]
	}
	if filter != nil {
		if err := install(filter); err != nil {
			return fmt.Errorf("seccomp: %w", err)
		}
	}
	if len(args) < 2 {
		os.Exit(0)
	}
	path, err := exec.LookPath(args[1])
	if err != nil {
		return err
	}
	return fmt.Errorf("exec %s: %w", path, syscall.Exec(path, args[1:], os.Environ()))
}

// lend lends folders to whoever has the other end of a socket.
func lend(socket int, folders []string) error {
	defer unix.Close(socket) // the only copy
	var fds []int
	for _, folder := range folders {
		fd, err := unix.Open(folder, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open %s: %w", folder, err)
		}
		fds = append(fds, fd)
	}
	if err := unix.Sendmsg(socket, []byte{0}, unix.UnixRights(fds...), nil, 0); err != nil {
		return fmt.Errorf("sendmsg: %w", err)
	}
	n, err := unix.Read(socket, make([]byte, 1))
	if err == nil && n == 0 {
		err = io.EOF
	}
	return err
}

// resources are those that a process can be held to (setrlimit(2)).
var resources = map[string]int{
	"nofile": unix.RLIMIT_NOFILE,
	"nproc":  unix.RLIMIT_NPROC,
	"cpu":    unix.RLIMIT_CPU,
	"fsize":  unix.RLIMIT_FSIZE,
	"core":   unix.RLIMIT_CORE,
}

// limit holds this process to at most n of a resource. To raise what it may have takes a capability.
func limit(resource int, n uint64) error {
	var now syscall.Rlimit
	if err := syscall.Getrlimit(resource, &now); err != nil {
		return err
	}
	n = min(n, now.Max)
	return syscall.Setrlimit(resource, &syscall.Rlimit{Cur: n, Max: n})
}

// become gives up root: the kernel clears the capabilities with the last uid that is 0, but for what
// may be handed on by exec (capabilities(7)).
func become(uid int, groups []int) error {
	// No set-user-ID program gives it another's power again.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return err
	}
	if err := syscall.Setgroups(groups); err != nil {
		return err
	}
	if err := syscall.Setresgid(uid, uid, uid); err != nil {
		return err
	}
	if err := syscall.Setresuid(uid, uid, uid); err != nil {
		return err
	}
	// The kernel has forgotten whose end is ours too (PR_SET_PDEATHSIG(2const)).
	return unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
}

// herd makes N zombies: children that ended at once, and that nobody collects. Their pids ascend,
// and there is room for more above them, so that whatever is started later has a larger one. Then it
// prints the first and the last pid, and waits to be killed.
func herd(args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	data, err := os.ReadFile("/proc/sys/kernel/pid_max")
	if err != nil {
		return err
	}
	most, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return err
	}
	// A child has its parent's name, and ps shows it: the longer, the sooner LIST is full.
	runtime.LockOSThread()
	name, _ := unix.BytePtrFromString("herd-of-zombies")
	if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(name)), 0, 0, 0); err != nil {
		return err
	}
	const room = 1000
	first, last := 0, 0
	for made := 0; made < n; {
		pid, err := bear()
		if err != nil {
			return fmt.Errorf("fork %d of %d: %w", made+1, n, err)
		}
		if made == 0 {
			first = pid
		}
		made, last = made+1, max(last, pid)
		if pid < last || pid+room > most && pid-first < most/2 { // the numbers begin anew, or soon will
			for range made {
				unix.Wait4(-1, nil, 0, nil)
			}
			made, last = 0, 0
		}
	}
	fmt.Println(first, last)
	for {
		unix.Pause()
	}
}

// bear makes a child that ends at once. It is a bare fork: the child makes one system call, and
// nothing of Go's runtime runs in it.
func bear() (pid int, err error) {
	child, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if child == 0 && errno == 0 {
		for {
			syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
	if errno != 0 {
		return 0, errno
	}
	return int(child), nil
}
