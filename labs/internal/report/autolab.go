package report

import (
	"encoding/json"
	"fmt"
	"io"

	"posixlab/labs/internal/gradebook"
	"posixlab/labs/internal/show"
)

// writeAutolab writes what Autolab shows to the student, and then, in the last line, a score for each
// problem (docs.autolabproject.com/lab). A problem is a lab, by its name; it is left out, so that it
// is not graded, if nothing in it could be judged.
func writeAutolab(w io.Writer, c *gradebook.Class, s *gradebook.Submission, o Options) error {
	fmt.Fprintln(w, o.opening(c, s))
	scores := make(map[string]float64)
	for _, l := range labsOf(c) {
		total := sumOf(s, l.Scenarios)
		if of, any := total.OfWhole(); any {
			scores[l.Name] = of
		}
		fmt.Fprintf(w, "%s  %d/%d  %s\n", l.Name, total.Points, total.Max, l.Title)
		secret, worth := 0, 0
		for _, sc := range l.Scenarios {
			r := s.Result(sc)
			if o.secret(sc, r) {
				secret++
				worth += sc.Points
				continue
			}
			points := ""
			if counts(r) {
				points = fmt.Sprintf("%d/%d", r.Points, r.Max)
			}
			v := verdictOf(r)
			fmt.Fprintf(w, "  %s %-16s %5s  %s\n", marks[v], sc.Name, points, verdicts[v].In(o.Lang))
			if said := o.student(sc, r); said != "" {
				fmt.Fprint(w, "      ", indent(said[:len(said)-1], 6), "\n")
			}
		}
		if secret > 0 {
			fmt.Fprintln(w, show.Text{
				EN: "  and %d hidden, worth %d, which count above and are not told here",
				ES: "  y %d ocultos, que valen %d, cuentan arriba y no se dicen aquí"}.In(o.Lang, secret, worth))
		}
	}
	last, err := json.Marshal(map[string]any{"scores": scores})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "\n%s\n", last)
	return err
}
