package report

import (
	"cmp"
	"slices"

	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/gradebook"
)

// A lab is one that the class was judged by.
type lab struct {
	Name, Title string
	Scenarios   []gradebook.Scenario
}

// labsOf groups the scenarios of a class.
func labsOf(c *gradebook.Class) (labs []lab) {
	for _, sc := range c.Scenarios {
		if len(labs) == 0 || labs[len(labs)-1].Name != sc.Lab {
			labs = append(labs, lab{Name: sc.Lab, Title: sc.Title})
		}
		l := &labs[len(labs)-1]
		l.Scenarios = append(l.Scenarios, sc)
	}
	return labs
}

// A sum is what a submission got for some scenarios. What was skipped, failed by the machine's fault,
// or is yet to be judged, counts neither for the student nor against her.
type sum struct {
	Points int
	Max    int // of the scenarios that count
	Whole  int // of all
}

func sumOf(s *gradebook.Submission, scenarios []gradebook.Scenario) (total sum) {
	for _, sc := range scenarios {
		total.Whole += sc.Points
		if r := s.Result(sc); counts(r) {
			total.Points += r.Points
			total.Max += r.Max
		}
	}
	return total
}

func counts(r *grade.Result) bool {
	return r != nil && (r.Verdict == grade.Pass || r.Verdict == grade.Fail)
}

// Percent is the share of the points that could be got; 0 if there were none.
func (s sum) Percent() float64 { return hundredths(100 * float64(s.Points) / float64(max(1, s.Max))) }

// OfWhole are the points for a system that knows only how many there are in all: the share of those
// that could be got, of the whole. It reports whether anything counts.
func (s sum) OfWhole() (float64, bool) {
	return hundredths(float64(s.Points) * float64(s.Whole) / float64(max(1, s.Max))), s.Max > 0
}

// hundredths rounds to two decimals, as scores are written.
func hundredths(x float64) float64 { return float64(int(100*x+0.5)) / 100 }

// A failing scenario, and who fails it.
type failing struct {
	gradebook.Scenario
	Failed []*gradebook.Submission
	Judged int // submissions with a server for which it counts
}

// failingMost lists the scenarios that somebody fails, from the one that most fail. A submission of
// which no server could be made says nothing of any scenario.
func failingMost(c *gradebook.Class) (list []failing) {
	for _, sc := range c.Scenarios {
		f := failing{Scenario: sc}
		for _, s := range c.Submissions {
			if r := s.Result(sc); counts(r) && s.Problem == "" {
				f.Judged++
				if r.Verdict == grade.Fail {
					f.Failed = append(f.Failed, s)
				}
			}
		}
		if len(f.Failed) > 0 {
			list = append(list, f)
		}
	}
	slices.SortStableFunc(list, func(a, b failing) int { return cmp.Compare(len(b.Failed), len(a.Failed)) })
	return list
}

// failed lists the scenarios that a submission fails, in the order of the labs.
func failed(c *gradebook.Class, s *gradebook.Submission) (ids []string) {
	for _, sc := range c.Scenarios {
		if r := s.Result(sc); r != nil && r.Verdict == grade.Fail {
			ids = append(ids, sc.ID())
		}
	}
	return ids
}

// pending counts the scenarios that a submission has no verdict for yet.
func pending(c *gradebook.Class, s *gradebook.Submission) (n int) {
	for _, sc := range c.Scenarios {
		if s.Result(sc) == nil {
			n++
		}
	}
	return n
}

// again lists the submissions that the machine failed, which are to be graded again.
func again(c *gradebook.Class) (list []*gradebook.Submission, verdicts int) {
	for _, s := range c.Submissions {
		if n := s.Count(grade.Infra); n > 0 {
			list = append(list, s)
			verdicts += n
		}
	}
	return list, verdicts
}
