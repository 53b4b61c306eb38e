package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"posixlab/labs/internal/build"
	"posixlab/labs/internal/course"
	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/show"
)

// TestExercises has every untouched exercise compile and fail its lab, by a failure that says why; and
// has the reference's own file, in its place, pass.
func TestExercises(t *testing.T) {
	k := buildKit(t)
	r := newRunner(t, show.English)
	dir := t.TempDir()
	var solved []trial
	for _, lab := range k.course.Labs {
		if lab.Exercise == "" {
			t.Fatalf("%s has no exercise", lab.Name)
		}
		own := *lab
		own.Exercise = filepath.Join(dir, lab.Name, filepath.Base(lab.Exercise))
		source, err := os.ReadFile(filepath.Join(k.course.Root, course.Replaced(k.course.Root, filepath.Base(lab.Exercise))))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Mkdir(filepath.Dir(own.Exercise), 0o777), os.WriteFile(own.Exercise, source, 0o666)); err != nil {
			t.Fatal(err)
		}
		server, err := k.builder.Exercise(t.Context(), &own)
		if err != nil {
			t.Fatal(err)
		}
		for _, sc := range lab.Scenarios {
			solved = append(solved, trial{"exercise", server, sc})
		}
	}
	sideBySide(solved, func(tr trial) {
		if result := r.Run(t.Context(), tr.sc, exercise(tr.server), grade.Told{}); result.Verdict != grade.Pass {
			t.Errorf("the reference's file: %s", why(result))
		}
	})
	sideBySide(k.course.Labs, func(lab *course.Lab) {
		untouched, err := k.builder.Exercise(t.Context(), lab)
		if err != nil {
			t.Error(err)
			return
		}
		for _, sc := range lab.Scenarios { // up to the first failure, which is the first lesson
			result := r.Run(t.Context(), sc, exercise(untouched), grade.Told{})
			if result.Verdict != grade.Pass {
				tellsWhy(t, trial{"exercise", untouched, sc}, result)
				return
			}
		}
		t.Errorf("the untouched exercise of %s passes", lab.Name)
	})
}

var todo = regexp.MustCompile(`^\s*// (TODO|ES) (\d+):`)

// TestExerciseTexts has each TODO of an exercise be there in both languages, in the order of their
// numbers.
func TestExerciseTexts(t *testing.T) {
	for _, lab := range loadKit(t).course.Labs {
		source, err := os.ReadFile(lab.Exercise)
		if err != nil {
			t.Errorf("%s: %v", lab.Name, err)
			continue
		}
		if !strings.HasPrefix(string(source), "//go:build exercise\n") {
			t.Errorf("%s: it would be a part of ./...: begin with //go:build exercise", lab.Exercise)
		}
		count := map[string]map[string]int{"TODO": {}, "ES": {}}
		for line := range strings.Lines(string(source)) {
			if m := todo.FindStringSubmatch(line); m != nil {
				count[m[1]][m[2]]++
			}
			if n := len([]rune(strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", "    "))); n > 100 {
				t.Errorf("%s: a line of %d columns: %s", lab.Exercise, n, line)
			}
		}
		if len(count["TODO"]) == 0 {
			t.Errorf("%s: nothing is to be done", lab.Exercise)
		}
		for number := range count["TODO"] {
			if count["ES"][number] == 0 {
				t.Errorf("%s: TODO %s is not there in Spanish", lab.Exercise, number)
			}
		}
		for number := range count["ES"] {
			if count["TODO"][number] == 0 {
				t.Errorf("%s: ES %s is not there in English", lab.Exercise, number)
			}
		}
	}
}

// TestBroken has an exercise that does not compile say where, by the name that the student knows.
func TestBroken(t *testing.T) {
	k := buildKit(t)
	root := k.course.Root
	dir, err := os.MkdirTemp(filepath.Join(root, ".build"), "broken-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	lab := *k.course.Labs[0]
	lab.Exercise = filepath.Join(dir, "stop.go")
	if err := os.WriteFile(lab.Exercise, []byte("package main\n\nfunc (s *server) stop(arg string) (string, error) { return arg }\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	_, err = k.builder.Exercise(t.Context(), &lab)
	name, _ := filepath.Rel(root, lab.Exercise)
	broken, ok := errors.AsType[*build.Broken](err)
	if !ok || broken.File != name || !strings.Contains(broken.Said, name+":3:") || !strings.Contains(broken.Said, "not enough return values") {
		t.Errorf("%v", err)
	}
}

// TestExerciseCommand puts the server with an exercise in it where make puts the reference; and
// leaves what was there if it does not compile.
func TestExerciseCommand(t *testing.T) {
	original, root := loadKit(t).course.Root, t.TempDir()
	for _, dir := range []string{"server", "labs", "testdata/bugs"} {
		if err := os.CopyFS(filepath.Join(root, dir), os.DirFS(filepath.Join(original, dir))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(original, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(root, theExercise)
	os.Remove(program)
	command := func(args ...string) int {
		return labs(t.Context(), append([]string{"exercise", "-lang", "en", "-root", root}, args...))
	}
	if status := command("8"); status != grade.ExitPass {
		t.Fatalf("status %d", status)
	}
	before, err := os.Stat(program)
	if err != nil || before.Mode().Perm() != 0o755 {
		t.Fatalf("%v, %v", before, err)
	}
	if status := command(); status != grade.ExitUsage {
		t.Errorf("no lab: status %d", status)
	}
	spoilt := filepath.Join(root, "labs/08-zombies/exercise/reap.go")
	if err := os.WriteFile(spoilt, []byte("package main\n\nfunc reap() { nothing }\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if status := command("8"); status != grade.ExitFail {
		t.Errorf("one that does not compile: status %d", status)
	}
	if after, err := os.Stat(program); err != nil || !os.SameFile(before, after) {
		t.Errorf("the program before it is gone: %v", err)
	}
}
