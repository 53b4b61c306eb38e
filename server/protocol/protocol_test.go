package protocol

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"
)

// said returns what an error says in English, "" for none, and fails the test if it is not a
// Refusal.
func said(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok {
		t.Fatalf("the error %q is a %T and not a *Refusal", err, err)
	}
	return refusal.Why.In(English, refusal.Args...)
}

func TestParse(t *testing.T) {
	const unknown = "unknown verb %s: say LIST, START cmd, STOP pid or EXIT"
	const control = "the line holds a control byte: send text, one request a line"
	const empty = "empty line: say LIST, START cmd, STOP pid or EXIT"
	tests := []struct {
		line    string
		want    Request
		refusal string
	}{
		{line: "LIST", want: Request{Verb: List}},
		{line: " \t LIST\t ", want: Request{Verb: List}},
		{line: "START sleep 60", want: Request{Start, []string{"sleep", "60"}}},
		{line: "START\tsleep  \t60 ", want: Request{Start, []string{"sleep", "60"}}},
		{line: `START echo "a b" ; $HOME | *`, want: Request{Start, []string{"echo", `"a`, `b"`, ";", "$HOME", "|", "*"}}},
		{line: "START ñandú 日本", want: Request{Start, []string{"ñandú", "日本"}}},
		{line: "STOP 12", want: Request{Stop, []string{"12"}}},
		{line: "STOP minus", want: Request{Stop, []string{"minus"}}}, // ParsePID is to judge it
		{line: "EXIT", want: Request{Verb: Exit}},

		{line: "", refusal: empty},
		{line: " \t ", refusal: empty},
		{line: "DANCE", refusal: fmt.Sprintf(unknown, `"DANCE"`)},
		{line: "LIS T", refusal: fmt.Sprintf(unknown, `"LIS"`)},
		{line: "LIST\u00a0", refusal: fmt.Sprintf(unknown, `"LIST\u00a0"`)}, // not a space of ours
		{line: strings.Repeat("é", 41), refusal: fmt.Sprintf(unknown, `"`+strings.Repeat("é", 40)+`"…`)},
		{line: "START", refusal: "START needs a program: START sleep 60"},
		{line: "run \t", refusal: "START needs a program: START sleep 60"},
		{line: "STOP", refusal: "STOP needs one pid: STOP 1234"},
		{line: "STOP 12 13", refusal: "STOP needs one pid: STOP 1234"},
		{line: "LIST all", refusal: "LIST takes no arguments"},
		{line: "ps aux", refusal: "LIST takes no arguments"},
		{line: "bye now", refusal: "EXIT takes no arguments"},
		{line: "LIST\x00", refusal: control},
		{line: "LIST\x1b[31m", refusal: control},
		{line: "LIST\x7f", refusal: control},
		{line: "LIST\u0085", refusal: control},
		{line: "LIST\r", refusal: control}, // the one before LF is taken off before
		{line: "LIST\xff", refusal: "the line is not valid UTF-8"},
		{line: "\xc3", refusal: "the line is not valid UTF-8"},
	}
	for _, test := range tests {
		got, err := Parse(test.line)
		if refusal := said(t, err); refusal != test.refusal {
			t.Errorf("Parse(%q): the error is %q, want %q", test.line, refusal, test.refusal)
		}
		if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("Parse(%q) (-want +got):\n%s", test.line, diff)
		}
	}
}

// TestAliases has its own copy of every name: existing clients depend on each.
func TestAliases(t *testing.T) {
	for verb, names := range map[Verb]string{
		List:  "LIST LISTAR LS PS LISTA VER SHOW MOSTRAR PROCESOS PROCESSES",
		Start: "START INICIAR RUN EJECUTAR LAUNCH LANZAR EXEC CORRER BEGIN EMPEZAR CREATE CREAR",
		Stop:  "STOP DETENER KILL MATAR END TERMINAR FINISH FINALIZAR CANCEL CANCELAR HALT PARAR",
		Exit:  "EXIT SALIR QUIT BYE ADIOS ADIÓS CLOSE CERRAR DISCONNECT DESCONECTAR",
	} {
		if diff := cmp.Diff(strings.Fields(names), Names[verb]); diff != "" {
			t.Errorf("the names of %s (-want +got):\n%s", verb, diff)
		}
		arg := map[Verb]string{Start: " true", Stop: " 1234"}[verb]
		for _, name := range strings.Fields(names) {
			for _, line := range []string{name, strings.ToLower(name), mixed(name)} {
				if got, err := Parse(line + arg); err != nil || got.Verb != verb {
					t.Errorf("Parse(%q) = %v, %v; want %v", line+arg, got.Verb, err, verb)
				}
			}
		}
	}
	if got := fmt.Sprint(List, Start, Stop, Exit); got != "LIST START STOP EXIT" {
		t.Errorf("the verbs call themselves %s", got)
	}
}

// mixed writes every second letter in capitals: lIsT.
func mixed(name string) string {
	letters := []rune(strings.ToLower(name))
	for i := 1; i < len(letters); i += 2 {
		letters[i] = unicode.ToUpper(letters[i])
	}
	return string(letters)
}

func TestParsePID(t *testing.T) {
	tests := []struct {
		arg     string
		want    int
		refusal string
	}{
		{arg: "2", want: 2},
		{arg: "1234", want: 1234},
		{arg: "0001234", want: 1234},
		{arg: strings.Repeat("0", 1000) + "7", want: 7},
		{arg: "2147483647", want: 2147483647},

		{arg: "0", refusal: "process 0 is protected"},
		{arg: "1", refusal: "process 1 is protected"},
		{arg: "00", refusal: "process 0 is protected"},
		{arg: "0001", refusal: "process 1 is protected"},
		{arg: "2147483648", refusal: `"2147483648" is not a pid: the largest is 2147483647`},
		{arg: "4294967296", refusal: `"4294967296" is not a pid: the largest is 2147483647`},
		{arg: "4294967298", refusal: `"4294967298" is not a pid: the largest is 2147483647`},
		{arg: "18446744073709551618", refusal: `"18446744073709551618" is not a pid: the largest is 2147483647`},
		{arg: strings.Repeat("9", 41), refusal: `"` + strings.Repeat("9", 40) + `"… is not a pid: the largest is 2147483647`},
	}
	for _, arg := range []string{"-1", "-2", "+5", "-", "abc", "12a", "a12", "1a2", "0x10", "1e3", "1_000", "1.5", "1,000", "٣", "१२", "²"} {
		tests = append(tests, struct {
			arg     string
			want    int
			refusal string
		}{arg: arg, refusal: strconv.Quote(arg) + " is not a pid: give decimal digits only"})
	}
	for _, test := range tests {
		got, err := ParsePID(test.arg)
		if refusal := said(t, err); got != test.want || refusal != test.refusal {
			t.Errorf("ParsePID(%q) = %d, %q; want %d, %q", test.arg, got, refusal, test.want, test.refusal)
		}
	}
}

func TestQuote(t *testing.T) {
	for s, want := range map[string]string{
		"":                        `""`,
		"plain":                   `"plain"`,
		"ñandú 日本":                `"ñandú 日本"`,
		`a"b\c`:                   `"a\"b\\c"`,
		"\x00\x1b[2J\a\r\n":       `"\x00\x1b[2J\a\r\n"`,
		"\xff\xfe":                `"\xff\xfe"`,
		"\u202e\u2028":            `"\u202e\u2028"`, // would turn or break the line
		strings.Repeat("é", 40):   `"` + strings.Repeat("é", 40) + `"`,
		strings.Repeat("é", 41):   `"` + strings.Repeat("é", 40) + `"…`,
		strings.Repeat("\xff", 9): `"` + strings.Repeat(`\xff`, 9) + `"`,
	} {
		if got := Quote(s); got != want {
			t.Errorf("Quote(%q) = %s, want %s", s, got, want)
		}
	}
}

func TestLangOf(t *testing.T) {
	tests := []struct {
		all, messages, lang string
		want                Lang
	}{
		{"", "", "", English},
		{"", "", "C.UTF-8", English},
		{"", "", "es_MX.UTF-8", Spanish},
		{"", "", "es", Spanish},
		{"", "en_US.UTF-8", "es_MX.UTF-8", English},
		{"", "es_MX.UTF-8", "en_US.UTF-8", Spanish},
		{"C", "es_MX.UTF-8", "es_MX.UTF-8", English},
		{"es_ES", "en_US", "en_US", Spanish},
		{"", "", "fr_FR.UTF-8", English},
	}
	for _, test := range tests {
		env := map[string]string{"LC_ALL": test.all, "LC_MESSAGES": test.messages, "LANG": test.lang}
		if got := LangOf(func(name string) string { return env[name] }); got != test.want {
			t.Errorf("LangOf with %v = %s, want %s", env, got, test.want)
		}
	}
}

func TestWaitStatus(t *testing.T) {
	tests := []struct {
		status uint32 // as wait(2) lays it out: exit status << 8 | core dump 0x80 | signal
		en, es string
	}{
		{0, "exited with status 0", "terminó con estado de salida 0"},
		{3 << 8, "exited with status 3", "terminó con estado de salida 3"},
		{255 << 8, "exited with status 255", "terminó con estado de salida 255"},
		{9, "was killed by signal 9 (SIGKILL)", "murió por la señal 9 (SIGKILL)"},
		{15, "was killed by signal 15 (SIGTERM)", "murió por la señal 15 (SIGTERM)"},
		{11 | 0x80, "was killed by signal 11 (SIGSEGV), core dumped", "murió por la señal 11 (SIGSEGV), con volcado de memoria"},
		{19<<8 | 0x7f, "changed state: 0x137f", "cambió de estado: 0x137f"},
		{0xffff, "changed state: 0xffff", "cambió de estado: 0xffff"},
	}
	for _, test := range tests {
		en := WaitStatus(English, unix.WaitStatus(test.status))
		es := WaitStatus(Spanish, unix.WaitStatus(test.status))
		if en != test.en || es != test.es {
			t.Errorf("WaitStatus of %#x: %q, %q; want %q, %q", test.status, en, es, test.en, test.es)
		}
	}
}

func TestErrno(t *testing.T) {
	tests := []struct {
		errno  unix.Errno
		en, es string
	}{
		{unix.ESRCH, "no such process (ESRCH)", "no existe ese proceso (ESRCH)"},
		{unix.EADDRINUSE, "address already in use (EADDRINUSE)", "la dirección ya está en uso (EADDRINUSE)"},
		{unix.ELOOP, "too many levels of symbolic links (ELOOP)", "too many levels of symbolic links (ELOOP)"},
	}
	for _, test := range tests {
		if en, es := Errno(English, test.errno), Errno(Spanish, test.errno); en != test.en || es != test.es {
			t.Errorf("Errno of %d: %q, %q; want %q, %q", test.errno, en, es, test.en, test.es)
		}
	}
	for errno, m := range errnos {
		if m.EN != errno.Error() {
			t.Errorf("%s in English is %q, and strerror(3) says %q", unix.ErrnoName(errno), m.EN, errno.Error())
		}
	}
}

func TestErrorReply(t *testing.T) {
	refusal := Refuse(CannotStop, 77, unix.ESRCH)
	for _, test := range []struct {
		lang Lang
		err  error
		want string
	}{
		{English, refusal, "Error: cannot stop process 77: kill: no such process (ESRCH)\n"},
		{Spanish, refusal, "Error: no se puede detener el proceso 77: kill: no existe ese proceso (ESRCH)\n"},
		{Spanish, fmt.Errorf("within: %w", refusal), "Error: no se puede detener el proceso 77: kill: no existe ese proceso (ESRCH)\n"},
		{Spanish, errors.New("plain"), "Error: plain\n"},
	} {
		if got := ErrorReply(test.lang, test.err); got != test.want {
			t.Errorf("ErrorReply(%s, %v) = %q, want %q", test.lang, test.err, got, test.want)
		}
	}
	if got := refusal.Error(); got != "cannot stop process 77: kill: no such process (ESRCH)" {
		t.Errorf("Error() = %q", got)
	}
}

// TestMessages reads the source: whatever is said in one language is said in the other, with the
// same format verbs in the same order.
func TestMessages(t *testing.T) {
	verb := regexp.MustCompile(`%[-+# 0]*[0-9.*]*.`)
	found := 0
	for _, pattern := range []string{"*.go", "../*.go"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v, %v", pattern, names, err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, literal := range messagesIn(file) {
				found++
				at := files.Position(literal.Pos())
				en, es := textsOf(literal)
				if strings.TrimSpace(en) == "" || strings.TrimSpace(es) == "" {
					t.Errorf("%s: a message lacks a language: EN %q, ES %q", at, en, es)
				}
				if diff := cmp.Diff(verb.FindAllString(en, -1), verb.FindAllString(es, -1)); diff != "" {
					t.Errorf("%s: the format verbs differ (-EN +ES):\n%s", at, diff)
				}
			}
		}
	}
	if found < 50 {
		t.Errorf("found only %d messages: does this test still know how they are written?", found)
	}
}

// messagesIn finds the literals of type Message, also those whose type a map's type leaves out.
func messagesIn(file *ast.File) (found []*ast.CompositeLit) {
	ast.Inspect(file, func(node ast.Node) bool {
		literal, ok := node.(*ast.CompositeLit)
		if !ok {
			return true
		}
		if isMessage(literal.Type) {
			found = append(found, literal)
		}
		var of ast.Expr
		switch typ := literal.Type.(type) {
		case *ast.MapType:
			of = typ.Value
		case *ast.ArrayType:
			of = typ.Elt
		}
		if !isMessage(of) {
			return true
		}
		for _, element := range literal.Elts {
			if pair, ok := element.(*ast.KeyValueExpr); ok {
				element = pair.Value
			}
			if inner, ok := element.(*ast.CompositeLit); ok && inner.Type == nil {
				found = append(found, inner)
			}
		}
		return true
	})
	return found
}

func isMessage(typ ast.Expr) bool {
	switch typ := typ.(type) {
	case *ast.Ident:
		return typ.Name == "Message"
	case *ast.SelectorExpr:
		return typ.Sel.Name == "Message"
	}
	return false
}

// textsOf returns a literal's two texts, given by name or by place; "" for one that it lacks or
// that is not a plain string.
func textsOf(literal *ast.CompositeLit) (en, es string) {
	for i, element := range literal.Elts {
		field := [...]string{"EN", "ES"}[i]
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			field, element = pair.Key.(*ast.Ident).Name, pair.Value
		}
		text, ok := element.(*ast.BasicLit)
		if !ok {
			continue
		}
		value, _ := strconv.Unquote(text.Value)
		if field == "EN" {
			en = value
		} else {
			es = value
		}
	}
	return en, es
}
