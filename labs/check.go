package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"posixlab/labs/internal/build"
	"posixlab/labs/internal/course"
	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/sandbox"
	"posixlab/labs/internal/script"
	"posixlab/labs/internal/show"
	"posixlab/labs/internal/target"
)

// check judges a server: a verdict for each scenario, and why.
func check(ctx context.Context, a *app, args []string) int {
	var server, bug, resultsFile string
	var jobs int
	var alone, judgeReference, sandboxed bool
	var post posting
	scenarios, status := a.parseHidden(args, func(f *flag.FlagSet) {
		f.StringVar(&server, "server", "", "")
		f.StringVar(&bug, "bug", "", "")
		f.BoolVar(&judgeReference, "reference", false, "")
		f.StringVar(&resultsFile, "results", "", "")
		f.IntVar(&jobs, "jobs", 2*runtime.NumCPU(), "") // a scenario mostly waits
		f.BoolVar(&alone, "no-isolation", false, "")
		f.BoolVar(&sandboxed, "sandbox", false, "")
		post.flags(f)
	})
	if status < 0 {
		status = post.check(a)
	}
	if status >= 0 {
		return status
	}
	server = strings.TrimSpace(server)
	if len(scenarios) == 0 {
		scenarios = a.course.Scenarios()
	}
	if bug != "" && a.course.Bugs[bug] == nil {
		return a.wrongUse(a.say(show.Text{EN: "there is no known-bad server %q", ES: "no existe el servidor defectuoso %q"}, bug))
	}
	if jobs < 1 {
		return a.wrongUse(a.say(show.Text{EN: "-jobs %d: give at least 1", ES: "-jobs %d: usa al menos 1"}, jobs))
	}
	b, r, err := a.tools(ctx)
	if err != nil {
		return a.infra(err)
	}
	defer r.Close()
	if alone {
		r.Isolation = grade.Alone
	}

	var box *sandbox.Sandbox
	if sandboxed {
		if box, err = r.Sandbox(0); err != nil {
			return a.infra(err)
		}
	}

	c := &checking{app: a, runner: r, file: resultsFile, servers: make(map[*course.Lab]subject)}
	c.results = grade.Results{Version: 1, Lang: string(a.lang), Started: time.Now().UTC()}
	switch {
	case server != "":
		command, err := foreign(server)
		if err != nil {
			name := strings.Fields(server)[0]
			why := a.say(show.Text{EN: "cannot run %s (%v): is it built?", ES: "no se puede ejecutar %s (%v): ¿ya lo compilaste?"}, name, err)
			if !strings.Contains(name, "/") {
				why += a.say(show.Text{EN: " Did you mean ./%s?", ES: " ¿Quisiste decir ./%s?"}, name)
			}
			fmt.Fprintln(os.Stderr, "labs: "+why)
			return grade.ExitUsage
		}
		if box != nil {
			command.Sandbox = box.Showing(filepath.Dir(command.Argv[0]))
		}
		c.results.Server = server
		c.judge(scenarios, func(*course.Lab) subject { return subject{command: command} })
		if r.Isolation == grade.Alone && jobs > 1 {
			jobs = 1
			fmt.Fprintln(os.Stderr, "labs: "+a.say(show.Text{
				EN: "without network namespaces: one scenario at a time, since the server's port may be built in",
				ES: "sin espacios de nombres de red: un escenario a la vez, porque el puerto del servidor puede ser fijo"}))
		}
	case bug != "" || judgeReference:
		path, err := b.Server(ctx, a.course.Bugs[bug])
		if err != nil {
			return a.infra(err)
		}
		c.results.Server = cmp.Or(bug, "reference")
		command := reference(path)
		if bug != "" {
			command = knownBad(path)
		}
		c.judge(scenarios, func(*course.Lab) subject { return subject{command: command} })
	default:
		for _, sc := range scenarios {
			if sc.Lab.Exercise == "" {
				return a.noExercise(sc.Lab)
			}
		}
		c.results.Server = "exercise"
		c.judge(scenarios, func(lab *course.Lab) subject {
			path, err := b.Exercise(ctx, lab)
			command := exercise(path)
			if box != nil {
				command.Sandbox = box.Showing(filepath.Dir(path))
			}
			return subject{command: command, err: err}
		})
		for _, s := range c.servers {
			if _, broken := errors.AsType[*build.Broken](s.err); s.err != nil && !broken {
				return a.infra(s.err)
			}
		}
	}
	if !judgeReference && r.Isolation < grade.Contained {
		a.warnOfIsolation(r)
	}
	if err := c.keep(); err != nil {
		return a.infra(err)
	}
	c.all(ctx, scenarios, jobs)
	if ctx.Err() != nil {
		return a.interrupted()
	}
	c.summary()
	post.send(ctx, a, c.results.Results)
	if c.writeErr != nil {
		return a.infra(c.writeErr)
	}
	return grade.Exit(c.results.Results)
}

// warnOfIsolation says what is different where the machine refuses namespaces.
func (a *app) warnOfIsolation(r *grade.Runner) {
	why := ""
	if r.WhyNot != nil {
		why = fmt.Sprintf(" (%v)", r.WhyNot)
	}
	fmt.Fprintln(os.Stderr, "labs: "+a.say(show.Text{
		EN: "without a pid namespace: STOP 1, STOP -1 and their like are not sent, since a wrong server would end all of your processes%s",
		ES: "sin espacio de nombres de procesos: no se envían STOP 1, STOP -1 ni parecidos, porque un servidor equivocado terminaría todos tus procesos%s"}, why))
}

// foreign splits the command of a server that is not ours at spaces. Quotes are not understood:
// what needs more stands in a script.
func foreign(server string) (target.Command, error) {
	argv := strings.Fields(server)
	if len(argv) == 0 {
		return target.Command{}, nil
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return target.Command{}, errors.Unwrap(err) // the name stands beside it
	}
	if path, err = filepath.Abs(path); err != nil {
		return target.Command{}, err
	}
	argv[0] = path
	return target.Command{Argv: argv}, nil
}

// A subject is the server that a lab judges, or why there is none.
type subject struct {
	command target.Command
	err     error
}

// checking is one run of `labs check`.
type checking struct {
	*app
	runner  *grade.Runner
	servers map[*course.Lab]subject
	file    string // of the results; "" for none

	results  grade.Results
	writeErr error
}

// judge finds out which server each lab is to judge.
func (c *checking) judge(scenarios []*course.Scenario, server func(*course.Lab) subject) {
	for _, sc := range scenarios {
		if _, known := c.servers[sc.Lab]; !known {
			c.servers[sc.Lab] = server(sc.Lab)
		}
	}
}

// all judges scenarios side by side, and tells their verdicts in the order of the labs.
func (c *checking) all(ctx context.Context, scenarios []*course.Scenario, jobs int) {
	slots := make(chan struct{}, jobs)
	done := make([]chan grade.Result, len(scenarios))
	for i := range done {
		done[i] = make(chan grade.Result, 1)
	}
	go func() {
		for i, sc := range scenarios {
			slots <- struct{}{}
			go func() {
				result := c.one(ctx, sc)
				<-slots
				done[i] <- result
			}()
		}
	}()
	var lab *course.Lab
	for i, sc := range scenarios {
		result := <-done[i]
		if ctx.Err() != nil {
			continue // wait for the others: each ends what it started
		}
		if sc.Lab != lab {
			lab = sc.Lab
			c.out.Title(fmt.Sprintf("Lab %d · %s", lab.Number, c.say(lab.Title)))
			if broken, ok := errors.AsType[*build.Broken](c.servers[lab].err); ok {
				c.notCompiled(broken)
			}
		}
		c.results.Results = append(c.results.Results, result)
		if err := c.keep(); err != nil && c.writeErr == nil {
			c.writeErr = err
		}
		if c.servers[lab].err == nil {
			c.report(result)
		}
	}
}

// one judges one scenario. A server that does not compile fails it.
func (c *checking) one(ctx context.Context, sc *course.Scenario) grade.Result {
	s := c.servers[sc.Lab]
	if s.err != nil {
		return grade.Result{Lab: sc.Lab.Name, Scenario: sc.Name, Max: sc.Points, Verdict: grade.Fail,
			Expected: c.say(show.Text{EN: "an exercise that compiles", ES: "un ejercicio que compila"}), Seen: s.err.Error()}
	}
	return c.runner.Run(ctx, sc, s.command, grade.Told{})
}

// keep writes the results so far.
func (c *checking) keep() error {
	if c.file == "" {
		return nil
	}
	return c.results.Write(c.file)
}

var verdicts = map[grade.Verdict]show.Text{
	grade.Pass:  {EN: "pass", ES: "bien"},
	grade.Fail:  {EN: "FAIL", ES: "FALLA"},
	grade.Skip:  {EN: "skip", ES: "omitido"},
	grade.Infra: {EN: "INFRA", ES: "INFRA"},
}

// report tells a verdict, and of all but a pass why.
func (a *app) report(r grade.Result) {
	mark := map[grade.Verdict]string{grade.Pass: "✓", grade.Skip: "-"}[r.Verdict]
	if mark == "" {
		mark = "✗"
	}
	a.out.Verdict(r.Verdict == grade.Pass || r.Verdict == grade.Skip, fmt.Sprintf("%s %-16s %-7s %2d/%d pts  %8s",
		mark, r.Scenario, a.say(verdicts[r.Verdict]), r.Points, r.Max,
		show.Duration(time.Duration(r.Seconds*float64(time.Second)))))
	if r.Verdict != grade.Pass {
		a.failure(r)
	}
}

// script is the path of a scenario's script: under the project's folder, unless it is hidden elsewhere.
func (a *app) script(r grade.Result) string {
	path := a.course.Scenario(r.Lab + "/" + r.Scenario).Script
	if under, err := filepath.Rel(a.course.Root, path); err == nil && filepath.IsLocal(under) {
		return under
	}
	return path
}

// failure tells where a story ended, and why.
func (a *app) failure(r grade.Result) {
	a.out.Paragraph(a.say(show.Text{EN: "reason", ES: "motivo"}), r.Reason)
	if r.Step != "" && r.Steps > 0 {
		a.out.Paragraph(a.say(show.Text{EN: "step %d/%d", ES: "paso %d/%d"}, r.StepNumber, r.Steps), r.Step)
	}
	if r.Line > 0 {
		a.out.Verbatim(a.say(show.Text{EN: "command", ES: "comando"}), r.Command, fmt.Sprintf("%s:%d", a.script(r), r.Line))
	}
	a.out.Paragraph(a.say(show.Text{EN: "expected", ES: "esperado"}), r.Expected)
	a.out.Paragraph(a.say(show.Text{EN: "seen", ES: "visto"}), r.Seen)
	if len(r.Evidence) > 0 {
		a.out.Paragraph(a.say(show.Text{EN: "evidence", ES: "evidencia"}), a.say(show.Text{
			EN: "what the kernel and the server said at that moment",
			ES: "lo que dijeron el kernel y el servidor en ese momento"}))
		a.out.Block(r.Evidence)
	}
	a.out.Paragraph(a.say(show.Text{EN: "hint", ES: "pista"}), r.Hint)
	if r.Slide != "" {
		a.out.Paragraph(a.say(show.Text{EN: "slide", ES: "lámina"}), a.say(show.Text{EN: "%s: see make slides", ES: "%s: consulta make slides"}, r.Slide))
	}
}

// summary counts the verdicts.
func (c *checking) summary() {
	count := make(map[grade.Verdict]int)
	points, most := 0, 0
	for _, r := range c.results.Results {
		count[r.Verdict]++
		points += r.Points
		if r.Verdict == grade.Pass || r.Verdict == grade.Fail {
			most += r.Max
		}
	}
	c.out.Line("")
	c.out.Verdict(count[grade.Fail]+count[grade.Infra] == 0, c.say(show.Text{
		EN: "%d passed, %d failed, %d skipped, %d infra; %d of %d points",
		ES: "bien: %d, fallas: %d, omitidos: %d, infra: %d; %d de %d puntos"},
		count[grade.Pass], count[grade.Fail], count[grade.Skip], count[grade.Infra], points, most))
	first := slices.IndexFunc(c.results.Results, func(r grade.Result) bool { return r.Verdict == grade.Fail })
	if first >= 0 && len(c.results.Results) > 1 {
		c.out.Line(c.say(show.Text{
			EN: "  begin with %[1]s: make check-%[1]s",
			ES: "  empieza por %[1]s: make check-%[1]s"}, c.results.Results[first].Scenario))
	}
}

// vocabulary prints the commands that scripts can use.
func vocabulary(_ context.Context, a *app, args []string) int {
	markdown := false
	_, status := a.parse(args, func(f *flag.FlagSet) { f.BoolVar(&markdown, "markdown", false, "") })
	if status >= 0 {
		return status
	}
	if markdown {
		fmt.Print(script.Markdown(a.lang))
		return grade.ExitPass
	}
	for _, c := range script.Vocabulary() {
		a.out.Line(c.Usage())
		a.out.Line(show.Wrap(a.say(c.Summary)+". "+a.say(c.Detail), "    ", show.Width))
	}
	return grade.ExitPass
}
