package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"posixlab/labs/internal/course"
	"posixlab/labs/internal/show"
)

// A concept is one of the lecture's, and where each part of the kit has it.
type concept struct {
	Name     show.Text
	Slide    string    // deck#id
	Code     string    // file#anchor, of a pair START anchor OMIT, END anchor OMIT
	Scenario string    // lab/scenario
	Evidence show.Text // what the kernel shows
	Bug      string    // a known-bad server, which the scenario catches
}

// concepts reads slides/concepts.toml.
func concepts(c *course.Course) ([]concept, error) {
	var file struct{ Concept []concept }
	path := filepath.Join(c.Root, "slides", "concepts.toml")
	meta, err := toml.DecodeFile(path, &file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return nil, fmt.Errorf("%s: unknown key %s", path, unknown[0])
	}
	return file.Concept, nil
}

// check says what a concept points at in vain.
func (k concept) check(c *course.Course, all []*deck) error {
	var errs []error
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: "+format, append([]any{k.Name.EN}, args...)...))
	}
	for cell, text := range map[string]string{"name.en": k.Name.EN, "name.es": k.Name.ES,
		"evidence.en": k.Evidence.EN, "evidence.es": k.Evidence.ES} {
		if text == "" {
			fail("%s is empty", cell)
		}
	}
	name, id, _ := strings.Cut(k.Slide, "#")
	if i := slices.IndexFunc(all, func(d *deck) bool { return d.Name == name }); i < 0 || all[i].slide(id) == nil {
		fail("there is no slide %q", k.Slide)
	}
	file, anchor, _ := strings.Cut(k.Code, "#")
	source, err := os.ReadFile(filepath.Join(c.Root, file))
	if err != nil || !strings.Contains(string(source), "// START "+anchor+" OMIT\n") {
		fail("there is no code %q", k.Code)
	}
	sc := c.Scenario(k.Scenario)
	if sc == nil {
		fail("there is no scenario %q", k.Scenario)
	}
	if bug := c.Bugs[k.Bug]; bug == nil {
		fail("there is no known-bad server %q", k.Bug)
	} else if !slices.Contains(bug.Fails, k.Scenario) {
		fail("%s does not fail %s", k.Bug, k.Scenario)
	}
	return errors.Join(errs...)
}

// mapOf writes the map as Markdown.
func mapOf(c *course.Course, lang show.Lang) (string, error) {
	all, err := decks(c, lang)
	if err != nil {
		return "", err
	}
	rows, err := concepts(c)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	out.WriteString(mapHead.In(lang))
	for _, d := range all {
		mine := slices.DeleteFunc(slices.Clone(rows), func(k concept) bool { return !strings.HasPrefix(k.Slide, d.Name+"#") })
		fmt.Fprintf(&out, "\n## [%s](%s/%s.slide)\n\n%s", d.Title, lang, d.Name, mapColumns.In(lang))
		for _, k := range mine {
			if err := k.check(c, all); err != nil {
				return "", err
			}
			_, id, _ := strings.Cut(k.Slide, "#")
			file, anchor, _ := strings.Cut(k.Code, "#")
			sc := c.Scenario(k.Scenario)
			fmt.Fprintf(&out, "| %s | [%s](%s/%s.slide) | [%s](../%s), `%s` | [%s](../labs/%s.txtar) | %s | [%s](../testdata/bugs/%s.patch) |\n",
				k.Name.In(lang), d.slide(id).Title, lang, d.Name, filepath.Base(file), file, anchor,
				sc.Name, k.Scenario, k.Evidence.In(lang), k.Bug, k.Bug)
		}
	}
	return out.String(), nil
}

var mapHead = show.Text{
	EN: `# The concepts of the lecture

[Español](MAP.es.md)

Where each concept has its slide, its lines of the server, the scenario of a lab that shows it, what the
kernel says, and a known-bad server that has it wrong. Generated from concepts.toml: ` + "`make slides-map`" + `.
`,
	ES: `# Los conceptos de la clase

[English](MAP.md)

Dónde tiene cada concepto su diapositiva, sus líneas del servidor, el escenario de un laboratorio que lo
muestra, lo que dice el kernel, y un servidor defectuoso que lo hace mal. Se genera a partir de
concepts.toml: ` + "`make slides-map`" + `.
`}

var mapColumns = show.Text{
	EN: "| concept | slide | code | scenario | evidence | bug |\n|---|---|---|---|---|---|\n",
	ES: "| concepto | diapositiva | código | escenario | evidencia | error |\n|---|---|---|---|---|---|\n"}

// mapFile is where a language's map is.
func mapFile(c *course.Course, lang show.Lang) string {
	return filepath.Join(c.Root, "slides", map[show.Lang]string{show.English: "MAP.md", show.Spanish: "MAP.es.md"}[lang])
}

// writeMap writes both.
func writeMap(_ context.Context, c *course.Course, _ []string) error {
	for _, lang := range languages {
		text, err := mapOf(c, lang)
		if err != nil {
			return err
		}
		if err := os.WriteFile(mapFile(c, lang), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
