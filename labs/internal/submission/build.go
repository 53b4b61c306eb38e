package submission

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/build"
	"posixlab/labs/internal/course"
	"posixlab/labs/internal/gradebook"
	"posixlab/labs/internal/sandbox"
	"posixlab/labs/internal/show"
	"posixlab/labs/internal/target"
)

// A Builder makes servers of submissions.
type Builder struct {
	Course *course.Course
	Go     *build.Builder // with whose caches and tools exercises are built
	Box    *sandbox.Sandbox
}

// A Made is what was made of a submission: a server for each lab, behind whose wall Read has to be seen.
type Made struct {
	Kind    gradebook.Kind
	servers map[*course.Lab]server
	Read    []string
}

type server struct {
	command target.Command
	err     error
}

// Server is a lab's. The error is a Refusal if there is none for it.
func (m *Made) Server(lab *course.Lab) (target.Command, error) {
	s := m.servers[lab]
	return s.command, s.err
}

// program is the file that a submission's Makefile builds, or that it consists of.
const program = "server_bin"

// Build makes servers of what Take has put into a folder; tmp is another, empty one. The error is a
// Refusal if there is nothing to make one of, or if it does not build.
func (b *Builder) Build(ctx context.Context, dir, tmp string, labs []*course.Lab) (*Made, error) {
	dir, err := top(dir)
	if err != nil {
		return nil, err
	}
	if m, err := b.exercises(ctx, dir, tmp, labs); m != nil || err != nil {
		return m, err
	}
	kind := gradebook.Program
	for _, makefile := range []string{"Makefile.server", "Makefile", "makefile", "GNUmakefile"} {
		if plain(filepath.Join(dir, makefile)) {
			kind = gradebook.Make
			if err := b.make(ctx, dir, makefile); err != nil {
				return nil, err
			}
			break
		}
	}
	path := filepath.Join(dir, program)
	if !plain(path) {
		if kind == gradebook.Make {
			return nil, refuse("its Makefile was run, and made no %s", "se ejecutó su Makefile, y no produjo %s", program)
		}
		return nil, refuse("it holds no server: neither exercise files (%s), nor a Makefile, nor %s",
			"no contiene un servidor: ni archivos de ejercicio (%s), ni Makefile, ni %s",
			strings.Join(b.exerciseNames(), ", "), program)
	}
	if err := os.Chmod(path, 0o755); err != nil { // zips often lose it
		return nil, err
	}
	if why := unfit(path); why != nil {
		return nil, why
	}
	m := &Made{Kind: kind, servers: make(map[*course.Lab]server), Read: []string{dir}}
	for _, lab := range labs {
		m.servers[lab] = server{command: target.Command{Argv: []string{path}, Dir: dir}}
	}
	return m, nil
}

// top is the folder in which a submission begins: archives often hold one folder that holds all.
func top(dir string) (string, error) {
	for {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return "", err
		}
		if len(entries) != 1 || !entries[0].IsDir() {
			return dir, nil
		}
		dir = filepath.Join(dir, entries[0].Name())
	}
}

// plain reports whether there is such a file, and it is no link.
func plain(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular()
}

// unfit says why the kernel would not start a file: it is neither a script nor a program.
func unfit(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	magic := make([]byte, 4)
	n, err := io.ReadFull(file, magic)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && err != io.EOF {
		return err
	}
	if magic = magic[:n]; !strings.HasPrefix(string(magic), "#!") && string(magic) != "\x7fELF" {
		return refuse("its %s is neither a script that begins with #! nor a program for Linux",
			"su %s no es un guion que empiece con #! ni un programa para Linux", program)
	}
	return nil
}

// make runs a Makefile in the sandbox.
func (b *Builder) make(ctx context.Context, dir, makefile string) error {
	if err := os.Remove(filepath.Join(dir, program)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	box := *b.Box
	box.Limits, box.Contained = Building, false
	box.Dir, box.Write = dir, []string{dir}
	if box.Wall != sandbox.None {
		defer box.TakeBack(dir)
	}
	make, err := exec.LookPath("make")
	if err != nil {
		return err
	}
	said, err := box.Run(ctx, []string{make, "-f", makefile, program}, box.Env())
	if b.killed(err) { // by the machine, perhaps, when it had no memory left: once more
		said, err = box.Run(ctx, []string{make, "-f", makefile, program}, box.Env())
	}
	if err == nil || !noRule(said) {
		return b.failed(err, said)
	}
	said, err = box.Run(ctx, []string{make, "-f", makefile}, box.Env()) // its first target may make it
	return b.failed(err, said)
}

func noRule(said []byte) bool {
	return strings.Contains(string(said), "No rule to make target '"+program+"'")
}

// killed reports whether a signal ended a build. It was none of ours: our limits say so.
func (b *Builder) killed(err error) bool {
	failed, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return false
	}
	status, ok := failed.Sys().(syscall.WaitStatus)
	return ok && b.Box.Status(unix.WaitStatus(status)).Signaled()
}

// failed tells why a build failed; nil if it did not.
func (b *Builder) failed(err error, said []byte) error {
	if err == nil {
		return nil
	}
	var why *Refusal
	if hit, ok := errors.AsType[*sandbox.Hit](err); ok {
		why = refuse("building it takes more than the sandbox allows: %s", "compilarlo requiere más de lo que permite la caja de arena: %s",
			limitText(hit.Limit)).(*Refusal)
	} else if b.killed(err) {
		why = refuse("it is killed while it is built", "algo lo mata mientras se compila").(*Refusal)
	} else if _, ok := errors.AsType[*exec.ExitError](err); ok {
		why = refuse("it does not build", "no compila").(*Refusal)
	} else {
		return err
	}
	why.Said = lines(said)
	return why
}

func limitText(name string) show.Text {
	return show.Text{EN: Building.Say(show.English, name), ES: Building.Say(show.Spanish, name)}
}

// lines are what a compiler said, fit for a report: the first lines, and nothing that a terminal acts on.
func lines(said []byte) (all []string) {
	const most, longest = 60, 300
	for line := range strings.Lines(string(said)) {
		if len(all) == most {
			return append(all, "…")
		}
		runes := []rune(show.Printable(strings.TrimRight(line, "\n")))
		if len(runes) > longest {
			runes = append(runes[:longest-1], '…')
		}
		all = append(all, string(runes))
	}
	return all
}

// exerciseNames are the server's files that labs have as exercises.
func (b *Builder) exerciseNames() (names []string) {
	for _, lab := range b.Course.Labs {
		if lab.Exercise != "" {
			names = append(names, filepath.Base(lab.Exercise))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// exercises builds the reference with a submission's exercise files in it: those at its top for every lab,
// and those that stand in a lab's own folder, as in a copy of the kit, for that one. It returns nil if
// there are none.
func (b *Builder) exercises(ctx context.Context, dir, tmp string, labs []*course.Lab) (*Made, error) {
	own := isKit(dir)
	if !own && slices.ContainsFunc([]string{"Makefile.server", "Makefile"}, func(name string) bool { return plain(filepath.Join(dir, name)) }) {
		return nil, nil // a server of its own, in Go
	}
	common := make(map[string][]byte)
	for _, name := range b.exerciseNames() {
		if path := filepath.Join(dir, name); !own && plain(path) {
			data, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			common[course.Replaced(b.Course.Root, name)] = data
		}
	}
	m := &Made{Kind: gradebook.Exercise, servers: make(map[*course.Lab]server)}
	found := len(common) > 0
	for _, lab := range labs {
		replaced := make(map[string][]byte)
		for name, data := range common {
			replaced[name] = data
		}
		for _, path := range []string{filepath.Join("labs", lab.Name, "exercise"), filepath.Join(lab.Name, "exercise"), lab.Name} {
			path = filepath.Join(dir, path, filepath.Base(lab.Exercise))
			if lab.Exercise != "" && plain(path) {
				data, err := os.ReadFile(path)
				if err != nil {
					return nil, err
				}
				replaced[course.Replaced(b.Course.Root, filepath.Base(lab.Exercise))] = data
				found = true
				break
			}
		}
		if len(replaced) == 0 {
			m.servers[lab] = server{err: refuse("it holds no exercise for %s", "no contiene un ejercicio para %s", lab.Name)}
			continue
		}
		path, err := b.exercise(ctx, tmp, replaced)
		if _, ok := errors.AsType[*Refusal](err); err != nil && !ok {
			return nil, err
		}
		m.servers[lab] = server{target.Command{Argv: []string{path}, TakesPort: true}, err}
		if path != "" {
			m.Read = append(m.Read, filepath.Dir(path))
		}
	}
	if !found {
		return nil, nil
	}
	// If no lab has a server, all for the same reason, that is what is wrong with the submission.
	if first := m.servers[labs[0]].err; first != nil && !slices.ContainsFunc(labs, func(lab *course.Lab) bool {
		err := m.servers[lab].err
		return err == nil || err.Error() != first.Error()
	}) {
		return nil, first
	}
	return m, nil
}

// isKit reports whether a submission is a copy of the kit: then its server/ is not what was asked for.
func isKit(dir string) bool {
	data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	return err == nil && strings.HasPrefix(string(data), "module posixlab\n")
}

// exercise builds the reference with some of its files replaced. The compiler runs in the sandbox; it
// runs nothing of the submission.
func (b *Builder) exercise(ctx context.Context, tmp string, replaced map[string][]byte) (string, error) {
	toolchain := b.behind(tmp)
	path, said, err := toolchain.Replaced(ctx, replaced)
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		// Whose fault it is, the reference tells: nobody loses points for a cache that cannot be read.
		if _, err := toolchain.Server(ctx, nil); err != nil {
			return "", fmt.Errorf("not even the reference can be built in the sandbox: %w", err)
		}
	}
	if err != nil {
		return "", b.failed(err, []byte(said))
	}
	return path, nil
}

// behind is the toolchain behind the wall, where it writes to a folder of its own.
func (b *Builder) behind(tmp string) *build.Builder {
	toolchain := *b.Go
	toolchain.Dir = tmp
	if b.Box.Wall != sandbox.None {
		toolchain.Run = func(ctx context.Context, job build.Job) ([]byte, error) {
			box := *b.Box
			box.Limits, box.Contained = Building, false
			box.Dir, box.Write, box.Read = job.Dir, []string{job.Tmp}, job.Read
			defer box.TakeBack(job.Tmp)
			return box.Run(ctx, job.Argv, append(box.Env(), job.Env...))
		}
	}
	return &toolchain
}

// CanBuild reports why the reference cannot be built in the sandbox.
func (b *Builder) CanBuild(ctx context.Context, tmp string) error {
	return b.behind(tmp).Warm(ctx, tmp)
}

// Building are the limits of a build.
var Building = sandbox.Limits{
	Processes: 500,
	Memory:    2 << 30,
	CPU:       sandbox.Usual.CPU * 5,
	Wall:      sandbox.Usual.Wall,
	FileSize:  256 << 20,
	Files:     4096,
	Output:    1 << 20,
	Disk:      512 << 20,
}
