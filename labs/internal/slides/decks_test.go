package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/present"

	"posixlab/labs/internal/course"
	"posixlab/labs/internal/show"
)

// names are all decks: one for the whole, and one for each lab.
func names(c *course.Course) []string {
	all := []string{"00-overview"}
	for _, lab := range c.Labs {
		all = append(all, lab.Name)
	}
	return all
}

func read(t *testing.T, c *course.Course, lang show.Lang) []*deck {
	t.Helper()
	all, err := decks(c, lang)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// An outline is what is the same of a deck in each language.
type outline struct {
	Name, Tags string
	Notes      int // of the title
	Slides     []slideOutline
}

type slideOutline struct {
	ID       string
	Commands []string // .code, .html, .image
	Fences   []string // their info strings
	Points   int      // of its lists
	Quotes   int
	Notes    int
}

var (
	fence = regexp.MustCompile(`<pre><code(?: class="language-(\w+)")?>`)
	point = regexp.MustCompile(`<li>`)
	quote = regexp.MustCompile(`<blockquote>`)
)

func outlineOf(d *deck) outline {
	o := outline{Name: d.Name, Notes: len(d.TitleNotes)}
	for _, s := range d.Sections {
		so := slideOutline{ID: s.ID, Notes: len(s.Notes)}
		for _, elem := range s.Elem {
			switch e := elem.(type) {
			case present.Code:
				so.Commands = append(so.Commands, e.Cmd)
			case present.HTML:
				if e.Cmd != "" {
					so.Commands = append(so.Commands, e.Cmd)
					break
				}
				text := string(e.HTML)
				for _, match := range fence.FindAllStringSubmatch(text, -1) {
					so.Fences = append(so.Fences, match[1])
				}
				so.Points += len(point.FindAllString(text, -1))
				so.Quotes += len(quote.FindAllString(text, -1))
			default:
				so.Commands = append(so.Commands, elem.TemplateName())
			}
		}
		o.Slides = append(o.Slides, so)
	}
	return o
}

// TestLanguages compares the decks: the same slides, excerpts, drawings and notes, in the same order.
func TestLanguages(t *testing.T) {
	c := load(t)
	var outlines [2][]outline
	for i, lang := range languages {
		var found []string
		for _, d := range read(t, c, lang) {
			found = append(found, d.Name)
			outlines[i] = append(outlines[i], outlineOf(d))
			if want := []string{string(lang)}; !slices.Equal(d.Tags, want) {
				t.Errorf("%s: the tags are %q, and not %q", d.Path, d.Tags, want)
			}
		}
		if diff := cmp.Diff(names(c), found); diff != "" {
			t.Errorf("decks of %s (-want +got):\n%s", lang, diff)
		}
	}
	if diff := cmp.Diff(outlines[0], outlines[1]); diff != "" {
		t.Errorf("(-%s +%s):\n%s", languages[0], languages[1], diff)
	}
}

// TestSlides looks at each slide: it has an id of its own, and something to say to the speaker; and the
// last two are the question and the lab.
func TestSlides(t *testing.T) {
	c := load(t)
	for _, lang := range languages {
		for _, d := range read(t, c, lang) {
			seen := map[string]bool{"title": true}
			for _, s := range d.Sections {
				if s.ID == "" || seen[s.ID] {
					t.Errorf("%s: %q: the id %q is empty, or another slide's", d.Path, s.Title, s.ID)
				}
				seen[s.ID] = true
				if len(s.Notes) == 0 || len(s.Elem) == 0 {
					t.Errorf("%s#%s has no notes, or nothing to show", d.Path, s.ID)
				}
			}
			if n := len(d.Sections); n < 8 || d.Sections[n-1].ID != "lab" {
				t.Errorf("%s: %d slides; the last one has to be the lab", d.Path, n)
			}
		}
	}
}

var (
	anchored = regexp.MustCompile(`^\.code (\S+) /START (\S+) OMIT/,/END (\S+) OMIT/$`)
	hunk     = regexp.MustCompile(`^\.code \.\./\.\./testdata/bugs/([a-z-]+)\.patch /\^@@/,\$$`)
	drawn_   = regexp.MustCompile(`^\.html drawings/([a-z]+)\.svg$`)
)

// TestExcerpts looks at what comes from elsewhere: each excerpt stands between the two anchors that it names,
// is not empty, and fits a slide; each drawing is one of ours; and no anchor of the sources is without a slide.
func TestExcerpts(t *testing.T) {
	c := load(t)
	used := map[string]bool{} // file#anchor
	drawnNames := map[string]bool{}
	for _, lang := range languages {
		for _, d := range read(t, c, lang) {
			for _, s := range d.Sections {
				lines := 0
				for _, elem := range s.Elem {
					switch e := elem.(type) {
					case present.Code:
						text := strings.TrimSuffix(string(e.Raw), "\n")
						lines += strings.Count(text, "\n") + 1
						for _, line := range dedented(text) {
							if n := utf8.RuneCountInString(line); n > 94 { // as many fit at 20 px
								t.Errorf("%s#%s: a line of %d columns: %s", d.Path, s.ID, n, line)
							}
						}
						switch {
						case strings.TrimSpace(text) == "":
							t.Errorf("%s#%s: %s is empty", d.Path, s.ID, e.Cmd)
						case hunk.MatchString(e.Cmd):
							lines -= strings.Count(text, "@@ -") // not shown
						default:
							match := anchored.FindStringSubmatch(e.Cmd)
							if match == nil {
								mustBeUnmistakable(t, d, e)
								break
							}
							if match[2] != match[3] {
								t.Errorf("%s#%s: %s does not name a START and its END", d.Path, s.ID, e.Cmd)
								break
							}
							path := filepath.Join(filepath.Dir(d.Path), match[1])
							if got := between(t, path, match[2]); got != text {
								t.Errorf("%s#%s: %s shows\n%s\nand not\n%s", d.Path, s.ID, e.Cmd, text, got)
							}
							rel, _ := filepath.Rel(c.Root, path)
							used[rel+"#"+match[2]] = true
						}
					case present.HTML:
						if match := drawn_.FindStringSubmatch(e.Cmd); match != nil {
							drawnNames[match[1]] = true
						} else if e.Cmd != "" {
							t.Errorf("%s#%s: %s is not a drawing", d.Path, s.ID, e.Cmd)
						}
						lines += strings.Count(inFences(string(e.HTML)), "\n")
					}
				}
				if lines > 24 {
					t.Errorf("%s#%s: %d lines of code", d.Path, s.ID, lines)
				}
			}
		}
	}
	for name := range drawings {
		if !drawnNames[name] {
			t.Errorf("no slide shows the drawing %s", name)
		}
	}
	for _, dir := range []string{"server", "server/protocol", "client"} {
		paths, err := filepath.Glob(filepath.Join(c.Root, dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			rel, _ := filepath.Rel(c.Root, path)
			for _, match := range regexp.MustCompile(`// START (\S+) OMIT\n`).FindAllStringSubmatch(string(source), -1) {
				if !used[rel+"#"+match[1]] {
					t.Errorf("no slide shows %s between the anchors %s", rel, match[1])
				}
			}
		}
	}
}

// freely is an excerpt between two patterns of the author's.
var freely = regexp.MustCompile(`^\.code (\S+) /(.+)/,/(.+)/$`)

// mustBeUnmistakable has the first pattern occur once in the file, and the second after it: present would
// otherwise show another place in silence, or begin again at the top.
func mustBeUnmistakable(t *testing.T, d *deck, e present.Code) {
	t.Helper()
	match := freely.FindStringSubmatch(e.Cmd)
	if match == nil {
		t.Errorf("%s: %s: give two patterns", d.Path, e.Cmd)
		return
	}
	source, err := os.ReadFile(filepath.Join(filepath.Dir(d.Path), match[1]))
	if err != nil {
		t.Fatal(err)
	}
	at := regexp.MustCompile("(?m)"+match[2]).FindAllIndex(source, -1)
	if len(at) != 1 || !regexp.MustCompile("(?m)"+match[3]).Match(source[at[0][1]:]) {
		t.Errorf("%s: %s: the first pattern occurs %d times; and the second must come after it", d.Path, e.Cmd, len(at))
	}
}

// dedented are a text's lines as the theme shows them: without the indentation that all of them have.
func dedented(text string) []string {
	lines := strings.Split(strings.ReplaceAll(text, "\t", "    "), "\n")
	depth := len(text)
	for _, line := range lines {
		if bare := strings.TrimLeft(line, " "); bare != "" {
			depth = min(depth, len(line)-len(bare))
		}
	}
	for i, line := range lines {
		lines[i] = line[min(depth, len(line)):]
	}
	return lines
}

// inFences is what stands in a text's blocks of code.
func inFences(text string) string {
	var out strings.Builder
	for _, match := range regexp.MustCompile(`(?s)<pre><code[^>]*>(.*?)</code></pre>`).FindAllStringSubmatch(text, -1) {
		out.WriteString(match[1])
	}
	return out.String()
}

// between reads what stands between the two lines of an anchor, each of which must be there once.
func between(t *testing.T, path, anchor string) string {
	t.Helper()
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	starts, ends, inside := 0, 0, false
	for line := range strings.Lines(string(source)) {
		line = strings.TrimSuffix(line, "\n")
		switch bare := strings.TrimPrefix(strings.TrimSpace(line), "// "); {
		case bare == "START "+anchor+" OMIT":
			starts++
			inside = true
		case bare == "END "+anchor+" OMIT":
			ends++
			inside = false
		case inside && !strings.HasSuffix(line, "OMIT"):
			lines = append(lines, line)
		}
	}
	if starts != 1 || ends != 1 {
		t.Errorf("%s: %d times START %s, %d times END", path, starts, anchor, ends)
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}

// TestRecorded looks at the recordings: there is no other than what a deck quotes, and both languages have the
// same steps of the same stories.
func TestRecorded(t *testing.T) {
	c := load(t)
	steps := map[show.Lang]map[string][]string{}
	for _, lang := range languages {
		steps[lang] = map[string][]string{}
		quoted, err := recordings(c, lang)
		if err != nil {
			t.Fatal(err)
		}
		paths, err := filepath.Glob(filepath.Join(folder(c, lang), "recorded", "*.txt"))
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, path := range paths {
			name := strings.TrimSuffix(filepath.Base(path), ".txt")
			found = append(found, name)
			if n := len(c.Find(scenarioOf(name))); n != 1 {
				t.Errorf("%s: %d scenarios have that name: LAB.NAME.txt names one", path, n)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if line := regexp.MustCompile(`(?m)^.*\s/\S*/server/\w+\.go.*$`).Find(text); line != nil {
				t.Errorf("%s tells where the kit stood: %s", path, line)
			}
			for _, match := range regexp.MustCompile(`(?m)^START (\S+) OMIT$`).FindAllStringSubmatch(string(text), -1) {
				steps[lang][name] = append(steps[lang][name], match[1])
			}
		}
		slices.Sort(found)
		if diff := cmp.Diff(quoted, found); diff != "" {
			t.Errorf("%s: recordings (-quoted +there): `make slides-record`, or remove it\n%s", lang, diff)
		}
	}
	if diff := cmp.Diff(steps[show.English], steps[show.Spanish]); diff != "" {
		t.Errorf("steps (-en +es):\n%s", diff)
	}
}

// TestDrawings draws each anew: what is in the folder must be that.
func TestDrawings(t *testing.T) {
	c := load(t)
	for _, lang := range languages {
		want := map[string]string{}
		for name := range drawings {
			svg, err := drawn(name, c, lang)
			if err != nil {
				t.Fatal(err)
			}
			want[name+".svg"] = svg
		}
		got := map[string]string{}
		paths, err := filepath.Glob(filepath.Join(folder(c, lang), "drawings", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got[filepath.Base(path)] = string(data)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got): `make slides-draw`\n%s", lang, diff)
		}
	}
}

// TestMap looks at the concepts: no cell is empty, or points at nothing; each deck has some; and the maps
// are what is generated.
func TestMap(t *testing.T) {
	c := load(t)
	rows, err := concepts(c)
	if err != nil {
		t.Fatal(err)
	}
	all := read(t, c, show.English)
	count := map[string]int{}
	for _, k := range rows {
		if err := k.check(c, all); err != nil {
			t.Error(err)
		}
		name, _, _ := strings.Cut(k.Slide, "#")
		count[name]++
	}
	for _, name := range names(c) {
		if count[name] < 3 {
			t.Errorf("%s: %d concepts", name, count[name])
		}
	}
	for _, lang := range languages {
		want, err := mapOf(c, lang)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(mapFile(c, lang))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s: `make slides-map` (-want +got):\n%s", mapFile(c, lang), diff)
		}
	}
}

// TestConceptCheck has a concept point at nothing, in each of its cells.
func TestConceptCheck(t *testing.T) {
	c := load(t)
	all := read(t, c, show.English)
	good := concept{Name: show.Text{EN: "a", ES: "b"}, Slide: "08-zombies#reap", Code: "server/reap.go#reap",
		Scenario: "08-zombies/coalesced", Evidence: show.Text{EN: "c", ES: "d"}, Bug: "single-wait"}
	if err := good.check(c, all); err != nil {
		t.Fatal(err)
	}
	for cell, spoil := range map[string]func(k *concept){
		"name.es":                   func(k *concept) { k.Name.ES = "" },
		"evidence.en":               func(k *concept) { k.Evidence.EN = "" },
		"no slide":                  func(k *concept) { k.Slide = "08-zombies#no" },
		`no slide "08`:              func(k *concept) { k.Slide = "08-zombies" },
		"no code":                   func(k *concept) { k.Code = "server/reap.go#rea" },
		"no scenario":               func(k *concept) { k.Scenario = "08-zombies/no" },
		"no known-bad":              func(k *concept) { k.Bug = "" },
		"lock-across-list does not": func(k *concept) { k.Bug = "lock-across-list" },
	} {
		bad := good
		spoil(&bad)
		if err := bad.check(c, all); err == nil || !strings.Contains(err.Error(), cell) {
			t.Errorf("%s: %v", cell, err)
		}
	}
}

// TestLabs looks both ways between a lab and its deck: the deck's last slide names the lab, and the lab, its
// sheets and its scenarios name slides that are there.
func TestLabs(t *testing.T) {
	c := load(t)
	for _, lang := range languages {
		all := read(t, c, lang)
		for _, lab := range c.Labs {
			i := slices.IndexFunc(all, func(d *deck) bool { return d.Name == lab.Slide })
			if i < 0 {
				t.Errorf("%s: there is no deck %q", lab.Name, lab.Slide)
				continue
			}
			if last := all[i].Text[strings.LastIndex(all[i].Text, "{#lab}"):]; !strings.Contains(last, "labs/"+lab.Name+"/README") {
				t.Errorf("%s: its last slide does not name the sheet of %s", all[i].Path, lab.Name)
			}
			sheet := map[show.Lang]string{show.English: "README.md", show.Spanish: "README.es.md"}[lang]
			text, err := os.ReadFile(filepath.Join(c.Root, "labs", lab.Name, sheet))
			if err != nil {
				t.Fatal(err)
			}
			if link := "slides/" + string(lang) + "/" + lab.Slide + ".slide"; !strings.Contains(string(text), link) {
				t.Errorf("%s of %s does not point at %s", sheet, lab.Name, link)
			}
			for _, sc := range lab.Scenarios {
				if _, id, found := strings.Cut(sc.SlideID(), "#"); found && all[i].slide(id) == nil {
					t.Errorf("%s: there is no slide %s", sc.ID(), sc.SlideID())
				}
			}
		}
	}
}
