package sandbox

import (
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// What a submission left is looked at by root, while others may still change it: a name that was a folder
// a moment ago can be a link to /etc. So nothing here goes by path: each folder is opened within the one
// before, without following links (openat(2), O_NOFOLLOW), and what is changed is what was looked at.

// deepest is how many folders within one another are gone through; what is deeper stays as it is.
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

// within opens a folder in a folder, or returns -1.
func within(dir int, name string) int {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
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
			if inner := within(dir, name); inner >= 0 {
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

// remove removes what a user owns from an open folder, and from the folders in it, but for some.
func remove(dir, uid, depth int, but []folderID) {
	if depth == 0 {
		return
	}
	each(dir, func(name string, _ int, st *unix.Stat_t) {
		if !isFolder(st) {
			if int(st.Uid) == uid {
				unix.Unlinkat(dir, name, 0)
			}
			return
		}
		if slices.Contains(but, folderID{st.Dev, st.Ino}) {
			return
		}
		inner := within(dir, name)
		if inner < 0 {
			return
		}
		defer unix.Close(inner)
		if int(st.Uid) == uid {
			empty(inner, depth-1)
			unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
		} else {
			remove(inner, uid, depth-1, but)
		}
	})
}

// empty removes all that is in an open folder.
func empty(dir, depth int) {
	if depth == 0 {
		return
	}
	each(dir, func(name string, _ int, st *unix.Stat_t) {
		if !isFolder(st) {
			unix.Unlinkat(dir, name, 0)
			return
		}
		if inner := within(dir, name); inner >= 0 {
			empty(inner, depth-1)
			unix.Close(inner)
		}
		unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
	})
}

// A folderID tells a folder from all others.
type folderID struct{ device, inode uint64 }

func idsOf(paths []string) (ids []folderID) {
	for _, path := range paths {
		var st unix.Stat_t
		if unix.Lstat(path, &st) == nil {
			ids = append(ids, folderID{st.Dev, st.Ino})
		}
	}
	return ids
}
