//go:build exercise

// Exercise 4: how a process is born.
//
// START finds no program unless it is given a whole path, and the child that it makes
// shares its parent's terminal and process group. You write lookPath, the call in spawn
// that makes the child what it is to be, and executable. The rest of this file, and of
// server/, is given.
//
//	type first      make check-4
//	by hand         make exercise-4, then ./server/server
//	judged by       birth, descriptors, then all others
//	read            exec(3), fork(2), execve(2), setpgid(2), dup(2), stat(2)
//	and its Go      go doc syscall.ProcAttr, go doc syscall.SysProcAttr
//
// Do the TODOs in the order of their numbers, and type the command again after each.
//
// Ejercicio 4: cómo nace un proceso.
//
// START no halla ningún programa si no le dan la ruta completa, y el hijo que crea
// comparte la terminal y el grupo de procesos de su padre. Escribes lookPath, la llamada
// de spawn que hace del hijo lo que debe ser, y executable. Lo demás de este archivo, y
// de server/, ya está hecho.
//
//	primero escribe make check-4
//	a mano          make exercise-4, y luego ./server/server
//	lo evalúan      birth, descriptors, y después todos los demás
//	consulta        exec(3), fork(2), execve(2), setpgid(2), dup(2), stat(2)
//	y en Go         go doc syscall.ProcAttr, go doc syscall.SysProcAttr
//
// Haz los TODO en el orden de sus números, y después de cada uno repite el comando.

package main

import (
	"cmp"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// start runs a program and names its pid, once exec has succeeded. argv is passed as it
// is: no shell reads it, so `;`, `$HOME` and `*` mean nothing.
func (s *server) start(argv []string) (string, error) {
	c, err := s.spawn(argv, s.null)
	if err != nil {
		return "", err
	}
	return protocol.Started.In(s.lang, printable(argv[0]), c.pid) + "\n", nil
}

// spawn clones the server and replaces the clone's memory image by a program. The child
// leads a process group of its own; its descriptors are 0 and 2 on /dev/null and 1 on
// stdout, and no other, since all of ours are close-on-exec. Signals that we catch are
// back at their default after exec (execve(2)).
func (s *server) spawn(argv []string, stdout int) (*child, error) {
	path, err := lookPath(argv[0])
	if err != nil {
		return nil, protocol.Refuse(protocol.CannotStart, protocol.Quote(argv[0]), "exec", err)
	}
	s.children.mu.Lock() // held across fork and record: see reap
	defer s.children.mu.Unlock()
	if s.children.ending {
		return nil, protocol.Refuse(protocol.ShuttingDown)
	}

	// The mask of blocked signals is the thread's: fork copies it, and exec keeps it.
	// From here to our return, this goroutine stays on one thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	// TODO 4: give this thread an empty mask, so that its child begins with one.
	// sigprocmask(2), go doc unix.PthreadSigmask. By hand, in a server that was
	// started with SIGTERM blocked: env --block-signal=TERM ./server/server, then
	// START sleep 60, and kill with its PID: does it end?
	//
	// ES 4: dale a este hilo una máscara vacía, para que su hijo empiece con una así.
	// sigprocmask(2), go doc unix.PthreadSigmask. A mano, en un servidor que arrancó
	// con SIGTERM bloqueada: env --block-signal=TERM ./server/server, luego
	// START sleep 60, y kill con su PID: ¿termina?

	// Go has no fork without exec: a clone with one thread could not run its runtime.
	// ForkExec does both, and what a program in C does in the child between the two,
	// it does as ProcAttr says. It returns exec's error, which the child sends over a
	// close-on-exec pipe.
	//
	// TODO 2: Ctrl-C at the server's terminal is for its whole process group, and the
	// child is in it. Have the child lead a group of its own: setpgid(2), by the
	// field Sys. birth passes.
	//
	// ES 2: un Ctrl-C en la terminal del servidor es para todo su grupo de procesos,
	// y el hijo está en él. Haz que el hijo encabece su propio grupo: setpgid(2), con
	// el campo Sys. Pasa birth.
	//
	// TODO 3: Files are what the child gets as its descriptors 0, 1 and 2 (dup2(2)):
	// so far our own. LIST shows it: its table lands in the server's output, and not
	// in the pipe that list waits at. Whatever it runs, the child is to read nothing,
	// say nothing, and write only where the caller of spawn said. s.null is a
	// descriptor of /dev/null. descriptors passes.
	//
	// ES 3: Files es lo que el hijo recibe como descriptores 0, 1 y 2 (dup2(2)): por
	// ahora, los nuestros. En LIST se nota: su tabla acaba en la salida del servidor,
	// y no en la tubería donde espera list. Ejecute lo que ejecute, el hijo no debe
	// leer nada, ni decir nada, y escribir solo donde dijo quien llamó a spawn.
	// s.null es un descriptor de /dev/null. Pasa descriptors.
	pid, err := syscall.ForkExec(path, argv, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{0, 1, 2},
	})
	if err != nil {
		return nil, explainExec(argv[0], err)
	}
	c := &child{pid: pid, name: argv[0], ended: make(chan struct{})}
	s.children.living[pid] = c
	s.log.say(logFork, born, pid, printable(strings.Join(argv, " ")))
	return c, nil
}

// explainExec says which call failed: EAGAIN and ENOMEM are fork's, EMFILE and ENFILE
// those of the pipe over which the child would send exec's error.
func explainExec(name string, err error) error {
	call := "exec"
	switch err {
	case unix.EAGAIN, unix.ENOMEM:
		call = "fork"
	case unix.EMFILE, unix.ENFILE:
		call = "pipe"
	}
	return protocol.Refuse(protocol.CannotStart, protocol.Quote(name), call, err)
}

// lookPath finds a program as execvp does (exec(3)): a name without a slash is looked for
// in each directory of PATH. The error is the errno that execvp would set; for a
// directory it is EISDIR, which says more than execvp's EACCES. Unlike execvp, which
// would have /bin/sh read it, a file of no valid format is an error (ENOEXEC): there is
// to be no shell.
func lookPath(name string) (path string, err error) {
	// TODO 1: only a name with a slash is a path. Any other is a file in one of
	// searchPath's directories, the first in which executable finds nothing wrong
	// (filepath.Join). If there is none, the error says why: EACCES or EISDIR if one
	// was found and cannot be run, else ENOENT. exec(3) has the rules. Then
	// START sleep 60 starts, and birth gets as far as its last step.
	//
	// ES 1: solo un nombre con diagonal es una ruta. Cualquier otro es un archivo en
	// uno de los directorios de searchPath: el primero en que executable no halle
	// nada malo (filepath.Join). Si no hay ninguno, el error dice por qué: EACCES o
	// EISDIR si se halló uno que no se puede ejecutar; si no, ENOENT. Las reglas
	// están en exec(3). Entonces START sleep 60 inicia, y birth llega hasta su último
	// paso.
	return name, executable(name)
}

// searchPath is where execvp looks, in this order.
func searchPath() []string {
	return filepath.SplitList(cmp.Or(os.Getenv("PATH"), defaultPath))
}

// defaultPath is where execvp looks if PATH is not set.
const defaultPath = "/bin:/usr/bin"

// executable returns the errno with which exec would fail for a path, as far as the
// directory tells.
func executable(path string) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return err
	}

	// TODO 5: that it exists is not enough. Is it a directory? stat(2), inode(7):
	// S_IFMT. May we execute it? access(2). By hand: mkdir -p /tmp/trap/sleep, and
	// start the server with PATH=/tmp/trap:$PATH. What does START sleep 60 reply, and
	// what should it?
	//
	// ES 5: que exista no basta. ¿Es un directorio? stat(2), inode(7): S_IFMT. ¿Lo
	// podemos ejecutar? access(2). A mano: mkdir -p /tmp/trap/sleep, y arranca el
	// servidor con PATH=/tmp/trap:$PATH. ¿Qué responde START sleep 60, y qué debería
	// responder?
	return nil
}

// prepareForChildren opens /dev/null and sees to it that whoever started the server hands
// nothing on to the server's children: no descriptor and no ignored signal.
func (s *server) prepareForChildren() (err error) {
	// POSIX: int null = open("/dev/null", O_RDWR);
	s.null, err = unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return protocol.Refuse(callFailed, "open /dev/null", err)
	}
	inherited, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, entry := range inherited {
		if fd, _ := strconv.Atoi(entry.Name()); fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	// A caught signal is reset by exec, an ignored one stays ignored. Go leaves
	// SIGHUP ignored if it was (nohup), so we catch it, and drop it.
	s.children.hangupIgnored = signal.Ignored(unix.SIGHUP)
	if s.children.hangupIgnored {
		signal.Notify(make(chan os.Signal, 1), unix.SIGHUP)
	}
	// Whoever reads our log may go first (server 2>&1 | tee file, then Ctrl-C). Not
	// caught, the SIGPIPE of the next line would end us there, and leave the children
	// behind.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
	return nil
}
