package build

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestSweep has a new builder remove what a killed one left, and nothing of one that is at work.
func TestSweep(t *testing.T) {
	root := t.TempDir()
	at := func(name string) string { return filepath.Join(root, ".build", "bin", name) }
	long := time.Now().Add(-time.Hour)
	for name, modified := range map[string]time.Time{"building-dead": long, "building-alive": long, "building-young": time.Now(), "server-1": long} {
		if err := errors.Join(os.MkdirAll(at(name), 0o777), os.Chtimes(at(name), modified, modified)); err != nil {
			t.Fatal(err)
		}
	}
	alive, err := os.Open(at("building-alive"))
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	if err := unix.Flock(int(alive.Fd()), unix.LOCK_SH); err != nil {
		t.Fatal(err)
	}
	if _, err := New(root); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(at("."))
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, entry := range entries {
		left = append(left, entry.Name())
	}
	if diff := cmp.Diff([]string{"building-alive", "building-young", "server-1"}, left); diff != "" {
		t.Error(diff)
	}
}

// TestCopyTo has a copy be readable for everybody, as old as what was copied, and without what is hidden.
func TestCopyTo(t *testing.T) {
	before := unix.Umask(0o022) // as that of a grader
	defer unix.Umask(before)
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	modified := time.Unix(1000, 0)
	write := func(name string, mode os.FileMode) {
		path := filepath.Join(from, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(name), mode), os.Chtimes(path, modified, modified)); err != nil {
			t.Fatal(err)
		}
	}
	write("a/b/closed", 0o600)
	write("program", 0o700)
	write(".git/config", 0o644)
	write("a/.swp", 0o644)
	if err := errors.Join(os.Symlink("program", filepath.Join(from, "link")), unix.Mkfifo(filepath.Join(from, "fifo"), 0o666)); err != nil {
		t.Fatal(err)
	}
	if err := copyTo(to, from); err != nil {
		t.Fatal(err)
	}
	type file struct {
		Mode os.FileMode
		Text string
	}
	got := make(map[string]file)
	err := filepath.WalkDir(to, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(to, path)
		if entry.IsDir() {
			got[name] = file{Mode: info.Mode()}
			return nil
		}
		text, err := os.ReadFile(path)
		got[name] = file{info.Mode(), string(text)}
		if !info.ModTime().Equal(modified) {
			t.Errorf("%s: of %v", name, info.ModTime())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := file{Mode: os.ModeDir | 0o755}
	want := map[string]file{".": dir, "a": dir, "a/b": dir, "a/b/closed": {0o644, "a/b/closed"}, "program": {0o755, "program"}, "link": {0o755, "program"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
