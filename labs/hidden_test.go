package main

import (
	"path/filepath"
	"testing"

	"posixlab/labs/internal/course"
	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/show"
)

// hiddenLabs are the example of labs that students do not have: see labs/README.md.
const hiddenLabs = "testdata/hidden"

// loadHidden returns the course with the hidden labs in it, beside the one that the other tests share.
func loadHidden(t *testing.T) *course.Course {
	t.Helper()
	root := loadKit(t).course.Root
	c, err := course.Load(root)
	if err == nil {
		err = c.Hide(filepath.Join(root, hiddenLabs))
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestHidden has the reference pass every hidden scenario, in both languages, and the known-bad
// servers that a scenario names fail it.
func TestHidden(t *testing.T) {
	k := buildKit(t)
	hidden := 0
	for _, lang := range []show.Lang{show.English, show.Spanish} {
		t.Run(string(lang), func(t *testing.T) {
			r := newRunner(t, lang)
			for _, sc := range loadHidden(t).Scenarios() {
				if !sc.Hidden {
					continue
				}
				hidden++
				if result := r.Run(t.Context(), sc, reference(k.server), grade.Told{}); result.Verdict != grade.Pass {
					t.Error(why(result))
				}
				if len(sc.Bugs) == 0 {
					t.Errorf("%s: no known-bad server shows that it can fail", sc.ID())
				}
				for _, name := range sc.Bugs {
					server := k.bug(t, name)
					tellsWhy(t, trial{name, server, sc}, r.Run(t.Context(), sc, knownBad(server), grade.Told{}))
				}
			}
		})
	}
	if hidden == 0 {
		t.Errorf("no hidden scenario in %s", hiddenLabs)
	}
}

// TestHiddenOption has list and check know hidden labs by -hidden, and only by that.
func TestHiddenOption(t *testing.T) {
	dir := filepath.Join(loadKit(t).course.Root, hiddenLabs)
	t.Setenv("TMPDIR", t.TempDir())
	for _, c := range []struct {
		want int
		args []string
	}{
		{grade.ExitPass, []string{"check", "-hidden", dir, "-reference", "08-after-class"}},
		{grade.ExitFail, []string{"check", "-hidden", dir, "-bug", "no-sigchld", "nobody-there"}},
		{grade.ExitUsage, []string{"check", "-reference", "nobody-there"}},
		{grade.ExitPass, []string{"run", "-hidden", dir, "nobody-there"}},
		{grade.ExitPass, []string{"list", "-hidden", dir}},
		{grade.ExitInfra, []string{"list", "-hidden", t.TempDir()}},
	} {
		if status := labs(t.Context(), c.args); status != c.want {
			t.Errorf("labs %q: status %d, want %d", c.args, status, c.want)
		}
	}
}
