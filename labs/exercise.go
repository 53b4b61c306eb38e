package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"posixlab/labs/internal/build"
	"posixlab/labs/internal/course"
	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/show"
)

// theExercise is where a server with an exercise in it is put, by its path under the root: where
// `make server` puts the reference.
const theExercise = "server/server"

// exerciseOf builds the server with the exercise of one lab in it, to be tried by hand.
func exerciseOf(ctx context.Context, a *app, args []string) int {
	scenarios, status := a.parse(args, func(*flag.FlagSet) {})
	if status >= 0 {
		return status
	}
	if len(scenarios) == 0 {
		return a.wrongUse(a.say(whichLab))
	}
	lab := scenarios[0].Lab
	if lab.Exercise == "" {
		return a.noExercise(lab)
	}
	b, err := build.New(a.course.Root)
	if err != nil {
		return a.infra(err)
	}
	path, err := b.Exercise(ctx, lab)
	if broken, ok := errors.AsType[*build.Broken](err); ok {
		a.notCompiled(broken)
		return grade.ExitFail
	}
	if err == nil {
		err = replace(filepath.Join(a.course.Root, theExercise), path)
	}
	if err != nil {
		return a.infra(err)
	}
	name, err := filepath.Rel(a.course.Root, lab.Exercise)
	if err != nil {
		return a.infra(err)
	}
	a.out.Line(a.say(show.Text{
		EN: "%s: with %s in it, until `make server`",
		ES: "%s: con %s dentro, hasta el próximo `make server`"}, theExercise, name))
	return grade.ExitPass
}

var whichLab = show.Text{EN: "which lab?", ES: "¿qué laboratorio?"}

func (a *app) noExercise(lab *course.Lab) int {
	return a.wrongUse(a.say(show.Text{
		EN: "%s has no exercise: `labs check` can judge the reference (-reference) or a server of yours (-server CMD)",
		ES: "%s no tiene ejercicio: `labs check` puede evaluar la referencia (-reference) o un servidor tuyo (-server CMD)"}, lab.Name))
}

// notCompiled tells what the compiler said of an exercise.
func (a *app) notCompiled(broken *build.Broken) {
	a.out.Verdict(false, "✗ "+a.say(show.Text{EN: "%s does not compile:", ES: "%s no compila:"}, broken.File))
	a.out.Block(strings.Split(strings.TrimSpace(broken.Said), "\n"))
}

// replace puts a copy of a program in the place of another, which may be running.
func replace(old, program string) error {
	data, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	copied, err := os.CreateTemp(filepath.Dir(old), ".server-")
	if err != nil {
		return err
	}
	defer os.Remove(copied.Name()) // unless it was renamed
	_, err = copied.Write(data)
	if err = errors.Join(err, copied.Chmod(0o755), copied.Close()); err != nil {
		return fmt.Errorf("%s: %w", copied.Name(), err)
	}
	return os.Rename(copied.Name(), old)
}
