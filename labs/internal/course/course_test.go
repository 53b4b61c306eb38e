package course

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const header = `Title: is wrong
Título: está mal
Lesson: Do not,
  ever.
Lección: Jamás.
Fails: 01-a/x 01-a/y
  02-b/z

`

const diff = `diff --git a/f.go b/f.go
--- a/f.go
+++ b/f.go
@@ -2,3 +2,3 @@
 two
-three
+3
 four
`

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, text string) (*Bug, error) {
	t.Helper()
	return loadBug(write(t, t.TempDir(), "odd.patch", text))
}

func TestBugHeader(t *testing.T) {
	bug, err := load(t, header+diff)
	if err != nil {
		t.Fatal(err)
	}
	if bug.Name != "odd" || bug.Title.EN != "is wrong" || bug.Title.ES != "está mal" ||
		bug.Lesson.EN != "Do not, ever." || bug.Lesson.ES != "Jamás." || bug.Diff != diff {
		t.Errorf("%+v", bug)
	}
	if diff := cmp.Diff([]string{"01-a/x", "01-a/y", "02-b/z"}, bug.Fails); diff != "" {
		t.Error(diff)
	}
	for name, text := range map[string]string{
		`the header has no line "Título:"`: strings.Replace(header, "Título: está mal\n", "", 1) + diff,
		`the header has no line "Fails:"`:  strings.Replace(header, "Fails: 01-a/x 01-a/y\n  02-b/z\n", "", 1) + diff,
		`the header has no line "Lesson:"`: strings.Replace(header, "Lesson: Do not,\n  ever.\n", "Lesson:\n", 1) + diff,
		`a line "Author:"`:                 strings.Replace(header, "Fails:", "Author: me\nFails:", 1) + diff,
		"no empty line between":            strings.ReplaceAll(header, "\n\n", "\n") + diff,
		"no diff":                          header + "just words\n",
		`the header has no line "Title:"`:  "  indented first\n" + strings.Replace(header, "Title: is wrong\n", "", 1) + diff,
		"fragment header miscounts line":   header + strings.Replace(diff, "-2,3", "-2,9", 1),
	} {
		if _, err := load(t, text); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v; want an error that says %q", err, name)
		}
	}
}

func TestApply(t *testing.T) {
	bug, err := load(t, header+diff)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ source, want, complaint string }{
		"in its place": {"one\ntwo\nthree\nfour\nfive\n", "one\ntwo\n3\nfour\nfive\n", ""},
		"further down": {strings.Repeat("x\n", 50) + "two\nthree\nfour\n", strings.Repeat("x\n", 50) + "two\n3\nfour\n", ""},
		"first":        {"two\nthree\nfour\n", "two\n3\nfour\n", ""},
		"no last LF":   {"two\nthree\nfour\nfive", "two\n3\nfour\nfive", ""},
		"gone":         {"one\ntwo\n3\nfour\n", "", "stand in 0 places"},
		"twice":        {"two\nthree\nfour\ntwo\nthree\nfour\n", "", "stand in 2 places"},
		"changed":      {"two\n three\nfour\n", "", "stand in 0 places"},
		"empty":        {"", "", "stand in 0 places"},
	} {
		root := t.TempDir()
		write(t, root, "f.go", c.source)
		patched, err := bug.Apply(root)
		if c.complaint != "" {
			if err == nil || !strings.Contains(err.Error(), "odd.patch: f.go") || !strings.Contains(err.Error(), c.complaint) {
				t.Errorf("%s: %v; want an error that names the patch and the file, and says %q", name, err, c.complaint)
			}
			continue
		}
		if diff := cmp.Diff(map[string]string{"f.go": c.want}, text(patched)); diff != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
	if _, err := bug.Apply(t.TempDir()); err == nil {
		t.Error("there is no f.go")
	}
}

func text(files map[string][]byte) map[string]string {
	said := make(map[string]string)
	for name, data := range files {
		said[name] = string(data)
	}
	return said
}

// TestApplyHunks moves several hunks, one of which changes how many lines there are.
func TestApplyHunks(t *testing.T) {
	bug, err := load(t, header+`diff --git a/f.go b/f.go
--- a/f.go
+++ b/f.go
@@ -1,2 +1,4 @@
 a
+new
+new
 b
@@ -3,3 +5,2 @@
 c
-d
 e
`)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	write(t, root, "f.go", "0\n0\n0\na\nb\n0\n0\nc\nd\ne\n")
	patched, err := bug.Apply(root)
	if diff := cmp.Diff(map[string]string{"f.go": "0\n0\n0\na\nnew\nnew\nb\n0\n0\nc\ne\n"}, text(patched)); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

const labTOML = `slide = "01-a"
[title]
en = "A"
es = "Á"
[topic]
en = "a"
es = "á"
[[scenario]]
name = "x"
points = 2
bugs = ["odd"]
claim = { en = "c", es = "c" }
hint = { en = "h", es = "p" }
`

// project makes a small one, changed in one file.
func project(t *testing.T, name, text string) string {
	t.Helper()
	root := t.TempDir()
	files := map[string]string{
		"go.mod":                   "module posixlab\n",
		"labs/01-a/lab.toml":       labTOML,
		"labs/01-a/x.txtar":        "# X\n#es X\nserver\n",
		"testdata/bugs/odd.patch":  strings.Replace(header, "01-a/x 01-a/y\n  02-b/z", "01-a/x", 1) + diff,
		"labs/internal/01-b/x.txt": "",
	}
	if name != "" {
		files[name] = text
	}
	for name, text := range files {
		if text != "-" {
			write(t, root, name, text)
		}
	}
	return root
}

func TestLoad(t *testing.T) {
	c, err := Load(project(t, "", ""))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Labs) != 1 || c.Labs[0].Number != 1 || c.Labs[0].Name != "01-a" || len(c.Scenarios()) != 1 || c.Bugs["odd"] == nil {
		t.Errorf("%+v", c)
	}
	x := c.Scenario("01-a/x")
	if x == nil || x.Points != 2 || x.Lab != c.Labs[0] || c.Scenario("01-a/z") != nil {
		t.Errorf("%+v", x)
	}
	for _, word := range []string{"1", "01", "01-a", "01-a/x", "x"} {
		if found := c.Find(word); len(found) != 1 || found[0] != x {
			t.Errorf("Find(%q) = %v", word, found)
		}
	}
	for _, word := range []string{"2", "", "a", "01-a/", "X"} {
		if found := c.Find(word); len(found) != 0 {
			t.Errorf("Find(%q) = %v", word, found)
		}
	}
	for _, broken := range []struct{ name, text, complaint string }{
		{"labs/01-a/lab.toml", labTOML + "colour = 1\n", "unknown key"},
		{"labs/01-a/lab.toml", strings.Replace(labTOML, "slide", "slid", 1), "unknown key slid"},
		{"labs/01-a/lab.toml", strings.Replace(labTOML, "points = 2", "points = 0", 1), "points"},
		{"labs/01-a/lab.toml", strings.Replace(labTOML, `"odd"`, `"other"`, 1), "other"},
		{"labs/01-a/lab.toml", strings.Replace(labTOML, `name = "x"`, `name = "z"`, 1), "no script"},
		{"labs/01-a/lab.toml", "[", "lab.toml"},
		{"labs/01-a/lab.toml", "-", "no labs"},
		{"testdata/bugs/odd.patch", header + diff, "no such scenario"},
		{"testdata/bugs/odd.patch", "Title: x\n", "odd.patch"},
		{"testdata/bugs/odd.patch", "-", "odd"},
	} {
		if _, err := Load(project(t, broken.name, broken.text)); err == nil || !strings.Contains(err.Error(), broken.complaint) {
			t.Errorf("%s: %v; want an error that says %q", broken.name, err, broken.complaint)
		}
	}
}

func TestFindRoot(t *testing.T) {
	root := project(t, "", "")
	for _, dir := range []string{root, filepath.Join(root, "labs", "01-a")} {
		if got, err := FindRoot(dir); got != root || err != nil {
			t.Errorf("FindRoot(%s) = %s, %v", dir, got, err)
		}
	}
	other := t.TempDir()
	write(t, other, "go.mod", "module posixlab/other\n")
	if got, err := FindRoot(other); err == nil {
		t.Errorf("FindRoot of another module: %s", got)
	}
}

// TestBugsApply applies every patch of the project to its server as it stands.
func TestBugsApply(t *testing.T) {
	root, err := FindRoot(".")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Load(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, bug := range c.Bugs {
		if _, err := bug.Apply(root); err != nil {
			t.Error(err)
		}
	}
}
