package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/term"

	"posixlab/labs/internal/build"
	"posixlab/labs/internal/course"
	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/script"
	"posixlab/labs/internal/show"
)

// run tells each scenario's story on the reference, step by step, and then on each known-bad
// server that the scenario must catch. The status is 1 if the reference fails, or if a known-bad
// server passes.
func run(ctx context.Context, a *app, args []string) int {
	var step, noBugs, noQuestions bool
	var post posting
	scenarios, status := a.parseHidden(args, func(f *flag.FlagSet) {
		f.BoolVar(&step, "step", false, "")
		f.BoolVar(&noBugs, "no-bugs", false, "")
		f.BoolVar(&noQuestions, "no-questions", false, "")
		post.flags(f)
	})
	if status < 0 {
		status = post.check(a)
	}
	if status >= 0 {
		return status
	}
	if len(scenarios) == 0 {
		return a.wrongUse(a.say(whichLab))
	}
	b, r, err := a.tools(ctx)
	if err != nil {
		return a.infra(err)
	}
	defer r.Close()
	server, err := b.Server(ctx, nil)
	if err != nil {
		return a.infra(err)
	}
	t := &telling{app: a, runner: r}
	if term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())) {
		t.ask = !noQuestions
	}
	if step && term.IsTerminal(int(os.Stdin.Fd())) {
		t.pause = (&show.Reader{In: os.Stdin}).Enter
	}
	if !noBugs {
		ahead, cancel := context.WithCancel(ctx)
		t.tellAhead(ahead, b, scenarios)
		defer t.tellers.Wait() // before the runner is closed
		defer cancel()
	}
	var lab *course.Lab
	for _, sc := range scenarios {
		if sc.Lab != lab {
			lab = sc.Lab
			t.opening(lab)
		}
		t.reference(ctx, sc, server)
		for _, name := range sc.Bugs {
			if !noBugs && ctx.Err() == nil {
				t.bug(ctx, sc, a.course.Bugs[name])
			}
		}
		if ctx.Err() != nil {
			return a.interrupted()
		}
	}
	post.send(ctx, a, t.results)
	return t.closing(lab)
}

func (a *app) interrupted() int {
	fmt.Fprintln(os.Stderr, "\n"+a.say(show.Text{
		EN: "labs: interrupted; everything that it had started was ended",
		ES: "labs: interrumpido; se terminó todo lo que había iniciado"}))
	return grade.ExitInt
}

// A telling is one run of `labs run`.
type telling struct {
	*app
	runner *grade.Runner
	pause  func() // before each known-bad server; nil: no pause
	ask    bool   // for predictions

	ahead   map[tale]chan told
	tellers sync.WaitGroup

	results        []grade.Result // of the reference
	passed, caught int
	predictions    script.Predictions
	status         int
}

// A tale is a scenario told on a known-bad server, and told is what came of it.
type tale struct {
	scenario *course.Scenario
	bug      *course.Bug
}

type told struct {
	text   string
	result grade.Result
}

// tellAhead builds the known-bad servers and runs their stories, a few at a time, while the first
// ones are being told: most of them wait for a server that does nothing.
func (t *telling) tellAhead(ctx context.Context, b *build.Builder, scenarios []*course.Scenario) {
	t.ahead = make(map[tale]chan told)
	var tales []tale
	for _, sc := range scenarios {
		for _, name := range sc.Bugs {
			next := tale{sc, t.course.Bugs[name]}
			t.ahead[next] = make(chan told, 1)
			tales = append(tales, next)
		}
	}
	queue := make(chan tale, len(tales))
	for _, next := range tales {
		queue <- next
	}
	close(queue)
	for range runtime.NumCPU() {
		t.tellers.Go(func() {
			for next := range queue {
				t.ahead[next] <- t.tell(ctx, b, next)
			}
		})
	}
}

func (t *telling) tell(ctx context.Context, b *build.Builder, next tale) told {
	path, err := b.Server(ctx, next.bug)
	if misfit, ok := errors.AsType[*course.Misfit](err); ok {
		return told{result: t.failedToBuild(next, t.say(show.Text{
			EN: "%s has changed, and the patch no longer fits it: `git restore %s` puts it back",
			ES: "%s cambió, y el parche ya no le queda: `git restore %s` lo deja como estaba"}, misfit.File, misfit.File))}
	}
	if err != nil {
		return told{result: t.failedToBuild(next, err.Error())}
	}
	var text strings.Builder
	result := t.runner.Run(ctx, next.scenario, knownBad(path), grade.Told{Telling: grade.Brief, Out: &text})
	return told{text.String(), result}
}

func (t *telling) failedToBuild(next tale, why string) grade.Result {
	return grade.Result{Lab: next.scenario.Lab.Name, Scenario: next.scenario.Name,
		Max: next.scenario.Points, Verdict: grade.Infra, Reason: why}
}

func (t *telling) opening(lab *course.Lab) {
	t.out.Title(fmt.Sprintf("Lab %d · %s", lab.Number, t.say(lab.Title)))
	t.out.Line(show.Wrap(t.say(show.Text{EN: "lecture: %s", ES: "clase: %s"}, t.say(lab.Topic)), "", show.Width))
	if !lab.Hidden {
		t.out.Line(t.say(show.Text{EN: "sheet: labs/%s/README.md", ES: "guía: labs/%s/README.es.md"}, lab.Name))
	}
	t.out.Line(t.say(show.Text{
		EN: "ana, bea, c1, … are clients of this program; a and b only wait;\n▸ marks the line that a step is about",
		ES: "ana, bea, c1, … son clientes de este programa; a y b solo esperan;\n▸ marca la línea de la que trata un paso"}))
}

func (t *telling) reference(ctx context.Context, sc *course.Scenario, server string) {
	claim, after := t.say(sc.Claim), ""
	if t.ask && sc.Predicts() { // it would give the answer away
		claim, after = "", claim
	}
	t.out.Scene(sc.Name, t.say(show.Text{EN: "the reference server", ES: "el servidor de referencia"}), claim)
	result := t.runner.Run(ctx, sc, reference(server), grade.Told{Telling: grade.Whole, Pause: t.pause != nil, Ask: t.ask})
	t.results = append(t.results, result)
	t.predictions.Asked += result.Predictions.Asked
	t.predictions.Right += result.Predictions.Right
	if result.Verdict == grade.Pass {
		t.passed++
		if after != "" {
			t.out.Line("\n" + show.Wrap(after, "  ", show.Width))
		}
		return
	}
	if ctx.Err() == nil {
		t.app.report(result)
		t.worse(grade.Exit([]grade.Result{result}))
	}
}

// bug shows a patch, and where the same story breaks with it.
func (t *telling) bug(ctx context.Context, sc *course.Scenario, bug *course.Bug) {
	t.out.Scene(sc.Name, t.say(show.Text{EN: "a known-bad server: %s", ES: "un servidor defectuoso: %s"}, bug.Name), t.say(bug.Title))
	t.out.Patch(bug.Diff)
	if t.pause != nil {
		t.pause()
	}
	story := <-t.ahead[tale{sc, bug}]
	result := story.result
	if ctx.Err() == nil {
		fmt.Print(story.text)
	}
	switch {
	case ctx.Err() != nil:
	case result.Verdict == grade.Fail:
		t.caught++
		result.Step = "" // it stands right above
		t.app.failure(result)
		t.out.Paragraph(t.say(show.Text{EN: "lesson", ES: "lección"}), t.say(bug.Lesson))
	case result.Verdict == grade.Pass:
		t.out.Verdict(false, t.say(show.Text{
			EN: "this story did not catch it",
			ES: "esta historia no lo detectó"}))
		t.worse(grade.ExitFail)
	default:
		t.app.report(result)
		t.worse(grade.ExitInfra)
	}
}

func (t *telling) worse(status int) { t.status = max(t.status, status) }

func (t *telling) closing(lab *course.Lab) int {
	t.out.Line("")
	t.out.Verdict(t.status == grade.ExitPass, t.say(show.Text{
		EN: "stories told: %d; known-bad servers caught: %d",
		ES: "historias contadas: %d; servidores defectuosos detectados: %d"}, t.passed, t.caught))
	if t.predictions.Asked > 0 {
		t.out.Line(t.say(show.Text{
			EN: "  predictions that came true: %d of %d",
			ES: "  predicciones acertadas: %d de %d"}, t.predictions.Right, t.predictions.Asked))
	}
	if t.pause == nil && !lab.Hidden {
		t.out.Line(t.say(show.Text{
			EN: "  too fast? make lab-%d RUN=-step",
			ES: "  ¿muy rápido? make lab-%d RUN=-step"}, lab.Number))
	}
	if lab.Hidden {
		return t.status // the rest is for students, who do not have it
	}
	if lab.Exercise != "" {
		t.out.Line(t.say(show.Text{
			EN: "  your turn: complete labs/%s/exercise/%s, and type make check-%d",
			ES: "  te toca: completa labs/%s/exercise/%s; luego make check-%d"},
			lab.Name, filepath.Base(lab.Exercise), lab.Number))
	}
	t.out.Line(t.say(show.Text{
		EN: "  or judge a server of your own: make check-%d SERVER='./my_server'",
		ES: "  o evalúa tu propio servidor: make check-%d SERVER='./my_server'"}, lab.Number))
	return t.status
}
