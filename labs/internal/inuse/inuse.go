// Package inuse tells folders that somebody works in from those that are left of somebody who was killed.
package inuse

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Hold locks a folder (flock(2)): it is in use until the descriptor is closed, or this process ends.
func Hold(dir string) (fd int, err error) {
	if fd, err = open(dir); err != nil {
		return 0, fmt.Errorf("open %s: %w", dir, err)
	}
	if err := unix.Flock(fd, unix.LOCK_SH); err != nil {
		unix.Close(fd) // the only copy
		return 0, fmt.Errorf("flock %s: %w", dir, err)
	}
	return fd, nil
}

// Sweep removes the folders of a pattern (filepath.Match) that nobody holds, and that are not so new that
// somebody is about to.
func Sweep(pattern string, remove func(dir string) error) {
	old, _ := filepath.Glob(pattern)
	for _, dir := range old {
		info, err := os.Stat(dir)
		if err == nil && time.Since(info.ModTime()) >= time.Minute && !held(dir) {
			remove(dir)
		}
	}
}

func held(dir string) bool {
	fd, err := open(dir)
	if err != nil {
		return true // not ours to say
	}
	defer unix.Close(fd) // and with it the lock
	return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) != nil
}

func open(dir string) (fd int, err error) {
	return unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}
