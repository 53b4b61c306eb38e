package sandbox

import (
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// What a submission left is looked at by root, while others may still change it: a name that was a folder
// a moment ago can be a link to /etc. So nothing here goes by path: each folder is opened within the one
// before, without following links (openat(2), O_NOFOLLOW), and what is changed is what was looked at.

// deepest is how many folders within one another are gone through.
const deepest = 200

// each calls f for every name in an open folder, with a descriptor of what it names (O_PATH) and its status.
// What goes meanwhile, or cannot be looked at, is left out.
func each(dir int, f func(name string, fd int, st *unix.Stat_t)) error {
	again, err := unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	list := os.NewFile(uintptr(again), "folder")
	names, err := list.Readdirnames(-1)
	list.Close()
	for _, name := range names {
		fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil {
			f(name, fd, &st)
		}
		unix.Close(fd)
	}
	return err
}

// openFolder opens a folder that is no link, by its path: only for folders of ours.
func openFolder(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}

// within opens a folder that each has found in another, or returns -1.
func within(dir int, name string, fd int, st *unix.Stat_t) int {
	unlock(fd, st)
	inner, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return inner
}

// unlock opens a file or a folder of our own to ourselves: a program that ran as us may have closed it. A
// mode is not changed by an O_PATH descriptor, but by the name that /proc has for it (open(2)).
func unlock(fd int, st *unix.Stat_t) {
	if st.Mode&0o700 != 0o700 && int(st.Uid) == os.Geteuid() {
		unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", fd), st.Mode&0o777|0o700)
	}
}

func isFolder(st *unix.Stat_t) bool { return st.Mode&unix.S_IFMT == unix.S_IFDIR }

// chown gives an open folder and all in it to a user, but for a file with more than one name: one of them
// could be in /etc.
func chown(dir, uid, depth int) error {
	if err := unix.Fchown(dir, uid, uid); err != nil || depth == 0 {
		return err
	}
	var failed error
	err := each(dir, func(name string, fd int, st *unix.Stat_t) {
		if isFolder(st) {
			if inner := within(dir, name, fd, st); inner >= 0 {
				failed = chown(inner, uid, depth-1)
				unix.Close(inner)
			}
		} else if st.Nlink == 1 {
			unix.Fchownat(fd, "", uid, uid, unix.AT_EMPTY_PATH)
		}
	})
	if err != nil {
		return err
	}
	return failed
}

// mayHold reports whether a folder may hold files of a user that were made there: it is the user's, or open
// to all. Only these are gone through in what everybody shares: all others are the machine's, and many.
func mayHold(st *unix.Stat_t, uid int) bool {
	return isFolder(st) && (uid == anybody || int(st.Uid) == uid || st.Mode&0o002 != 0)
}

// remove removes what a user owns from an open folder, and from the folders in it, but for some.
func remove(dir, uid, depth int, but []fileID) {
	if depth == 0 {
		return
	}
	each(dir, func(name string, fd int, st *unix.Stat_t) {
		if !isFolder(st) {
			if int(st.Uid) == uid {
				unix.Unlinkat(dir, name, 0)
			}
			return
		}
		if slices.Contains(but, idOf(st)) || !mayHold(st, uid) {
			return
		}
		inner := within(dir, name, fd, st)
		if inner < 0 {
			return
		}
		defer unix.Close(inner)
		if int(st.Uid) == uid {
			empty(inner)
			unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
		} else {
			remove(inner, uid, depth-1, but)
		}
	})
}

// Remove removes a folder of ours and all that programs have left in it, however they closed it.
func Remove(path string) error {
	if fd, err := openFolder(path); err == nil {
		empty(fd)
		unix.Close(fd)
	}
	return os.RemoveAll(path)
}

// empty removes all that is in an open folder.
func empty(dir int) {
	for lifted := true; lifted; {
		lifted = emptyWithin(dir, dir, deepest)
	}
}

// emptyWithin empties a folder in top. One that is too deep it moves to the top, and reports that.
func emptyWithin(dir, top, depth int) (lifted bool) {
	each(dir, func(name string, fd int, st *unix.Stat_t) {
		switch {
		case !isFolder(st):
			unix.Unlinkat(dir, name, 0)
			return
		case depth == 0:
			unlock(fd, st) // to be moved, its .. changes
			lifted = unix.Renameat(dir, name, top, rand.Text()) == nil || lifted
			return
		}
		if inner := within(dir, name, fd, st); inner >= 0 {
			lifted = emptyWithin(inner, top, depth-1) || lifted
			unix.Close(inner)
		}
		unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
	})
	return lifted
}

// copyTree copies folders, plain files and links, as they are, from one open folder to another. What is
// deeper than that is left out, and all else too. Of its bytes, room says how many may still come, a
// name having at least a block; more are errTooMuch.
func copyTree(from, to, depth int, room *int) (failed error) {
	const block = 4096
	err := each(from, func(name string, fd int, st *unix.Stat_t) {
		if failed != nil || depth == 0 {
			return
		}
		if *room -= max(int(st.Size), block); *room < 0 {
			failed = errTooMuch
			return
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			failed = copyFolder(from, to, name, fd, st, depth, room)
		case unix.S_IFREG:
			failed = copyFile(from, to, name, fd, st)
		case unix.S_IFLNK:
			target := make([]byte, unix.PathMax)
			n, err := unix.Readlinkat(fd, "", target)
			if err == nil {
				err = unix.Symlinkat(string(target[:n]), to, name)
			}
			failed = os.NewSyscallError("symlink", err)
		default:
			return
		}
		if failed == nil { // make(1) goes by it
			unix.UtimesNanoAt(to, name, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
		}
	})
	if failed != nil {
		return failed
	}
	return err
}

func copyFolder(from, to int, name string, fd int, st *unix.Stat_t, depth int, room *int) error {
	if err := unix.Mkdirat(to, name, 0o755); err != nil {
		return os.NewSyscallError("mkdir", err)
	}
	inner, err := unix.Openat(to, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("open", err)
	}
	defer unix.Close(inner)
	source := within(from, name, fd, st)
	if source < 0 {
		return nil // gone
	}
	defer unix.Close(source)
	return copyTree(source, inner, depth-1, room)
}

func copyFile(from, to int, name string, fd int, st *unix.Stat_t) error {
	unlock(fd, st)
	in, err := unix.Openat(from, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("open", err)
	}
	source := os.NewFile(uintptr(in), name)
	defer source.Close()
	out, err := unix.Openat(to, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o644|st.Mode&0o111)
	if err != nil {
		return os.NewSyscallError("open", err)
	}
	copied := os.NewFile(uintptr(out), name)
	_, err = io.Copy(copied, source)
	if closed := copied.Close(); err == nil {
		err = closed
	}
	return err
}

// anybody is no user's id, and stands for all.
const anybody = -1

// leftBy is how much a user has in files under some folders, in bytes; a file that is under two of them
// counts once. What goes while it looks is not counted.
func leftBy(uid int, dirs ...string) (bytes int) {
	seen := make(map[fileID]bool)
	for _, dir := range dirs {
		if fd, err := openFolder(dir); err == nil { // there may be none
			bytes += leftIn(fd, uid, deepest, seen)
			unix.Close(fd)
		}
	}
	return bytes
}

func leftIn(dir, uid, depth int, seen map[fileID]bool) (bytes int) {
	each(dir, func(name string, fd int, st *unix.Stat_t) {
		theirs := uid == anybody || int(st.Uid) == uid
		if theirs && !seen[idOf(st)] {
			seen[idOf(st)] = true
			bytes += int(st.Blocks) * 512
		}
		if !mayHold(st, uid) {
			return
		}
		if depth == 0 {
			if theirs {
				bytes += endless
			}
			return
		}
		if inner := within(dir, name, fd, st); inner >= 0 {
			bytes += leftIn(inner, uid, depth-1, seen)
			unix.Close(inner)
		}
	})
	return bytes
}

// endless is what a folder counts that is too deep to be looked into: more than any limit.
const endless = 1 << 40

// A fileID tells a file from all others.
type fileID struct{ device, inode uint64 }

func idOf(st *unix.Stat_t) fileID { return fileID{st.Dev, st.Ino} }

func idsOf(paths []string) (ids []fileID) {
	for _, path := range paths {
		var st unix.Stat_t
		if unix.Lstat(path, &st) == nil {
			ids = append(ids, idOf(&st))
		}
	}
	return ids
}
