package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"posixlab/labs/internal/script"
	"posixlab/labs/internal/show"
)

// TestTextsInCode looks at every show.Text and protocol.Message in the module's source: both
// languages are there, and are formats for the same arguments.
func TestTextsInCode(t *testing.T) {
	root := loadKit(t).course.Root
	found := 0
	for _, path := range files(t, root, "*.go") {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		positions := token.NewFileSet()
		file, err := parser.ParseFile(positions, filepath.Join(root, path), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		eachText(file, file.Name.Name, func(lit *ast.CompositeLit) {
			found++
			where := fmt.Sprintf("%s:%d", path, positions.Position(lit.Pos()).Line)
			sameInBoth(t, where, lit)
		})
	}
	if found < 100 {
		t.Errorf("only %d texts were found in the source: this test does not see them", found)
	}
}

// eachText calls f for each literal of one of the two types, also where a slice, an array or a map
// of them lets the type be left out.
func eachText(file *ast.File, pkg string, f func(*ast.CompositeLit)) {
	isText := func(typ ast.Expr) bool {
		switch typ := typ.(type) {
		case *ast.SelectorExpr:
			x, ok := typ.X.(*ast.Ident)
			return ok && (x.Name+"."+typ.Sel.Name == "show.Text" || x.Name+"."+typ.Sel.Name == "protocol.Message")
		case *ast.Ident:
			return pkg+"."+typ.Name == "show.Text" || pkg+"."+typ.Name == "protocol.Message"
		}
		return false
	}
	elem := func(typ ast.Expr) ast.Expr {
		switch typ := typ.(type) {
		case *ast.ArrayType:
			return typ.Elt
		case *ast.MapType:
			return typ.Value
		}
		return nil
	}
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		if isText(lit.Type) {
			f(lit)
		}
		for _, e := range lit.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok {
				e = kv.Value
			}
			if inner, ok := e.(*ast.CompositeLit); ok && inner.Type == nil && isText(elem(lit.Type)) {
				f(inner)
			}
		}
		return true
	})
}

// sameInBoth checks one literal.
func sameInBoth(t *testing.T, where string, lit *ast.CompositeLit) {
	said := make(map[string]ast.Expr)
	for i, e := range lit.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			said[kv.Key.(*ast.Ident).Name] = kv.Value
		} else {
			said[[]string{"EN", "ES"}[i]] = e
		}
	}
	if said["EN"] == nil || said["ES"] == nil {
		t.Errorf("%s: a language is missing", where)
		return
	}
	en, enKnown := constant(said["EN"])
	es, esKnown := constant(said["ES"])
	if enKnown != esKnown {
		t.Errorf("%s: one language is a constant, the other is not", where)
	}
	if !enKnown || !esKnown {
		return // read from a file: other tests look there
	}
	if en == "" || es == "" {
		t.Errorf("%s: a language is empty: %q, %q", where, en, es)
	}
	if diff := cmp.Diff(verbs(en), verbs(es)); diff != "" {
		t.Errorf("%s: the formats take other arguments (-en +es):\n%s\t%q\n\t%q", where, diff, en, es)
	}
}

// constant is the value of a string expression, or the format of a fmt.Sprintf.
func constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		left, ok := constant(e.X)
		right, ok2 := constant(e.Y)
		return left + right, ok && ok2 && e.Op == token.ADD
	case *ast.ParenExpr:
		return constant(e.X)
	case *ast.CallExpr:
		if f, ok := e.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Sprintf" {
			return constant(e.Args[0])
		}
	}
	return "", false
}

var verb = regexp.MustCompile(`%[-+# 0]*(?:\[(\d+)\])?(\*|\d+)?(?:\.(?:\*|\d+))?(?:\[(\d+)\])?([a-zA-Z%])`)

// verbs maps each argument of a format, from 1, to the verbs that print it.
func verbs(format string) map[int][]string {
	args := make(map[int][]string)
	next := 1
	for _, v := range verb.FindAllStringSubmatch(format, -1) {
		if v[4] == "%" {
			continue
		}
		if n, err := strconv.Atoi(v[1] + v[3]); err == nil {
			next = n
		}
		args[next] = append(args[next], v[4])
		next++
	}
	return args
}

// question is a prediction: a question in both languages, and an answer. In Spanish it has its mark.
var question = regexp.MustCompile(`^predict '[^']+\?[^']*' '[^']*¿[^']+\?[^']*' \S`)

var hint = regexp.MustCompile(`^#(hint|pista) +\S`)

// TestHeadings looks at every script: each heading, and each hint under one, is there in both languages, and not too long to
// be read aloud.
func TestHeadings(t *testing.T) {
	const longest = 110
	all := loadHidden(t)
	for _, sc := range all.Scenarios() {
		data, err := os.ReadFile(sc.Script)
		if err != nil {
			t.Fatal(err)
		}
		story, _, _ := strings.Cut(string(data), "\n-- ")
		lines := strings.Split(story, "\n")
		steps := 0
		for i, line := range lines {
			where := fmt.Sprintf("%s.txtar:%d", sc.ID(), i+1)
			english := strings.HasPrefix(line, "# ")
			spanish := strings.HasPrefix(line, "#es ")
			switch {
			case english && (i+1 == len(lines) || !strings.HasPrefix(lines[i+1], "#es ")):
				t.Errorf("%s: no #es line follows", where)
			case spanish && (i == 0 || !strings.HasPrefix(lines[i-1], "# ")):
				t.Errorf("%s: no heading stands before it", where)
			case strings.HasPrefix(line, "#hint ") && (i+1 == len(lines) || !strings.HasPrefix(lines[i+1], "#pista ")):
				t.Errorf("%s: no #pista line follows", where)
			case strings.HasPrefix(line, "#pista ") && (i == 0 || !strings.HasPrefix(lines[i-1], "#hint ")):
				t.Errorf("%s: no #hint stands before it", where)
			case strings.HasPrefix(line, "#") && !english && !spanish && !hint.MatchString(line):
				t.Errorf("%s: neither a heading, nor a hint, nor a translation: %q", where, line)
			}
			if strings.HasPrefix(line, "predict ") && !question.MatchString(line) {
				t.Errorf("%s: want predict 'English?' 'Spanish?' ANSWER: %q", where, line)
			}
			if english || spanish {
				_, text, _ := strings.Cut(line, " ")
				if n := utf8.RuneCountInString(text); n > longest || strings.TrimSpace(text) == "" {
					t.Errorf("%s: %d characters; at least 1 and at most %d", where, n, longest)
				}
				steps++
			}
		}
		if steps < 4 {
			t.Errorf("%s: a story has at least two steps", sc.ID())
		}
	}
	scripts := files(t, all.Root, "*.txtar")
	if len(scripts) != len(all.Scenarios()) {
		t.Errorf("%d scripts and %d scenarios in lab.toml", len(scripts), len(all.Scenarios()))
	}
}

// TestTextsInData looks at every lab.toml and at the header of every known-bad server.
func TestTextsInData(t *testing.T) {
	all := loadHidden(t)
	both := func(where string, text show.Text) {
		if strings.TrimSpace(text.EN) == "" || strings.TrimSpace(text.ES) == "" {
			t.Errorf("%s: a language is missing: %q, %q", where, text.EN, text.ES)
		}
		if text.EN == text.ES {
			t.Errorf("%s: the same in both languages: %q", where, text.EN)
		}
	}
	for _, lab := range all.Labs {
		both(lab.Name+" title", lab.Title)
		both(lab.Name+" topic", lab.Topic)
		if lab.Slide == "" {
			t.Errorf("%s: no slide", lab.Name)
		}
		var own []string
		for _, sc := range lab.Scenarios {
			both(sc.ID()+" claim", sc.Claim)
			both(sc.ID()+" hint", sc.Hint)
			own = append(own, sc.Bugs...)
		}
		slices.Sort(own)
		if n := len(slices.Compact(own)); n < 3 && !lab.Hidden {
			t.Errorf("%s: %d known-bad servers; at least 3", lab.Name, n)
		}
	}
	for name, bug := range all.Bugs {
		both(name+" title", bug.Title)
		both(name+" lesson", bug.Lesson)
	}
}

// TestDocuments looks at what students read: each document is there in both languages, with the
// same outline and the same code.
func TestDocuments(t *testing.T) {
	root := loadKit(t).course.Root
	documents := []string{"README.md", "labs/README.md", "labs/VOCABULARY.md", "slides/README.md", "slides/MAP.md"}
	for _, lab := range loadKit(t).course.Labs {
		documents = append(documents, "labs/"+lab.Name+"/README.md") // its sheet
	}
	for _, pattern := range []string{"labs/*/*.md", "testdata/*/README*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			name, _ := filepath.Rel(root, path)
			documents = append(documents, strings.TrimSuffix(strings.TrimSuffix(name, ".md"), ".es")+".md")
		}
	}
	slices.Sort(documents)
	for _, name := range slices.Compact(documents) {
		t.Run(name, func(t *testing.T) {
			en, err := os.ReadFile(filepath.Join(root, name))
			if err != nil {
				t.Error(err)
			}
			es, err2 := os.ReadFile(filepath.Join(root, strings.TrimSuffix(name, ".md")+".es.md"))
			if err2 != nil {
				t.Error(err2)
			}
			if err != nil || err2 != nil {
				return
			}
			if diff := cmp.Diff(parseDocument(en), parseDocument(es)); diff != "" {
				t.Errorf("outline and code (-en +es):\n%s", diff)
			}
		})
	}
}

// A document is what is the same of it in each language.
type document struct {
	Headings []int      // their levels
	Code     [][]string // the lines of each fenced block
}

// A heading's number of # is its level. In code, comments are translated; and where a block shows
// a session, only what was typed, after $, is the same in both languages.
func parseDocument(data []byte) (d document) {
	var block []string
	fence := ""
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\r\n")
		bare := strings.TrimSpace(line)
		switch {
		case fence == "" && (strings.HasPrefix(bare, "```") || strings.HasPrefix(bare, "~~~")):
			fence = bare[:3]
			block = []string{bare}
		case fence == "" && strings.HasPrefix(line, "#"):
			d.Headings = append(d.Headings, len(line)-len(strings.TrimLeft(line, "#")))
		case fence != "" && bare == fence:
			d.Code = append(d.Code, codeOf(block))
			fence = ""
		case fence != "":
			block = append(block, line)
		}
	}
	return d
}

// narrated is the info string of blocks that show what a program said.
var narrated = []string{"```text", "```console"}

func codeOf(block []string) (code []string) {
	for i, line := range block {
		bare := strings.TrimSpace(line)
		typed := strings.HasPrefix(bare, "$ ")
		switch {
		case i > 0 && strings.HasPrefix(bare, "#"):
		case i > 0 && slices.Contains(narrated, block[0]) && !typed:
		default:
			if before, _, found := strings.Cut(line, "  # "); found && i > 0 { // a comment at the end of a line
				line = strings.TrimRight(before, " ")
			}
			code = append(code, line)
		}
	}
	return code
}

// TestVocabulary compares labs/VOCABULARY.md with the code that it is generated from.
func TestVocabulary(t *testing.T) {
	for lang, name := range map[show.Lang]string{show.English: "VOCABULARY.md", show.Spanish: "VOCABULARY.es.md"} {
		data, err := os.ReadFile(filepath.Join(loadKit(t).course.Root, "labs", name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(script.Markdown(lang), string(data)); diff != "" {
			t.Errorf("labs/%s: run make vocabulary (-want +got):\n%s", name, diff)
		}
	}
	if bytes.Equal([]byte(script.Markdown(show.English)), []byte(script.Markdown(show.Spanish))) {
		t.Error("the vocabulary is the same in both languages")
	}
}

// files returns the files of the project whose names match, by their paths in it.
func files(t *testing.T, root, pattern string) (found []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if match, _ := filepath.Match(pattern, d.Name()); match && !d.IsDir() {
			found = append(found, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
