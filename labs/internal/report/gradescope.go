package report

import (
	"encoding/json"
	"fmt"
	"io"

	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/gradebook"
)

// gradescope is a results.json: gradescope-autograders.readthedocs.io/en/latest/specs.
type gradescope struct {
	// Score overrides the sum of the tests', and is out of what the assignment is worth at Gradescope,
	// whatever could not be judged: see sum.OfWhole. It is left out if nothing could be, which
	// Gradescope takes for an autograder that failed.
	Score            *float64         `json:"score,omitempty"`
	Output           string           `json:"output"`
	OutputFormat     string           `json:"output_format"`
	Visibility       Visibility       `json:"visibility"`        // of tests that do not say their own
	StdoutVisibility Visibility       `json:"stdout_visibility"` // the log is the instructor's
	ExecutionTime    float64          `json:"execution_time"`    // seconds
	Tests            []gradescopeTest `json:"tests"`
}

// A gradescopeTest is a scenario. One that does not count has neither a score nor a status.
type gradescopeTest struct {
	Name         string     `json:"name"`
	NameFormat   string     `json:"name_format"`
	Number       string     `json:"number"` // the lab's and its own, from 1.1
	Score        *int       `json:"score,omitempty"`
	MaxScore     *int       `json:"max_score,omitempty"`
	Status       string     `json:"status,omitempty"`
	Output       string     `json:"output"`
	OutputFormat string     `json:"output_format"`
	Visibility   Visibility `json:"visibility"`
	Tags         []string   `json:"tags"`
}

const asText = "text" // Gradescope escapes it

func writeGradescope(w io.Writer, c *gradebook.Class, s *gradebook.Submission, o Options) error {
	g := gradescope{
		Output: o.opening(c, s), OutputFormat: asText,
		Visibility: Visible, StdoutVisibility: Hidden,
		ExecutionTime: hundredths(s.Seconds),
		Tests:         []gradescopeTest{},
	}
	if score, any := sumOf(s, c.Scenarios).OfWhole(); any {
		g.Score = &score
	}
	for i, l := range labsOf(c) {
		for j, sc := range l.Scenarios {
			g.Tests = append(g.Tests, o.gradescopeTest(fmt.Sprintf("%d.%d", i+1, j+1), sc, s.Result(sc)))
		}
	}
	return writeJSON(w, g)
}

func (o Options) gradescopeTest(number string, sc gradebook.Scenario, r *grade.Result) gradescopeTest {
	t := gradescopeTest{
		Name: sc.ID(), NameFormat: asText, Number: number,
		Output: o.student(sc, r), OutputFormat: asText,
		Visibility: Visible, Tags: []string{sc.Lab},
	}
	if sc.Hidden || r != nil && r.Hidden {
		t.Visibility = o.Visibility
		if t.Visibility == "" {
			t.Visibility = AfterPublished
		}
	}
	if counts(r) {
		t.Score, t.MaxScore = &r.Points, &r.Max
		t.Status = map[grade.Verdict]string{grade.Pass: "passed", grade.Fail: "failed"}[r.Verdict]
	}
	return t
}

// writeJSON writes a value as people can read it too.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // it is no HTML, and <…> is to be read
	e.SetIndent("", "  ")
	return e.Encode(v)
}
