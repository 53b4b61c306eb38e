package build

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Lend copies what builds the server into an empty folder that every user can reach: the toolchain, if ours
// is closed to others, its caches and the server's source. It returns a builder of what is there. Root's
// own are often in a home folder of mode 0700, where another user's go command finds nothing.
func (b *Builder) Lend(ctx context.Context, dir string) (*Builder, error) {
	own, err := caches()
	if err != nil {
		return nil, err
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	lent := &Builder{Root: in("source"), Dir: b.Dir, Race: b.Race,
		from: &where{GOROOT: own.GOROOT, GOCACHE: in("cache"), GOMODCACHE: in("modules")}}
	for _, name := range sources {
		if err := copyTo(filepath.Join(lent.Root, name), filepath.Join(b.Root, name)); err != nil {
			return nil, err
		}
	}
	if !Public(own.GOROOT) {
		lent.from.GOROOT = in("go")
		if err := copyTo(lent.from.GOROOT, own.GOROOT); err != nil {
			return nil, err
		}
	}
	// The go command fetches the modules that it needs from the files that it once fetched (go.dev/ref/mod).
	return lent, lent.Warm(ctx, "", "GOPROXY=file://"+filepath.ToSlash(own.GOMODCACHE)+"/cache/download", "GOSUMDB=off")
}

// sources is what of the project a build of the server reads: see hash.
var sources = []string{"go.mod", "go.sum", "server", "labs/internal/namespace"}

// copyTo copies a file, or a folder without what begins with a dot, for everybody to read: as old as it is.
func copyTo(to, from string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		at := filepath.Join(to, rel)
		switch {
		case rel != "." && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir():
			return os.MkdirAll(at, 0o755)
		}
		info, err := os.Stat(path) // a link's file
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if info.Mode()&0o100 != 0 {
			mode = 0o755
		}
		// The go command keeps nothing in its cache of a file that is younger than two seconds.
		return errors.Join(os.WriteFile(at, data, mode), os.Chtimes(at, time.Time{}, info.ModTime()))
	})
}

// Public reports whether every user may look into a folder.
func Public(dir string) bool {
	dir, err := filepath.EvalSymlinks(dir)
	for ; err == nil && dir != "/"; dir = filepath.Dir(dir) {
		var info fs.FileInfo
		if info, err = os.Stat(dir); err == nil && info.Mode()&0o001 == 0 {
			return false
		}
	}
	return err == nil
}
