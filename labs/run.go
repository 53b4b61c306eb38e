package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"golang.org/x/term"

	"posixlab/labs/internal/build"
	"posixlab/labs/internal/course"
	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/show"
)

// run tells each scenario's story on the reference, step by step, and then on each known-bad
// server that the scenario must catch. The status is 1 if the reference fails, or if a known-bad
// server passes.
func run(ctx context.Context, a *app, args []string) int {
	var step, noBugs bool
	scenarios, status := a.parse(args, func(f *flag.FlagSet) {
		f.BoolVar(&step, "step", false, "")
		f.BoolVar(&noBugs, "no-bugs", false, "")
	})
	if status >= 0 {
		return status
	}
	if len(scenarios) == 0 {
		return a.wrongUse(a.say(show.Text{EN: "which lab?", ES: "¿qué laboratorio?"}))
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
	t := &telling{app: a, runner: r, pause: step && term.IsTerminal(int(os.Stdin.Fd()))}
	if !noBugs {
		t.buildAhead(ctx, b, scenarios)
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
	pause  bool
	built  map[string]chan built // known-bad servers, by name, each as soon as it is built

	passed, caught int
	status         int
}

type built struct {
	path string
	err  error
}

// buildAhead builds the known-bad servers while the first stories are told.
func (t *telling) buildAhead(ctx context.Context, b *build.Builder, scenarios []*course.Scenario) {
	t.built = make(map[string]chan built)
	var names []string
	for _, sc := range scenarios {
		for _, name := range sc.Bugs {
			if t.built[name] == nil {
				t.built[name] = make(chan built, 1)
				names = append(names, name)
			}
		}
	}
	go func() {
		for _, name := range names {
			path, err := b.Server(ctx, t.course.Bugs[name])
			t.built[name] <- built{path, err}
		}
	}()
}

func (t *telling) opening(lab *course.Lab) {
	t.out.Title(fmt.Sprintf("Lab %d · %s", lab.Number, t.say(lab.Title)))
	t.out.Line(t.say(show.Text{
		EN: "lecture: %s\nsheet:   labs/%s/README.md",
		ES: "clase: %s\nhoja:  labs/%s/README.es.md"}, t.say(lab.Topic), lab.Name))
}

func (t *telling) reference(ctx context.Context, sc *course.Scenario, server string) {
	t.out.Scene(sc.Name, t.say(show.Text{EN: "the reference server", ES: "el servidor de referencia"}), t.say(sc.Claim))
	result := t.runner.Run(ctx, sc, reference(server), grade.Told{Telling: grade.Whole, Pause: t.pause})
	if result.Verdict == grade.Pass {
		t.passed++
		return
	}
	if ctx.Err() == nil {
		t.app.report(result)
		t.worse(grade.Exit([]grade.Result{result}))
	}
}

// bug shows a patch, and where the same story breaks with it.
func (t *telling) bug(ctx context.Context, sc *course.Scenario, bug *course.Bug) {
	t.out.Scene(sc.Name, t.say(show.Text{EN: "a known-bad server: %s", ES: "un servidor malo conocido: %s"}, bug.Name), t.say(bug.Title))
	t.out.Patch(bug.Diff)
	ready := <-t.built[bug.Name]
	t.built[bug.Name] <- ready // another scenario may want it
	if ready.err != nil {
		t.out.Verdict(false, ready.err.Error())
		t.worse(grade.ExitInfra)
		return
	}
	result := t.runner.Run(ctx, sc, reference(ready.path), grade.Told{Telling: grade.Brief})
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
		ES: "historias contadas: %d; servidores malos detectados: %d"}, t.passed, t.caught))
	t.out.Line(t.say(show.Text{
		EN: "  now judge a server of your own: make check-%d SERVER='./my_server'",
		ES: "  ahora juzga un servidor tuyo: make check-%d SERVER='./mi_servidor'"}, lab.Number))
	return t.status
}
