package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFilesOfAnother has a folder that another user prepared lead nowhere: a link is not followed, and a file
// that has a second name elsewhere keeps its owner.
func TestFilesOfAnother(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	const user = 61234
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.MkdirAll(at("theirs/deep"), 0o755), os.Mkdir(at("ours"), 0o755),
		os.WriteFile(at("ours/secret"), nil, 0o600), os.WriteFile(at("theirs/deep/file"), nil, 0o644),
		os.Symlink(at("ours"), at("theirs/link")), os.Link(at("ours/secret"), at("theirs/second"))); err != nil {
		t.Fatal(err)
	}
	owner := func(name string) int {
		info, err := os.Lstat(at(name))
		if err != nil {
			t.Fatal(err)
		}
		return int(info.Sys().(*syscall.Stat_t).Uid)
	}
	if err := owned(at("theirs"), user); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"theirs": user, "theirs/deep": user, "theirs/deep/file": user, "theirs/link": user, "ours": 0, "ours/secret": 0} {
		if got := owner(name); got != want {
			t.Errorf("%s belongs to %d; want %d", name, got, want)
		}
	}
	if err := owned(at("theirs/link"), user); err == nil || owner("ours") != 0 {
		t.Errorf("a link in the place of a folder was followed: %v", err)
	}

	fd, err := openFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(os.Mkdir(at("mixed"), 0o777), os.Chmod(at("mixed"), 0o777), os.WriteFile(at("mixed/theirs"), nil, 0o644), os.Chown(at("mixed/theirs"), user, user),
		os.WriteFile(at("mixed/ours"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	remove(fd, user, deepest, nil)
	for name, stays := range map[string]bool{"theirs": false, "ours/secret": true, "mixed/theirs": false, "mixed/ours": true} {
		if _, err := os.Lstat(at(name)); stays != (err == nil) || !stays && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v; it should stay: %v", name, err, stays)
		}
	}
}
