package page

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/server/classroom"
)

// The process's descriptors, beside the standard ones.
const (
	pairFD   = 3
	listenFD = 4
	waitFD   = 5 // on which the ten wait: to read,
	exitFD   = 6 // and to write
)

// user is whom the page runs as when the server is root: neither root nor whom students' programs run as.
// Nobody is assigned this id (systemd.io/UIDS-GIDS).
const user = 60799

// Main is the page's process. It ends when the server does, and never returns.
func Main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "page:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// settled is the argument of a page that has given up what it can.
const settled = "settled"

// settle gives up what is a thread's own and not the process's: our place before the server, and what a
// set-user-ID program would give us. exec then makes this thread the process.
func settle() error {
	runtime.LockOSThread()
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, 5); err != nil {
		return os.NewSyscallError("setpriority", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	return os.NewSyscallError("execve", unix.Exec("/proc/self/exe", []string{Name, settled}, os.Environ()))
}

func run() error {
	if len(os.Args) == 1 {
		return settle()
	}
	for _, fd := range []int{pairFD, listenFD, waitFD, exitFD} {
		unix.CloseOnExec(fd)
	}
	if os.Geteuid() == 0 {
		// POSIX: setgroups(0, NULL); setgid(user); setuid(user);
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(user), syscall.Setuid(user)); err != nil {
			return fmt.Errorf("another user than root: %w: -page off does without", err)
		}
	}
	buf := make([]byte, 1<<16)
	settings, err := receive(buf)
	if err != nil {
		return err
	}
	s := &show{}
	if err := json.Unmarshal(settings, &s.Settings); err != nil {
		return err
	}
	s.open()

	// A Ctrl-C that reaches us too (not if a shell has put the stopped server into the background) reaches the
	// server once it goes on. It then ends its class, and at last us.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGHUP)
	go func() {
		for range signals {
			s.thaw()
		}
	}()

	listener, err := net.FileListener(os.NewFile(listenFD, "listen"))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10, ErrorLog: nobodysLog()}
	go server.Serve(&fair{Listener: listener, of: make(map[netip.Addr]int)})
	go s.watch()
	for {
		data, err := receive(buf)
		if err != nil {
			return nil // the server has ended
		}
		var e classroom.Event
		if json.Unmarshal(data, &e) == nil {
			s.happened(e)
		}
	}
}

// receive waits for what the server says next.
func receive(buf []byte) ([]byte, error) {
	for {
		n, _, err := unix.Recvfrom(pairFD, buf, 0)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return nil, os.NewSyscallError("recv", err)
		case n == 0:
			return nil, os.ErrClosed
		}
		return buf[:n], nil
	}
}
