package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// Behind bubblewrap's wall, what Run's program writes goes to small file systems of its own (tmpfs(5)). The
// kernel bounds them, and knows what is in them whether it has a name, a name that nobody may read, or none;
// and they go with the mount namespace. The actor's launch lends us their roots before it starts the
// program: what was to be written to is copied there, and copied back when nobody is left to change it.

// disks are the roots of those file systems, open: of the folders that come back, and of what does not.
type disks struct {
	folders []string // the first of fds, on the grader's side
	fds     []int
}

// lendFD is the number of launch's socket.
const lendFD = 3

// lending are launch's options for it.
func lending(folders []string) (args []string) {
	for _, folder := range folders {
		args = append(args, "folder="+folder)
	}
	return append(args, fmt.Sprintf("lend=%d", lendFD))
}

// start starts a command whose launch lends us the roots, fills those of our folders, and lets launch go on.
// If the command ends before that, which is no error here, there are none.
func (s *Sandbox) start(cmd *exec.Cmd) (*disks, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	defer unix.Close(pair[0])
	theirs := os.NewFile(uintptr(pair[1]), "lend")
	cmd.ExtraFiles = []*os.File{theirs} // lendFD
	onThread(func() { err = cmd.Start() })
	theirs.Close() // so that the end is seen if launch ends
	if err != nil {
		return nil, err
	}
	d := new(disks)
	d.fds, err = borrow(pair[0])
	if len(d.fds) > 0 {
		d.folders = s.Write
	}
	for i, folder := range d.folders {
		if err == nil {
			err = fill(d.fds[i], folder, s.Limits.Disk)
		}
		if err == nil && s.UID != 0 {
			err = chown(d.fds[i], s.UID, deepest)
		}
	}
	if err == nil {
		unix.Write(pair[0], []byte{0}) // launch may be gone
	}
	return d, err
}

// borrow receives descriptors (SCM_RIGHTS in unix(7)); none, if the other side has ended.
func borrow(socket int) (fds []int, err error) {
	rights := make([]byte, unix.CmsgSpace(16*4))
	n := 0
	for err = unix.EINTR; err == unix.EINTR; {
		_, n, _, _, err = unix.Recvmsg(socket, make([]byte, 1), rights, unix.MSG_CMSG_CLOEXEC)
	}
	if err != nil {
		return nil, os.NewSyscallError("recvmsg", err)
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	for _, m := range messages {
		received, err := unix.ParseUnixRights(&m)
		if err != nil {
			return fds, err
		}
		fds = append(fds, received...)
	}
	return fds, err
}

// fill copies a folder of ours to the root of a file system.
func fill(to int, folder string, most int) error {
	from, err := openFolder(folder)
	if err != nil {
		return err
	}
	defer unix.Close(from)
	return copyTree(from, to, deepest, &most)
}

// bringBack copies the folders back. More than most bytes, as of one file under many names,
// are errTooMuch.
func (d *disks) bringBack(most int) error {
	for i, folder := range d.folders {
		to, err := openFolder(folder)
		if err == nil {
			empty(to)
			err = copyTree(d.fds[i], to, deepest, &most)
			unix.Close(to)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *disks) close() {
	for _, fd := range d.fds {
		unix.Close(fd)
	}
}

// used is what the file systems hold, in bytes.
func (d *disks) used() (bytes int) {
	for _, fd := range d.fds {
		var fs unix.Statfs_t
		if unix.Fstatfs(fd, &fs) == nil {
			bytes += occupied(&fs)
		}
	}
	return bytes
}

// devices are their device numbers.
func (d *disks) devices() (all []uint64) {
	for _, fd := range d.fds {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil {
			all = append(all, st.Dev)
		}
	}
	return all
}

// occupied is what a file system holds, in bytes; a file without any takes memory of the kernel's, too.
func occupied(fs *unix.Statfs_t) int {
	const file = 1 << 10
	return int(fs.Blocks-fs.Bfree)*int(fs.Bsize) + int(fs.Files-fs.Ffree)*file
}

// errTooMuch says that a copy would be larger than allowed.
var errTooMuch = errors.New("more than the limit")
