package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jstemmer/go-junit-report/v2/junit"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/gradebook"
	"posixlab/labs/internal/show"
)

// Where to leave the reports of the class that the tests use, to be looked at.
var keep = flag.String("keep", "", "write every report of an example class into `folder`/en and folder/es")

// written is a format's file: of the class, or of its submission.
func written(t testing.TB, name string, c *gradebook.Class, s *gradebook.Submission, o Options) []byte {
	t.Helper()
	formats, err := ParseFormats(name, show.English)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := formats[0].Write(&b, c, s, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// decoded is a JSON file, which has no other fields than T.
func decoded[T any](t testing.TB, data []byte) (v T) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in:\n%s", err, data)
	}
	return v
}

// small is a class of one submission and four scenarios in two labs, one with each verdict.
func small() *gradebook.Class {
	c := &gradebook.Class{Version: 1, Lang: "en", Isolation: "none", Scenarios: []gradebook.Scenario{
		{Lab: "01-a", Name: "one", Title: "A", Claim: "claim 1", Points: 3},
		{Lab: "01-a", Name: "two", Title: "A", Claim: "claim 2", Points: 2},
		{Lab: "02-b", Name: "three", Title: "B", Claim: "claim 3", Points: 4},
		{Lab: "02-b", Name: "four", Title: "B", Claim: "claim 4", Points: 1},
	}}
	s := &gradebook.Submission{Version: 1, Name: "ana", Student: "Ana", Complete: true, Seconds: 1.234, Results: []grade.Result{
		{Lab: "01-a", Scenario: "one", Verdict: grade.Pass, Points: 3, Max: 3, Seconds: 0.5},
		{Lab: "01-a", Scenario: "two", Verdict: grade.Fail, Max: 2, Step: "It ends", StepNumber: 2, Steps: 5, Line: 7,
			Command: "eof c1", Expected: "an end", Seen: "none", Evidence: []string{"fd 3", "fd 4"}, Hint: "see close(2)",
			Limit: "memory", Slide: "01-a"},
		{Lab: "02-b", Scenario: "three", Verdict: grade.Infra, Max: 4, Reason: "fork: EAGAIN"},
		{Lab: "02-b", Scenario: "four", Verdict: grade.Skip, Max: 1, Reason: "no ps"},
	}}
	s.Sum()
	c.Submissions = []*gradebook.Submission{s}
	return c
}

func TestGradescope(t *testing.T) {
	c := small()
	c.Scenarios[1].Hidden = true
	got := decoded[gradescope](t, written(t, "gradescope", c, c.Submissions[0], Options{Lang: "en", Detail: Full}))
	test := func(name, number, lab, output string) gradescopeTest {
		return gradescopeTest{Name: name, NameFormat: "text", Number: number, Output: output, OutputFormat: "text",
			Visibility: Visible, Tags: []string{lab}}
	}
	scored := func(t gradescopeTest, score, most int, status string, v Visibility) gradescopeTest {
		t.Score, t.MaxScore, t.Status, t.Visibility = &score, &most, status, v
		return t
	}
	want := gradescope{
		Score: new(6.0), // 3 of 5, of 10
		Output: "3 of 5 points.\n" +
			"5 more could not be judged, and count neither for you nor against you: that is 6 of 10.\n",
		OutputFormat: "text", Visibility: Visible, StdoutVisibility: Hidden, ExecutionTime: 1.23,
		Tests: []gradescopeTest{
			scored(test("01-a/one", "1.1", "01-a", ""), 3, 3, "passed", Visible),
			scored(test("01-a/two", "1.2", "01-a", ""), 0, 2, "failed", AfterPublished),
			test("02-b/three", "2.1", "02-b", notes[grade.Infra].EN+"\nreason: fork: EAGAIN\n"),
			test("02-b/four", "2.2", "02-b", notes[grade.Skip].EN+"\nreason: no ps\n"),
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestDetail says what a student is told of a failure at each level.
func TestDetail(t *testing.T) {
	c := small()
	hint := "hint: see close(2)\nslide: 01-a\n"
	full := "limit: memory\nstep: 2 of 5: It ends\nexpected: an end\nseen: none\nevidence:\n    fd 3\n    fd 4\n" + hint
	for _, test := range []struct {
		options Options
		hidden  bool
		want    string
	}{
		{Options{}, false, ""},
		{Options{Detail: None}, false, ""},
		{Options{Detail: Hint}, false, "limit: memory\n" + hint},
		{Options{Detail: Full}, false, full},
		{Options{Detail: Full}, true, ""},
		{Options{Detail: Full, Visibility: AfterDueDate}, true, ""},
		{Options{Detail: Full, Visibility: Visible}, true, full},
		{Options{Detail: None, Visibility: Visible}, true, ""},
	} {
		sc := c.Scenarios[1]
		sc.Hidden = test.hidden
		if diff := cmp.Diff(test.want, test.options.student(sc, &c.Submissions[0].Results[1])); diff != "" {
			t.Errorf("%+v, hidden: %t (-want +got):\n%s", test.options, test.hidden, diff)
		}
	}
}

func TestWrite(t *testing.T) {
	got := write([]telling{{"seen", "one\ntwo", false}, {"evidence", "a\n  b", true}, {"hint", strings.Repeat("word ", 20), false}})
	want := "seen: one\n    two\nevidence:\n    a\n      b\nhint:\n    " +
		strings.TrimSpace(strings.Repeat("word ", 15)) + "\n    word word word word word\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestHidden gives students every format at every level: nothing that a hidden scenario says is in it
// unless it is visible, and where a format cannot wait, not even its name.
func TestHidden(t *testing.T) {
	c := classOf(t, show.English, 14)
	for _, f := range Formats {
		if !f.PerSubmission {
			continue
		}
		for _, d := range Details {
			for _, v := range append(Visibilities, "") {
				for _, s := range c.Submissions {
					data := string(written(t, f.Name, c, s, Options{Lang: "en", Detail: d, Visibility: v}))
					if v != Visible && strings.Contains(data, secretWord) {
						t.Fatalf("%s, %s, %q: %s is told of a hidden scenario", f.Name, d, v, s.Name)
					}
					if v != Visible && f.Name != "gradescope" && strings.Contains(data, "after-dark") {
						t.Fatalf("%s, %s, %q: %s is told that there is a hidden scenario of that name", f.Name, d, v, s.Name)
					}
				}
			}
		}
	}
}

// TestAutolab reads the last line as Autolab does, and looks at the text before it.
func TestAutolab(t *testing.T) {
	c := small()
	got := strings.Split(strings.TrimSuffix(string(written(t, "autolab", c, c.Submissions[0], Options{Lang: "en", Detail: Hint})), "\n"), "\n")
	want := strings.Split(`3 of 5 points.
5 more could not be judged, and count neither for you nor against you: that is 6 of 10.

01-a  3/5  A
  ✓ one                3/3  passed
  ✗ two                0/2  failed
      limit: memory
      hint: see close(2)
      slide: 01-a
02-b  0/0  B
  ! three                   infra
      The grader or its machine failed, not your server. This scenario is to be judged again, and costs you no points.
  – four                    skipped
      Something that this scenario needs is missing where it was judged. It counts neither for you nor against you.

{"scores":{"01-a":3}}`, "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// resultV1 is the structure that Classroom 50 demands of a result.json: its own schema in short.
const resultV1 = `{
  "type": "object", "additionalProperties": false,
  "required": ["schema", "classroom", "assignment", "assignment_type", "owner", "submission", "commit",
    "release", "review", "datetime", "score", "max-score", "tests"],
  "properties": {
    "schema": {"const": "classroom50/result/v1"},
    "classroom": {"type": "string", "minLength": 1},
    "assignment": {"type": "string", "minLength": 1},
    "assignment_type": {"enum": ["individual", "group", "team"]},
    "owner": {"type": "string", "minLength": 1},
    "submission": {"type": "string", "pattern": "^submit/"},
    "commit": {"type": "string", "minLength": 1},
    "release": {"type": "string", "minLength": 1},
    "review": {"type": "string", "minLength": 1},
    "datetime": {"type": "string", "pattern": "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}Z$"},
    "graded_at": {"type": "string", "pattern": "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}Z$"},
    "score": {"type": "integer", "minimum": 0},
    "max-score": {"type": "integer", "minimum": 0},
    "tests": {"type": "array", "items": {
      "type": "object", "required": ["test-name", "passed", "score", "max-score"],
      "properties": {
        "test-name": {"type": "string", "minLength": 1}, "passed": {"type": "boolean"},
        "score": {"type": "integer", "minimum": 0}, "max-score": {"type": "integer", "minimum": 0}}}}
  }
}`

func TestClassroom50(t *testing.T) {
	schema := jsonschema.NewCompiler()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(resultV1))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.AddResource("result-v1.json", doc); err != nil {
		t.Fatal(err)
	}
	v1, err := schema.Compile("result-v1.json")
	if err != nil {
		t.Fatal(err)
	}
	runner := map[string]string{
		"CLASSROOM": "so", "ASSIGNMENT": "zombies", "ASSIGNMENT_TYPE": "group", "OWNER": "ana", "USERNAME": "bea",
		"SUBMISSION_TAG": "submit/2026-06-01T14-32-05Z-a1b2c3d", "COMMIT_URL": "https://h/c", "RELEASE_URL": "https://h/r",
	}
	c := classOf(t, show.English, 14)
	for _, s := range c.Submissions {
		for _, getenv := range []func(string) string{nil, func(name string) string { return runner[name] }} {
			data := written(t, "classroom50", c, s, Options{Lang: "en", Detail: Full, Getenv: getenv})
			value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if err := v1.Validate(value); err != nil {
				t.Errorf("%s: %v", s.Name, err)
			}
			got := decoded[classroom50](t, data)
			sum := classroom50Test{}
			for _, test := range got.Tests {
				sum.Score += test.Score
				sum.MaxScore += test.MaxScore
			}
			want := classroom50Test{Score: s.Points, MaxScore: s.Max}
			if diff := cmp.Diff(want, sum); diff != "" || got.Score != s.Points || got.MaxScore != s.Max {
				t.Errorf("%s: %d/%d; the tests (-want +got):\n%s", s.Name, got.Score, got.MaxScore, diff)
			}
		}
	}

	small := small()
	small.Scenarios[1].Hidden = true
	got := decoded[classroom50](t, written(t, "classroom50", small, small.Submissions[0],
		Options{Lang: "en", Getenv: func(name string) string { return runner[name] }}))
	want := classroom50{
		Schema: "classroom50/result/v1", Classroom: "so", Assignment: "zombies", AssignmentType: "group", Owner: "ana",
		Submission: runner["SUBMISSION_TAG"], Commit: "https://h/c", Release: "https://h/r", Review: "https://h/c",
		Datetime: "0001-01-01T00:00:00Z", GradedAt: "0001-01-01T00:00:00Z", Score: 3, MaxScore: 5,
		Tests: []classroom50Test{
			{Name: "01-a/one", Passed: true, Score: 3, MaxScore: 3, Verdict: "passed"},
			{Name: "02-b/three", Verdict: "infra", Output: notes[grade.Infra].EN + "\n"},
			{Name: "02-b/four", Verdict: "skipped", Output: notes[grade.Skip].EN + "\n"},
			{Name: "hidden scenarios", MaxScore: 2},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestJUnit(t *testing.T) {
	c := small()
	var got junit.Testsuites
	if err := xml.Unmarshal(written(t, "junit", c, nil, Options{Lang: "en"}), &got); err != nil {
		t.Fatal(err)
	}
	testcase := func(lab, name, time string) junit.Testcase {
		return junit.Testcase{Name: name, Classname: "ana." + lab, Time: time}
	}
	one, two, three, four := testcase("01-a", "one", "0.500"), testcase("01-a", "two", "0.000"),
		testcase("02-b", "three", "0.000"), testcase("02-b", "four", "0.000")
	two.Failure = &junit.Result{Message: "an end", Type: "fail", Data: "limit: memory\nstep: 2 of 5: It ends\n" +
		"command:\n    eof c1\n    labs/01-a/two.txtar:7\nexpected: an end\nseen: none\nevidence:\n    fd 3\n    fd 4\n" +
		"hint: see close(2)\nslide: 01-a\n"}
	three.Error = &junit.Result{Message: "fork: EAGAIN", Type: "infra", Data: "reason: fork: EAGAIN\n"}
	four.Skipped = &junit.Result{Message: "no ps", Type: "skip", Data: "reason: no ps\n"}
	want := junit.Testsuites{Name: "posixlab", Time: "1.234", Tests: 4, Errors: 1, Failures: 1, Skipped: 1,
		Suites: []junit.Testsuite{{Name: "ana", Tests: 4, Errors: 1, Failures: 1, Skipped: 1, Time: "1.234",
			Timestamp:  "0001-01-01T00:00:00Z",
			Properties: &[]junit.Property{{Name: "points", Value: "3/5"}, {Name: "student", Value: "Ana"}},
			Testcases:  []junit.Testcase{one, two, three, four}}}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreTypes(xml.Name{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// rows reads a CSV file.
func rows(t *testing.T, data []byte) [][]string {
	t.Helper()
	text, marked := strings.CutPrefix(string(data), byteOrderMark)
	if !marked {
		t.Error("no byte order mark")
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestCSV(t *testing.T) {
	c := small()
	want := [][]string{
		{"submission", "student", "points", "max", "percent", "01-a", "02-b", "failed", "problem", "infra", "not judged yet"},
		{"ana", "Ana", "3", "5", "60", "3", "0", "01-a/two", "", "1", "0"},
	}
	if diff := cmp.Diff(want, rows(t, written(t, "csv", c, nil, Options{Lang: "en"}))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestMarkdown(t *testing.T) {
	c := small()
	want := strings.Split(`# The class

- submissions: 1
- scenarios: 4
- judged: 0001-01-01 00:00 UTC
- isolation: none

**To be graded again: 1 infra.** The kit or the machine failed, not the servers, and no points were lost: Ana.

| student | points | % | fails | |
|---|--:|--:|--:|---|
| Ana | 3/5 | 60 | 1 |  |

## What fails most

| scenario | fails | claim |
|---|--:|---|
| 01-a/two | 1/1 | claim 2 |
`, "\n")
	if diff := cmp.Diff(want, strings.Split(string(written(t, "markdown", c, nil, Options{Lang: "en"})), "\n")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestHostile has students with names that are something else in some format.
func TestHostile(t *testing.T) {
	n := 6 + len(hostile)
	c := classOf(t, show.English, n)
	t.Run("csv", func(t *testing.T) {
		table := rows(t, written(t, "csv", c, nil, Options{Lang: "en"}))
		if len(table) != n+1 {
			t.Errorf("%d rows for %d students", len(table), n)
		}
		for i, row := range table {
			for j, cell := range row {
				if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r\n") {
					t.Errorf("row %d, column %d is a formula: %q", i, j, cell)
				}
			}
		}
		for text, want := range map[string]string{
			"=1": "'=1", " \t=1": "'=1", "-1": "'-1", "＝1": "'＝1", "@a": "'@a", "a=1": "a=1", "": "", "\u202e=1": "'=1",
		} {
			if got := field(text); got != want {
				t.Errorf("field(%q) = %q; want %q", text, got, want)
			}
		}
	})
	t.Run("markdown", func(t *testing.T) {
		table := 0
		unescaped := regexp.MustCompile(`(^|[^\\])\|`)
		active := regexp.MustCompile(`(^|[^\\])[<*\[&@$]`)
		for line := range strings.Lines(string(written(t, "markdown", c, nil, Options{Lang: "en"}))) {
			if !strings.HasPrefix(line, "|") {
				table = 0
				continue
			}
			bars := len(unescaped.FindAllString(line, -1))
			if table == 0 {
				table = bars
			}
			if bars != table {
				t.Errorf("%d cells of %d: %s", bars, table, line)
			}
			if active.MatchString(line) {
				t.Errorf("Markdown of the name's own: %s", line)
			}
		}
	})
	t.Run("junit", func(t *testing.T) {
		var suites junit.Testsuites
		if err := xml.Unmarshal(written(t, "junit", c, nil, Options{Lang: "en"}), &suites); err != nil {
			t.Fatal(err)
		}
		for i, suite := range suites.Suites {
			props := *suite.Properties
			if got, want := props[len(props)-1].Value, line(c.Submissions[i].Student); got != want {
				t.Errorf("a name is %q; want %q", got, want)
			}
		}
	})
	t.Run("html", func(t *testing.T) {
		data := string(written(t, "html", c, nil, Options{Lang: "en"}))
		for _, bad := range []string{"<script", "<b>bye", `onload="x`, "\u202e", "\x1b", "ZgotmplZ"} {
			if strings.Contains(data, bad) {
				t.Errorf("%q is in the page", bad)
			}
		}
		for _, good := range []string{"&lt;script&gt;alert(1)&lt;/script&gt;", "{{.Class}}&#34; onload=&#34;x"} {
			if !strings.Contains(data, good) {
				t.Errorf("%q is not in the page", good)
			}
		}
	})
	t.Run("everywhere", func(t *testing.T) {
		for _, f := range Formats {
			for _, s := range c.Submissions {
				if data := written(t, f.Name, c, s, Options{Lang: "en", Detail: Full}); bytes.ContainsAny(data, "\x00\x1b\u202e") {
					t.Errorf("%s, %s: a character that a terminal acts on", f.Name, s.Name)
				}
			}
		}
	})
}

// TestInfra turns verdicts into infra one by one: no format's score gets lower by a scenario that was
// failed, and the percentage that is left is the same in all.
func TestInfra(t *testing.T) {
	c := classOf(t, show.English, 12)
	for _, s := range c.Submissions {
		for i := range s.Results {
			before := sumOf(s, c.Scenarios)
			r := &s.Results[i]
			if r.Verdict != grade.Fail {
				continue
			}
			*r = grade.Result{Lab: r.Lab, Scenario: r.Scenario, Max: r.Max, Verdict: grade.Infra, Reason: "EAGAIN"}
			s.Sum()
			after := sumOf(s, c.Scenarios)
			if after.Percent() < before.Percent() {
				t.Fatalf("%s: from %v to %v", s.Name, before, after)
			}
		}
		total := sumOf(s, c.Scenarios)
		if total.Points != s.Points || total.Max != s.Max {
			t.Errorf("%s: %+v here, %d/%d in the gradebook", s.Name, total, s.Points, s.Max)
		}
		scope := decoded[gradescope](t, written(t, "gradescope", c, s, Options{Lang: "en"}))
		switch {
		case total.Max == 0 && scope.Score != nil:
			t.Errorf("%s: nothing counts, and the score is %g", s.Name, *scope.Score)
		case total.Max > 0 && *scope.Score != float64(total.Whole): // all that is left passed
			t.Errorf("%s: %g of %d at Gradescope", s.Name, *scope.Score, total.Whole)
		}
		text := string(written(t, "autolab", c, s, Options{Lang: "en"}))
		_, last, _ := strings.Cut(text[strings.LastIndex(strings.TrimSuffix(text, "\n"), "\n"):], "\n")
		scores := decoded[struct{ Scores map[string]float64 }](t, []byte(last)).Scores
		for _, l := range labsOf(c) {
			if score, has := scores[l.Name]; has && score != float64(l.Worth()) {
				t.Errorf("%s: %s is %g of %d at Autolab", s.Name, l.Name, score, l.Worth())
			}
		}
	}
}

// TestLanguages compares the languages: no file is the same in both, and no text lacks one.
func TestLanguages(t *testing.T) {
	for _, f := range Formats {
		en, es := classOf(t, show.English, 6), classOf(t, show.Spanish, 6)
		a := written(t, f.Name, en, en.Submissions[1], Options{Lang: show.English, Detail: Full})
		b := written(t, f.Name, es, es.Submissions[1], Options{Lang: show.Spanish, Detail: Full})
		if bytes.Equal(a, b) {
			t.Errorf("%s: the same in both languages", f.Name)
		}
		// The words that are the report's own: with the texts of one gradebook.
		if b := written(t, f.Name, en, en.Submissions[1], Options{Lang: show.Spanish, Detail: Full}); bytes.Equal(a, b) {
			t.Errorf("%s: its own words are the same in both languages", f.Name)
		}
	}
	texts := map[string]show.Text{}
	for _, f := range Formats {
		texts["purpose of "+f.Name] = f.Purpose
	}
	for name, text := range words {
		texts["word "+name] = text
	}
	for v, text := range verdicts {
		texts["verdict "+string(v)] = text
	}
	for v, text := range notes {
		texts["note "+string(v)] = text
	}
	for i, p := range parts {
		texts[fmt.Sprint("part ", i)] = p.Label
	}
	for i, text := range slices.Concat(before, after) {
		texts[fmt.Sprint("column ", i)] = text
	}
	same := []string{"infra", "Total"} // the same word in both
	for name, text := range texts {
		if text.EN == "" || text.ES == "" || text.EN == text.ES && !slices.Contains(same, text.EN) {
			t.Errorf("%s: %+v", name, text)
		}
	}
}

// TestWords looks for words that the page never says.
func TestWords(t *testing.T) {
	for name := range words {
		if !strings.Contains(pageText, `say "`+name+`"`) {
			t.Errorf("no page says %q", name)
		}
	}
}

// TestSize has a class of a hundred, every one of which fails everything and has a lot to show.
func TestSize(t *testing.T) {
	c := classOf(t, show.Spanish, 100)
	for _, s := range c.Submissions {
		s.Problem, s.Said = "", nil
		for i := range s.Results {
			r := &s.Results[i]
			r.Verdict, r.Points = grade.Fail, 0
			r.Expected, r.Seen, r.Hint = strings.Repeat("expected ", 20), strings.Repeat("seen ", 20), strings.Repeat("hint ", 60)
			r.Evidence = slices.Repeat([]string{strings.Repeat("0123456789", 8)}, 40)
		}
	}
	n := len(written(t, "html", c, nil, Options{Lang: "es"}))
	if each := n / (len(c.Submissions) * len(c.Submissions[0].Results)); each > 2000 { // 1,800 or so, of what is told
		t.Errorf("%s bytes, %d for each failure", show.Thousands(n), each)
	} else {
		t.Logf("%s bytes, %d for each failure", show.Thousands(n), each)
	}
}

// TestPolicy looks at what the page may load and refer to: nothing that is not in it.
func TestPolicy(t *testing.T) {
	c := classOf(t, show.English, 14)
	data := string(written(t, "html", c, nil, Options{Lang: "en"}))
	for _, bad := range []string{" style=", " src=", "url(", "@import", "http://www", "https://"} {
		if strings.Contains(data, bad) {
			t.Errorf("%q is in the page", bad)
		}
	}
	ids := make(map[string]int)
	for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(data, -1) {
		ids[m[1]]++
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("%d elements have the id %s", n, id)
		}
	}
	for _, m := range regexp.MustCompile(` href="([^"]*)"`).FindAllStringSubmatch(data, -1) {
		if id, local := strings.CutPrefix(m[1], "#"); !local || ids[id] == 0 {
			t.Errorf("a link to %s", m[1])
		}
	}
	_, style, _ := strings.Cut(data, "<style>")
	if style, _, _ := strings.Cut(style, "</style>"); style != css {
		t.Error("the style is not what its hash is of")
	}
}

// TestNobody writes every format of a class without submissions, and of a submission without results.
func TestNobody(t *testing.T) {
	for _, c := range []*gradebook.Class{{}, {Submissions: []*gradebook.Submission{{Name: "ana"}}}, {
		Scenarios: small().Scenarios, Submissions: []*gradebook.Submission{{Name: "ana"}}}} {
		if err := WriteAll(t.TempDir(), c, Options{Lang: "es"}, Formats); err != nil {
			t.Error(err)
		}
	}
}

func TestWriteAll(t *testing.T) {
	dir := t.TempDir()
	formats, err := ParseFormats("csv, gradescope,csv", show.English)
	if err != nil {
		t.Fatal(err)
	}
	files := func() (names []string) {
		fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
			if !d.IsDir() {
				names = append(names, path)
			}
			return err
		})
		return names
	}
	c := small()
	c.Submissions = append(c.Submissions, &gradebook.Submission{Name: ".."})
	if err := WriteAll(dir, c, Options{Lang: "en"}, formats); err == nil || len(files()) != 0 {
		t.Errorf("a submission .. was taken: %v, and %v was written", err, files())
	}
	c.Submissions = c.Submissions[:1]
	for range 2 { // anew, too
		if err := WriteAll(dir, c, Options{Lang: "en"}, formats); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"ana/gradescope.json", "scores.csv"}, files()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	if *keep != "" {
		for _, lang := range []show.Lang{show.English, show.Spanish} {
			if err := WriteAll(filepath.Join(*keep, string(lang)), classOf(t, lang, 14), Options{Lang: lang, Detail: Full}, Formats); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestParse(t *testing.T) {
	say := func(v any, err error) string { return fmt.Sprint(v, " ", err) }
	for _, c := range []struct{ got, want string }{
		{say(ParseDetail("hint", "en")), "hint <nil>"},
		{say(ParseDetail("all", "en")), ` how much students are told cannot be "all": say none, hint or full`},
		{say(ParseDetail("", "es")), ` lo que se dice a los estudiantes no puede ser "": usa none, hint o full`},
		{say(ParseVisibility("after_due_date", "en")), "after_due_date <nil>"},
		{say(ParseVisibility("never", "es")), ` la visibilidad de los escenarios ocultos no puede ser "never": usa hidden, after_due_date, after_published o visible`},
		{say(ParseFormats("csv,pdf", "en")), `[] there is no report format "pdf": say html, csv, markdown, junit, gradescope, autolab or classroom50, separated by commas`},
		{say(ParseFormats("", "es")), `[] no existe el formato de informe "": usa html, csv, markdown, junit, gradescope, autolab o classroom50, separados por comas`},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}
