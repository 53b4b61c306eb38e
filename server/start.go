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

// start runs a program and names its pid, once exec has succeeded. argv is passed as it is: no
// shell reads it, so `;`, `$HOME` and `*` mean nothing.
func (s *server) start(argv []string) (string, error) {
	c, err := s.spawn(argv, s.null)
	if err != nil {
		return "", err
	}
	return protocol.Started.In(s.lang, printable(argv[0]), c.pid) + "\n", nil
}

// spawn clones the server and replaces the clone's memory image by a program. The child leads a
// process group of its own; its descriptors are 0 and 2 on /dev/null and 1 on stdout, and no
// other, since all of ours are close-on-exec. Signals that we catch are back at their default
// after exec (execve(2)).
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

	// START mask OMIT
	// The mask of blocked signals is the thread's, and survives exec: the child's is to be empty.
	// POSIX: sigset_t none; sigemptyset(&none); pthread_sigmask(SIG_SETMASK, &none, NULL);
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil)
	// END mask OMIT

	// START fork OMIT
	// Go has no fork without exec: a clone with one thread could not run its runtime. ForkExec
	// does both, and returns exec's error, which the child sends over a close-on-exec pipe.
	// POSIX: pid_t pid = fork();
	// POSIX: if (pid == 0) {
	// POSIX:     setpgid(0, 0);
	// POSIX:     dup2(null, 0); dup2(out, 1); dup2(null, 2);
	// POSIX:     execvp(argv[0], argv);
	// POSIX:     _exit(127);
	// POSIX: }
	pid, err := syscall.ForkExec(path, argv, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{uintptr(s.null), uintptr(stdout), uintptr(s.null)},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	// END fork OMIT
	if err != nil {
		return nil, explainExec(argv[0], err)
	}
	c := &child{pid: pid, name: argv[0], ended: make(chan struct{})}
	s.children.living[pid] = c
	s.log.say(logFork, born, pid, printable(strings.Join(argv, " ")))
	return c, nil
}

// explainExec says which call failed: EAGAIN and ENOMEM are fork's, EMFILE and ENFILE those of the
// pipe over which the child would send exec's error.
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

// lookPath finds a program as execvp does (exec(3)): a name without a slash is looked for in
// each directory of PATH. The error is the errno that execvp would set; for a directory it is
// EISDIR, which says more than execvp's EACCES. Unlike execvp, which would have /bin/sh read it, a
// file of no valid format is an error (ENOEXEC): there is to be no shell.
func lookPath(name string) (path string, err error) {
	if strings.Contains(name, "/") {
		return name, executable(name)
	}
	err = unix.ENOENT
	for _, dir := range filepath.SplitList(cmp.Or(os.Getenv("PATH"), defaultPath)) {
		path := filepath.Join(dir, name)
		switch found := executable(path); found {
		case nil:
			return path, nil
		case unix.EACCES, unix.EISDIR: // go on looking, but remember
			err = found
		}
	}
	return "", err
}

// defaultPath is where execvp looks if PATH is not set.
const defaultPath = "/bin:/usr/bin"

// executable returns the errno with which exec would fail for a path, as far as the directory
// tells.
func executable(path string) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return unix.EISDIR
	}
	return unix.Access(path, unix.X_OK)
}

// prepareForChildren opens /dev/null and sees to it that whoever started the server hands
// nothing on to the server's children: no descriptor and no ignored signal.
func (s *server) prepareForChildren() (err error) {
	// POSIX: int null = open("/dev/null", O_RDWR);
	s.null, err = unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return protocol.Refuse(callFailed, "open /dev/null", err)
	}
	// START inherited OMIT
	inherited, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, entry := range inherited {
		if fd, _ := strconv.Atoi(entry.Name()); fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	// END inherited OMIT
	// A caught signal is reset by exec, an ignored one stays ignored. Go leaves SIGHUP ignored
	// if it was (nohup), so we catch it, and drop it.
	s.children.hangupIgnored = signal.Ignored(unix.SIGHUP)
	if s.children.hangupIgnored {
		signal.Notify(make(chan os.Signal, 1), unix.SIGHUP)
	}
	// Whoever reads our log may go first (server 2>&1 | tee file, then Ctrl-C). Not caught, the
	// SIGPIPE of the next line would end us there, and leave the children behind.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
	return nil
}
