package report

import (
	"cmp"
	"io"
	"time"

	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/gradebook"
	"posixlab/labs/internal/show"
)

// classroom50 is a result.json: schemas/result-v1.schema.json in github.com/foundation50/classroom50.
// Its runner says in the environment what was submitted, and by whom. Where there is no runner, the
// fields that must not be empty hold what the gradebook knows.
type classroom50 struct {
	Schema         string            `json:"schema"`
	Classroom      string            `json:"classroom"`
	Assignment     string            `json:"assignment"`
	AssignmentType string            `json:"assignment_type"`
	Owner          string            `json:"owner"`
	Submission     string            `json:"submission"`
	Commit         string            `json:"commit"`
	Release        string            `json:"release"`
	Review         string            `json:"review"`
	Datetime       string            `json:"datetime"` // the runner writes the commit's over it
	GradedAt       string            `json:"graded_at"`
	Score          int               `json:"score"`
	MaxScore       int               `json:"max-score"`
	Tests          []classroom50Test `json:"tests"`
}

// A classroom50Test is a scenario. One that does not count is worth 0 points. The last two fields are
// our own, which Classroom 50 keeps.
type classroom50Test struct {
	Name     string `json:"test-name"`
	Passed   bool   `json:"passed"`
	Score    int    `json:"score"`
	MaxScore int    `json:"max-score"`
	Verdict  string `json:"verdict,omitempty"`
	Output   string `json:"output,omitempty"`
}

func writeClassroom50(w io.Writer, c *gradebook.Class, s *gradebook.Submission, o Options) error {
	env := func(name, otherwise string) string {
		if o.Getenv == nil {
			return otherwise
		}
		return cmp.Or(o.Getenv(name), otherwise)
	}
	at := c.Started.UTC().Format(time.RFC3339)
	commit := env("COMMIT_URL", "local")
	result := classroom50{
		Schema:         "classroom50/result/v1",
		Classroom:      env("CLASSROOM", "posixlab"),
		Assignment:     env("ASSIGNMENT", "posixlab"),
		AssignmentType: env("ASSIGNMENT_TYPE", "individual"),
		Owner:          env("OWNER", env("USERNAME", s.Name)),
		Submission:     env("SUBMISSION_TAG", "submit/"+s.Name),
		Commit:         commit,
		Release:        env("RELEASE_URL", commit),
		Review:         env("REVIEW_URL", commit),
		Datetime:       at,
		GradedAt:       at,
		Tests:          []classroom50Test{},
	}
	hidden := classroom50Test{Name: show.Text{EN: "hidden scenarios", ES: "escenarios ocultos"}.In(o.Lang), Passed: true}
	secret := false
	for _, sc := range c.Scenarios {
		r := s.Result(sc)
		t := o.classroom50Test(sc, r)
		result.Score += t.Score
		result.MaxScore += t.MaxScore
		if o.secret(sc, r) { // the file is the student's to read: all of them are one
			secret = true
			hidden.Score += t.Score
			hidden.MaxScore += t.MaxScore
			hidden.Passed = hidden.Passed && t.Passed
			continue
		}
		result.Tests = append(result.Tests, t)
	}
	if secret {
		result.Tests = append(result.Tests, hidden)
	}
	return writeJSON(w, result)
}

func (o Options) classroom50Test(sc gradebook.Scenario, r *grade.Result) classroom50Test {
	v := verdictOf(r)
	t := classroom50Test{
		Name: sc.ID(), Passed: v == grade.Pass,
		Verdict: verdicts[v].In(o.Lang), Output: o.student(sc, r),
	}
	if counts(r) {
		t.Score, t.MaxScore = r.Points, r.Max
	}
	return t
}
