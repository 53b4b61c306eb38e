package grade

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/course"
	"posixlab/labs/internal/sandbox"
	"posixlab/labs/internal/show"
	"posixlab/labs/internal/target"
)

// A Runner runs scenarios, each in a worker: a process that owns the server under test and all
// that comes of it.
type Runner struct {
	Actor    string // path of the actor program
	Lang     show.Lang
	Coloured bool
	Worker   []string // the command of the worker; its arguments too

	// Isolation is the strongest that the machine allows; a caller may ask for less. WhyNot is what
	// the machine said when it refused a stronger one; nil if it did not.
	Isolation Isolation
	WhyNot    error

	tmp string // where the workers make their folders
}

// NewRunner finds out what the machine allows.
func NewRunner(lang show.Lang, actor string, worker []string) (*Runner, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("prctl PR_SET_CHILD_SUBREAPER: %w", err)
	}
	sweep()
	tmp, err := filepath.EvalSymlinks(os.TempDir())
	if err != nil {
		return nil, err
	}
	r := &Runner{Actor: actor, Lang: lang, Worker: worker, tmp: tmp}
	r.Isolation, r.WhyNot = strongest(worker)
	return r, nil
}

// Close ends what a worker that crashed may have left.
func (r *Runner) Close() error { return target.KillDescendants() }

// A Told is how a scenario is told while it runs.
type Told struct {
	Telling Telling
	Pause   bool      // wait for Enter before each step
	Ask     bool      // ask for predictions on standard input
	Out     io.Writer // nil: standard output
}

// Run runs one scenario against one server. It always returns a result: what goes wrong with the
// worker is an infra verdict.
func (r *Runner) Run(ctx context.Context, sc *course.Scenario, server target.Command, told Told) Result {
	start := time.Now()
	result, err := r.work(ctx, sc, server, told)
	if err != nil {
		result = Result{Verdict: Infra, Reason: err.Error(), Seconds: time.Since(start).Seconds()}
	}
	result.Lab, result.Scenario, result.Max = sc.Lab.Name, sc.Name, sc.Points
	switch result.Verdict {
	case Pass:
		result.Points = sc.Points
	case Fail:
		result.Hint = cmp.Or(result.Hint, sc.Hint.In(r.Lang)) // the step's own comes first
		result.Slide = sc.SlideID()
	}
	return result
}

// tooLong is when a worker that does not end by itself is ended. The guards within it end far
// earlier.
const tooLong = 10 * time.Minute

func (r *Runner) work(ctx context.Context, sc *course.Scenario, server target.Command, told Told) (Result, error) {
	if !told.Pause && !told.Ask { // a person may think for as long as she likes
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, tooLong)
		defer cancel()
	}
	if err := ctx.Err(); err != nil {
		return Result{}, errInterrupted
	}
	dir := filepath.Join(r.tmp, dirPrefix+rand.Text())
	defer sandbox.Remove(dir) // if the worker was killed, and could not

	if server.TakesPort && r.Isolation >= OwnNetwork {
		server.TakesPort = false // the lecture's port is free there
	}
	j, err := json.Marshal(job{
		Script: sc.Script, Server: server, Actor: r.Actor, Lang: r.Lang,
		Telling: told.Telling, Coloured: r.Coloured, Pause: told.Pause, Ask: told.Ask,
		Dir: dir, Isolation: r.Isolation,
	})
	if err != nil {
		return Result{}, err
	}

	jobRead, jobWrite, err := os.Pipe()
	if err != nil {
		return Result{}, err
	}
	defer jobWrite.Close() // our end of the worker's life line
	resultRead, resultWrite, err := os.Pipe()
	if err != nil {
		return Result{}, err
	}
	defer resultRead.Close()

	var complaints bytes.Buffer
	args := r.Worker[1:]
	if r.Isolation >= OwnNetwork {
		args = append(slices.Clip(args), tableArg)
	}
	cmd := exec.Command(r.Worker[0], args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, &complaints
	if told.Out != nil {
		cmd.Stdout = told.Out
	}
	cmd.ExtraFiles = []*os.File{jobRead, resultWrite} // jobFD and resultFD
	cmd.SysProcAttr = r.Isolation.attr()
	err = cmd.Start()
	jobRead.Close()     // the worker has its own copy
	resultWrite.Close() // so that the end of the result is seen when the worker ends
	if err != nil {
		return Result{}, err
	}
	stop := context.AfterFunc(ctx, func() { jobWrite.Close() }) // the worker then ends all, and itself
	defer stop()
	if _, err := jobWrite.Write(append(j, '\n')); err != nil {
		complaints.WriteString(err.Error())
	}
	answer, readErr := io.ReadAll(resultRead)
	err = cmd.Wait()
	if interrupted(cmd.ProcessState) { // as by Ctrl-C, which reaches us too, if later
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}

	var result Result
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return Result{}, fmt.Errorf("the scenario took more than %s, and was ended", tooLong)
	case ctx.Err() != nil:
		return Result{}, errInterrupted
	case err != nil:
		return Result{}, fmt.Errorf("worker: %w %s", err, strings.TrimSpace(complaints.String()))
	case readErr != nil:
		return Result{}, readErr
	}
	return result, json.Unmarshal(answer, &result)
}

// interrupted reports whether a worker ended by a signal that a terminal sends to all of its
// foreground processes: by itself, or before it was ready for that.
func interrupted(state *os.ProcessState) bool {
	if state == nil {
		return false
	}
	status := state.Sys().(syscall.WaitStatus)
	switch status.Signal() {
	case unix.SIGINT, unix.SIGTERM, unix.SIGHUP:
		return true
	}
	return status.ExitStatus() == ExitInt
}
