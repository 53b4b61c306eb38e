package report

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/gradebook"
	"posixlab/labs/internal/show"
)

// The page is one file without scripts. Its policy lets a browser load nothing and apply no style but
// this one, so that whatever a student's name or her server's output holds, it is shown as text.
//
//go:embed report.css
var css string

//go:embed report.html
var pageText string

var pageTemplate = template.Must(template.New("report.html").Funcs(template.FuncMap{
	"say": func(string, ...any) string { return "" }, // by each page in its own language
}).Parse(pageText))

// A page is what the template shows.
type page struct {
	Lang    show.Lang
	Style   template.CSS
	Policy  string
	Class   *gradebook.Class
	Labs    []lab
	Rows    []row
	Spread  []bin
	Failing []share
	Again   []*row // to be graded again
	Infra   int    // verdicts of those
	Pending int    // submissions that miss verdicts
	Median  float64
	Well    []*row // nothing to say of them
	Told    []*row // the others
}

// A row is a submission's in the table of the class.
type row struct {
	*gradebook.Submission
	Who   string
	ID    string // s1, s2, …
	Total sum
	Cells []cell
	Why   []why
}

// A cell is what a submission got for a lab.
type cell struct {
	sum
	Level string // full, most, some, none; "" if nothing counts
	Marks []mark
}

// A mark is a verdict, or several passes in a row.
type mark struct {
	Verdict grade.Verdict
	Sign    string
	Name    string // of the scenario
	Ref     string // of its why; "" if there is none
}

// A why tells what came of a scenario that did not pass.
type why struct {
	Ref      string
	Scenario gradebook.Scenario
	Verdict  grade.Verdict
	Sign     string
	Points   string
	Limit    string
	Brief    string // where the story ended, or the reason
	Told     []telling
}

// A bin counts the submissions with a percentage from one number up to the next bin's.
type bin struct{ From, To, N, X, Y, Height int }

// A share is a scenario that some submissions fail.
type share struct {
	failing
	Percent int
	Who     []who
}

// A who refers to why somebody fails.
type who struct{ Name, Ref string }

func writeHTML(w io.Writer, c *gradebook.Class, _ *gradebook.Submission, o Options) error {
	t, err := pageTemplate.Clone()
	if err != nil {
		return err
	}
	t.Funcs(template.FuncMap{
		"say": func(name string, args ...any) (string, error) {
			text, has := words[name]
			if !has {
				return "", fmt.Errorf("no words for %q", name)
			}
			return text.In(o.Lang, args...), nil
		}})
	return t.Execute(w, newPage(c, o.Lang))
}

func newPage(c *gradebook.Class, lang show.Lang) *page {
	hash := sha256.Sum256([]byte(css))
	p := &page{
		Lang:  lang,
		Style: template.CSS(css),
		Policy: fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'",
			base64.StdEncoding.EncodeToString(hash[:])),
		Class: c, Labs: labsOf(c), Rows: make([]row, len(c.Submissions)),
	}
	room := roomFor(c)
	for i, s := range c.Submissions {
		p.Rows[i] = newRow(c, s, p.Labs, fmt.Sprintf("s%d", i+1), lang, room)
		r := &p.Rows[i]
		if len(r.Why) == 0 && s.Problem == "" {
			p.Well = append(p.Well, r)
		} else {
			p.Told = append(p.Told, r)
		}
		if n := s.Count(grade.Infra); n > 0 {
			p.Again = append(p.Again, r)
			p.Infra += n
		}
		if pending(c, s) > 0 {
			p.Pending++
		}
	}
	p.Median = median(p.Rows)
	p.Spread = spread(p.Rows)
	for _, f := range failingMost(c) {
		p.Failing = append(p.Failing, p.share(f))
	}
	return p
}

// roomFor is how many bytes of evidence there is room for in each why, so that the page stays below
// some megabytes. All of it is in the submission's own results.
func roomFor(c *gradebook.Class) int {
	whys := 1
	for _, s := range c.Submissions {
		whys += len(s.Results) - s.Count(grade.Pass)
	}
	return min(4_000, max(300, 4_000_000/whys))
}

func newRow(c *gradebook.Class, s *gradebook.Submission, labs []lab, id string, lang show.Lang, room int) row {
	r := row{Submission: s, Who: line(s.Who()), ID: id, Total: sumOf(s, c.Scenarios)}
	n := 0
	for _, l := range labs {
		cell := cell{sum: sumOf(s, l.Scenarios)}
		cell.Level = level(cell.sum)
		for _, sc := range l.Scenarios {
			n++
			result := s.Result(sc)
			m := mark{Verdict: verdictOf(result), Sign: marks[verdictOf(result)], Name: sc.Name}
			if m.Verdict != grade.Pass && m.Verdict != "" {
				m.Ref = fmt.Sprintf("%s-%d", id, n)
				if s.Problem == "" || m.Verdict != grade.Fail { // the problem is the why of its failures
					r.Why = append(r.Why, newWhy(m, sc, result, lang, room))
				} else {
					m.Ref = id
				}
			}
			if last := len(cell.Marks) - 1; last >= 0 && m.Ref == "" && cell.Marks[last].Verdict == m.Verdict {
				cell.Marks[last].Sign += m.Sign
				cell.Marks[last].Name += ", " + m.Name
			} else {
				cell.Marks = append(cell.Marks, m)
			}
		}
		r.Cells = append(r.Cells, cell)
	}
	return r
}

// level is how much of the points that count were got.
func level(s sum) string {
	switch {
	case s.Max == 0:
		return ""
	case s.Points == s.Max:
		return "full"
	case 2*s.Points >= s.Max:
		return "most"
	case s.Points > 0:
		return "some"
	}
	return "none"
}

func newWhy(m mark, sc gradebook.Scenario, r *grade.Result, lang show.Lang, room int) why {
	ended := line(step(r, lang))
	w := why{Ref: m.Ref, Scenario: sc, Verdict: m.Verdict, Sign: m.Sign,
		Limit: line(r.Limit), Brief: cmp.Or(ended, line(r.Reason))}
	if counts(r) {
		w.Points = fmt.Sprintf("%d/%d", r.Points, r.Max)
	}
	for _, t := range tell(r, all, lang) {
		switch {
		case t.Text == ended: // stands above
			continue
		case t.Verbatim:
			t.Text = cut(t.Text, room, lang)
		}
		w.Told = append(w.Told, t)
	}
	return w
}

// cut leaves out the lines for which there is no room, and says how many.
func cut(text string, room int, lang show.Lang) string {
	if len(text) <= room {
		return text
	}
	lines := strings.Split(text, "\n")
	kept, used := 0, 0
	for kept < len(lines) && used+len(lines[kept]) < room {
		used += len(lines[kept]) + 1
		kept++
	}
	more := show.Text{EN: "… %d more lines in the submission's results.json",
		ES: "… %d líneas más en el results.json de la entrega"}
	return strings.Join(append(lines[:kept:kept], more.In(lang, len(lines)-kept)), "\n")
}

func median(rows []row) float64 {
	var all []float64
	for _, r := range rows {
		if r.Total.Max > 0 {
			all = append(all, r.Total.Percent())
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return hundredths((all[(len(all)-1)/2] + all[len(all)/2]) / 2)
}

// spread counts the submissions for which anything counts by tenths of the points; the last bin holds
// 100 % too. The highest is 200 units high.
func spread(rows []row) []bin {
	bins := make([]bin, 10)
	highest := 1
	for _, r := range rows {
		if r.Total.Max > 0 {
			b := &bins[min(9, 10*r.Total.Points/r.Total.Max)]
			b.N++
			highest = max(highest, b.N)
		}
	}
	for i := range bins {
		b := &bins[i]
		b.From, b.To, b.X = 10*i, 10*i+9, 56*i
		if i == 9 {
			b.To = 100
		}
		b.Height = 200 * b.N / highest
		b.Y = 226 - b.Height
	}
	return bins
}

func (p *page) share(f failing) share {
	s := share{failing: f, Percent: 100 * len(f.Failed) / f.Judged}
	n := slices.Index(p.Class.Scenarios, f.Scenario) + 1
	for _, r := range p.Rows {
		if slices.Contains(f.Failed, r.Submission) {
			s.Who = append(s.Who, who{r.Who, fmt.Sprintf("%s-%d", r.ID, n)})
		}
	}
	return s
}

// Short is a lab's name without its number.
func (l lab) Short() string {
	if number, name, found := strings.Cut(l.Name, "-"); found && strings.Trim(number, "0123456789") == "" {
		return name
	}
	return l.Name
}

// Number is a lab's number.
func (l lab) Number() string {
	number, _, _ := strings.Cut(l.Name, "-")
	return strings.TrimLeft(number, "0")
}

// Worth are all points of a lab.
func (l lab) Worth() (points int) {
	for _, sc := range l.Scenarios {
		points += sc.Points
	}
	return points
}

// Compilation says what the compiler said, as text.
func (r *row) Compilation() string { return plain(strings.Join(r.Said, "\n")) }

// words are what the template says.
var words = map[string]show.Text{
	"title":       {EN: "The class", ES: "El grupo"},
	"judged":      {EN: "judged", ES: "evaluado"},
	"submissions": {EN: "submissions", ES: "entregas"},
	"scenarios":   {EN: "scenarios", ES: "escenarios"},
	"median":      {EN: "median", ES: "mediana"},
	"complete":    {EN: "passed everything", ES: "sin fallas"},
	"isolation":   {EN: "Isolation", ES: "Aislamiento"},
	"limits":      {EN: "Limits", ES: "Límites"},
	"infra":       {EN: "To be graded again: %d infra", ES: "Hay que calificar de nuevo: %d infra"},
	"infra-why": {EN: "The kit or the machine failed, not the servers. These verdicts cost no points.",
		ES: "Falló el kit o la máquina, no los servidores. Estos veredictos no cuestan puntos."},
	"pending": {EN: "Submissions that are not judged to the end: %d", ES: "Entregas que no se evaluaron hasta el final: %d"},
	"pending-why": {EN: "What has no verdict yet counts neither for nor against anybody.",
		ES: "Lo que aún no tiene veredicto no cuenta ni a favor ni en contra de nadie."},
	"table":        {EN: "Students and labs", ES: "Estudiantes y labs"},
	"student":      {EN: "Student", ES: "Estudiante"},
	"total":        {EN: "Total", ES: "Total"},
	"pass":         {EN: "passed", ES: "bien"},
	"fail":         {EN: "failed: a click shows why", ES: "falla: un clic muestra por qué"},
	"skip":         {EN: "skipped", ES: "omitido"},
	"machine":      {EN: "infra: grade again", ES: "infra: calificar de nuevo"},
	"none":         {EN: "not judged yet", ES: "aún sin evaluar"},
	"no-server":    {EN: "no server", ES: "sin servidor"},
	"spread":       {EN: "Scores", ES: "Calificaciones"},
	"spread-what":  {EN: "submissions, by percent of the points", ES: "entregas, por porcentaje de los puntos"},
	"failing":      {EN: "What fails most", ES: "Lo que más falla"},
	"failing-none": {EN: "Nobody fails anything.", ES: "Nadie falla nada."},
	"of":           {EN: "%d of %d", ES: "%d de %d"},
	"more":         {EN: "%d more", ES: "%d más"},
	"why":          {EN: "Why", ES: "Por qué"},
	"problem": {EN: "No server could be made of it; every scenario is failed",
		ES: "No se pudo hacer un servidor con ella; todo escenario es falla"},
	"well":   {EN: "Nothing to say: everything passed", ES: "Nada que decir: todo bien"},
	"hidden": {EN: "hidden", ES: "oculto"},
	"limit":  {EN: "limit: %s", ES: "límite: %s"},
	"top":    {EN: "to the table", ES: "a la tabla"},
}
