// Package script has the commands of a lab's scripts: what a story can do to a server, and what
// it can have the kernel show. Scripts are testscript's (txtar); a heading that begins with "#" in
// column 0 opens a step, and the line "#es" under it says the same in Spanish.
package script

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"posixlab/labs/internal/sandbox"
	"posixlab/labs/internal/show"
	"posixlab/labs/internal/target"
)

// Options are what a story is told with.
type Options struct {
	Server target.Command
	Actor  string         // the actor program, which scripts put on the server's PATH
	Out    *show.Narrator // tells the story as it happens

	// Contained says that whatever the server signals, it reaches nobody else: the condition
	// [contained] of scripts.
	Contained bool

	// Patience is how long the server may stand still before it is called stuck; 0 is Quiet.
	Patience time.Duration

	// Ask asks a student a question, and reports whether there was somebody to answer. Nil: there is
	// nobody.
	Ask func(question string) (answer string, ok bool)
}

// A Story is one scenario while it runs.
type Story struct {
	Options
	t       testscript.T
	run     *target.Run
	server  *target.Server // the one that was started last; nil before
	port    int            // where the server listens, or last listened; 0 before
	work    string         // $WORK
	env     []string       // what servers are started with
	conns   []*conn        // those that are open, in the order of their opening
	past    []*conn        // those that the client hung up
	logs    []string       // a file for each server that was started
	actors  map[string]*actor
	end     *regexp.Regexp // a reply and then, in a group, the answer to the mark; nil: not known
	probes  []*conn        // the connections by which that was learnt
	pending pending
	focus   *conn // the connection that the last command was about

	limits       []string              // what servers are launched under: see the actor's tools
	pipe         uint64                // the pipe that was looked at last: its inode
	table        []byte                // what ps wrote last, or will
	tables       int                   // how many there were
	signs        int                   // how many signs of life were asked for
	diff         bool                  // the command at hand shows what has changed
	now          bool                  // it waits for nothing: what it wants to see is so already, or never
	exhibits     map[string]show.Table // by process and file, as they were shown last
	peak         int                   // a server's memory at its first look, in bytes
	shellBetween bool                  // the ps that was held last is not the server's own child: popen(3)
	asked        bool                  // the server was sent a signal that may be its end
	held         *holding              // what a server held then
	class        bool                  // the server was started as a class: a reply is a line, and the log is for us to read
	log          *auditPipe            // the class's log, if it is a pipe; nil: it is a file
	slow         time.Duration         // how soon the reply that is waited for may come, at the earliest

	Predictions Predictions

	// Step is the step that the story is in, or ended in.
	Step Step

	// Outcome is why the story ended early; nil if it did not.
	Outcome *Outcome
}

// A Step is what a heading opens: its number, from 1, and how many there are; and its texts in the
// reader's language.
type Step struct {
	Number, Of    int
	Heading, Hint string
}

// storyKey finds the Story in a TestScript's values.
type storyKey struct{}

// Params returns what testscript needs to run one script as a story. Told receives each story as
// its script begins; it may be nil. After the script, the story's processes are ended.
func Params(opt Options, told func(*Story)) testscript.Params {
	cmds := make(map[string]func(*testscript.TestScript, bool, []string))
	for _, c := range Vocabulary() {
		cmds[c.Name] = func(ts *testscript.TestScript, neg bool, args []string) {
			ts.Value(storyKey{}).(*Story).do(ts, c, neg, args)
		}
	}
	cmds[stepCommand] = func(ts *testscript.TestScript, neg bool, args []string) {
		ts.Value(storyKey{}).(*Story).step(args)
	}
	var s *Story
	return testscript.Params{
		Cmds: cmds,
		Condition: func(cond string) (bool, error) {
			if cond == "contained" {
				return opt.Contained, nil
			}
			if name, found := strings.CutPrefix(cond, "handles:"); found {
				return s.handles(name)
			}
			return false, fmt.Errorf("there is no such condition")
		},
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			var err error
			if s, err = newStory(opt, env); err != nil {
				return err
			}
			env.Values[storyKey{}] = s
			s.t = env.T()
			env.Defer(s.close)
			if told != nil {
				told(s)
			}
			return nil
		},
	}
}

func newStory(opt Options, env *testscript.Env) (*Story, error) {
	run, err := target.NewRun()
	if err != nil {
		return nil, err
	}
	s := &Story{Options: opt, run: run, work: env.WorkDir, actors: make(map[string]*actor),
		exhibits: make(map[string]show.Table)}
	bin, path, environ := filepath.Join(s.work, "bin"), env.Getenv("PATH"), os.Environ()
	if box := opt.Server.Sandbox; box != nil && box.Wall != sandbox.None {
		path, environ = sandbox.Path, box.Env()
	}
	if err := errors.Join(setStage(s.work), os.Chmod(s.work, 0o755)); err != nil {
		return nil, err
	}
	env.Setenv("PATH", bin+":"+path)
	s.env = slices.DeleteFunc(environ, func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains([]string{"PATH", "LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES"}, name)
	})
	locale := "C.UTF-8"
	if s.Out.Lang == show.Spanish {
		locale = "es_MX.UTF-8"
	}
	s.env = append(s.env, "PATH="+env.Getenv("PATH"), "LANG="+locale)
	return s, nil
}

// close ends all that the story started.
func (s *Story) close() {
	s.showPending()
	for _, c := range s.conns {
		c.flood.stop()
		c.tcp.Close()
	}
	if _, err := s.run.End(); err != nil && s.Outcome == nil {
		s.Outcome = &Outcome{Infra: true, Seen: err.Error()}
	}
	for _, a := range s.actors {
		a.fifo.Close()
	}
	s.log.close()
}

// Interrupt ends the story's processes from another goroutine, and keeps it from starting more.
func (s *Story) Interrupt() { s.run.End() }

// do runs one command, and ends the story if it fails.
func (s *Story) do(ts *testscript.TestScript, c Command, neg bool, args []string) {
	if c.Name != s.pending.by {
		s.showPending()
	}
	err := s.try(ts, c, neg, args)
	if err == nil {
		return
	}
	if why, ok := errors.AsType[skipped](err); ok {
		s.t.Skip(string(why))
	}
	s.Outcome = s.explain(err)
	ts.Fatalf("%v", err)
}

// try runs one command.
func (s *Story) try(ts *testscript.TestScript, c Command, neg bool, args []string) error {
	if neg && !c.Not {
		return misuse("unsupported: ! " + c.Name)
	}
	err := c.run(s, &call{ts: ts, neg: neg, args: args})
	if m, ok := errors.AsType[misuse](err); ok {
		return misuse(fmt.Sprintf("%s (usage: %s %s)", m, c.Name, c.Args))
	}
	return err
}

// A call is one use of a command.
type call struct {
	ts   *testscript.TestScript
	neg  bool
	args []string
}

// await waits for a condition. If it does not come true, the failure says what was expected,
// and seen is asked what there is instead.
func (s *Story) await(wake <-chan struct{}, expected string, seen func() string, cond func() (bool, error)) error {
	if s.now {
		if done, err := cond(); done || err != nil {
			return err
		}
		return &failure{expected, seen()}
	}
	return s.awaitStill(s.quiet(), wake, expected, seen, cond)
}

// patienceAtEnd is how long a server that was asked to end may stand still: it gives its children time
// to end by themselves.
const patienceAtEnd = 5 * time.Second

// quiet is how long the server may stand still now.
func (s *Story) quiet() time.Duration {
	quiet := cmp.Or(s.Patience, target.Quiet)
	if s.asked {
		quiet = max(quiet, patienceAtEnd)
	}
	if s.slow > 0 {
		quiet = max(quiet, s.slow+patienceAtEnd)
	}
	return quiet
}

// awaitStill is await with another time after which a server that stands still is called stuck.
func (s *Story) awaitStill(quiet time.Duration, wake <-chan struct{}, expected string, seen func() string, cond func() (bool, error)) error {
	err := s.run.AwaitStill(quiet, wake, cond)
	if hang, ok := errors.AsType[*target.Hang](err); ok {
		why := s.sayHang(hang)
		if s.server != nil {
			why = cmp.Or(s.howServerEnded(), why)
		}
		return &failure{expected, seen() + " (" + why + ")"}
	}
	return err
}

// say says a text in the reader's language.
func (s *Story) say(t show.Text, args ...any) string { return t.In(s.Out.Lang, args...) }

// step begins a step of the story.
func (s *Story) step(args []string) {
	s.showPending()
	number, _ := strconv.Atoi(args[0])
	of, _ := strconv.Atoi(args[1])
	s.Step = Step{Number: number, Of: of, Heading: args[2], Hint: args[3]}
	s.Out.Step(s.Step.Heading)
}
