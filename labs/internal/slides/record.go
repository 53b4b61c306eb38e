package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"posixlab/labs/internal/course"
	"posixlab/labs/internal/show"
)

// record runs each scenario that a deck quotes, or only those that are named, and keeps what the runner told.
func record(ctx context.Context, c *course.Course, only []string) error {
	tmp, err := os.MkdirTemp("", "slides-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	labs := filepath.Join(tmp, "labs")
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", labs, "./labs")
	build.Dir, build.Stderr = c.Root, os.Stderr
	if err := build.Run(); err != nil {
		return err
	}
	for _, lang := range languages {
		names, err := recordings(c, lang)
		if err != nil {
			return err
		}
		dir := filepath.Join(folder(c, lang), "recorded")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		for _, name := range names {
			if len(only) > 0 && !slices.Contains(only, name) {
				continue
			}
			run := exec.CommandContext(ctx, labs, "run", "-lang", string(lang), "-no-questions", scenarioOf(name))
			run.Dir, run.Stderr = c.Root, os.Stderr
			out, err := run.Output()
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			said := strings.ReplaceAll(string(out), c.Root+"/", "") // where the kit stands is nobody's business
			told := fmt.Sprintf(about.In(lang), scenarioOf(name), lang) + mark(said, lang)
			if err := os.WriteFile(filepath.Join(dir, name+".txt"), []byte(told), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// recordings are the scenarios that the decks of a language quote, by name. The decks' text tells: they
// cannot be parsed before the recordings are there.
func recordings(c *course.Course, lang show.Lang) (names []string, err error) {
	paths, err := filepath.Glob(filepath.Join(folder(c, lang), "*.slide"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		for _, match := range quoted.FindAllSubmatch(text, -1) {
			names = append(names, string(match[1]))
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

var about = show.Text{
	EN: "A recorded run of `labs run %s`, in %s. `make slides-record` records it anew.\n",
	ES: "Una ejecución grabada de `labs run %s`, en %s. `make slides-record` la graba de nuevo.\n"}

var (
	storyLine = regexp.MustCompile(`^▌(\S+) +(.*)$`)
	stepLine  = regexp.MustCompile(`^ ?(\d+) \S`)
	took      = regexp.MustCompile(`^( +[✓✗]) [\d.]+ m?s$`)
	heading   = regexp.MustCompile(`^(\S.*|  \S.*)?$`) // ends a step: what is not indented as its lines are
)

// ownOutput is the heading under which the runner shows the server's log: more than a slide has room for.
var ownOutput = show.Text{EN: "the server's own output", ES: "lo que escribió el servidor"}

// mark puts each step of the first story, which is the reference's, between START N OMIT and END N OMIT,
// and where a known-bad server breaks between START BUG OMIT and END BUG OMIT, up to the kernel's first table; the
// second stands between START BUG-2 OMIT and END BUG-2 OMIT. How long a step took is left
// out: it would be another in each recording.
func mark(told string, lang show.Lang) string {
	var out bytes.Buffer
	stories, open := 0, ""
	end := func() {
		if open != "" {
			fmt.Fprintf(&out, "END %s OMIT\n", open)
		}
		open = ""
	}
	begin := func(name string) {
		end()
		open = name
		fmt.Fprintf(&out, "START %s OMIT\n", name)
	}
	bug, tables := "", 0
	for line := range strings.Lines(told) {
		line = strings.TrimSuffix(line, "\n")
		if match := storyLine.FindStringSubmatch(line); match != nil {
			end()
			stories++
			bug = ""
			if stories > 1 {
				words := strings.Fields(match[2])
				bug = words[len(words)-1]
			}
		}
		if match := stepLine.FindStringSubmatch(line); match != nil && stories == 1 {
			begin(match[1])
		} else if line == "" || heading.MatchString(line) || strings.TrimSpace(line) == ownOutput.In(lang) {
			end()
		}
		if match := took.FindStringSubmatch(line); match != nil {
			line = match[1]
			if bug != "" && strings.HasSuffix(line, "✗") {
				begin(bug)
				tables = 0
			}
		}
		if bug != "" && strings.HasPrefix(open, bug) && strings.HasPrefix(line, "    /proc") {
			if tables++; tables > 1 { // a slide has room for one
				begin(fmt.Sprintf("%s-%d", bug, tables))
			}
		}
		fmt.Fprintln(&out, line)
	}
	end()
	return out.String()
}
