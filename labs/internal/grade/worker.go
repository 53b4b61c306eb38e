package grade

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"posixlab/labs/internal/proc"
	"posixlab/labs/internal/sandbox"
	"posixlab/labs/internal/script"
	"posixlab/labs/internal/show"
	"posixlab/labs/internal/target"
)

// Telling says how much of a story is told on standard output.
type Telling int

const (
	Silent Telling = iota
	Whole          // every step with its dialogue and its evidence
	Brief          // headings only
)

// A job is what a worker is asked for: one scenario against one server.
type job struct {
	Script    string
	Server    target.Command
	Actor     string
	Lang      show.Lang
	Telling   Telling
	Coloured  bool
	Pause     bool   // wait for Enter before each step
	Ask       bool   // ask for predictions
	Dir       string // a folder for the worker to make, use and remove
	Isolation Isolation
}

// The worker's descriptors, beside the standard ones. Its job comes on the first, whose other
// end the runner holds as long as it lives: the end of it means that the runner is gone.
const (
	jobFD    = 3
	resultFD = 4
)

// Worker is the program that runs one scenario. It ends all that the scenario started before it
// ends itself, also when it is interrupted or the runner dies. The runner may start it with an
// argument that has it do something else, or something else before.
func Worker(args []string) int {
	switch {
	case slices.Equal(args, []string{probeArg}):
		return probe()
	case slices.Equal(args, []string{tableArg}):
		fmt.Fprintln(os.Stderr, "labs: worker:", takeTable())
		return ExitInfra
	}
	keepToOurselves()
	debug.SetGCPercent(400) // a worker lives for a second, with a few MB
	in := bufio.NewReader(os.NewFile(jobFD, "job"))
	line, err := in.ReadBytes('\n')
	if err != nil {
		fmt.Fprintln(os.Stderr, "labs: worker: this command is for the runner's own use")
		return ExitUsage
	}
	var j job
	if err := json.Unmarshal(line, &j); err != nil {
		fmt.Fprintln(os.Stderr, "labs: worker:", err)
		return ExitUsage
	}
	if err := j.Isolation.enter(); err != nil { // first of all: pids mean nothing before /proc is ours
		fmt.Fprintln(os.Stderr, "labs: worker:", err)
		return ExitInfra
	}
	w := &worker{job: j, told: make(chan struct{})}
	if err := errors.Join(claim(w.Dir), w.ownDisk()); err != nil {
		fmt.Fprintln(os.Stderr, "labs: worker:", err)
		return ExitInfra
	}
	w.endEarly(in)
	result := w.run()
	close(w.told)
	w.ending.Lock()
	if err := w.cleanUp(); err != nil && result.Verdict != Infra {
		result = Result{Verdict: Infra, Reason: err.Error()}
	}
	if err := json.NewEncoder(os.NewFile(resultFD, "result")).Encode(result); err != nil {
		return ExitInfra
	}
	return ExitPass
}

// keepToOurselves makes every descriptor that we inherited close on exec: a server under test gets
// only its standard ones, whatever make or a terminal had open.
func keepToOurselves() {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, entry := range entries {
		if fd, _ := strconv.Atoi(entry.Name()); fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}

type worker struct {
	job
	ending sync.Mutex    // held by whoever ends the worker
	told   chan struct{} // closed once the story is over
	story  *script.Story
}

// endEarly ends the worker when it gets a signal to end, or when the runner is gone. A server
// cannot be started meanwhile: see target.Shut.
func (w *worker) endEarly(runner io.Reader) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	if w.Isolation == Contained {
		signals = nil // we are process 1, whom a wrong server may signal; the runner ends us by the pipe
	}
	// Whoever reads what we say may go first. Not caught, the SIGPIPE of the next line would end us
	// there, and leave our files behind.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
	// A server of the same user may try to end its judge, so that the machine is to blame: Go ends on these,
	// and an init with a handler gets them (pid_namespaces(7)).
	signal.Notify(make(chan os.Signal, 1), unix.SIGQUIT, unix.SIGABRT, unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE,
		unix.SIGILL, unix.SIGTRAP, unix.SIGSYS)
	gone := make(chan struct{})
	go func() {
		io.Copy(io.Discard, runner)
		close(gone)
	}()
	go func() {
		select {
		case <-signals:
		case <-gone:
		}
		w.ending.Lock()
		target.Shut()
		target.KillDescendants()
		select {
		case <-w.told: // so that it puts no more files into the folder
		case <-time.After(5 * time.Second):
		}
		w.cleanUp()
		os.Exit(ExitInt)
	}()
}

// cleanUp ends all that the scenario started, and removes the worker's folder.
func (w *worker) cleanUp() error {
	err := target.KillDescendants()
	sandbox.Remove(w.Dir)
	return err
}

// run runs the scenario. The runner adds what it knows to the result.
func (w *worker) run() Result {
	if err := w.prepare(); err != nil {
		return Result{Verdict: Infra, Reason: err.Error()}
	}
	source, err := os.ReadFile(w.Script)
	if err != nil {
		return Result{Verdict: Infra, Reason: err.Error()}
	}
	path := filepath.Join(w.Dir, filepath.Base(w.Script))
	if err := os.WriteFile(path, script.Prepare(source, w.Lang), 0o600); err != nil { // it may be hidden
		return Result{Verdict: Infra, Reason: err.Error()}
	}
	watch, err := w.confine()
	if err != nil {
		return Result{Verdict: Infra, Reason: err.Error()}
	}

	out := show.NewNarrator(os.Stdout, w.Lang, w.Coloured)
	out.Brief = w.Telling == Brief
	out.Mute(w.Telling == Silent)
	keyboard := &show.Reader{In: os.Stdin}
	if w.Pause {
		out.Pause = func() { orOver(keyboard.Enter) }
	}
	var ask func(string) (string, bool)
	if w.Ask {
		ask = func(question string) (answer string, ok bool) {
			out.Question(question)
			orOver(func() { answer, ok = keyboard.Line() })
			return answer, ok
		}
	}
	params := script.Params(script.Options{
		Server:    w.Server,
		Actor:     w.Actor,
		Out:       out,
		Contained: w.Server.Harmless || w.Isolation == Contained,
		Patience:  patience[w.Server.Known],
		Ask:       ask,
	},
		func(s *script.Story) { w.story = s })
	params.Files = []string{path}
	params.WorkdirRoot = w.Dir

	t := new(scriptT)
	start := time.Now()
	testscript.RunT(t, params)
	result := w.verdict(t)
	if watch != nil {
		hit, _ := watch.Close()
		w.limited(&result, hit)
	}
	result.Seconds = time.Since(start).Seconds()
	if w.story != nil {
		result.Predictions = w.story.Predictions
	}
	if result.Verdict == Pass {
		out.EndStep()
	} else {
		out.FailStep()
	}
	w.locate(&result, t.log.String(), source)
	return result
}

// patience is how long a server may stand still: one that is known answers at once, or never; another
// may be slow.
var patience = map[bool]time.Duration{true: time.Second, false: 5 * time.Second}

// orOver waits for a person to do something, or for the end of all: then this goroutine ends.
func orOver(wait func()) {
	done := make(chan struct{})
	go func() {
		wait()
		close(done)
	}()
	select {
	case <-done:
	case <-target.Over():
		runtime.Goexit()
	}
}

// prepare makes the process fit to run scripts outside of go test.
func (w *worker) prepare() error {
	testing.Init() // testscript reads -test.short and its like
	return flag.CommandLine.Parse(nil)
}

// confine makes the folder that a sandbox's program may write to, and begins to watch it. Without a
// sandbox there is nothing to watch.
func (w *worker) confine() (*sandbox.Watch, error) {
	box := w.Server.Sandbox
	if box == nil || box.Wall == sandbox.None {
		return nil, nil
	}
	box.Tmp = filepath.Join(w.Dir, "tmp")
	if err := errors.Join(os.Mkdir(box.Tmp, 0o777), os.Chmod(box.Tmp, 0o777|os.ModeSticky)); err != nil {
		return nil, err
	}
	return box.Watch(sandbox.Watched{
		Processes: proc.All,
		Mine:      box.Mine,
		Output: func() int {
			said := 0
			logs, _ := filepath.Glob(filepath.Join(w.Dir, "*", "server*.log"))
			for _, log := range logs {
				if info, err := os.Stat(log); err == nil {
					said += int(info.Size())
				}
			}
			return said
		},
		Disk:      func() int { return box.Left(w.Dir) },
		Collected: collected,
		Whole:     w.ownDevice(),
	}), nil
}

// collected is the CPU time of the children that this process has waited for: servers that have ended, and
// orphans of theirs.
func collected() time.Duration {
	var usage unix.Rusage
	unix.Getrusage(unix.RUSAGE_CHILDREN, &usage) // cannot fail: getrusage(2)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// limited fails a server that hit a limit of its sandbox, whatever came of the story then.
func (w *worker) limited(r *Result, hit string) {
	if hit == "" {
		return
	}
	atMost := w.Server.Sandbox.Limits.Say(w.Lang, hit)
	r.Verdict, r.Limit, r.Reason, r.Hint = Fail, hit, "", w.sayLimit(hit)
	r.Expected = show.Text{EN: "at most %s", ES: "a lo más %s"}.In(w.Lang, atMost)
	r.Seen = show.Text{
		EN: "more than that: the sandbox ended it",
		ES: "más que eso: la caja de arena lo terminó"}.In(w.Lang)
	if w.story != nil {
		r.Step, r.StepNumber, r.Steps = w.story.Step.Heading, w.story.Step.Number, w.story.Step.Of
	}
}

// sayLimit is the hint for who hit a limit: the step's would mislead.
func (w *worker) sayLimit(hit string) string {
	return show.Text{
		EN: "No scenario asks for nearly as much (%s). Look for a loop that does not end: one that forks, allocates or writes.",
		ES: "Ningún escenario pide ni cerca de eso (%s). Busca un ciclo que no termine: uno que haga fork, reserve memoria o escriba.",
	}.In(w.Lang, w.Server.Sandbox.Limits.Say(w.Lang, hit))
}

func (w *worker) verdict(t *scriptT) Result {
	var outcome *script.Outcome
	if w.story != nil {
		outcome = w.story.Outcome
	}
	switch {
	case t.skipped:
		return Result{Verdict: Skip, Reason: t.reason}
	case outcome != nil && outcome.Infra:
		return Result{Verdict: Infra, Reason: outcome.Seen, Evidence: outcome.Evidence, Step: w.story.Step.Heading}
	case outcome != nil:
		step := w.story.Step
		return Result{Verdict: Fail, Step: step.Heading, StepNumber: step.Number, Steps: step.Of,
			Hint: cmp.Or(outcome.Hint, step.Hint), Expected: outcome.Expected,
			Seen: outcome.Seen, Evidence: outcome.Evidence}
	case t.failed: // a mistake in the script, or one of testscript's own commands
		return Result{Verdict: Infra, Reason: lastLine(t.log.String())}
	}
	return Result{Verdict: Pass}
}

var failedAt = regexp.MustCompile(`(?m)^FAIL: .*?:(\d+): `)

// locate adds the line on which the script ended.
func (w *worker) locate(r *Result, log string, source []byte) {
	at := failedAt.FindStringSubmatch(log)
	if at == nil || r.Verdict == Pass {
		return
	}
	r.Line, _ = strconv.Atoi(at[1])
	if lines := strings.Split(string(source), "\n"); r.Line >= 1 && r.Line <= len(lines) {
		r.Command = lines[r.Line-1]
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

var errInterrupted = errors.New("interrupted")
