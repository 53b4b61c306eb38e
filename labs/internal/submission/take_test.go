package submission

import (
	"archive/zip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOddNames has an archive whose names cannot be made be its author's affair: a Refusal, and no error that
// would stop the grading of a class.
func TestOddNames(t *testing.T) {
	for what, names := range map[string][]string{
		"a file and a folder of one name": {"a", "a/"},
		"a folder and a file of one name": {"a/", "a"},
		"a file within a file":            {"a", "a/b"},
		"a long name":                     {strings.Repeat("x", 300)},
		"a long folder":                   {strings.Repeat("x", 300) + "/"},
		"a long path":                     {strings.Repeat("xxxxxxxxx/", 400) + "a"},
		"many folders":                    {strings.Repeat("x/", 60) + "a"},
		"a NUL":                           {"a\x00b/"},
		"upwards":                         {"../a/"},
		"a file twice":                    {"a", "a"},
	} {
		archive := filepath.Join(t.TempDir(), "ana.zip")
		file, err := os.Create(archive)
		if err != nil {
			t.Fatal(err)
		}
		packed := zip.NewWriter(file)
		for _, name := range names {
			if _, err := packed.Create(name); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(packed.Close(), file.Close()); err != nil {
			t.Fatal(err)
		}
		err = Named(archive).Take(t.TempDir())
		if _, refused := errors.AsType[*Refusal](err); !refused {
			t.Errorf("%s: %v", what, err)
		}
	}
}
