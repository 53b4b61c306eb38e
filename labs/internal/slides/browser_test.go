package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"posixlab/labs/internal/course"
	"posixlab/labs/internal/show"
)

var (
	pictures = flag.String("pictures", "", "a folder for a picture of each slide, light and dark")
	only     = flag.String("decks", "", "look only at decks whose name contains this")
)

func load(t *testing.T) *course.Course {
	t.Helper()
	root, err := course.FindRoot(".")
	if err != nil {
		t.Fatal(err)
	}
	c, err := course.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A fault is what is wrong with a slide as it is shown.
type fault struct {
	Slide, What string
}

// look finds the faults of the slide that is shown.
const look = `(() => {
  const faults = [];
  const slide = document.querySelector("article.shown");
  const say = what => faults.push({slide: slide.id, what});
  const within = slide.getBoundingClientRect();
  const foot = slide.querySelector("footer").getBoundingClientRect().top;
  for (const child of slide.children) {
    if (child.tagName === "FOOTER" || child.tagName === "ASIDE") continue;
    const at = child.getBoundingClientRect();
    if (at.height === 0) say("nothing to see of " + child.tagName);
    if (at.right > within.right - 40 || at.left < within.left + 40) say("too wide: " + child.tagName);
    if (at.bottom > foot) say(child.tagName + " ends " + Math.round(at.bottom - foot) + " px below the footer's top");
  }
  for (const pre of slide.querySelectorAll("pre")) {
    if (pre.scrollWidth > pre.clientWidth) say("clipped by " + (pre.scrollWidth - pre.clientWidth) + " px: " + pre.textContent.slice(0, 40));
  }
  for (const picture of slide.querySelectorAll("img")) {
    if (!picture.complete || picture.naturalWidth === 0) say("no picture: " + picture.src);
  }
  for (const drawing of slide.querySelectorAll("svg")) {
    const frame = drawing.getBoundingClientRect();
    if (frame.width < 900) say("a small drawing: " + Math.round(frame.width) + " px wide");
    for (const text of drawing.querySelectorAll("text")) {
      const at = text.getBoundingClientRect();
      if (at.left < frame.left - 4 || at.right > frame.right + 4 || at.top < frame.top - 4 || at.bottom > frame.bottom + 4)
        say("text outside of its drawing: " + text.textContent);
    }
  }
  // Contrast as WCAG 2.1 counts it: 4.5 to 1 for all text.
  const luminance = colour => {
    const [r, g, b] = colour.match(/[\d.]+/g).map(Number).map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!/, 0\)$|transparent/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  for (const element of slide.querySelectorAll("h1, h2, p, li, strong, em, code, span, footer, figcaption")) {
    if (!element.textContent.trim() || element.closest("aside")) continue;
    const [a, b] = [luminance(getComputedStyle(element).color), luminance(paper(element))].sort();
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) say("contrast " + ratio.toFixed(1) + ": " + element.textContent.slice(0, 30));
  }
  return faults;
})()`

// TestShown looks at every slide of every deck in a browser, light and dark.
func TestShown(t *testing.T) {
	c, p := startProjector(t)
	for _, lang := range languages {
		all, err := decks(c, lang)
		if err != nil {
			t.Fatal(err)
		}
		for _, deck := range all {
			if !strings.Contains(deck.Name, *only) {
				continue
			}
			if err := p.show(lang, deck.Name); err != nil {
				t.Fatal(err)
			}
			for i := range len(deck.Sections) + 1 {
				for _, dark := range []bool{false, true} {
					if err := chromedp.Do(p, chromedp.Evaluate[chromedp.Void](fmt.Sprintf("dark(%t); show(%d)", dark, i))); err != nil {
						t.Fatal(err)
					}
					faults, err := chromedp.Run(p, chromedp.Evaluate[[]fault](look))
					if err != nil {
						t.Fatal(err)
					}
					for _, f := range faults {
						t.Errorf("%s/%s#%s: %s", lang, deck.Name, f.Slide, f.What)
					}
					if *pictures != "" {
						name := fmt.Sprintf("%s-%s-%02d%s.png", lang, deck.Name, i+1, map[bool]string{true: "-dark"}[dark])
						png, err := chromedp.Run(p, chromedp.CaptureScreenshot())
						if err != nil {
							t.Fatal(err)
						}
						if err := os.WriteFile(filepath.Join(*pictures, name), png, 0o644); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
		}
	}
}

// startProjector opens present and a browser, or skips the test where there is none.
func startProjector(t *testing.T) (*course.Course, *projector) {
	t.Helper()
	c := load(t)
	p, err := openProjector(t.Context(), c)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Cleanup(p.Close)
	return c, p
}

// TestKeys goes through a deck by its keys.
func TestKeys(t *testing.T) {
	c, p := startProjector(t)
	d := read(t, c, show.Spanish)[0]
	if err := p.show(show.Spanish, d.Name); err != nil {
		t.Fatal(err)
	}
	last := d.Sections[len(d.Sections)-1].ID
	for _, step := range []struct{ key, want string }{
		{kb.ArrowRight, d.Sections[0].ID}, {" ", d.Sections[1].ID}, {kb.ArrowLeft, d.Sections[0].ID}, {kb.End, last},
		{kb.ArrowRight, last}, {kb.Home, "title"}, {kb.PageUp, "title"}, {"x", "title"},
	} {
		if err := chromedp.Do(p, chromedp.KeyEvent(step.key)); err != nil {
			t.Fatal(err)
		}
		got, err := chromedp.Run(p, chromedp.Evaluate[string](`document.querySelector("article.shown").id + " " + location.hash`))
		if want := step.want + " #" + step.want; err != nil || got != want {
			t.Errorf("after %q: %q, %v; want %q", step.key, got, err, want)
		}
	}
	for _, want := range []bool{true, false} {
		got, err := chromedp.Run(p, chromedp.Evaluate[bool](
			`dispatchEvent(new KeyboardEvent("keydown", {key: "d"})); document.documentElement.classList.contains("dark")`))
		if err != nil || got != want {
			t.Errorf("D: dark is %v, %v", got, err)
		}
	}
}

// TestNotes has the speaker's window show a slide's notes, and go on with the deck.
func TestNotes(t *testing.T) {
	c, p := startProjector(t)
	d := read(t, c, show.English)[0]
	if err := p.show(show.English, d.Name); err != nil {
		t.Fatal(err)
	}
	window, cancel := chromedp.NewContext(p)
	defer cancel()
	url := fmt.Sprintf("%s/en/%s.slide?notes#%s", p.url, d.Name, d.Sections[0].ID)
	if err := chromedp.Do(window, chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	for i, s := range d.Sections[:2] {
		if i > 0 { // the other window goes on
			if err := chromedp.Do(p, chromedp.Evaluate[chromedp.Void](fmt.Sprintf("show(%d)", i+1))); err != nil {
				t.Fatal(err)
			}
		}
		shown := fmt.Sprintf(`document.querySelector("#speaker div").textContent === %q`, strings.Join(s.Notes, ""))
		if _, err := chromedp.Run(window, chromedp.Poll[bool](shown)); err != nil {
			t.Errorf("the notes of %s: %v", s.ID, err)
		}
	}
}

// TestPrinted counts the sheets of a deck's PDF: one for each slide, and one for the title.
func TestPrinted(t *testing.T) {
	c, p := startProjector(t)
	for _, d := range read(t, c, show.English) {
		if !strings.Contains(d.Name, *only) {
			continue
		}
		if err := p.show(show.English, d.Name); err != nil {
			t.Fatal(err)
		}
		pdf, err := p.pdf()
		if err != nil {
			t.Fatal(err)
		}
		if n := len(regexp.MustCompile(`/Type\s*/Page\b`).FindAll(pdf, -1)); n != len(d.Sections)+1 {
			t.Errorf("%s: %d sheets for %d slides", d.Name, n, len(d.Sections)+1)
		}
	}
}

// TestServed has `make slides` show the notes to the speaker alone, and never let present run code.
func TestServed(t *testing.T) {
	c := load(t)
	for addr, notes := range map[string]string{"": "-notes=true", "ADDR=:3999": "-notes=false", "ADDR=127.0.0.1:4000": "-notes=true"} {
		cmd := exec.Command("make", "-n", "slides")
		if addr != "" {
			cmd.Args = append(cmd.Args, addr)
		}
		cmd.Dir = c.Root
		out, err := cmd.Output()
		if err != nil || !strings.Contains(string(out), " -play=false ") || !strings.Contains(string(out), notes) {
			t.Errorf("make slides %s: %v, %s", addr, err, out)
		}
	}
}
