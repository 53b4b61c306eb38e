package show

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/fatih/color"
)

// Width is how many columns the narration takes at most: a terminal's classic 80.
const Width = 80

// A Narrator tells a lab's story as it happens. Its words and colours are for people; nothing
// compares them.
type Narrator struct {
	Lang Lang

	// Pause, if not nil, is called when a step has been announced: a lecturer presses Enter.
	Pause func()

	// Brief leaves out everything but the steps and whether they came true.
	Brief bool

	out   io.Writer
	paint map[role]*color.Color
	steps int
	began time.Time // the step that is being told; zero if none is
	muted bool
}

// A role is what a piece of text is, whatever colour that has.
type role int

const (
	title role = iota
	good
	bad
	client
	server
	faint
	strong
	added
	removed
)

// NewNarrator returns one that writes to out, in colour if asked.
func NewNarrator(out io.Writer, lang Lang, coloured bool) *Narrator {
	n := &Narrator{Lang: lang, out: out}
	n.paint = map[role]*color.Color{
		title:   color.New(color.Bold, color.FgCyan),
		good:    color.New(color.FgGreen),
		bad:     color.New(color.Bold, color.FgRed),
		client:  color.New(color.FgYellow),
		server:  color.New(color.FgMagenta),
		faint:   color.New(color.Faint),
		strong:  color.New(color.Bold),
		added:   color.New(color.FgGreen),
		removed: color.New(color.FgRed),
	}
	for _, c := range n.paint {
		if coloured {
			c.EnableColor()
		} else {
			c.DisableColor()
		}
	}
	return n
}

func (n *Narrator) detail(format string, args ...any) {
	if !n.Brief {
		n.printf(format, args...)
	}
}

func (n *Narrator) printf(format string, args ...any) {
	if !n.muted {
		fmt.Fprintf(n.out, format, args...)
	}
}

// Mute makes the narrator silent, or lets it speak again, and returns what it was.
func (n *Narrator) Mute(muted bool) (was bool) {
	was, n.muted = n.muted, muted
	return was
}

// Title opens a chapter: a lab.
func (n *Narrator) Title(text string) {
	n.printf("\n%s\n%s\n", n.paint[title].Sprint(text), strings.Repeat("─", min(Width, utf8.RuneCountInString(text))))
}

// Scene opens a scenario: its name, whose server it is about, and what it claims; "" is nothing yet.
func (n *Narrator) Scene(name, about, claim string) {
	n.printf("\n%s  %s\n", n.paint[title].Sprint("▌"+name), n.paint[strong].Sprint(about))
	if claim != "" {
		n.printf("%s\n", n.paint[faint].Sprint(Wrap(claim, "  ", Width)))
	}
}

// Step begins the next step of a scenario, and ends the one before. A pause comes after the
// heading: time to predict.
func (n *Narrator) Step(heading string) {
	n.EndStep()
	n.steps++
	number := fmt.Sprintf("%2d ", n.steps)
	text := strings.TrimLeft(Wrap(heading, "   ", Width), " ")
	n.printf("\n%s%s\n", n.paint[title].Sprint(number), n.paint[strong].Sprint(text))
	if n.Pause != nil && !n.muted {
		n.Pause()
	}
	n.began = time.Now()
}

// EndStep ticks off the step that is being told, if any, with the time that it took.
func (n *Narrator) EndStep() {
	if !n.began.IsZero() {
		n.printf("    %s\n", n.paint[good].Sprintf("✓ %s", Duration(time.Since(n.began))))
	}
	n.began = time.Time{}
}

// FailStep crosses off the step that is being told.
func (n *Narrator) FailStep() {
	took := ""
	if !n.began.IsZero() {
		took = Duration(time.Since(n.began))
	}
	n.printf("    %s\n", n.paint[bad].Sprintf("✗ %s", took))
	n.began = time.Time{}
}

// Sends shows what a client sends to the server.
func (n *Narrator) Sends(who, text string) {
	n.detail("    %s %s\n", n.paint[client].Sprintf("%s →", who), clip(text, Width-7-utf8.RuneCountInString(who)))
}

// Hears shows what the server answers: its first and last lines, and how much it was.
func (n *Narrator) Hears(who string, reply []byte) {
	lines := strings.Split(strings.TrimSuffix(string(reply), "\n"), "\n")
	arrow := n.paint[server].Sprintf("%s ←", who)
	indent := strings.Repeat(" ", utf8.RuneCountInString(who)+2)
	if len(lines) <= 2 { // errors, say, which are to be read to their end
		var whole []string
		for _, line := range lines {
			if utf8.RuneCountInString(line) > Width-5-len(indent) {
				line = Wrap(Printable(line), "", Width-5-len(indent))
			}
			whole = append(whole, strings.Split(line, "\n")...)
		}
		lines = whole
	}
	for i, line := range lines {
		switch {
		case len(lines) > 5 && i == 2:
			more := Text{"… %s more lines, %s bytes in all", "… %s líneas más, %s bytes en total"}
			line = n.paint[faint].Sprint(more.In(n.Lang, Thousands(len(lines)-3), Thousands(len(reply))))
		case len(lines) > 5 && i > 2 && i < len(lines)-1:
			continue
		default:
			line = clip(Printable(line), Width-5-len(indent))
		}
		n.detail("    %s %s\n", arrow, line)
		arrow = indent
	}
}

// Event shows what happens to a connection itself: it opens, it closes.
func (n *Narrator) Event(who string, what Text) {
	n.detail("    %s %s\n", n.paint[server].Sprintf("%s ·", who), what.In(n.Lang))
}

// Note adds a fact, in one line if it fits.
func (n *Narrator) Note(text Text, args ...any) {
	for i, line := range strings.Split(Wrap(text.In(n.Lang, args...), "", Width-6), "\n") {
		n.detail("    %s%s\n", strings.Repeat("  ", min(i, 1)), n.paint[faint].Sprint(line))
	}
}

// A Table is the kernel's evidence. Rows that Marked names are the ones that were asked for.
type Table struct {
	Source string // the file in /proc
	Head   []Text
	Rows   [][]string
	Marked map[int]bool
	More   int // rows that were left out
}

// Lines returns the table in plain text, fit for a report: its source, its head, its rows.
func (t Table) Lines(lang Lang) []string {
	lines := t.lines(lang, 2)
	for _, line := range lines {
		if utf8.RuneCountInString(line) > Width-4 {
			return t.lines(lang, 1)
		}
	}
	return lines
}

// lines sets the columns some spaces apart.
func (t Table) lines(lang Lang, apart int) []string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 1, apart, ' ', 0)
	head := make([]string, len(t.Head))
	for i, h := range t.Head {
		head[i] = h.In(lang)
	}
	fmt.Fprintln(w, "  "+strings.Join(head, "\t"))
	for i, row := range t.Rows {
		mark := "  "
		if t.Marked[i] {
			mark = "▸ "
		}
		fmt.Fprintln(w, mark+strings.Join(row, "\t"))
	}
	w.Flush()
	lines := append([]string{t.Source}, strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")...)
	if t.More > 0 {
		lines = append(lines, "  "+Text{"… %d more", "… %d más"}.In(lang, t.More))
	}
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return lines
}

// Evidence shows a table.
func (n *Narrator) Evidence(t Table) {
	for i, line := range t.Lines(n.Lang) {
		line = clip(line, Width-4)
		switch {
		case i < 2:
			line = n.paint[faint].Sprint(line)
		case strings.HasPrefix(line, "▸"):
			line = n.paint[strong].Sprint(line)
		}
		n.detail("    %s\n", line)
	}
}

// Difference shows a table as it was and as it is: in each row that has changed, a row being known by
// its first column, what was and what is.
func (n *Narrator) Difference(before, after Table) {
	both := after
	both.Rows, both.Marked, both.More = nil, nil, 0
	var signs []string
	add := func(sign string, row []string) {
		signs, both.Rows = append(signs, sign), append(both.Rows, row)
	}
	for _, row := range after.Rows {
		i := slices.IndexFunc(before.Rows, func(was []string) bool { return was[0] == row[0] })
		switch {
		case i < 0:
			add("+", row)
		case slices.Equal(before.Rows[i], row):
			add(" ", row)
		default:
			add("-", before.Rows[i])
			add("+", row)
		}
	}
	for _, was := range before.Rows {
		if !slices.ContainsFunc(after.Rows, func(row []string) bool { return was[0] == row[0] }) {
			add("-", was)
		}
	}
	for i, line := range both.Lines(n.Lang) {
		line = clip(line, Width-4)
		if i >= 2 {
			line = signs[i-2] + line[1:]
		}
		switch {
		case i < 2:
			line = n.paint[faint].Sprint(line)
		case signs[i-2] == "-":
			line = n.paint[removed].Sprint(line)
		case signs[i-2] == "+":
			line = n.paint[added].Sprint(line)
		}
		n.detail("    %s\n", line)
	}
}

// Question asks for a prediction; the answer is typed behind it.
func (n *Narrator) Question(text string) {
	n.printf("    %s\n    %s", n.paint[strong].Sprint(strings.TrimLeft(Wrap("? "+text, "      ", Width), " ")), "> ")
}

// Foretold says whether a prediction was right.
func (n *Narrator) Foretold(right bool, text string) {
	paint, mark := n.paint[good], "✓"
	if !right {
		paint, mark = n.paint[bad], "✗"
	}
	n.printf("    %s\n", paint.Sprintf("%s %s", mark, text))
}

// Patch shows the changes of a unified diff: each file's name, and its hunks.
func (n *Narrator) Patch(diff string) {
	for line := range strings.Lines(diff) {
		line = strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", "  ")
		name, isName := strings.CutPrefix(line, "--- a/")
		switch {
		case isName:
			n.printf("    %s\n", n.paint[strong].Sprint(name))
		case strings.HasPrefix(line, "diff "), strings.HasPrefix(line, "+++ "):
		case strings.HasSuffix(line, "OMIT"): // where an excerpt on a slide begins or ends
		case strings.HasPrefix(line, "+"):
			n.changed(n.paint[added], line)
		case strings.HasPrefix(line, "-"):
			n.changed(n.paint[removed], line)
		default:
			n.printf("    %s\n", n.paint[faint].Sprint(clip(line, Width-4)))
		}
	}
}

// changed shows a line of a patch whole, on several lines if need be.
func (n *Narrator) changed(paint *color.Color, line string) {
	for rest := []rune(line); len(rest) > 0; {
		part := rest[:min(len(rest), Width-4)]
		n.printf("    %s\n", paint.Sprint(string(part)))
		if rest = rest[len(part):]; len(rest) > 0 {
			rest = append([]rune("      "), rest...)
		}
	}
}

// labelled is how many columns a label takes.
const labelled = 11

// Paragraph writes running text beside a label; nothing if there is no text.
func (n *Narrator) Paragraph(label, text string) {
	if text == "" {
		return
	}
	indent := strings.Repeat(" ", 4+labelled)
	body := strings.TrimLeft(Wrap(text, indent, Width), " ")
	n.printf("    %s%s\n", n.paint[strong].Sprintf("%-*s", labelled, label), body)
}

// Verbatim writes a line of code beside a label, and below it where it stands.
func (n *Narrator) Verbatim(label, line, where string) {
	n.printf("    %s%s\n", n.paint[strong].Sprintf("%-*s", labelled, label), clip(line, Width-4-labelled))
	n.printf("    %*s%s\n", labelled, "", n.paint[faint].Sprint(where))
}

// Block writes lines as they are, indented.
func (n *Narrator) Block(lines []string) {
	for _, line := range lines {
		n.printf("    %s\n", clip(line, Width-4))
	}
}

// Verdict writes a scenario's outcome in one line.
func (n *Narrator) Verdict(ok bool, text string) {
	p := n.paint[good]
	if !ok {
		p = n.paint[bad]
	}
	n.printf("  %s\n", p.Sprint(text))
}

// Line writes one line as it is.
func (n *Narrator) Line(text string) { n.printf("%s\n", text) }

// Command writes an argument list as a line, with a path shortened to its last element.
func Command(argv []string) string {
	words := append([]string{filepath.Base(argv[0])}, argv[1:]...)
	return Printable(strings.Join(words, " "))
}

// Duration writes a time in milliseconds, or in seconds from one second on.
func Duration(d time.Duration) string {
	if d >= time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

// Wrap breaks text between words, so that each line begins with indent and has at most width
// columns.
func Wrap(text, indent string, width int) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		long := utf8.RuneCountInString(word)
		switch {
		case column == 0:
			b.WriteString(indent)
			column = len(indent)
		case column+1+long > width:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteString(" ")
			column++
		}
		b.WriteString(word)
		column += long
	}
	return b.String()
}

// clip cuts a line to width columns.
func clip(line string, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:width-1]) + "…"
}

// Printable escapes what a terminal would act on: control bytes, and bytes that are not UTF-8.
func Printable(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && s[i] != "\uFFFD"[0], r < ' ' && r != '\t', r >= 0x7f && r < 0xa0:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
