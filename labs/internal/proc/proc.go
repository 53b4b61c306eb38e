// Package proc is the kernel's view of a process and its sockets, read from /proc (proc(5)).
//
// A process can go while it is being read: its files then fail with ENOENT or ESRCH, and both
// are reported as ErrGone.
package proc

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// ErrGone says that there is no such process (any more), not even as a zombie.
var ErrGone = errors.New("no such process in /proc")

// gone turns the two errnos of a process that is going into ErrGone.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return ErrGone
	}
	return err
}

// Stat is what the kit needs of /proc/PID/stat.
type Stat struct {
	PID     int
	Comm    string // the program's name, at most 15 bytes
	State   string // R running, S sleeping, D waiting for a device, T stopped, Z zombie, …: see stateOfOthers
	Parent  int
	Group   int // process group id
	Session int
	Ending  bool   // it has begun to exit (PF_EXITING)
	Start   uint64 // when it was started, in ticks since boot: tells it from one with a recycled pid
	CPU     int    // what it has had of the CPUs, in ticks of 10 ms (sysconf(3), _SC_CLK_TCK)
	Threads int    // how many threads it has

	ChildCPU int // what its children had that it has waited for, in ticks too
}

// pfExiting is the kernel's PF_EXITING, in the flags of /proc/PID/stat.
const pfExiting = 0x4

// ReadStat returns ErrGone if there is no such process. It is read thousands of times in a scenario, so only what
// is needed of it is taken apart.
func ReadStat(pid int) (Stat, error) {
	data, err := readFile(path(pid, "stat"))
	if err != nil {
		return Stat{}, gone(err)
	}
	return parseStat(data)
}

// parseStat reads a line of proc_pid_stat(5). The program's name may hold anything, brackets and spaces too: the
// fields after it begin at the last bracket.
func parseStat(data []byte) (st Stat, err error) {
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	fields := bytes.Fields(data[end+1:]) // the first is the third of the line: the state
	if open < 0 || end < open || len(fields) < 20 {
		return Stat{}, fmt.Errorf("/proc/PID/stat: %q", data)
	}
	number := func(text []byte) int {
		n, wrong := strconv.Atoi(string(text))
		err = cmp.Or(err, wrong)
		return n
	}
	const state, parent, group, session, flags, utime, stime, cutime, cstime, threads, start = 0, 1, 2, 3, 6, 11, 12, 13, 14, 17, 19
	st = Stat{
		PID: number(bytes.TrimSpace(data[:open])), Comm: string(data[open+1 : end]), State: string(fields[state]),
		Parent: number(fields[parent]), Group: number(fields[group]), Session: number(fields[session]),
		Ending: number(fields[flags])&pfExiting != 0, Start: uint64(number(fields[start])),
		CPU: number(fields[utime]) + number(fields[stime]), Threads: number(fields[threads]),
		ChildCPU: number(fields[cutime]) + number(fields[cstime]),
	}
	if st.State == "Z" && st.Threads > 1 {
		st.State = stateOfOthers(st.PID)
	}
	return st, err
}

// stateOfOthers is the state of a process whose first thread has ended before others: it is no zombie
// until the last of them has, whatever /proc/PID/stat says of the first.
func stateOfOthers(pid int) string {
	threads, _ := Threads(pid)
	for _, th := range threads {
		if th.State != "Z" && th.State != "X" {
			return th.State
		}
	}
	return "Z"
}

// WaitStatus is how a process has ended, as its parent will learn from wait(2): exit_code, the last
// field of /proc/PID/stat, which means something only of a zombie. It reads 0 to whoever may not
// trace the process.
func WaitStatus(pid int) (unix.WaitStatus, error) {
	data, err := read(pid, "stat")
	if err != nil {
		return 0, gone(err)
	}
	fields := strings.Fields(string(data))
	status, err := strconv.Atoi(fields[len(fields)-1])
	return unix.WaitStatus(status), err
}

// All returns every process that /proc shows, by pid.
func All() ([]Stat, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var all []Stat
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue // not a process
		}
		switch st, err := ReadStat(pid); err {
		case nil:
			all = append(all, st)
		case ErrGone: // since the directory was read
		default:
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b Stat) int { return cmp.Compare(a.PID, b.PID) })
	return all, nil
}

// Children returns the processes whose parent is pid, zombies too, by pid.
func Children(pid int) ([]Stat, error) {
	all, err := All()
	return slices.DeleteFunc(all, func(st Stat) bool { return st.Parent != pid }), err
}

// Tree returns root, if it is there, and all that descend from it, parents first.
func Tree(root int) ([]Stat, error) {
	all, err := All()
	return tree(all, root), err
}

// tree picks root and its descendants. Pids start again at the bottom once they have reached pid_max, so
// that a child's can be the smaller one.
func tree(all []Stat, root int) (tree []Stat) {
	children := map[int][]Stat{}
	for _, st := range all {
		if st.PID == root {
			tree = append(tree, st) // whoever its parent is: a pid that is used anew can make that a descendant
		} else {
			children[st.Parent] = append(children[st.Parent], st)
		}
	}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i].PID]...)
	}
	return tree
}

// Argv is the argument list of a process, from /proc/PID/cmdline: empty for a zombie.
func Argv(pid int) ([]string, error) {
	data, err := os.ReadFile(path(pid, "cmdline"))
	if err != nil {
		return nil, gone(err)
	}
	if len(data) == 0 {
		return nil, nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00"), nil
}

// Exe is the path of the program that a process runs, from /proc/PID/exe.
func Exe(pid int) (string, error) {
	exe, err := link(pid, "exe")
	return exe, gone(err)
}

// Memory is what a process occupies now (VmRSS) and the most that it ever did (VmHWM), in bytes: both
// 0 for a zombie.
func Memory(pid int) (now, most int, err error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return 0, 0, gone(err)
	}
	st, err := p.NewStatus()
	return int(st.VmRSS), int(st.VmHWM), gone(err)
}

// HasEnv reports whether a process was started with an environment variable of this value. Of
// a process that may not be read, and of a zombie, the answer is no.
func HasEnv(pid int, name, value string) bool {
	data, err := read(pid, "environ")
	return err == nil && slices.Contains(strings.Split(string(data), "\x00"), name+"="+value)
}

// A Thread is an entry of /proc/PID/task.
type Thread struct {
	TID      int
	State    string
	Call     string // the system call that it is blocked in, as far as /proc tells; else ""
	Argument int    // the call's first one: of most, a descriptor
	Switches int    // how often it has left a CPU, of its own accord or not
}

// Threads returns a process's threads, by id.
func Threads(pid int) ([]Thread, error) {
	entries, err := os.ReadDir(path(pid, "task"))
	if err != nil {
		return nil, gone(err)
	}
	var threads []Thread
	for _, entry := range entries {
		tid, err := strconv.Atoi(entry.Name())
		if err != nil {
			return nil, err
		}
		status, err := readFile(path(pid, "task", entry.Name(), "status"))
		if gone(err) == ErrGone {
			continue
		}
		if err != nil {
			return nil, err
		}
		th := Thread{TID: tid}
		for line := range strings.Lines(string(status)) {
			key, value, _ := strings.Cut(line, ":")
			value = strings.TrimSpace(value)
			switch key {
			case "State":
				th.State = value[:1]
			case "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches":
				n, _ := strconv.Atoi(value)
				th.Switches += n
			}
		}
		call, err := read(pid, "task", entry.Name(), "syscall") // needs leave to trace it
		if number, arguments, _ := strings.Cut(string(call), " "); err == nil {
			first, _, _ := strings.Cut(arguments, " ")
			argument, _ := strconv.ParseUint(first, 0, 64)
			th.Call, th.Argument = calls[number], int(int32(argument))
		}
		threads = append(threads, th)
	}
	if threads == nil {
		return nil, ErrGone
	}
	return threads, nil
}

// calls names the system calls in which a server's thread waits. The numbers are the machine's;
// calls_amd64.go has those that newer architectures do without.
var calls = map[string]string{
	strconv.Itoa(unix.SYS_ACCEPT):          "accept",
	strconv.Itoa(unix.SYS_ACCEPT4):         "accept",
	strconv.Itoa(unix.SYS_RECVFROM):        "recv",
	strconv.Itoa(unix.SYS_RECVMSG):         "recvmsg",
	strconv.Itoa(unix.SYS_READ):            "read",
	strconv.Itoa(unix.SYS_SENDTO):          "send",
	strconv.Itoa(unix.SYS_SENDMSG):         "sendmsg",
	strconv.Itoa(unix.SYS_WRITE):           "write",
	strconv.Itoa(unix.SYS_WRITEV):          "writev",
	strconv.Itoa(unix.SYS_WAIT4):           "wait4",
	strconv.Itoa(unix.SYS_WAITID):          "waitid",
	strconv.Itoa(unix.SYS_FUTEX):           "futex",
	strconv.Itoa(unix.SYS_EPOLL_PWAIT):     "epoll_wait",
	strconv.Itoa(unix.SYS_PPOLL):           "poll",
	strconv.Itoa(unix.SYS_PSELECT6):        "select",
	strconv.Itoa(unix.SYS_NANOSLEEP):       "nanosleep",
	strconv.Itoa(unix.SYS_CLOCK_NANOSLEEP): "nanosleep",
	strconv.Itoa(unix.SYS_RT_SIGTIMEDWAIT): "sigwait",
}

// Descriptors maps each open descriptor of a process to what it refers to, as readlink(2) tells
// it: "/dev/null", "pipe:[8123]", "socket:[8124]".
func Descriptors(pid int) (map[int]string, error) {
	dir := path(pid, "fd")
	fds := make(map[int]string)
	err := asOwner(pid, func() error {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return gone(err)
		}
		for _, entry := range entries {
			fd, err := strconv.Atoi(entry.Name())
			if err != nil {
				return err
			}
			if to, err := os.Readlink(filepath.Join(dir, entry.Name())); err == nil {
				fds[fd] = to
			}
		}
		return nil
	})
	return fds, err
}

// read reads a file of a process that may be only for those who may trace it.
func read(pid int, elem ...string) (data []byte, err error) {
	err = asOwner(pid, func() (err error) {
		data, err = readFile(path(pid, elem...))
		return err
	})
	return data, err
}

// link reads such a link.
func link(pid int, elem ...string) (to string, err error) {
	err = asOwner(pid, func() (err error) {
		to, err = os.Readlink(path(pid, elem...))
		return err
	})
	return to, err
}

func path(pid int, elem ...string) string {
	return "/proc/" + strconv.Itoa(pid) + "/" + strings.Join(elem, "/")
}

// readFile is os.ReadFile without what files other than those of /proc need: a third of the time.
func readFile(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd) // the only copy
	for data := make([]byte, 0, 2048); ; {
		n, err := unix.Read(fd, data[len(data):cap(data)])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		case n == 0:
			return data, nil
		default:
			if data = data[:len(data)+n]; len(data) == cap(data) {
				data = slices.Grow(data, len(data))
			}
		}
	}
}
