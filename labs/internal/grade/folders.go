package grade

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/inuse"
	"posixlab/labs/internal/sandbox"
)

const dirPrefix = "posixlab-run-"

// claim makes a folder, which is in use for as long as this process lives.
func claim(dir string) error {
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	_, err := inuse.Hold(dir) // the descriptor stays open, and the lock with it
	return err
}

// ownDisk gives a sandboxed scenario a small file system of its own for all that it writes (tmpfs(5)).
// Without a mount namespace it makes the folder one that only the sandbox's user finds a way through.
func (w *worker) ownDisk() error {
	box := w.Server.Sandbox
	switch {
	case box == nil:
		return nil
	case w.Isolation == Contained:
		size := fmt.Sprintf("size=%d,mode=0711", 2*box.Limits.Disk)
		return os.NewSyscallError("mount tmpfs", unix.Mount("tmpfs", w.Dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, size))
	case box.UID != 0:
		return errors.Join(os.Chown(w.Dir, -1, box.UID), os.Chmod(w.Dir, 0o710))
	}
	return nil
}

// ownDevice is the device of that file system, if there is one.
func (w *worker) ownDevice() []uint64 {
	var st unix.Stat_t
	if w.Isolation != Contained || unix.Stat(w.Dir, &st) != nil {
		return nil
	}
	return []uint64{st.Dev}
}

// Folder makes a folder for the caller's own use, under that for temporary files. Its name is no secret,
// but only its owner can list it. If the caller is killed, a later runner removes it.
func Folder() (dir string, err error) {
	tmp, err := filepath.EvalSymlinks(os.TempDir())
	if err != nil {
		return "", err
	}
	dir = filepath.Join(tmp, dirPrefix+rand.Text())
	return dir, errors.Join(claim(dir), os.Chmod(dir, 0o711))
}

// sweep removes the folders of workers that were killed together with their runners.
func sweep() { inuse.Sweep(filepath.Join(os.TempDir(), dirPrefix+"*"), sandbox.Remove) }
