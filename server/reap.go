package main

import (
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// A child is a process that the server started and has not yet collected.
type child struct {
	pid    int
	name   string
	status unix.WaitStatus // valid once ended is closed
	ended  chan struct{}
}

// children are those that live, or are zombies. The lock is held from fork until the child is
// recorded, and from wait until it is looked up: else a child that ends at once could be
// collected before anybody knows of it.
type children struct {
	mu     sync.Mutex
	living map[int]*child // by pid
	ending bool           // no more are to be started

	hangupIgnored bool // SIGHUP was ignored when the server was started
}

// reapOnSIGCHLD starts the one thread that collects children. In Go a signal arrives on a
// channel and not in a handler, so reaping is ordinary code, which may lock and log. A channel of
// one is like the kernel's pending bit: ten children that end together may be one SIGCHLD.
//
// START sigchld OMIT
func (s *server) reapOnSIGCHLD() {
	// POSIX: struct sigaction sa = { .sa_handler = reap, .sa_flags = SA_RESTART };
	// POSIX: sigaction(SIGCHLD, &sa, NULL);
	sigchld := make(chan os.Signal, 1)
	signal.Notify(sigchld, unix.SIGCHLD)
	go func() {
		for range sigchld {
			s.reap()
		}
	}()
}

// END sigchld OMIT

// reap collects every child that has ended, and returns when none is left to collect. It is the
// only place that waits: a second one would take statuses away from it. (ForkExec itself waits for a
// child whose exec failed; the lock keeps the two apart.)
//
// START reap OMIT
func (s *server) reap() {
	s.children.mu.Lock()
	defer s.children.mu.Unlock()
	for {
		// POSIX: pid = waitpid(-1, &status, WNOHANG);
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.ECHILD: // no children at all
			return
		case pid <= 0: // children, and all of them alive
			return
		}
		s.bury(pid, status)
	}
}

// END reap OMIT

// bury forgets a child that has been collected, and tells who waits for its status.
func (s *server) bury(pid int, status unix.WaitStatus) {
	how := protocol.WaitStatus(s.lang, status)
	c, known := s.children.living[pid]
	if !known { // left to us by the program that became this server by exec
		s.log.say(logReap, reapedStranger, pid, how)
		return
	}
	delete(s.children.living, pid)
	s.log.say(logReap, reaped, pid, printable(c.name), how) // first: the last to end ends the server
	c.status = status
	close(c.ended)
}

// signal sends a signal to the process group of every child, refuses new ones from now on, and
// returns those that it found.
func (cs *children) signal(sig unix.Signal) (found []*child) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.ending = true
	for pid, c := range cs.living {
		if unix.Kill(-pid, sig) == unix.ESRCH { // it moved to another group
			unix.Kill(pid, sig)
		}
		found = append(found, c)
	}
	return found
}

// count returns how many are not collected yet.
func (cs *children) count() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.living)
}
