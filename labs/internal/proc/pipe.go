package proc

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A PipeEnd is a descriptor of a process that refers to a pipe.
type PipeEnd struct {
	PID, FD int
	Writes  bool // the write end; else the read end
}

// PipeOf returns the inode of the pipe to which a descriptor refers; 0 if it refers to something
// else, or is not open.
func PipeOf(pid, fd int) (inode uint64) {
	to, err := link(pid, "fd", strconv.Itoa(fd))
	if err == nil {
		fmt.Sscanf(to, "pipe:[%d]", &inode)
	}
	return inode
}

// PipeEnds finds the descriptors of these processes that refer to a pipe, by process and descriptor.
func PipeEnds(processes []Stat, inode uint64) (ends []PipeEnd) {
	want := fmt.Sprintf("pipe:[%d]", inode)
	for _, p := range processes {
		fds, err := Descriptors(p.PID)
		if err != nil {
			continue // gone, or not ours to read
		}
		for fd, to := range fds {
			if to == want {
				ends = append(ends, PipeEnd{p.PID, fd, writes(p.PID, fd)})
			}
		}
	}
	slices.SortFunc(ends, func(a, b PipeEnd) int {
		return cmp.Or(cmp.Compare(a.PID, b.PID), cmp.Compare(a.FD, b.FD))
	})
	return ends
}

// writes reports whether a descriptor was opened for writing, from its flags in octal.
func writes(pid, fd int) bool {
	data, err := read(pid, "fdinfo", strconv.Itoa(fd))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		if value, found := strings.CutPrefix(line, "flags:"); found {
			flags, _ := strconv.ParseInt(strings.TrimSpace(value), 8, 64)
			return flags&unix.O_ACCMODE != unix.O_RDONLY
		}
	}
	return false
}

// PipeFill is how many bytes a pipe holds, and how many it can hold (pipe(7)), by a descriptor of
// either end. For a moment it opens the pipe's read end itself.
func PipeFill(pid, fd int) (bytes, capacity int, err error) {
	end := -1
	err = asOwner(pid, func() (err error) {
		end, err = unix.Open(path(pid, "fd", strconv.Itoa(fd)), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return 0, 0, gone(err)
	}
	defer unix.Close(end)
	bytes, err = unix.IoctlGetInt(end, unix.TIOCINQ) // by its other name: FIONREAD
	if err != nil {
		return 0, 0, err
	}
	capacity, err = unix.FcntlInt(uintptr(end), unix.F_GETPIPE_SZ, 0)
	return bytes, capacity, err
}
