package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/build"
	"posixlab/labs/internal/course"
	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/grading"
	"posixlab/labs/internal/show"
	"posixlab/labs/internal/target"
)

// selfcheck tells an instructor whether verdicts can be relied on, here: how far scenarios are kept apart,
// whether the reference passes them all, and whether every known-bad server is caught by each scenario
// that must catch it, time and again. The status is 1 if a verdict was ever another.
func selfcheck(ctx context.Context, a *app, args []string) int {
	count := 1
	rest, status := a.options(args, func(f *flag.FlagSet) { f.IntVar(&count, "count", 1, "") })
	if status >= 0 {
		return status
	}
	scenarios, status := a.find(rest)
	if status >= 0 {
		return status
	}
	if len(rest) == 0 {
		scenarios = a.course.Scenarios()
	}
	if count < 1 {
		return a.wrongUse(a.say(show.Text{EN: "-count %d: give at least 1", ES: "-count %d: usa al menos 1"}, count))
	}
	b, r, err := a.tools(ctx)
	if err != nil {
		return a.infra(err)
	}
	defer r.Close()
	a.machine(r)
	trials, err := a.trials(ctx, b, r, scenarios)
	if err != nil {
		return a.infra(err)
	}

	bar := a.bar(count * len(trials))
	changed := make(map[string]int)
	var first []grade.Result
	var mu sync.Mutex
	done := 0
	sideBySide(slices.Repeat(trials, count), func(tr trial) {
		result := r.Run(ctx, tr.sc, tr.command(), grade.Told{})
		mu.Lock()
		defer mu.Unlock()
		done++
		bar(done)
		if result.Verdict != tr.want() && ctx.Err() == nil {
			if changed[tr.name()]++; changed[tr.name()] == 1 {
				first = append(first, result)
			}
		}
	})
	if ctx.Err() != nil {
		return a.interrupted()
	}
	return a.verdictOf(trials, count, changed, first)
}

// machine tells what the machine is, and how far it keeps apart what runs on it.
func (a *app) machine(r *grade.Runner) {
	var name unix.Utsname
	unix.Uname(&name)
	who := show.Text{EN: "an ordinary user", ES: "un usuario cualquiera"}
	if os.Geteuid() == 0 {
		who = show.Text{EN: "root", ES: "root"}
	}
	a.out.Paragraph(a.say(show.Text{EN: "machine", ES: "máquina"}), a.say(show.Text{
		EN: "Linux %s, %d CPUs; you are %s",
		ES: "Linux %s, %d CPU; eres %s"}, unix.ByteSliceToString(name.Release[:]), runtime.NumCPU(), who))
	level := map[grade.Isolation]show.Text{
		grade.Contained:  {EN: "each scenario has namespaces of its own for pids and for the network", ES: "cada escenario tiene espacios de nombres propios para los pids y la red"},
		grade.OwnNetwork: {EN: "each scenario has a network namespace of its own, but not one for pids", ES: "cada escenario tiene un espacio de nombres de red propio, pero no de pids"},
		grade.Alone:      {EN: "no namespaces: servers share the machine's ports and pids", ES: "sin espacios de nombres: los servidores comparten los puertos y los pids de la máquina"},
	}[r.Isolation]
	why := ""
	if r.WhyNot != nil {
		why = fmt.Sprintf(" (%v)", r.WhyNot)
	}
	a.out.Paragraph(a.say(show.Text{EN: "isolation", ES: "espacios"}), a.say(level)+why)
	box, err := r.Sandbox(0)
	said := ""
	if err == nil {
		said = box.Say(a.lang, r.Isolation == grade.Contained)
	} else {
		said = a.say(grading.NoSandbox) + fmt.Sprintf(" (%v)", errors.Unwrap(err))
	}
	a.out.Paragraph(a.say(show.Text{EN: "sandbox", ES: "muro"}), said)
}

// A trial is one scenario against one server.
type trial struct {
	bug    string // "" is the reference
	server string
	sc     *course.Scenario
}

func (tr trial) name() string {
	if tr.bug == "" {
		return "reference " + tr.sc.ID()
	}
	return tr.bug + " " + tr.sc.ID()
}

// want is the verdict that a trial must have, if its scenario is one that must catch the bug.
func (tr trial) want() grade.Verdict {
	if tr.bug == "" {
		return grade.Pass
	}
	return grade.Fail
}

// allOfThem is the known-bad server that signals everybody. Where that would be more than the scenario's
// own processes, it is not sent what would have it do so.
const allOfThem = "minus-one"

// command is how the trial's server is started.
func (tr trial) command() target.Command {
	if tr.bug == "" {
		return reference(tr.server)
	}
	return knownBad(tr.server)
}

// trials builds all servers, and pairs the reference with every scenario and each known-bad server with
// those that must catch it.
func (a *app) trials(ctx context.Context, b *build.Builder, r *grade.Runner, scenarios []*course.Scenario) (trials []trial, err error) {
	server, err := b.Server(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, sc := range scenarios {
		trials = append(trials, trial{"", server, sc})
	}
	for name, bug := range a.course.Bugs {
		if name == allOfThem && r.Isolation < grade.Contained {
			continue
		}
		caught := slices.DeleteFunc(slices.Clone(scenarios), func(sc *course.Scenario) bool { return !slices.Contains(bug.Fails, sc.ID()) })
		if len(caught) == 0 {
			continue
		}
		if server, err = b.Server(ctx, bug); err != nil {
			return nil, err
		}
		for _, sc := range caught {
			trials = append(trials, trial{name, server, sc})
		}
	}
	return trials, nil
}

// verdictOf tells what all the trials came to.
func (a *app) verdictOf(trials []trial, count int, changed map[string]int, first []grade.Result) int {
	passed, bugs, caught, wrong := 0, make(map[string]bool), 0, 0
	for _, tr := range trials {
		wrong += changed[tr.name()]
		if tr.bug == "" {
			passed++
			continue
		}
		caught++
		bugs[tr.bug] = true
	}
	a.out.Line("")
	for _, tr := range trials {
		if n := changed[tr.name()]; n > 0 {
			a.out.Verdict(false, fmt.Sprintf("✗ %s: %s", tr.name(), a.say(show.Text{
				EN: "not %s %d times of %d",
				ES: "no fue «%s» %d veces de %d"}, a.say(verdicts[tr.want()]), n, count)))
		}
	}
	for _, r := range first {
		a.report(r)
	}
	if wrong == 0 {
		a.out.Line(a.say(show.Text{
			EN: "  the reference passes %d scenarios; %d known-bad servers are caught, in %d",
			ES: "  la referencia pasa %d escenarios; se detectan %d servidores defectuosos, en %d"}, passed, len(bugs), caught))
	}
	a.out.Verdict(wrong == 0, a.say(show.Text{
		EN: "verdicts that were another: %d of %d",
		ES: "veredictos que salieron distintos: %d de %d"}, wrong, count*len(trials)))
	if wrong > 0 {
		return grade.ExitFail
	}
	return grade.ExitPass
}

// sideBySide calls f for every item, several at once: a scenario mostly waits.
func sideBySide[T any](items []T, f func(T)) {
	slots := make(chan struct{}, 3*runtime.NumCPU())
	var all sync.WaitGroup
	for _, item := range items {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			f(item)
		})
	}
	all.Wait()
}
