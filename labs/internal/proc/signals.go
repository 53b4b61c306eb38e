package proc

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A SignalSet is a bitmap of signals: signal n is bit n-1.
type SignalSet uint64

// libraryOwn are the two signals that glibc keeps for itself (nptl(7)). Its posix_spawn leaves them
// ignored, so that a program may have got them so from make, say.
const libraryOwn SignalSet = 1<<(32-1) | 1<<(33-1)

// Has reports whether a signal is in the set.
func (set SignalSet) Has(sig unix.Signal) bool { return set&(1<<(sig-1)) != 0 }

// Known is the set without the library's own two.
func (set SignalSet) Known() SignalSet { return set &^ libraryOwn }

// Names lists a set's signals by name, in the order of their numbers. Real-time signals are
// SIGRTMIN+n, counted from 32 as the kernel does (signal(7)).
func (set SignalSet) Names() (names []string) {
	for n := unix.Signal(1); n <= 64; n++ {
		if !set.Has(n) {
			continue
		}
		name := unix.SignalName(n)
		if name == "" {
			name = "SIGRTMIN+" + strconv.Itoa(int(n)-32)
		}
		names = append(names, name)
	}
	return names
}

// Signals are the sets that /proc/PID/status shows.
type Signals struct {
	Pending SignalSet // for the main thread (SigPnd) or for the whole process (ShdPnd)
	Blocked SignalSet // by any thread (SigBlk)
	Ignored SignalSet // SigIgn
	Caught  SignalSet // SigCgt
}

// ReadSignals reads a process's sets.
func ReadSignals(pid int) (s Signals, err error) {
	data, err := os.ReadFile(path(pid, "status"))
	if err != nil {
		return s, gone(err)
	}
	tasks, _ := filepath.Glob(path(pid, "task", "*", "status"))
	for _, task := range tasks {
		status, _ := os.ReadFile(task) // a thread that has gone blocks nothing
		for line := range strings.Lines(string(status)) {
			if value, found := strings.CutPrefix(line, "SigBlk:"); found {
				bits, _ := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
				s.Blocked |= SignalSet(bits)
			}
		}
	}
	into := map[string]*SignalSet{
		"SigPnd": &s.Pending, "ShdPnd": &s.Pending, "SigBlk": &s.Blocked, "SigIgn": &s.Ignored, "SigCgt": &s.Caught}
	for line := range strings.Lines(string(data)) {
		name, value, _ := strings.Cut(line, ":")
		if set := into[name]; set != nil {
			bits, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			if err != nil {
				return s, err
			}
			*set |= SignalSet(bits)
		}
	}
	return s, nil
}
