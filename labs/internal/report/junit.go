package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/jstemmer/go-junit-report/v2/junit"

	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/gradebook"
	"posixlab/labs/internal/show"
)

// writeJUnit makes a suite of each submission and a case of each scenario. An infra verdict is an
// error, in JUnit's sense too: the test could not be made.
func writeJUnit(w io.Writer, c *gradebook.Class, _ *gradebook.Submission, o Options) error {
	report := junit.Testsuites{Name: "posixlab"}
	seconds := 0.0
	for i, s := range c.Submissions {
		seconds += s.Seconds
		suite := junit.Testsuite{Name: line(s.Name), ID: i, Time: fmt.Sprintf("%.3f", s.Seconds)}
		suite.SetTimestamp(c.Started)
		total := sumOf(s, c.Scenarios)
		suite.AddProperty("points", fmt.Sprintf("%d/%d", total.Points, total.Max))
		if s.Student != "" {
			suite.AddProperty("student", line(s.Student))
		}
		if s.Problem != "" {
			suite.SystemErr = &junit.Output{Data: plain(s.Problem + "\n" + strings.Join(s.Said, "\n"))}
		}
		for _, sc := range c.Scenarios {
			suite.AddTestcase(testcase(s, sc, o.Lang))
		}
		report.AddSuite(suite)
	}
	report.Time = fmt.Sprintf("%.3f", seconds)
	return report.WriteXML(w)
}

func testcase(s *gradebook.Submission, sc gradebook.Scenario, lang show.Lang) junit.Testcase {
	r := s.Result(sc)
	tc := junit.Testcase{Name: sc.Name, Classname: line(s.Name) + "." + sc.Lab}
	if r != nil {
		tc.Time = fmt.Sprintf("%.3f", r.Seconds)
	}
	v := verdictOf(r)
	why := &junit.Result{Message: verdicts[v].In(lang), Type: string(v), Data: write(tell(r, all, lang))}
	switch v {
	case grade.Fail:
		why.Message = line(r.Expected)
		tc.Failure = why
	case grade.Infra:
		why.Message = line(r.Reason)
		tc.Error = why
	case grade.Skip:
		why.Message = line(r.Reason)
		tc.Skipped = why
	case "":
		tc.Skipped = why
	}
	return tc
}
