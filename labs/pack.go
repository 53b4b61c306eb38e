package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"

	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/show"
)

// A system is a course's grading system that wants to be given the grader.
type system struct {
	name    string
	scripts []string // beside the kit: templates, by their names in the folder pack
	outside []string // beside the archive that holds the rest, named inner
	inner   string   // "": there is none, and all is at the top
	next    show.Text
}

var systems = []system{
	{name: "gradescope", scripts: []string{"setup.sh", "run_autograder"}, next: show.Text{
		EN: "In Gradescope, upload it under Configure Autograder (base image Ubuntu 22.04 or later), and set " +
			"the timeout to its maximum: with half a CPU, all labs take long. Students hand in exercise " +
			"files, or a server with its Makefile.",
		ES: "En Gradescope, súbelo en Configure Autograder (imagen base Ubuntu 22.04 o posterior) y pon el " +
			"límite de tiempo al máximo: con medio CPU, todos los laboratorios tardan. Los estudiantes " +
			"entregan archivos de ejercicio, o un servidor con su Makefile."}},
	{name: "autolab", scripts: []string{"setup.sh", "run_autolab"}, outside: []string{"autograde-Makefile", "Dockerfile"},
		inner: "autograde.tar", next: show.Text{
			EN: "For Autolab, unpack it: autograde-Makefile and autograde.tar go to the assessment, whose " +
				"submissions are named handin.zip, with a problem for each lab, named like 08-zombies; " +
				"the Dockerfile makes the image in which they are graded.",
			ES: "Para Autolab, descomprímelo: autograde-Makefile y autograde.tar van a la evaluación, cuyas " +
				"entregas se llaman handin.zip, con un problema por laboratorio, con nombres como 08-zombies; " +
				"el Dockerfile produce la imagen en la que se califica."}},
}

//go:embed pack
var packed embed.FS

// kitParts are what grading needs of the kit.
var kitParts = []string{"go.mod", "go.sum", "LICENSE", "server", "labs", "testdata/bugs"}

// pack writes what a grading system wants to be given.
func pack(_ context.Context, a *app, args []string) int {
	var only, hidden string
	var reports reports
	rest, status := a.options(args, func(f *flag.FlagSet) {
		f.StringVar(&only, "labs", "", "")
		f.StringVar(&hidden, "hidden", "", "")
		reports.flags(f)
	})
	if status >= 0 {
		return status
	}
	if _, _, err := reports.parse(a.lang); err != nil {
		return a.wrongUse(err.Error())
	}
	var names []string
	for _, s := range systems {
		names = append(names, s.name)
	}
	if len(rest) != 2 || !slices.Contains(names, rest[0]) {
		return a.wrongUse(a.say(show.Text{
			EN: "name the grading system, %s, and the .zip to write",
			ES: "nombra el sistema de calificación, %s, y el .zip que se va a escribir"},
			strings.Join(names, a.say(show.Text{EN: " or ", ES: " o "}))))
	}
	if hidden != "" {
		if err := a.course.Hide(hidden); err != nil {
			return a.infra(err)
		}
	}
	options := fmt.Sprintf("-lang %s -detail %s -visibility %s", a.lang, reports.detail, reports.visibility)
	if only != "" {
		if _, status := a.find(strings.Split(only, ",")); status >= 0 {
			return status
		}
		options += " -labs " + only // names that were found: nothing that a shell acts on
	}
	s := systems[slices.Index(names, rest[0])]
	data, err := s.archive(a, hidden, map[string]any{"Lang": a.lang, "Options": options, "Hidden": hidden != ""})
	if err == nil {
		err = grade.WriteFile(rest[1], data)
	}
	if err != nil {
		return a.infra(err)
	}
	a.out.Line(show.Wrap(fmt.Sprintf("%s: %s", rest[1], a.say(s.next)), "", show.Width))
	if hidden != "" {
		a.out.Line(show.Wrap(a.say(show.Text{
			EN: "It holds your hidden labs: keep it from students.",
			ES: "Contiene tus laboratorios ocultos: que no llegue a los estudiantes."}), "", show.Width))
	}
	return grade.ExitPass
}

// A file is one of an archive.
type file struct {
	name string // with slashes
	mode fs.FileMode
	data []byte
}

// archive makes the zip.
func (s system) archive(a *app, hidden string, values map[string]any) ([]byte, error) {
	failed := a.say(show.Text{
		EN: "The grader failed, not your submission: your instructor can see why, and have it graded anew.",
		ES: "Falló el evaluador, no tu entrega: tu docente puede ver la causa y volver a evaluarla."})
	results, err := json.MarshalIndent(map[string]string{"output": failed, "visibility": "visible", "stdout_visibility": "hidden"}, "", "  ")
	if err != nil {
		return nil, err
	}
	files := []file{{"failed.json", 0o644, append(results, '\n')}, {"failed.txt", 0o644, []byte(failed + "\n")}}
	for _, part := range kitParts {
		if err := collect(&files, filepath.Join(a.course.Root, part), path.Join("kit", part), true); err != nil {
			return nil, err
		}
	}
	if hidden != "" {
		// A folder that is a lab is named by its name.
		to := "hidden"
		if _, err := os.Stat(filepath.Join(hidden, "lab.toml")); err == nil {
			abs, err := filepath.Abs(hidden)
			if err != nil {
				return nil, err
			}
			to = path.Join(to, filepath.Base(abs))
		}
		if err := collect(&files, hidden, to, false); err != nil {
			return nil, err
		}
	}
	scripts, err := expand(s.scripts, values)
	if err != nil {
		return nil, err
	}
	files = append(files, scripts...)
	if s.inner == "" {
		return zipped(files)
	}
	outside, err := expand(s.outside, values)
	if err != nil {
		return nil, err
	}
	inner, err := tarred(files)
	if err != nil {
		return nil, err
	}
	return zipped(append(outside, file{s.inner, 0o644, inner}))
}

// expand fills in the templates of the folder pack.
func expand(names []string, values map[string]any) (files []file, err error) {
	for _, name := range names {
		text, err := template.ParseFS(packed, path.Join("pack", name))
		if err != nil {
			return nil, err
		}
		var data bytes.Buffer
		if err := text.Execute(&data, values); err != nil {
			return nil, err
		}
		mode := fs.FileMode(0o755)
		if !strings.HasPrefix(data.String(), "#!") {
			mode = 0o644
		}
		files = append(files, file{name, mode, data.Bytes()})
	}
	return files, nil
}

// collect adds a file, or all plain files under a folder. Of the kit it leaves out what grading does not
// need: tests, sheets, what was built. Of an exercise only the name counts, so its content, which may be
// somebody's solution, stays here.
func collect(files *[]file, from, to string, kit bool) error {
	return filepath.WalkDir(from, func(at string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, at)
		if err != nil {
			return err
		}
		to := path.Join(to, filepath.ToSlash(name))
		if hidden := strings.HasPrefix(entry.Name(), ".") && name != "."; hidden && entry.IsDir() {
			return fs.SkipDir
		} else if hidden || !entry.Type().IsRegular() {
			return nil
		}
		if kit && (strings.HasSuffix(to, "_test.go") || path.Ext(to) == ".md" || to == "kit/server/server") {
			return nil
		}
		data, err := os.ReadFile(at)
		if err != nil {
			return err
		}
		if kit && path.Base(path.Dir(to)) == "exercise" {
			data = []byte("//go:build exercise\n\npackage main\n")
		}
		*files = append(*files, file{to, 0o644, data})
		return nil
	})
}

func zipped(files []file) ([]byte, error) {
	var data bytes.Buffer
	archive := zip.NewWriter(&data)
	for _, f := range files {
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: time.Now()}
		header.SetMode(f.mode)
		w, err := archive.CreateHeader(header)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	err := archive.Close()
	return data.Bytes(), err
}

func tarred(files []file) ([]byte, error) {
	var data bytes.Buffer
	archive := tar.NewWriter(&data)
	for _, f := range files {
		header := &tar.Header{Name: f.name, Mode: int64(f.mode.Perm()), Size: int64(len(f.data)), ModTime: time.Now()}
		if err := archive.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := archive.Write(f.data); err != nil {
			return nil, err
		}
	}
	err := archive.Close()
	return data.Bytes(), err
}
