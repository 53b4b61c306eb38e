//go:build exercise

package main

import (
	"os"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// stop sends SIGKILL, and says what the kernel says if it may not or cannot.
func (s *server) stop(arg string) (string, error) {
	pid, err := parsePID(arg)
	switch {
	case err != nil:
		return "", err
	case isUs(pid):
		return "", protocol.Refuse(protocol.ProtectedPID, pid)
	}
	if err = unix.Kill(pid, unix.SIGKILL); err != nil {
		return "", protocol.Refuse(protocol.CannotStop, pid, err)
	}
	return protocol.Stopped.In(s.lang, pid) + "\n", nil
}

// parsePID adds up the digits, and gives up before the number is too large for a pid_t.
func parsePID(arg string) (int, error) {
	pid := 0
	for _, digit := range []byte(arg) {
		if digit < '0' || digit > '9' {
			return 0, protocol.Refuse(protocol.NotAPID, protocol.Quote(arg))
		}
		// Once too large it stays so: it may not wrap around, nor may a letter after
		// it go unnoticed.
		if pid <= protocol.MaxPID {
			pid = 10*pid + int(digit-'0')
		}
	}
	if pid > protocol.MaxPID {
		return 0, protocol.Refuse(protocol.PIDTooLarge, protocol.Quote(arg), protocol.MaxPID)
	}
	if pid < 2 {
		return 0, protocol.Refuse(protocol.ProtectedPID, pid)
	}
	return pid, nil
}

// isUs also knows our threads: kill takes their ids for ours.
func isUs(pid int) bool {
	return pid == os.Getpid() || unix.Tgkill(os.Getpid(), pid, 0) == nil
}
