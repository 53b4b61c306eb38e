// Package report writes what a class's gradebook says in the formats that the systems and the people
// of a course want.
package report

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/gradebook"
	"posixlab/labs/internal/show"
)

// A Format is a file that can be made from a gradebook. What is made for each submission is for its
// student, and tells her no more than the options say. What is made for a class is for the
// instructor, and tells everything.
type Format struct {
	Name          string
	File          string // in the folder of the class's results, or in each submission's own under that
	PerSubmission bool
	Purpose       show.Text

	// Write writes the file; of one submission, if it is one for each, and else with s nil.
	Write func(w io.Writer, c *gradebook.Class, s *gradebook.Submission, o Options) error
}

// Formats are all that there are.
var Formats = []Format{
	{Name: "html", File: "report.html", Write: writeHTML, Purpose: show.Text{
		EN: "a page for the instructor: the class at a glance, each failure's evidence one click away",
		ES: "una página para el docente: el grupo de un vistazo y la evidencia de cada falla a un clic"}},
	{Name: "csv", File: "scores.csv", Write: writeCSV, Purpose: show.Text{
		EN: "a row for each student, for a spreadsheet",
		ES: "una fila por estudiante, para una hoja de cálculo"}},
	{Name: "markdown", File: "summary.md", Write: writeMarkdown, Purpose: show.Text{
		EN: "a summary of the class, for a wiki or a message",
		ES: "un resumen del grupo, para un wiki o un mensaje"}},
	{Name: "junit", File: "junit.xml", Write: writeJUnit, Purpose: show.Text{
		EN: "JUnit's XML, for a CI system",
		ES: "el XML de JUnit, para un sistema de integración continua"}},
	{Name: "gradescope", File: "gradescope.json", PerSubmission: true, Write: writeGradescope, Purpose: show.Text{
		EN: "the results.json of a Gradescope autograder",
		ES: "el results.json de un evaluador automático de Gradescope"}},
	{Name: "autolab", File: "autolab.txt", PerSubmission: true, Write: writeAutolab, Purpose: show.Text{
		EN: "what an Autolab autograder prints: a text, and the scores in the last line",
		ES: "lo que imprime un evaluador de Autolab: un texto y, en la última línea, los puntos"}},
	{Name: "classroom50", File: "result.json", PerSubmission: true, Write: writeClassroom50, Purpose: show.Text{
		EN: "the result.json of a Classroom 50 autograder",
		ES: "el result.json de un evaluador automático de Classroom 50"}},
}

// Options say in which language a report is, and how much students are told.
type Options struct {
	Lang       show.Lang
	Detail     Detail     // "": None
	Visibility Visibility // "": AfterPublished

	// Getenv looks up what Classroom 50's runner says of a submission; nil if no runner does.
	Getenv func(string) string
}

// A Detail is how much a student is told of a scenario that is not hidden. What the compiler said of
// her own files she is always told.
type Detail string

const (
	None Detail = "none" // the verdict and the points
	Hint Detail = "hint" // and the hint, the slide, the limit that was hit
	Full Detail = "full" // and the step, what was expected and seen, the evidence
	all  Detail = "all"  // and the line of the script: for the instructor
)

// Details are those that can be chosen, from the least.
var Details = []Detail{None, Hint, Full}

// includes reports whether what is told from the other detail on is told.
func (d Detail) includes(other Detail) bool {
	order := append(slices.Clip(Details), all)
	return slices.Index(order, other) <= max(0, slices.Index(order, d))
}

// A Visibility is when students see hidden scenarios, in Gradescope's words. A scenario that is not
// visible is told by its name and its verdict and no more, and that only by a format that can wait:
// Gradescope's.
type Visibility string

const (
	Hidden         Visibility = "hidden"
	AfterDueDate   Visibility = "after_due_date"
	AfterPublished Visibility = "after_published"
	Visible        Visibility = "visible"
)

// Visibilities are those that there are.
var Visibilities = []Visibility{Hidden, AfterDueDate, AfterPublished, Visible}

// ParseDetail reads the name of a detail.
func ParseDetail(name string, lang show.Lang) (Detail, error) {
	return known(Detail(name), Details, lang, show.Text{
		EN: "how much students are told cannot be %q: say %s",
		ES: "lo que se dice a los estudiantes no puede ser %q: usa %s"})
}

// ParseVisibility reads the name of a visibility.
func ParseVisibility(name string, lang show.Lang) (Visibility, error) {
	return known(Visibility(name), Visibilities, lang, show.Text{
		EN: "the visibility of hidden scenarios cannot be %q: say %s",
		ES: "la visibilidad de los escenarios ocultos no puede ser %q: usa %s"})
}

// ParseFormats reads names of formats, separated by commas.
func ParseFormats(names string, lang show.Lang) ([]Format, error) {
	var formats []Format
	var all, chosen []string
	for _, f := range Formats {
		all = append(all, f.Name)
	}
	for name := range strings.SplitSeq(names, ",") {
		name, err := known(strings.TrimSpace(name), all, lang, show.Text{
			EN: "there is no report format %q: say %s, separated by commas",
			ES: "no existe el formato de informe %q: usa %s, separados por comas"})
		if err != nil {
			return nil, err
		}
		if !slices.Contains(chosen, name) {
			chosen = append(chosen, name)
			formats = append(formats, Formats[slices.Index(all, name)])
		}
	}
	return formats, nil
}

// known returns a value that is one of a list. Of another, complaint says the value and the list.
func known[T ~string](value T, list []T, lang show.Lang, complaint show.Text) (T, error) {
	if slices.Contains(list, value) {
		return value, nil
	}
	names := string(list[0])
	for _, v := range list[1 : len(list)-1] {
		names += ", " + string(v)
	}
	names += show.Text{EN: " or ", ES: " o "}.In(lang) + string(list[len(list)-1])
	return "", fmt.Errorf("%s", complaint.In(lang, value, names))
}

// WriteAll writes the formats' files into the folder of a class's results, or into each submission's
// folder under that. Each file is replaced all or nothing, and none before all could be made.
func WriteAll(dir string, c *gradebook.Class, o Options, formats []Format) error {
	type file struct {
		path string
		data []byte
	}
	var files []file
	for _, f := range formats {
		of := []*gradebook.Submission{nil}
		if f.PerSubmission {
			of = c.Submissions
		}
		for _, s := range of {
			path := f.File
			if s != nil {
				if s.Name != filepath.Base(s.Name) || !filepath.IsLocal(s.Name) || s.Name == "." {
					return fmt.Errorf("submission %q: no name of a folder", s.Name)
				}
				path = filepath.Join(s.Name, f.File)
			}
			var data bytes.Buffer
			if err := f.Write(&data, c, s, o); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			files = append(files, file{filepath.Join(dir, path), data.Bytes()})
		}
	}
	for _, f := range files {
		if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
			return err
		}
		if err := grade.WriteFile(f.path, f.data); err != nil {
			return err
		}
	}
	return nil
}
