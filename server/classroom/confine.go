package classroom

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// resolve finds each program of a list along PATH: once, when the class begins.
func resolve(names []string) (map[string]string, error) {
	paths := make(map[string]string)
	for _, name := range names {
		if name == "" || strings.ContainsAny(name, "/ \t") {
			return nil, refuse(badProgram, protocol.Quote(name))
		}
		for _, dir := range filepath.SplitList(searched) {
			path := filepath.Join(dir, name)
			var st unix.Stat_t
			if unix.Stat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || unix.Access(path, unix.X_OK) != nil {
				continue
			}
			if st.Mode&(unix.S_ISUID|unix.S_ISGID) != 0 {
				return nil, refuse(setuidProgram, path)
			}
			paths[name] = path
			break
		}
		if paths[name] == "" {
			return nil, refuse(noProgram, name, searched)
		}
	}
	return paths, nil
}

// searched is where the programs of the list are looked for: not in the instructor's own PATH.
const searched = "/usr/local/bin:/usr/bin:/bin"

// A credential is a user to run as.
type credential struct{ UID, GID uint32 }

// lookUp finds the user whom students' programs run as. A server that is not root runs them as its own.
func lookUp(name string) (*credential, error) {
	if unix.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, refuse(noUser, name)
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32) // on Linux they are numbers
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	if uid == 0 {
		return nil, refuse(rootUser, name)
	}
	return &credential{uint32(uid), uint32(gid)}, nil
}

// Confined is the name, argv[0], under which the server's program makes a student's program of itself: see
// Confine.
const Confined = "posixlab-confined"

// A Fork is syscall.ForkExec, and what has to be done with its child before anybody can collect it.
type Fork func(path string, argv []string, attr *syscall.ProcAttr) (pid int, err error)

// ForkExec starts a program of the list, as a class starts it. POSIX would set limits and the user between fork
// and exec. Go has nothing there; so the child is the server's own program at first, which does that and then
// becomes the student's. If it cannot, it says why on a pipe that a successful exec closes, and ends.
//
//	POSIX: if (fork() == 0) {
//	POSIX:     setrlimit(RLIMIT_CPU, &limit); …; setgroups(0, NULL); setgid(gid); setuid(uid);
//	POSIX:     execve(path, argv, envp);
//	POSIX:     write(pipe, &errno, sizeof errno); _exit(127);
//	POSIX: }
//
// null is a descriptor of /dev/null. fork is the caller's, who records the child.
func (c *Class) ForkExec(argv []string, null uintptr, fork Fork) (pid int, err error) {
	orders, err := json.Marshal(c.confinementOf(argv[0]))
	if err != nil {
		return 0, err
	}
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return 0, err
	}
	defer unix.Close(p[0]) // the read end
	pid, err = fork("/proc/self/exe", append([]string{Confined, string(orders)}, argv...), &syscall.ProcAttr{
		Env:   []string{"PATH=" + searched, "HOME=/", "LANG=C.UTF-8"},
		Dir:   "/",
		Files: []uintptr{null, null, null, uintptr(p[1])},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	unix.Close(p[1]) // our copy of the write end: the child has its own
	if err != nil {
		return 0, err
	}
	var errno [4]byte
	n, err := unix.Read(p[0], errno[:])
	for err == unix.EINTR {
		n, err = unix.Read(p[0], errno[:])
	}
	if n == 0 && err == nil {
		return pid, nil // exec closed the pipe
	}
	if n == len(errno) {
		err = unix.Errno(binary.NativeEndian.Uint32(errno[:]))
	}
	return 0, err
}

// A confinement is what the child is to do to itself.
type confinement struct {
	Path   string
	As     *credential
	Limits []limit
}

// confinementOf is what a child is to do to itself to become a program.
func (c *Class) confinementOf(program string) confinement {
	switch path, allowed := c.allow[program]; {
	case allowed:
		return confinement{path, c.as, c.rlimits()}
	case program == Herd:
		return c.herd()
	}
	return confinement{"/proc/self/exe", c.as, c.rlimits()} // a Waiter
}

// A limit is how much of a resource a process may use, soft and hard: setrlimit(2).
type limit struct {
	Resource int
	Most     uint64
}

// rlimits are the limits of each process. That of memory is RLIMIT_DATA, which counts what is private and can be
// written. RLIMIT_AS counts all that is mapped, but Go has mapped more than that already, for later: it would die
// of the next page that it needs, between setrlimit and exec. For the same reason memory is the last one.
func (c *Class) rlimits() []limit {
	l := c.opt.Limits
	limits := []limit{
		{unix.RLIMIT_CPU, uint64(l.CPU.Seconds())}, {unix.RLIMIT_FSIZE, l.File},
		{unix.RLIMIT_NOFILE, l.Descriptors}, {unix.RLIMIT_CORE, 0},
	}
	if c.as != nil { // of the server's own user it would count the instructor's processes too
		limits = append(limits, limit{unix.RLIMIT_NPROC, l.Threads})
	}
	return append(limits, limit{unix.RLIMIT_DATA, l.Memory})
}

// Confine is the child's side of ForkExec: args are the orders and argv. It never returns.
func Confine(args []string) {
	const pipe = 3
	unix.CloseOnExec(pipe)
	fail := func(err error) {
		errno, _ := errors.AsType[unix.Errno](err)
		unix.Write(pipe, binary.NativeEndian.AppendUint32(nil, uint32(cmp.Or(errno, unix.EINVAL))))
		os.Exit(127)
	}
	var orders confinement
	if len(args) < 2 {
		fail(unix.EINVAL)
	}
	if err := json.Unmarshal([]byte(args[0]), &orders); err != nil {
		fail(err)
	}
	path, err := unix.BytePtrFromString(orders.Path)
	if err != nil {
		fail(err)
	}
	argv, err := syscall.SlicePtrFromStrings(args[1:])
	if err != nil {
		fail(err)
	}
	envp, err := syscall.SlicePtrFromStrings(os.Environ())
	if err != nil {
		fail(err)
	}
	// Ignored signals stay ignored through exec; those that are caught are back at their default (execve(2)).
	signal.Notify(make(chan os.Signal, 1))
	// START confine OMIT
	if as := orders.As; as != nil {
		err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(int(as.GID)),
			syscall.Setuid(int(as.UID))) // last: after it the others may not be changed
		if err != nil {
			fail(err)
		}
	}
	// No set-user-ID program gives it another's power (prctl(2)).
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		fail(err)
	}
	for _, l := range orders.Limits {
		var had unix.Rlimit
		if err := unix.Getrlimit(l.Resource, &had); err != nil {
			fail(err)
		}
		most := min(l.Most, had.Max) // only root may raise it
		if err := unix.Setrlimit(l.Resource, &unix.Rlimit{Cur: most, Max: most}); err != nil {
			fail(err)
		}
	}
	// END confine OMIT
	// Raw calls, which take no memory of Go's.
	_, _, errno := unix.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(path)), uintptr(unsafe.Pointer(&argv[0])),
		uintptr(unsafe.Pointer(&envp[0])))
	binary.NativeEndian.PutUint32(said[:], uint32(errno))
	unix.RawSyscall(unix.SYS_WRITE, pipe, uintptr(unsafe.Pointer(&said)), uintptr(len(said)))
	unix.RawSyscall(unix.SYS_EXIT_GROUP, 127, 0, 0)
}

// said is exec's errno, on its way to the server.
var said [4]byte
