//go:build exercise

// Exercise 10: what a student's program may be, as whom, and how much.
//
// Here START takes a name of the list for whatever PATH says, and the child keeps all the
// power that the server has, without any limit. You write resolve, which finds the program
// that a name stands for, and three parts of Confine, which is what the child does between
// fork and exec. The rest of this file, and of server/, is given and works.
//
//	type first      make check-10
//	by hand         make exercise-10, then ./server/server -class K7MQ4T -quiet -page off
//	judged by       allow-list, nobody, limits
//	read            stat(2), setuid(2), setgroups(2), prctl(2), setrlimit(2), credentials(7)
//	and its Go      go doc syscall.Setuid, go doc unix.Prctl, go doc unix.Setrlimit
//
// Do the TODOs in the order of their numbers, and type the command again after each. To see
// what TODO 2 does, the server has to be root: sudo make check-nobody.
//
// Ejercicio 10: qué puede ser el programa de un estudiante, como quién y cuánto.
//
// Aquí START toma un nombre de la lista por lo que diga PATH, y el hijo conserva todo el
// poder que tiene el servidor, sin ningún límite. Escribes resolve, que encuentra el programa
// al que se refiere un nombre, y tres partes de Confine, que es lo que hace el hijo entre fork
// y exec. Lo demás de este archivo, y de server/, ya está hecho y funciona.
//
//	primero escribe make check-10
//	a mano          make exercise-10, y luego ./server/server -class K7MQ4T -quiet -page off
//	lo evalúan      allow-list, nobody, limits
//	consulta        stat(2), setuid(2), setgroups(2), prctl(2), setrlimit(2), credentials(7)
//	y en Go         go doc syscall.Setuid, go doc unix.Prctl, go doc unix.Setrlimit
//
// Haz los TODO en el orden de sus números, y después de cada uno repite el comando. Para ver
// qué hace el TODO 2, el servidor tiene que ser root: sudo make check-nobody.

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
		// TODO 1: this takes the first file of that name on the PATH of whoever started the
		// server: anybody's, if a folder that stands first there is anybody's. Look in the
		// folders of searched only, and take the first regular file there that can be executed.
		// One that has the set-user-ID or set-group-ID bit is a setuidProgram. If there is none,
		// noProgram says so. stat(2), inode(7), access(2). Then allow-list passes.
		//
		// ES 1: esto toma el primer archivo de ese nombre en el PATH de quien arrancó el
		// servidor: el de cualquiera, si la primera carpeta de ahí es de cualquiera. Busca solo
		// en las carpetas de searched, y toma el primer archivo regular que se pueda ejecutar.
		// Uno con el bit set-user-ID o set-group-ID es un setuidProgram. Si no hay ninguno, lo
		// dice noProgram. stat(2), inode(7), access(2). Entonces pasa allow-list.
		for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
			path := filepath.Join(dir, name)
			if _, err := os.Stat(path); err == nil && paths[name] == "" {
				paths[name] = path
			}
		}
	}
	return paths, nil
}

// searched is where the programs of the list are looked for: not in the instructor's own PATH.
const searched = "/usr/local/bin:/usr/bin:/bin"

// A credential is a user to run as.
type credential struct{ UID, GID uint32 }

// lookUp finds the user whom students' programs run as. A server that is not root runs them as
// its own.
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

// Confined is the name, argv[0], under which the server's program makes a student's program of
// itself: see Confine.
const Confined = "posixlab-confined"

// A Fork is syscall.ForkExec, and what has to be done with its child before anybody can
// collect it.
type Fork func(path string, argv []string, attr *syscall.ProcAttr) (pid int, err error)

// ForkExec starts a program of the list, as a class starts it. POSIX would set limits and the
// user between fork and exec. Go has nothing there; so the child is the server's own program at
// first, which does that and then becomes the student's. If it cannot, it says why on a pipe
// that a successful exec closes, and ends.
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
	args := append([]string{Confined, string(orders)}, argv...)
	pid, err = fork("/proc/self/exe", args, &syscall.ProcAttr{
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

// rlimits are the limits of each process. That of memory is RLIMIT_DATA, which counts what is
// private and can be written. RLIMIT_AS counts all that is mapped, but Go has mapped more than
// that already, for later: it would die of the next page that it needs, between setrlimit and
// exec. For the same reason memory is the last one.
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
		said := binary.NativeEndian.AppendUint32(nil, uint32(cmp.Or(errno, unix.EINVAL)))
		unix.Write(pipe, said)
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
	// Ignored signals stay ignored through exec; those that are caught are back at their default
	// (execve(2)).
	signal.Notify(make(chan os.Signal, 1))
	// TODO 2: if orders.As names a user, become that user: no supplementary group, then the
	// group, then the user. Why in this order? As root you may do all three; and after the last
	// one, none. If one fails, fail: whoever goes on is still root. setuid(2). The Go calls of
	// package syscall are right for a program with threads, those of package unix are not all.
	// As root, nobody's second step passes.
	//
	// ES 2: si orders.As indica un usuario, vuélvete ese usuario: ningún grupo suplementario,
	// luego el grupo, luego el usuario. ¿Por qué en ese orden? Siendo root puedes hacer los
	// tres; después del último, ninguno. Si uno falla, llama a fail: quien sigue, sigue siendo
	// root. setuid(2). En Go, las llamadas del paquete syscall sirven para un programa con
	// hilos; del paquete unix, no todas. Siendo root, pasa el segundo paso de nobody.

	// TODO 3: have the kernel ignore set-user-ID bits from now on, here and in all that descends
	// from here: PR_SET_NO_NEW_PRIVS, prctl(2). Then nobody passes.
	//
	// ES 3: haz que el kernel ignore desde ahora los bits set-user-ID, aquí y en todo lo que
	// descienda de aquí: PR_SET_NO_NEW_PRIVS, prctl(2). Entonces pasa nobody.

	// TODO 4: set each limit of orders.Limits, in their order, so that the program cannot raise
	// it again. Only root may raise a hard limit: where less is allowed already,
	// leave it at that. setrlimit(2). Then limits passes.
	//
	// ES 4: pon cada límite de orders.Limits, en su orden, de modo que el programa no lo pueda
	// volver a subir. Solo root puede subir un límite duro: donde ya se permite menos,
	// déjalo así. setrlimit(2). Entonces pasa limits.

	// Raw calls, which take no memory of Go's.
	_, _, errno := unix.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(path)),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envp[0])))
	binary.NativeEndian.PutUint32(said[:], uint32(errno))
	unix.RawSyscall(unix.SYS_WRITE, pipe, uintptr(unsafe.Pointer(&said)), uintptr(len(said)))
	unix.RawSyscall(unix.SYS_EXIT_GROUP, 127, 0, 0)
}

// said is exec's errno, on its way to the server.
var said [4]byte
