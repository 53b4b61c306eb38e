//go:build exercise

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

// children are those that live, or are zombies. The lock is held from fork until the
// child is recorded, and from wait until it is looked up: else a child that ends at once
// could be collected before anybody knows of it.
type children struct {
	mu     sync.Mutex
	living map[int]*child // by pid
	ending bool           // no more are to be started

	hangupIgnored bool // SIGHUP was ignored when the server was started
}

// reapOnSIGCHLD starts the thread that collects children.
func (s *server) reapOnSIGCHLD() {
	sigchld := make(chan os.Signal, 1)
	signal.Notify(sigchld, unix.SIGCHLD)
	go func() {
		for {
			<-sigchld
			s.reap()
		}
	}()
}

// reap collects all that have ended. One SIGCHLD can stand for many of them.
func (s *server) reap() {
	s.children.mu.Lock()
	for {
		pid, status, ok := collectOne()
		if !ok {
			break
		}
		s.bury(pid, status)
	}
	s.children.mu.Unlock()
}

// collectOne is waitpid(-1, &status, WNOHANG). Not ok: nobody has ended (0), or there is
// nobody (ECHILD).
func collectOne() (pid int, status unix.WaitStatus, ok bool) {
	err := error(unix.EINTR)
	for err == unix.EINTR {
		pid, err = unix.Wait4(-1, &status, unix.WNOHANG, nil)
	}
	return pid, status, err == nil && pid > 0
}

// bury forgets a child that has been collected, and tells who waits for its status. The
// caller must hold the children's lock.
func (s *server) bury(pid int, status unix.WaitStatus) {
	how := protocol.WaitStatus(s.lang, status)
	c, known := s.children.living[pid]
	if !known { // left to us by the program that became this server by exec
		s.log.say(logReap, reapedStranger, pid, how)
		return
	}
	delete(s.children.living, pid)
	// First, since the last to end ends the server.
	s.log.say(logReap, reaped, pid, printable(c.name), how)
	c.status = status
	close(c.ended)
}

// signal sends a signal to the process group of every child, refuses new ones from now
// on, and returns those that it found.
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
