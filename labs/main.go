// Labs runs the labs: scripted stories about a server, which show what the kernel does, and
// which judge any server that speaks the protocol.
//
//	labs list
//	labs run [-step] [-no-bugs] [-hidden DIR] LAB…
//	labs check [-reference|-server CMD] [-results FILE] [-hidden DIR] [LAB…]
//	labs exercise LAB
//	labs grade -out DIR [-roster CSV] [-hidden DIR] [-resume] SUBMISSIONS
//	labs selfcheck [-count N]
//	labs report [-detail full|hint|none] [-formats NAME,…] DIR
//	labs pack [-labs LAB,…] [-hidden DIR] gradescope|autolab FILE
//	labs audit [-student NAME] FILE
//	labs vocabulary
//
// Exit status: 0 all passed, 1 some failed, 2 wrong use, 3 the kit or the machine failed, 130
// interrupted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"posixlab/labs/internal/build"
	"posixlab/labs/internal/course"
	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/show"
	"posixlab/labs/internal/target"
)

func main() { program(os.Args[1:]) }

// program ends with the status of one command.
func program(args []string) {
	if len(args) > 0 && args[0] == workerArg { // see grade.Worker
		os.Exit(grade.Worker(args[1:]))
	}
	ends := []os.Signal{unix.SIGINT, unix.SIGTERM}
	if !signal.Ignored(unix.SIGHUP) { // as nohup(1) would have it
		ends = append(ends, unix.SIGHUP)
	}
	ctx, _ := signal.NotifyContext(context.Background(), ends...) // to the end: one that comes late changes nothing
	os.Exit(labs(ctx, args))
}

// A command is a word after labs.
type command struct {
	name string
	run  func(context.Context, *app, []string) int
}

var commands = []command{
	{"list", list},
	{"run", run},
	{"check", check},
	{"exercise", exerciseOf},
	{"grade", gradeClass},
	{"report", reportClass},
	{"selfcheck", selfcheck},
	{"pack", pack},
	{"audit", tellAudit},
	{"vocabulary", vocabulary},
}

// labs runs one command and returns the exit status.
func labs(ctx context.Context, args []string) int {
	a := &app{lang: show.LangOf(os.Getenv)}
	if len(args) > 0 {
		for _, c := range commands {
			if c.name == args[0] {
				return c.run(ctx, a, args[1:])
			}
		}
		if args[0] == "help" || args[0] == "-h" || args[0] == "-help" || args[0] == "--help" {
			fmt.Print(usage.In(a.lang))
			return grade.ExitPass
		}
		return a.wrongUse(show.Text{
			EN: "there is no command %q",
			ES: "no existe el comando %q"}.In(a.lang, args[0]))
	}
	return a.wrongUse(show.Text{EN: "say what to do", ES: "falta decir qué hacer"}.In(a.lang))
}

// workerArg makes this program a worker.
const workerArg = "worker"

// app is what the commands share.
type app struct {
	lang   show.Lang
	course *course.Course
	out    *show.Narrator
	colour bool
}

func (a *app) say(t show.Text, args ...any) string { return t.In(a.lang, args...) }

// wrongUse complains and shows the usage.
func (a *app) wrongUse(complaint string) int {
	fmt.Fprintf(os.Stderr, "labs: %s\n\n%s", complaint, a.say(usage))
	return grade.ExitUsage
}

// infra reports that the kit or the machine failed, or that it was interrupted.
func (a *app) infra(err error) int {
	if errors.Is(err, context.Canceled) {
		return a.interrupted()
	}
	fmt.Fprintf(os.Stderr, "labs: %v\n", err)
	return grade.ExitInfra
}

var usage = show.Text{
	EN: `usage: labs COMMAND [OPTION]… [LAB…]

  list                     the labs and their scenarios
  run [-step] LAB…         tell a lab's stories, then its known-bad servers'
  check [LAB…]             judge your exercise: a verdict for each scenario
  exercise LAB             build server/server with your exercise in it
  grade -out DIR SUBMISSIONS
                           judge a class: a folder or an archive for each
  report DIR               write a class's reports anew, from its results
  selfcheck [-count N]     whether verdicts can be relied on, on this machine
  pack SYSTEM FILE         this grader as a .zip for gradescope or autolab
  audit [-student NAME] FILE
                           what was asked of a class's server, by whom
  vocabulary [-markdown]   the commands that scripts can use

LAB is a number (1), a name (01-sockets) or a scenario (01-sockets/restart).

  -lang en|es      the language; else that of the environment
  -root DIR        the project's folder; else the one above the current folder
  -step            run: wait for Enter before each step
  -no-bugs         run: the reference only
  -no-questions    run: do not ask for predictions
  -server CMD      check: judge this server instead of the exercise
  -reference       check: judge the reference
  -bug NAME        check: judge this known-bad server
  -results FILE    check: write the verdicts as JSON, after each scenario
  -jobs N          check: how many scenarios at once
  -no-isolation    check: no namespaces
  -sandbox         check: behind the wall that submissions are graded behind
  -post HOST       check, run: show the verdicts on the page of a class,
  -name NAME       beside this name,
  -code CODE       if this is the class's code

  -count N         selfcheck: how often each verdict is given

  -out DIR         grade: where the results go: a new folder
  -labs LAB,…      grade, pack: these; else all
  -roster FILE     grade: a CSV with the columns submission and name
  -hidden DIR      grade, pack, run, check, list: labs of your own beside those
                   that students have
  -one             grade: SUBMISSIONS is a single one
  -jobs N          grade: how many submissions at once
  -resume          grade: go on where the last run of -out was ended
  -trust           grade: no sandbox
  -detail D        grade, report, pack: students are told full, hint or none
  -visibility V    grade, report, pack: when they see hidden scenarios, as
                   Gradescope says: hidden, after_due_date, after_published,
                   visible
  -formats F,…     grade, report: html, csv, markdown, junit, gradescope,
                   autolab, classroom50; else all
`,
	ES: `uso: labs COMANDO [OPCIÓN]… [LAB…]

  list                     los laboratorios y sus escenarios
  run [-step] LAB…         cuenta las historias de un laboratorio, luego las de
                           sus servidores defectuosos
  check [LAB…]             evalúa tu ejercicio: un veredicto por escenario
  exercise LAB             compila server/server con tu ejercicio dentro
  grade -out CARPETA ENTREGAS
                           evalúa un grupo: una carpeta o un archivo por entrega
  report CARPETA           vuelve a escribir los informes de un grupo
  selfcheck [-count N]     si los veredictos son de fiar en esta máquina
  pack SISTEMA ARCHIVO     este evaluador en un .zip para gradescope o autolab
  audit [-student NOMBRE] ARCHIVO
                           qué se pidió al servidor de una clase, y quién
  vocabulary [-markdown]   los comandos que pueden usar los guiones

LAB es un número (1), nombre (01-sockets) o escenario (01-sockets/restart).

  -lang en|es      el idioma; si no, el del entorno
  -root DIR        la carpeta del proyecto; si no, la actual o una superior
  -step            run: espera Enter antes de cada paso
  -no-bugs         run: solo la referencia
  -no-questions    run: no pide predicciones
  -server CMD      check: evalúa este servidor en vez del ejercicio
  -reference       check: evalúa la referencia
  -bug NOMBRE      check: evalúa este servidor defectuoso
  -results ARCHIVO check: escribe los veredictos en JSON, tras cada escenario
  -jobs N          check: cuántos escenarios a la vez
  -no-isolation    check: sin espacios de nombres
  -sandbox         check: tras el muro con que se evalúan las entregas
  -post HOST       check, run: muestra los veredictos en la página de una clase,
  -name NOMBRE     junto a este nombre,
  -code CÓDIGO     si este es el código de la clase

  -count N         selfcheck: cuántas veces se da cada veredicto

  -out CARPETA     grade: dónde van los resultados: una carpeta nueva
  -labs LAB,…      grade, pack: estos; si no, todos
  -roster ARCHIVO  grade: un CSV con las columnas submission y name
  -hidden CARPETA  grade, pack, run, check, list: laboratorios tuyos, además de los
                   del curso
  -one             grade: ENTREGAS es una sola entrega
  -jobs N          grade: cuántas entregas a la vez
  -resume          grade: continúa donde quedó la última vez
  -trust           grade: sin caja de arena
  -detail D        grade, report, pack: qué se dice a los estudiantes: full
                   (todo), hint (la pista) o none (nada)
  -visibility V    grade, report, pack: cuándo ven lo oculto, como dice
                   Gradescope: hidden, after_due_date, after_published, visible
  -formats F,…     grade, report: html, csv, markdown, junit, gradescope,
                   autolab, classroom50; si no, todos
`}

// parse reads a command's options, loads the course and finds the scenarios that the arguments
// name. A status of -1 means: go on.
func (a *app) parse(args []string, set func(*flag.FlagSet)) (scenarios []*course.Scenario, status int) {
	words, status := a.options(args, set)
	if status >= 0 {
		return nil, status
	}
	return a.find(words)
}

// parseHidden is parse for a command that can be shown an instructor's own labs.
func (a *app) parseHidden(args []string, set func(*flag.FlagSet)) (scenarios []*course.Scenario, status int) {
	hidden := ""
	words, status := a.options(args, func(f *flag.FlagSet) {
		f.StringVar(&hidden, "hidden", "", "")
		set(f)
	})
	if status < 0 {
		status = a.hide(hidden)
	}
	if status >= 0 {
		return nil, status
	}
	return a.find(words)
}

// hide adds an instructor's own labs to the course; "" is none. A status of -1 means: go on.
func (a *app) hide(dir string) (status int) {
	if dir == "" {
		return -1
	}
	if err := a.course.Hide(dir); err != nil {
		return a.infra(err)
	}
	return -1
}

// options reads a command's options, loads the course and returns the other arguments. A status of -1
// means: go on.
func (a *app) options(args []string, set func(*flag.FlagSet)) (rest []string, status int) {
	f := flag.NewFlagSet("labs", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	lang, root := string(a.lang), "."
	f.StringVar(&lang, "lang", lang, "")
	f.StringVar(&root, "root", root, "")
	set(f)
	err := f.Parse(args)
	if parsed, langErr := show.ParseLang(lang); langErr == nil {
		a.lang = parsed
	} else if err == nil {
		err = langErr
	}
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(a.say(usage))
		return nil, grade.ExitPass
	}
	if err != nil {
		return nil, a.wrongUse(err.Error())
	}
	a.colour = term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("NO_COLOR") == ""
	a.out = show.NewNarrator(os.Stdout, a.lang, a.colour)
	if root, err = course.FindRoot(root); err == nil {
		a.course, err = course.Load(root)
	}
	if err != nil {
		return nil, a.infra(err)
	}
	return f.Args(), -1
}

// find returns the scenarios that words name. A status of -1 means: go on.
func (a *app) find(words []string) (scenarios []*course.Scenario, status int) {
	for _, word := range words {
		found := a.course.Find(word)
		if len(found) == 0 {
			return nil, a.wrongUse(a.say(show.Text{
				EN: "there is no lab or scenario %q: `labs list` shows them",
				ES: "no hay laboratorio ni escenario %q: `labs list` los muestra"}, word))
		}
		for _, sc := range found {
			if !slices.Contains(scenarios, sc) {
				scenarios = append(scenarios, sc)
			}
		}
	}
	return scenarios, -1
}

// tools builds what scenarios need, and makes a runner.
func (a *app) tools(ctx context.Context) (*build.Builder, *grade.Runner, error) {
	b, err := build.New(a.course.Root)
	if err != nil {
		return nil, nil, err
	}
	actor, err := b.Actor(ctx)
	if err != nil {
		return nil, nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	r, err := grade.NewRunner(a.lang, actor, []string{self, workerArg})
	if err != nil {
		return nil, nil, err
	}
	r.Coloured = a.colour
	return b, r, nil
}

// reference is how the reference server is started.
func reference(path string) target.Command {
	return target.Command{Argv: []string{path}, TakesPort: true, Known: true, Harmless: true}
}

// knownBad is how a known-bad server is started. One of them would signal everybody.
func knownBad(path string) target.Command {
	return target.Command{Argv: []string{path}, TakesPort: true, Known: true}
}

// exercise is how the server with a student's exercise in it is started.
func exercise(path string) target.Command {
	return target.Command{Argv: []string{path}, TakesPort: true}
}

// list prints the labs and their scenarios.
func list(_ context.Context, a *app, args []string) int {
	_, status := a.parseHidden(args, func(*flag.FlagSet) {})
	if status >= 0 {
		return status
	}
	for _, lab := range a.course.Labs {
		a.out.Title(fmt.Sprintf("%s  %s", lab.Name, a.say(lab.Title)))
		for _, sc := range lab.Scenarios {
			claim := show.Wrap(a.say(sc.Claim), "                  ", show.Width)
			a.out.Line(fmt.Sprintf("  %-16s%s", sc.Name, strings.TrimLeft(claim, " ")))
		}
	}
	return grade.ExitPass
}
