package main

import (
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"posixlab/labs/internal/course"
	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/gradebook"
	"posixlab/labs/internal/grading"
	"posixlab/labs/internal/report"
	"posixlab/labs/internal/sandbox"
	"posixlab/labs/internal/show"
	"posixlab/labs/internal/submission"
)

// gradeClass judges the submissions of a class, and writes the reports. The status is 0 also if
// submissions failed: 3 says that there are verdicts which the machine owes.
func gradeClass(ctx context.Context, a *app, args []string) int {
	var out, roster, hidden, only string
	var reports reports
	var jobs int
	var one, resume, trust bool
	rest, status := a.options(args, func(f *flag.FlagSet) {
		f.StringVar(&out, "out", "", "")
		f.StringVar(&only, "labs", "", "")
		f.StringVar(&roster, "roster", "", "")
		f.StringVar(&hidden, "hidden", "", "")
		f.IntVar(&jobs, "jobs", runtime.NumCPU(), "")
		f.BoolVar(&one, "one", false, "")
		f.BoolVar(&resume, "resume", false, "")
		f.BoolVar(&trust, "trust", false, "")
		reports.flags(f)
	})
	if status >= 0 {
		return status
	}
	options, formats, err := reports.parse(a.lang)
	if err != nil {
		return a.wrongUse(err.Error())
	}
	switch {
	case len(rest) != 1:
		return a.wrongUse(a.say(show.Text{EN: "name one folder of submissions", ES: "nombra una carpeta de entregas"}))
	case out == "":
		return a.wrongUse(a.say(show.Text{EN: "-out DIR: say where the results are to go", ES: "-out CARPETA: indica dónde van los resultados"}))
	case jobs < 1:
		return a.wrongUse(a.say(show.Text{EN: "-jobs %d: give at least 1", ES: "-jobs %d: usa al menos 1"}, jobs))
	}
	unix.Umask(0o022) // what is made for a submission is for another user to read
	if status = a.hide(hidden); status >= 0 {
		return status
	}
	g := &grading.Grading{Course: a.course, Scenarios: a.course.Scenarios(), Lang: a.lang, Out: out, Jobs: jobs, Trust: trust}
	if only != "" {
		named, status := a.find(strings.Split(only, ","))
		if status >= 0 {
			return status
		}
		g.Scenarios = slices.DeleteFunc(g.Scenarios, func(sc *course.Scenario) bool { return !slices.Contains(named, sc) })
	}
	if one {
		g.Sources = []submission.Source{submission.Named(filepath.Clean(rest[0]))}
	} else if g.Sources, err = submission.List(rest[0]); err != nil {
		return a.infra(err)
	}
	if roster != "" {
		if g.Students, err = a.roster(roster); err != nil {
			return a.infra(err)
		}
		if !one {
			g.Sources = a.whole(g.Sources, g.Students)
		}
	}
	for _, source := range g.Sources {
		if slices.ContainsFunc(report.Formats, func(f report.Format) bool { return !f.PerSubmission && f.File == source.Name }) || source.Name == gradebook.File {
			return a.infra(errors.New(a.say(show.Text{
				EN: "%s is the name of a file of results: rename the submission",
				ES: "%s es el nombre de un archivo de resultados: cambia el nombre de la entrega"}, source.Name)))
		}
	}
	unlock, err := a.openOut(out, resume)
	if err != nil {
		return a.infra(err)
	}
	defer unlock()
	if resume {
		if err := a.goesOn(out, g.Scenarios); err != nil {
			return a.infra(err)
		}
	}
	if g.Go, g.Runner, err = a.tools(ctx); err != nil {
		return a.infra(err)
	}
	defer g.Runner.Close()
	g.Progress = a.progress(len(g.Sources) * len(g.Scenarios))
	class, err := g.Run(ctx)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "\n"+a.say(show.Text{
			EN: "labs: interrupted; the verdicts so far are kept: go on with -resume",
			ES: "labs: interrumpido; los veredictos obtenidos se conservan: continúa con -resume"}))
		return grade.ExitInt
	case errors.Is(err, sandbox.ErrNoWall):
		fmt.Fprintln(os.Stderr, "labs: "+a.say(grading.NoSandbox))
		return a.infra(err)
	case err != nil:
		return a.infra(err)
	}
	if err := report.WriteAll(out, class, options, formats); err != nil {
		return a.infra(err)
	}
	return a.graded(class, out, formats)
}

// reports are the options of reports.
type reports struct{ detail, visibility, formats string }

func (r *reports) flags(f *flag.FlagSet) {
	f.StringVar(&r.detail, "detail", string(report.Hint), "")
	f.StringVar(&r.visibility, "visibility", string(report.AfterPublished), "")
	f.StringVar(&r.formats, "formats", "html,csv,markdown,junit,gradescope,autolab,classroom50", "")
}

func (r *reports) parse(lang show.Lang) (o report.Options, formats []report.Format, err error) {
	o = report.Options{Lang: lang, Getenv: os.Getenv}
	if o.Detail, err = report.ParseDetail(r.detail, lang); err != nil {
		return o, nil, err
	}
	if o.Visibility, err = report.ParseVisibility(r.visibility, lang); err != nil {
		return o, nil, err
	}
	formats, err = report.ParseFormats(r.formats, lang)
	return o, formats, err
}

// reportClass writes the reports of a class anew, from its results.
func reportClass(_ context.Context, a *app, args []string) int {
	var reports reports
	rest, status := a.options(args, reports.flags)
	if status >= 0 {
		return status
	}
	if len(rest) != 1 {
		return a.wrongUse(a.say(show.Text{EN: "name the folder of a class's results", ES: "nombra la carpeta con los resultados de un grupo"}))
	}
	options, formats, err := reports.parse(a.lang)
	if err != nil {
		return a.wrongUse(err.Error())
	}
	class, err := gradebook.Read(rest[0])
	if err == nil {
		err = report.WriteAll(rest[0], class, options, formats)
	}
	if err != nil {
		return a.infra(err)
	}
	return a.graded(class, rest[0], formats)
}

// openOut makes the folder of the results, which is nobody else's to read, and keeps other graders out
// of it until it is unlocked. Results that are there already are for -resume.
func (a *app) openOut(out string, resume bool) (unlock func(), err error) {
	if err := os.Mkdir(out, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	dir, err := os.Open(out)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.New(a.say(show.Text{EN: "%s: another grader is at work there", ES: "%s: otro evaluador trabaja ahí"}, out))
	}
	_, err = os.Stat(filepath.Join(out, gradebook.File))
	if err == nil && !resume {
		return nil, errors.New(a.say(show.Text{
			EN: "%s holds results: say -resume to go on with them, or name another folder",
			ES: "%s ya contiene resultados: usa -resume para continuar, o nombra otra carpeta"}, out))
	}
	if entries, _ := dir.Readdirnames(1); err != nil && len(entries) > 0 {
		return nil, errors.New(a.say(show.Text{
			EN: "%s is not empty, and holds no results: name a folder of its own for them",
			ES: "%s no está vacía ni contiene resultados: nombra una carpeta solo para ellos"}, out))
	}
	return func() { dir.Close() }, nil
}

// goesOn is an error if the results in a folder are of other scenarios, or in another language: going on
// with these would throw those away.
func (a *app) goesOn(out string, scenarios []*course.Scenario) error {
	class, err := gradebook.ReadFile[gradebook.Class](filepath.Join(out, gradebook.File))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	same := slices.EqualFunc(class.Scenarios, scenarios, func(had gradebook.Scenario, sc *course.Scenario) bool {
		return had.Lab == sc.Lab.Name && had.Name == sc.Name
	})
	switch {
	case class.Lang != string(a.lang):
		return errors.New(a.say(show.Text{
			EN: "%s: these results are told in another language: say -lang %s to go on with them, or name another folder",
			ES: "%s: estos resultados están en otro idioma: usa -lang %s para continuar, o nombra otra carpeta"}, out, class.Lang))
	case !same:
		return errors.New(a.say(show.Text{
			EN: "%s: these results are of other scenarios (%d, and now %d): say the same -labs and -hidden to go on with them, or name another folder",
			ES: "%s: estos resultados son de otros escenarios (%d, y ahora %d): usa los mismos -labs y -hidden para continuar, o nombra otra carpeta"},
			out, len(class.Scenarios), len(scenarios)))
	}
	return nil
}

// roster reads the names of students: a CSV file whose first line names its columns, with submission and
// name among them.
func (a *app) roster(path string) (map[string]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	rows := csv.NewReader(file)
	header, err := rows.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	header[0] = strings.TrimPrefix(header[0], "\ufeff") // as spreadsheets write it
	at, name := slices.Index(header, "submission"), slices.Index(header, "name")
	if at < 0 || name < 0 {
		return nil, errors.New(a.say(show.Text{
			EN: "%s: the first line must name the columns, with submission and name among them; it is %q",
			ES: "%s: la primera línea debe nombrar las columnas, con submission y name entre ellas; es %q"}, path, strings.Join(header, ",")))
	}
	students := make(map[string]string)
	for {
		row, err := rows.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if name := row[at]; name != filepath.Base(name) || !filepath.IsLocal(name) {
			return nil, errors.New(a.say(show.Text{
				EN: "%s: the submission %q cannot be the name of a folder",
				ES: "%s: la entrega %q no puede ser el nombre de una carpeta"}, path, name))
		}
		if _, twice := students[row[at]]; twice {
			return nil, errors.New(a.say(show.Text{
				EN: "%s: the submission %q stands there twice",
				ES: "%s: la entrega %q aparece dos veces"}, path, row[at]))
		}
		students[row[at]] = row[name]
	}
	return students, nil
}

// whole adds those who stand in the roster and handed in nothing, and tells of those who do not stand in it.
func (a *app) whole(sources []submission.Source, students map[string]string) []submission.Source {
	missing := maps.Clone(students)
	for _, source := range sources {
		if _, known := students[source.Name]; !known {
			fmt.Fprintln(os.Stderr, "labs: "+a.say(show.Text{
				EN: "%s is not in the roster", ES: "%s no está en la lista"}, source.Name))
		}
		delete(missing, source.Name)
	}
	for name := range missing {
		sources = append(sources, submission.Source{Name: name})
	}
	slices.SortFunc(sources, func(a, b submission.Source) int { return strings.Compare(a.Name, b.Name) })
	return sources
}

// progress returns what is told of each verdict: a bar with the time that is left or, where there is no
// terminal, a line for each submission that is complete.
func (a *app) progress(all int) func(int, int, *gradebook.Submission) {
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return func(done, all int, s *gradebook.Submission) {
			if s.Complete {
				fmt.Fprintln(os.Stderr, a.say(show.Text{EN: "%3d %%  %s: %d of %d points", ES: "%3d %%  %s: %d de %d puntos"},
					100*done/all, s.Name, s.Points, s.Max))
			}
		}
	}
	bar := a.bar(all)
	return func(done, _ int, _ *gradebook.Submission) { bar(done) }
}

// bar returns what is told how many verdicts there are so far: on a terminal, it draws a bar and the time
// that is left.
func (a *app) bar(all int) func(done int) {
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return func(int) {}
	}
	bar := progressbar.NewOptions(all,
		progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetWidth(20), progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetDescription(a.say(show.Text{EN: "verdicts", ES: "veredictos"})))
	return func(done int) { bar.Set(done) }
}

// graded tells what came of a class.
func (a *app) graded(c *gradebook.Class, out string, formats []report.Format) int {
	owed, width := 0, 0
	for _, s := range c.Submissions {
		width = max(width, len([]rune(s.Name)))
	}
	for _, s := range c.Submissions {
		mark := "✓"
		if s.Points < s.Max {
			mark = "✗"
		}
		why, n := s.Problem, s.Count(grade.Infra)
		if i := slices.IndexFunc(s.Results, func(r grade.Result) bool { return r.Limit != "" }); i >= 0 {
			why = s.Results[i].Expected
		}
		if owed += n; n > 0 {
			mark = "?"
			why = a.say(show.Text{EN: "%d verdicts are owed: the machine failed", ES: "se deben %d veredictos: falló la máquina"}, n)
		}
		a.out.Verdict(s.Points == s.Max && n == 0, fmt.Sprintf("%s %-*s %4d/%d", mark, width, s.Name, s.Points, s.Max))
		if why != "" {
			a.out.Line(show.Wrap(why, strings.Repeat(" ", width+5), show.Width))
		}
	}
	a.out.Line("")
	a.out.Line(show.Wrap(a.say(show.Text{EN: "sandbox: %s", ES: "caja de arena: %s"}, c.Isolation), "  ", show.Width))
	a.out.Line(a.say(show.Text{EN: "  results: %s", ES: "  resultados: %s"}, filepath.Join(out, gradebook.File)))
	for _, f := range formats {
		file := f.File
		if f.PerSubmission {
			file = filepath.Join("*", file)
		}
		a.out.Line(fmt.Sprintf("  %s: %s", f.Name, filepath.Join(out, file)))
	}
	if owed > 0 {
		return grade.ExitInfra
	}
	return grade.ExitPass
}
