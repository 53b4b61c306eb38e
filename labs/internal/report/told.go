package report

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/gradebook"
	"posixlab/labs/internal/show"
)

// verdicts are in words; the first is what a scenario without a verdict has.
var verdicts = map[grade.Verdict]show.Text{
	"":          {EN: "not judged yet", ES: "aún sin evaluar"},
	grade.Pass:  {EN: "passed", ES: "bien"},
	grade.Fail:  {EN: "failed", ES: "falla"},
	grade.Skip:  {EN: "skipped", ES: "omitido"},
	grade.Infra: {EN: "infra", ES: "infra"},
}

// marks are verdicts in one character, so that colour is never all that tells them apart.
var marks = map[grade.Verdict]string{
	"": "·", grade.Pass: "✓", grade.Fail: "✗", grade.Skip: "–", grade.Infra: "!",
}

// notes are what a student is told of a scenario that does not count.
var notes = map[grade.Verdict]show.Text{
	"": {EN: "This scenario is not judged yet. It counts neither for you nor against you.",
		ES: "Este escenario aún no se ha evaluado. No cuenta ni a tu favor ni en tu contra."},
	grade.Skip: {EN: "Something that this scenario needs is missing where it was judged. It counts neither for you nor against you.",
		ES: "Donde se evaluó falta algo que este escenario necesita. No cuenta ni a tu favor ni en tu contra."},
	grade.Infra: {EN: "The grader or its machine failed, not your server. This scenario is to be judged again, and costs you no points.",
		ES: "Falló el evaluador o su máquina, no tu servidor. Este escenario se evaluará de nuevo y no te cuesta puntos."},
}

// verdictOf is "" where there is none yet.
func verdictOf(r *grade.Result) grade.Verdict {
	if r == nil {
		return ""
	}
	return r.Verdict
}

// A part is one thing that there is to say of a result.
type part struct {
	Label    show.Text
	From     Detail // the least detail that tells it
	Verbatim bool   // its lines are kept as they are
	Of       func(*grade.Result, show.Lang) string
}

// parts are told in this order; one that is empty is not.
var parts = []part{
	{Label: show.Text{EN: "reason", ES: "motivo"}, From: Full,
		Of: func(r *grade.Result, _ show.Lang) string { return r.Reason }},
	{Label: show.Text{EN: "limit", ES: "límite"}, From: Hint,
		Of: func(r *grade.Result, _ show.Lang) string { return r.Limit }},
	{Label: show.Text{EN: "step", ES: "paso"}, From: Full, Of: step},
	{Label: show.Text{EN: "command", ES: "comando"}, From: all, Verbatim: true, Of: command},
	{Label: show.Text{EN: "expected", ES: "esperado"}, From: Full,
		Of: func(r *grade.Result, _ show.Lang) string { return r.Expected }},
	{Label: show.Text{EN: "seen", ES: "visto"}, From: Full,
		Of: func(r *grade.Result, _ show.Lang) string { return r.Seen }},
	{Label: show.Text{EN: "evidence", ES: "evidencia"}, From: Full, Verbatim: true,
		Of: func(r *grade.Result, _ show.Lang) string { return strings.Join(r.Evidence, "\n") }},
	{Label: show.Text{EN: "hint", ES: "pista"}, From: Hint,
		Of: func(r *grade.Result, _ show.Lang) string { return r.Hint }},
	{Label: show.Text{EN: "slide", ES: "lámina"}, From: Hint,
		Of: func(r *grade.Result, _ show.Lang) string { return r.Slide }},
}

// step says where the story ended.
func step(r *grade.Result, lang show.Lang) string {
	if r.Step == "" || r.Steps == 0 {
		return r.Step
	}
	return show.Text{EN: "%d of %d: %s", ES: "%d de %d: %s"}.In(lang, r.StepNumber, r.Steps, r.Step)
}

// command is the line of the script, and where it stands.
func command(r *grade.Result, _ show.Lang) string {
	if r.Line == 0 {
		return r.Command
	}
	folder := "labs/"
	if r.Hidden { // it stands where the instructor keeps it
		folder = ""
	}
	return fmt.Sprintf("%s\n%s%s/%s.txtar:%d", r.Command, folder, r.Lab, r.Scenario, r.Line)
}

// A telling is a part of a result in the reader's language.
type telling struct {
	Label, Text string
	Verbatim    bool
}

// tell says why a result is what it is, as far as the detail goes.
func tell(r *grade.Result, d Detail, lang show.Lang) (told []telling) {
	if r == nil || r.Verdict == grade.Pass {
		return nil
	}
	for _, p := range parts {
		text := strings.TrimRight(plain(p.Of(r, lang)), "\n")
		if text == "" || !d.includes(p.From) {
			continue
		}
		told = append(told, telling{p.Label.In(lang), text, p.Verbatim})
	}
	return told
}

// write says tellings as text: one line each, or a block of lines.
func write(told []telling) string {
	var b strings.Builder
	for _, t := range told {
		switch {
		case t.Verbatim:
			fmt.Fprintf(&b, "%s:\n    %s\n", t.Label, indent(t.Text, 4))
		case utf8.RuneCountInString(t.Label+t.Text) > show.Width:
			fmt.Fprintf(&b, "%s:\n%s\n", t.Label, show.Wrap(t.Text, "    ", show.Width))
		default:
			fmt.Fprintf(&b, "%s: %s\n", t.Label, indent(t.Text, 4))
		}
	}
	return b.String()
}

// secret reports whether a student is not told why she fails a scenario.
func (o Options) secret(sc gradebook.Scenario, r *grade.Result) bool {
	return (sc.Hidden || r != nil && r.Hidden) && o.Visibility != Visible
}

// student is what a student is told of a scenario beside its name, its verdict and its points.
func (o Options) student(sc gradebook.Scenario, r *grade.Result) string {
	note := ""
	if text, has := notes[verdictOf(r)]; has {
		note = text.In(o.Lang) + "\n"
	}
	if o.secret(sc, r) {
		return note
	}
	return note + write(tell(r, o.Detail, o.Lang))
}

// opening is what a student is told of her submission as a whole.
func (o Options) opening(c *gradebook.Class, s *gradebook.Submission) string {
	var b strings.Builder
	total := sumOf(s, c.Scenarios)
	fmt.Fprintln(&b, show.Text{EN: "%d of %d points.", ES: "%d de %d puntos."}.In(o.Lang, total.Points, total.Max))
	if of, any := total.OfWhole(); any && total.Max < total.Whole {
		fmt.Fprintln(&b, show.Text{
			EN: "%d more could not be judged, and count neither for you nor against you: that is %g of %d.",
			ES: "%d más no se pudieron evaluar y no cuentan ni a tu favor ni en tu contra: son %g de %d."}.
			In(o.Lang, total.Whole-total.Max, of, total.Whole))
	}
	if s.Problem != "" {
		fmt.Fprintln(&b, show.Text{EN: "No server could be made of your submission:",
			ES: "No se pudo hacer un servidor de tu entrega:"}.In(o.Lang), line(s.Problem))
		for _, said := range s.Said {
			fmt.Fprintln(&b, "    "+plain(said))
		}
	}
	return b.String()
}
