// Package submission takes what students hand in, and makes servers of it. None of it is trusted: names
// and links in it lead nowhere else, and nothing of it runs outside of a sandbox.
package submission

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"posixlab/labs/internal/show"
)

// A Source is a submission as it was handed in: a folder, a .zip or a .tar.gz.
type Source struct {
	Name string // of the folder, or of the archive without its extension
	Path string // "": nothing was handed in
}

// How much a submission may hold.
const (
	mostBytes   = 64 << 20
	mostFiles   = 5000
	longestName = 1000 // bytes, with the folders
	deepest     = 50   // folders within one another
)

// archives are the extensions of archives, and how each is read: open is told of every file.
var archives = map[string]func(name string, open func(name string, mode fs.FileMode, body io.Reader) error) error{
	".zip":    readZip,
	".tar.gz": readTarGz,
	".tgz":    readTarGz,
}

func extension(name string) string {
	for ext := range archives {
		if strings.HasSuffix(strings.ToLower(name), ext) {
			return ext
		}
	}
	return ""
}

// Named is the submission at a path.
func Named(at string) Source {
	name := filepath.Base(at)
	return Source{name[:len(name)-len(extension(name))], at}
}

// List finds the submissions of a class: every folder and every archive in dir, by name, but for what
// begins with a dot. Two of one name are an error.
func List(dir string) (sources []Source, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") || !entry.IsDir() && extension(entry.Name()) == "" {
			continue
		}
		source := Named(filepath.Join(dir, entry.Name()))
		if i := slices.IndexFunc(sources, func(s Source) bool { return s.Name == source.Name }); i >= 0 {
			return nil, fmt.Errorf("%s and %s are two submissions of one name: rename or remove one", sources[i].Path, source.Path)
		}
		sources = append(sources, source)
	}
	if len(sources) == 0 {
		return nil, fmt.Errorf("%s holds no submission: a folder, a .zip or a .tar.gz for each is expected", dir)
	}
	return sources, nil
}

// A Refusal says why nothing could be made of a submission: its author's affair, and not ours.
type Refusal struct {
	Why  show.Text
	args []any
	Said []string // by a compiler, or by make
}

func (r *Refusal) Error() string { return r.In(show.English) }

// In says why in a language.
func (r *Refusal) In(lang show.Lang) string { return r.Why.In(lang, r.args...) }

func refuse(en, es string, args ...any) error {
	return &Refusal{Why: show.Text{EN: en, ES: es}, args: args}
}

// Take copies a submission into an empty folder: folders and plain files, no more than so many. A link,
// a name that leads out of the folder, or a broken archive is a Refusal.
func (s Source) Take(into string) error {
	if s.Path == "" {
		return refuse("nothing was handed in", "no se entregó nada")
	}
	root, err := os.OpenRoot(into)
	if err != nil {
		return err
	}
	defer root.Close()
	bytes, files := 0, 0
	take := func(name string, mode fs.FileMode, body io.Reader) error {
		name = path.Clean(strings.ReplaceAll(name, `\`, "/"))
		if ignored(name) {
			return nil
		}
		if files++; files > mostFiles {
			return refuse("it holds more than %d files", "contiene más de %d archivos", mostFiles)
		}
		switch {
		case len(name) > longestName || strings.Count(name, "/") > deepest || strings.Contains(name, "\x00"):
			return refuse("it holds a name that is too long, or too many folders within one another: %.40q…",
				"contiene un nombre demasiado largo, o demasiadas carpetas una dentro de otra: %.40q…", name)
		case !filepath.IsLocal(name):
			return refuse("it holds a name that leads out of its folder: %q", "contiene un nombre que sale de su carpeta: %q", name)
		case mode.IsDir():
			if err := root.MkdirAll(name, 0o755); err != nil {
				return odd(name, err)
			}
			return nil
		case !mode.IsRegular():
			return refuse("it holds %q, which is neither a file nor a folder (a link, perhaps): hand in plain files",
				"contiene %q, que no es archivo ni carpeta (quizá un enlace): entrega archivos simples", name)
		}
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return odd(name, err)
		}
		file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644|mode&0o111)
		if err != nil {
			return odd(name, err)
		}
		n, err := io.Copy(file, io.LimitReader(body, int64(mostBytes-bytes+1)))
		if err = errors.Join(err, file.Close()); err != nil {
			return broken(err)
		}
		if bytes += int(n); bytes > mostBytes {
			return refuse("it holds more than %d MiB", "contiene más de %d MiB", mostBytes>>20)
		}
		return nil
	}
	read := archives[extension(s.Path)]
	if info, err := os.Stat(s.Path); err != nil {
		return err
	} else if info.IsDir() || read == nil {
		read = readFolder
	}
	return read(s.Path, take)
}

// ignored is what no author means to hand in.
func ignored(name string) bool {
	for _, part := range strings.Split(name, "/") {
		if part == ".git" || part == "__MACOSX" || part == ".DS_Store" {
			return true
		}
	}
	return false
}

// odd is about a name that cannot be made: twice the same, a file that is also a folder, one too long.
func odd(name string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return err
	}
	return refuse("its file %q cannot be made (%v)", "su archivo %q no se puede crear (%v)", name, err)
}

func broken(err error) error {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return err // of a file of ours
	}
	return refuse("it cannot be read (%v)", "no se puede leer (%v)", err)
}

func readFolder(dir string, take func(string, fs.FileMode, io.Reader) error) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if entry.IsDir() && ignored(name) {
			return fs.SkipDir
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return take(name, info.Mode(), nil)
		}
		file, err := root.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		return take(name, info.Mode(), file)
	})
}

func readZip(name string, take func(string, fs.FileMode, io.Reader) error) error {
	archive, err := zip.OpenReader(name)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return broken(err)
	}
	defer archive.Close()
	for _, f := range archive.File {
		body, err := f.Open()
		if err != nil {
			return broken(err)
		}
		err = take(f.Name, f.Mode(), body)
		body.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func readTarGz(name string, take func(string, fs.FileMode, io.Reader) error) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		return broken(err)
	}
	archive := tar.NewReader(unpacked)
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return broken(err)
		}
		mode := header.FileInfo().Mode()
		if header.Typeflag == tar.TypeLink { // whose mode is that of a plain file
			mode |= fs.ModeIrregular
		}
		if header.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if err := take(header.Name, mode, archive); err != nil {
			return err
		}
	}
}
