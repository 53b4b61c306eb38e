package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport lists, for each part of the project, what its code may import beside the standard
// library. The labs know a server by its binary, its socket and /proc, and never by its package.
var mayImport = map[string][]string{
	"server": {"golang.org/x/sys/unix", "posixlab/server/protocol", "posixlab/server/classroom",
		"posixlab/server/classroom/page"},
	"server/protocol":  {"golang.org/x/sys/unix"},
	"server/classroom": {"golang.org/x/sys/unix", "posixlab/server/protocol"},
	"server/classroom/page": {"golang.org/x/sys/unix", "posixlab/server/protocol", "posixlab/server/classroom",
		"github.com/prometheus/procfs", "rsc.io/qr"},
	"client": {"golang.org/x/sys/unix", "posixlab/server/protocol",
		"github.com/fatih/color", "golang.org/x/term"},
}

// TestImports keeps the pair small, without os/exec in the server, whose Wait would race with the
// reaper, and the labs apart from both.
func TestImports(t *testing.T) {
	root := ".."
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if filepath.Base(dir) == "exercise" {
				dir = "server" // its file stands for one of the server's
			}
			allowed, listed := mayImport[dir]
			foreign := strings.Contains(strings.Split(name, "/")[0], ".") || strings.HasPrefix(name, "posixlab/")
			switch {
			case listed && foreign && !slices.Contains(allowed, name):
				t.Errorf("%s imports %s", path, name)
			case dir == "server" && name == "os/exec":
				t.Errorf("%s imports %s: children have one owner of wait", path, name)
			case strings.HasPrefix(dir, "labs") && (strings.HasPrefix(name, "posixlab/server") || strings.HasPrefix(name, "posixlab/client")):
				t.Errorf("%s imports %s", path, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
