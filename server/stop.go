package main

import (
	"os"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// stop ends a process by force: SIGKILL can be neither caught, blocked nor ignored (signal(7)).
// The kernel decides who may: EPERM if the process is another user's, ESRCH if there is none.
//
// START stop OMIT
func (s *server) stop(arg string) (string, error) {
	pid, err := protocol.ParsePID(arg)
	if err != nil {
		return "", err
	}
	if isUs(pid) {
		return "", protocol.Refuse(protocol.ProtectedPID, pid)
	}
	// POSIX: kill(pid, SIGKILL);
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		return "", protocol.Refuse(protocol.CannotStop, pid, err)
	}
	return protocol.Stopped.In(s.lang, pid) + "\n", nil
}

// END stop OMIT

// isUs reports whether pid is the server's own, or one of its threads': on Linux kill takes a
// thread's id for that of its process.
func isUs(pid int) bool {
	return unix.Tgkill(os.Getpid(), pid, 0) == nil
}
