// Package grading judges the submissions of a class, side by side, each behind a wall.
package grading

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"posixlab/labs/internal/build"
	"posixlab/labs/internal/course"
	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/gradebook"
	"posixlab/labs/internal/sandbox"
	"posixlab/labs/internal/show"
	"posixlab/labs/internal/submission"
)

// A Grading is one run over a class.
type Grading struct {
	Course    *course.Course
	Scenarios []*course.Scenario // to judge by
	Runner    *grade.Runner
	Go        *build.Builder
	Lang      show.Lang

	Sources  []submission.Source
	Students map[string]string // names by submission
	Out      string            // the folder of the results
	Jobs     int               // how many submissions side by side
	Trust    bool              // no sandbox

	// Progress is told of every verdict and of every submission that is complete. It is called by one
	// goroutine at a time.
	Progress func(done, all int, s *gradebook.Submission)

	class *gradebook.Class
	work  string                // where submissions are copied to, and built
	lanes chan *sandbox.Sandbox // a scenario or a build takes one
	slots chan int              // a submission takes one: the group that its folder is for; 0: none
	kit   []byte                // the digest of what judges

	mu   sync.Mutex
	done int
}

// perSubmission is how many scenarios of one submission run at once: they mostly wait.
const perSubmission = 3

// NoSandbox says what to do where sandbox.ErrNoWall is the error.
var NoSandbox = show.Text{
	EN: "this machine offers no sandbox for submissions: install bubblewrap, or grade as root; or, if you trust them all, say -trust",
	ES: "esta máquina no ofrece una caja de arena para las entregas: instala bubblewrap, o evalúa como root; o, si confías en todas, usa -trust"}

// errUnsafe says that the machine cannot keep submissions apart.
var errUnsafe = errors.New("submissions can read one another's files here")

// Run judges what has no verdict yet in the folder of the results, and returns the class. When ctx ends, it
// returns what there is, and the error.
func (g *Grading) Run(ctx context.Context) (*gradebook.Class, error) {
	defer func() { sandbox.Remove(g.work) }()
	if err := g.prepare(); err != nil {
		return nil, err
	}
	if err := g.warm(ctx); err != nil {
		return nil, err
	}
	// Verdicts of the last run count before the first new one.
	var open []*entry
	for _, source := range g.Sources {
		e, err := g.enter(source)
		if err != nil {
			return nil, err
		}
		g.class.Submissions = append(g.class.Submissions, e.sub)
		g.done += len(e.sub.Results)
		if !e.sub.Complete {
			open = append(open, e)
		}
	}
	if err := g.save(); err != nil {
		return nil, err
	}
	errs := make(chan error, len(open))
	for _, e := range open {
		e.group = <-g.slots
		go func() {
			errs <- g.judge(ctx, e)
			g.slots <- e.group
		}()
	}
	var all []error
	for range open {
		all = append(all, <-errs)
	}
	if ctx.Err() != nil {
		return g.class, ctx.Err()
	}
	return g.class, errors.Join(append(all, g.save())...)
}

// prepare finds a sandbox for each lane, and makes the class.
func (g *Grading) prepare() (err error) {
	if g.work, err = grade.Folder(); err != nil {
		return err
	}
	lanes := g.Jobs * perSubmission
	box := sandbox.Trusting(g.Runner.Actor)
	if !g.Trust {
		if box, err = g.Runner.Sandbox(0); err != nil {
			return err
		}
	}
	if g.Runner.Isolation == grade.Alone { // every server may want the one port
		g.Jobs, lanes = 1, 1
	}
	if dirs := []string{g.Out}; box.Wall != sandbox.None {
		for _, source := range g.Sources {
			if source.Path != "" && len(g.Sources) > 1 {
				dirs = append(dirs, filepath.Dir(source.Path))
			}
		}
		for _, sc := range g.Scenarios {
			if sc.Hidden {
				dirs = append(dirs, filepath.Dir(sc.Script))
			}
		}
		if err := box.Conceal(append(slices.Clone(dirs), g.ours()...)...); err != nil {
			return err
		}
		for _, dir := range slices.Compact(dirs) {
			if box.Wall == sandbox.OtherUser && build.Public(dir) {
				return fmt.Errorf("%w: `chmod 700 %s` keeps them from it", errUnsafe, dir)
			}
		}
	}
	g.lanes = make(chan *sandbox.Sandbox, lanes)
	for i := range lanes {
		lane := *box
		if err := lane.As(i); err != nil {
			return err
		}
		g.lanes <- &lane
	}
	groups := make([]int, g.Jobs)
	if box.Wall == sandbox.OtherUser {
		if groups, err = sandbox.Groups(lanes, g.Jobs); err != nil {
			return err
		}
	}
	g.slots = make(chan int, g.Jobs)
	for _, group := range groups {
		g.slots <- group
	}
	contained := g.Runner.Isolation == grade.Contained
	g.class = &gradebook.Class{Version: gradebook.Version, Lang: string(g.Lang), Started: time.Now().UTC(),
		Isolation: box.Say(g.Lang, contained)}
	if box.Wall != sandbox.None {
		g.class.Limits = box.Limits.SayAll(g.Lang)
	}
	digest := sha256.New()
	for _, sc := range g.Scenarios {
		g.class.Scenarios = append(g.class.Scenarios, gradebook.Scenario{Lab: sc.Lab.Name, Name: sc.Name,
			Title: sc.Lab.Title.In(g.Lang), Claim: sc.Claim.In(g.Lang), Points: sc.Points, Hidden: sc.Hidden})
		script, err := os.ReadFile(sc.Script)
		if err != nil {
			return err
		}
		fmt.Fprintf(digest, "%s %d %s %d\n%s", sc.ID(), sc.Points, g.Lang, len(script), script)
	}
	g.kit = digest.Sum(nil)
	return nil
}

// warm makes sure that exercises can be built behind the wall. Another user may not reach our toolchain
// and its caches: then they are copied to where she does.
func (g *Grading) warm(ctx context.Context) error {
	if err := g.Go.Warm(ctx, ""); err != nil {
		return err
	}
	lane := <-g.lanes
	defer func() { g.lanes <- lane }()
	if lane.Wall != sandbox.OtherUser {
		return nil
	}
	builder := submission.Builder{Course: g.Course, Go: g.Go, Box: lane}
	tmp, lent := filepath.Join(g.work, "warm"), filepath.Join(g.work, "lent")
	if err := errors.Join(os.Mkdir(tmp, 0o755), os.Mkdir(lent, 0o755)); err != nil {
		return err
	}
	if builder.CanBuild(ctx, tmp) == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	var err error
	if g.Go, err = g.Go.Lend(ctx, lent); err != nil {
		return err
	}
	builder.Go = g.Go
	return builder.CanBuild(ctx, tmp)
}

// ours are the other folders of the grader's that are no submission's to see.
func (g *Grading) ours() []string {
	dirs := []string{g.Course.Root, g.work}
	for _, source := range g.Sources {
		if source.Path != "" {
			dirs = append(dirs, source.Path)
		}
	}
	if home, err := os.UserHomeDir(); err == nil && home != "/" {
		dirs = append(dirs, home)
	}
	return dirs
}

// An entry is a submission while it is judged.
type entry struct {
	source  submission.Source
	sub     *gradebook.Submission
	own     string // its folder: of all other submissions, none enters it
	dir     string // in it, its copy
	tmp     string // in it, for its build
	group   int    // who may enter its folder, beside us; 0: nobody else has to
	refused error  // why it could not be taken
	began   time.Time
}

// enter takes a submission, and finds out which verdicts of the last run are still true.
func (g *Grading) enter(source submission.Source) (*entry, error) {
	e := &entry{source: source, sub: &gradebook.Submission{Version: gradebook.Version, Name: source.Name, Student: g.Students[source.Name]}}
	var err error
	if e.own, err = os.MkdirTemp(g.work, "submission-"); err != nil { // 0700
		return nil, err
	}
	e.dir, e.tmp = filepath.Join(e.own, "files"), filepath.Join(e.own, "tmp")
	if err := errors.Join(os.Mkdir(e.dir, 0o755), os.Mkdir(e.tmp, 0o755)); err != nil {
		return nil, err
	}
	e.refused = source.Take(e.dir)
	digest := sha256.New()
	digest.Write(g.kit)
	if err := digestOf(digest, e.dir); err != nil {
		return nil, err
	}
	e.sub.Digest = fmt.Sprintf("%x", digest.Sum(nil))
	last, err := gradebook.ReadFile[gradebook.Submission](filepath.Join(g.folder(e.sub), gradebook.File))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case last.Digest == e.sub.Digest:
		student := e.sub.Student
		*e.sub = *last
		e.sub.Student, e.sub.Complete = student, false
		e.sub.Results = slices.DeleteFunc(e.sub.Results, func(r grade.Result) bool { return r.Verdict == grade.Infra })
		e.sub.Complete = len(e.sub.Results) == len(g.Scenarios)
		e.sub.Sum()
	}
	return e, nil
}

// digestOf takes in all files of a folder, by their names.
func digestOf(h hash.Hash, dir string) error {
	return fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		fmt.Fprintf(h, "%q %d\n%s", name, len(data), data)
		return err
	})
}

func (g *Grading) folder(s *gradebook.Submission) string { return filepath.Join(g.Out, s.Name) }

// judge builds a submission, and judges it by every scenario that has no verdict yet.
func (g *Grading) judge(ctx context.Context, e *entry) error {
	e.began = time.Now()
	defer sandbox.Remove(e.own)
	var made *submission.Made
	err := e.refused
	if err == nil && e.group != 0 {
		err = errors.Join(os.Chown(e.own, -1, e.group), os.Chmod(e.own, 0o710))
	}
	if err == nil {
		lane := <-g.lanes
		made, err = (&submission.Builder{Course: g.Course, Go: g.Go, Box: lane.In(e.group)}).Build(ctx, e.dir, e.tmp, g.labs())
		g.lanes <- lane
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	refusal, refused := errors.AsType[*submission.Refusal](err)
	machine := err // the machine's failure, or the kit's: every verdict is owed
	if refused {
		machine = nil
	}
	g.mu.Lock()
	e.sub.Problem, e.sub.Said = "", nil
	switch {
	case refused:
		e.sub.Problem, e.sub.Said = refusal.In(g.Lang), refusal.Said
	case err == nil:
		e.sub.Kind = made.Kind
	}
	g.mu.Unlock()
	var running sync.WaitGroup
	var failed error
	open := slices.DeleteFunc(slices.Clone(g.Scenarios), func(sc *course.Scenario) bool {
		return slices.ContainsFunc(e.sub.Results, is(sc))
	})
	for _, sc := range open {
		lane := <-g.lanes
		running.Go(func() {
			result, err := g.one(ctx, made, machine, refusal, sc, lane.In(e.group))
			if err = errors.Join(err, lane.Sweep()); err == nil && ctx.Err() == nil {
				err = g.record(e, result)
			}
			g.lanes <- lane
			g.mu.Lock()
			failed = errors.Join(failed, err)
			g.mu.Unlock()
		})
	}
	running.Wait()
	return failed
}

func is(sc *course.Scenario) func(grade.Result) bool {
	return func(r grade.Result) bool { return r.Lab == sc.Lab.Name && r.Scenario == sc.Name }
}

// labs are those of the scenarios, in order.
func (g *Grading) labs() (labs []*course.Lab) {
	for _, sc := range g.Scenarios {
		labs = append(labs, sc.Lab)
	}
	return slices.Compact(labs)
}

// one judges by one scenario. Without a server, it is failed.
func (g *Grading) one(ctx context.Context, made *submission.Made, machine error, refusal *submission.Refusal, sc *course.Scenario, lane *sandbox.Sandbox) (grade.Result, error) {
	if machine != nil {
		return grade.Result{Lab: sc.Lab.Name, Scenario: sc.Name, Max: sc.Points, Verdict: grade.Infra, Hidden: sc.Hidden,
			Reason: machine.Error()}, nil
	}
	if refusal == nil {
		command, err := made.Server(sc.Lab)
		if err == nil {
			command.Sandbox = lane.Showing(made.Read...)
			result := g.Runner.Run(ctx, sc, command, grade.Told{})
			result.Hidden = sc.Hidden
			return result, nil
		}
		var ok bool
		if refusal, ok = errors.AsType[*submission.Refusal](err); !ok {
			return grade.Result{}, err
		}
	}
	return grade.Result{Lab: sc.Lab.Name, Scenario: sc.Name, Max: sc.Points, Verdict: grade.Fail, Hidden: sc.Hidden,
		Expected: show.Text{EN: "a server", ES: "un servidor"}.In(g.Lang), Seen: refusal.In(g.Lang),
		Evidence: refusal.Said}, nil
}

// record adds a verdict to a submission's file.
func (g *Grading) record(e *entry, result grade.Result) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := e.sub
	s.Results = append(s.Results, result)
	slices.SortFunc(s.Results, func(a, b grade.Result) int { return cmp.Compare(g.order(a), g.order(b)) })
	s.Sum()
	s.Seconds += time.Since(e.began).Seconds()
	e.began = time.Now()
	s.Complete = len(s.Results) == len(g.Scenarios)
	g.done++
	if g.Progress != nil {
		g.Progress(g.done, len(g.Sources)*len(g.Scenarios), s)
	}
	if err := gradebook.WriteFile(filepath.Join(g.folder(s), gradebook.File), s); err != nil {
		return err
	}
	if s.Complete {
		return g.saveLocked()
	}
	return nil
}

func (g *Grading) order(r grade.Result) int {
	return slices.IndexFunc(g.Scenarios, func(sc *course.Scenario) bool { return is(sc)(r) })
}

// save writes the class's file, and makes the folders of the submissions.
func (g *Grading) save() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.class.Submissions {
		if err := os.MkdirAll(g.folder(s), 0o755); err != nil {
			return err
		}
	}
	return g.saveLocked()
}

func (g *Grading) saveLocked() error {
	return gradebook.WriteFile(filepath.Join(g.Out, gradebook.File), g.class)
}
