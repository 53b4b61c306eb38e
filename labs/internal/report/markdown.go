package report

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"posixlab/labs/internal/gradebook"
	"posixlab/labs/internal/show"
)

// mostFailed is how many scenarios a summary names.
const mostFailed = 10

// writeMarkdown writes a summary of the class.
func writeMarkdown(w io.Writer, c *gradebook.Class, _ *gradebook.Submission, o Options) error {
	var b strings.Builder
	say := func(text show.Text, args ...any) { b.WriteString(text.In(o.Lang, args...)) }
	row := func(cells ...any) {
		for _, cell := range cells {
			fmt.Fprintf(&b, "| %v ", cell)
		}
		b.WriteString("|\n")
	}
	say(show.Text{EN: "# The class\n\n", ES: "# El grupo\n\n"})
	item := func(name show.Text, value any) { fmt.Fprintf(&b, "- %s: %v\n", name.In(o.Lang), value) }
	item(show.Text{EN: "submissions", ES: "entregas"}, len(c.Submissions))
	item(show.Text{EN: "scenarios", ES: "escenarios"}, len(c.Scenarios))
	item(show.Text{EN: "judged", ES: "evaluado"}, c.Started.UTC().Format("2006-01-02 15:04 UTC"))
	item(show.Text{EN: "isolation", ES: "aislamiento"}, escape(c.Isolation))
	if len(c.Limits) > 0 {
		item(show.Text{EN: "limits", ES: "límites"}, escape(strings.Join(c.Limits, "; ")))
	}
	b.WriteString("\n")
	if list, n := again(c); n > 0 {
		var names []string
		for _, s := range list {
			names = append(names, escape(s.Who()))
		}
		say(show.Text{
			EN: "**To be graded again: %d infra.** The kit or the machine failed, not the servers, and no points were lost: %s.\n\n",
			ES: "**Hay que calificar de nuevo: %d infra.** Falló el kit o la máquina, no los servidores, y no se perdieron puntos: %s.\n\n"},
			n, strings.Join(names, ", "))
	}
	say(show.Text{EN: "| student | points | % | fails | |\n", ES: "| estudiante | puntos | % | fallas | |\n"})
	b.WriteString("|---|--:|--:|--:|---|\n")
	for _, s := range c.Submissions {
		total := sumOf(s, c.Scenarios)
		remark := escape(s.Problem)
		if n := pending(c, s); n > 0 {
			left := show.Text{EN: "; %d not judged yet", ES: "; %d sin evaluar"}.In(o.Lang, n)
			remark = strings.TrimPrefix(remark+left, "; ")
		}
		row(escape(s.Who()), fmt.Sprintf("%d/%d", total.Points, total.Max), total.Percent(), len(failed(c, s)), remark)
	}
	if worst := failingMost(c); len(worst) > 0 {
		say(show.Text{EN: "\n## What fails most\n\n| scenario | fails | claim |\n",
			ES: "\n## Lo que más falla\n\n| escenario | fallas | afirmación |\n"})
		b.WriteString("|---|--:|---|\n")
		for _, f := range worst[:min(mostFailed, len(worst))] {
			row(f.ID(), fmt.Sprintf("%d/%d", len(f.Failed), f.Judged), escape(f.Claim))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// special are the characters that mean something within a line or a cell of Markdown.
var special = regexp.MustCompile("[\\\\`*_{}\\[\\]()<>#|~&:@!$]")

// escape is text in one line that Markdown shows as it is.
func escape(text string) string { return special.ReplaceAllString(line(text), `\$0`) }
