package main

import (
	"fmt"
	"html"
	"strings"

	"posixlab/labs/internal/show"
)

// A drawing is an SVG of 1160 units, the width of a slide's text, by height. Its colours are the theme's
// where it stands in a slide, and black on white where it stands alone.
type drawing struct {
	name   string
	height int
	lang   show.Lang
	body   strings.Builder
}

// style is one visual language for all drawings: what is ours is blue, the kernel's grey; what lives is
// green, what is wrong or dead is red, what waits is orange.
const style = `
.paper { fill: var(--panel, #f1f4f8); stroke: var(--line, #b9c1cc); stroke-width: 2; }
.kernel { fill: none; stroke: var(--quiet, #4d5766); stroke-width: 3; stroke-dasharray: 9 7; }
.ours { fill: var(--paper, #fff); stroke: var(--accent, #0b57b0); stroke-width: 4; }
.good { fill: var(--paper, #fff); stroke: var(--good, #14692b); stroke-width: 4; }
.bad { fill: var(--paper, #fff); stroke: var(--bad, #b3161b); stroke-width: 4; }
.waits { fill: var(--paper, #fff); stroke: var(--warm, #8a4b00); stroke-width: 4; }
.full { fill: var(--accent, #0b57b0); }
.fullgood { fill: var(--good, #14692b); }
.fullbad { fill: var(--bad, #b3161b); }
.line { fill: none; stroke: var(--ink, #14181f); stroke-width: 3; }
.faint { fill: none; stroke: var(--line, #b9c1cc); stroke-width: 2; }
.wrong { fill: none; stroke: var(--bad, #b3161b); stroke-width: 4; }
.head { fill: var(--ink, #14181f); }
.headwrong { fill: var(--bad, #b3161b); }
text { font: 24px system-ui, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; fill: var(--ink, #14181f); }
.state { font-size: 44px; font-weight: 700; }
.quiet { fill: var(--quiet, #4d5766); }
.strong { font-weight: 700; }
.call { font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 23px; }
.blue { fill: var(--accent, #0b57b0); }
.green { fill: var(--good, #14692b); }
.red { fill: var(--bad, #b3161b); }
.orange { fill: var(--warm, #8a4b00); }
.inverse { fill: var(--paper, #fff); }
`

func (d *drawing) add(format string, args ...any) { fmt.Fprintf(&d.body, format+"\n", args...) }

// say writes a text at x, y: its baseline's start, or with the class middle or end, that point of it. A
// text of two languages is separated by " | ": English first.
func (d *drawing) say(x, y int, class, text string, args ...any) {
	anchor := "start"
	for _, word := range strings.Fields(class) {
		if word == "middle" || word == "end" {
			anchor = word
		}
	}
	d.add(`<text x="%d" y="%d" class="%s" text-anchor="%s">%s</text>`, x, y, class, anchor, html.EscapeString(d.in(text, args...)))
}

// in picks the language's side of a text, and puts the numbers in.
func (d *drawing) in(text string, args ...any) string {
	english, spanish, both := strings.Cut(text, " | ")
	if both && d.lang == show.Spanish {
		english = spanish
	}
	return fmt.Sprintf(english, args...)
}

func (d *drawing) box(x, y, width, height int, class string) {
	d.add(`<rect x="%d" y="%d" width="%d" height="%d" rx="8" class="%s"/>`, x, y, width, height, class)
}

// label is a box with a text in its middle.
func (d *drawing) label(x, y, width, height int, class, text string, args ...any) {
	d.box(x, y, width, height, class)
	d.say(x+width/2, y+height/2+8, "middle", text, args...)
}

// line goes through points, given as x, y, x, y…
func (d *drawing) line(class string, points ...int) {
	var path strings.Builder
	for i := 0; i < len(points); i += 2 {
		fmt.Fprintf(&path, "%d,%d ", points[i], points[i+1])
	}
	d.add(`<polyline points="%s" class="%s"/>`, strings.TrimSpace(path.String()), class)
}

// arrow is a line with a head at its last point.
func (d *drawing) arrow(class string, points ...int) {
	var path strings.Builder
	for i := 0; i < len(points); i += 2 {
		fmt.Fprintf(&path, "%d,%d ", points[i], points[i+1])
	}
	d.add(`<polyline points="%s" class="%s" marker-end="url(#%s-%s)"/>`, strings.TrimSpace(path.String()), class, d.name,
		map[bool]string{true: "wrong-head", false: "head"}[class == "wrong"])
}

// svg is the whole file.
func (d *drawing) svg(title string) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="-4 -4 1168 %[1]d" role="img" aria-label="%[2]s">
<style>%[3]s</style>
<defs>
<marker id="%[5]s-head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="6" markerHeight="6" orient="auto-start-reverse"><path d="M0,0 L10,5 L0,10 z" class="head"/></marker>
<marker id="%[5]s-wrong-head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="5" markerHeight="5" orient="auto-start-reverse"><path d="M0,0 L10,5 L0,10 z" class="headwrong"/></marker>
</defs>
%[4]s</svg>
`, d.height+8, html.EscapeString(d.in(title)), style, d.body.String(), d.name)
}
