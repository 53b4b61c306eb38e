package page

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/net/netutil"
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

// mostBrowsers bounds the connections of browsers, of which one that shows the page has one or two.
const mostBrowsers = 600

// Main is the page's process. It ends when the server does, and never returns.
func Main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "page:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run() error {
	for _, fd := range []int{pairFD, listenFD, waitFD, exitFD} {
		unix.CloseOnExec(fd)
	}
	if os.Geteuid() == 0 {
		// POSIX: setgroups(0, NULL); setgid(user); setuid(user);
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(user), syscall.Setuid(user)); err != nil {
			return fmt.Errorf("another user than root: %w: -page off does without", err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	unix.Setpriority(unix.PRIO_PROCESS, 0, 5) // the server comes first

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

	// A Ctrl-C reaches a server that is stopped only once it goes on. It ends its class, and at last us.
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
		IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10, ErrorLog: nobodysLog()}
	go server.Serve(netutil.LimitListener(listener, mostBrowsers))
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
