package protocol

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// mustBeOneLine fails the test unless an error is a Refusal that is said in one line, without
// control bytes, in both languages: it goes to a client's screen.
func mustBeOneLine(t *testing.T, err error) {
	t.Helper()
	if _, ok := errors.AsType[*Refusal](err); !ok {
		t.Fatalf("the error %q is a %T and not a *Refusal", err, err)
	}
	for _, lang := range []Lang{English, Spanish} {
		reply := ErrorReply(lang, err)
		text, ended := strings.CutSuffix(reply, "\n")
		if !ended || !strings.HasPrefix(text, "Error: ") || strings.ContainsFunc(text, unicode.IsControl) ||
			!utf8.ValidString(text) {
			t.Errorf("in %s the reply is %q", lang, reply)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, names := range Names {
		for _, name := range names {
			f.Add(name)
		}
	}
	for _, line := range []string{
		"", " ", "\t", "LIST ", " list", "LIST x", "START", "START sleep 60", "start\t./a  b",
		"STOP", "STOP 1", "STOP 1 2", "STOP -1", "STOP 4294967298", "EXIT", "EXIT 0",
		"LIST\r", "LIST\x00", "LIST\x1b[2J", "\xff\xfe", "LIST\u0085", "START \u2028", "%s %d %!",
		"ſtop 2", "lıst", strings.Repeat("A", 41), "START " + strings.Repeat("x ", 1000),
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		req, err := Parse(line)
		if err != nil {
			mustBeOneLine(t, err)
			return
		}
		plain := strings.Join(append([]string{req.Verb.String()}, req.Args...), " ")
		again, err := Parse(plain)
		if err != nil {
			t.Fatalf("Parse(%q) is %v, but Parse(%q) fails: %v", line, req, plain, err)
		}
		if diff := cmp.Diff(req, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("Parse(%q) and Parse(%q) differ:\n%s", line, plain, diff)
		}
		for _, arg := range req.Args {
			if arg == "" || strings.ContainsAny(arg, " \t") {
				t.Errorf("Parse(%q): the argument %q", line, arg)
			}
		}
	})
}

func FuzzParsePID(f *testing.F) {
	for _, arg := range []string{
		"", "0", "1", "2", "00", "0002", "1234", "-1", "+5", "12a", "1a2", "0x10", "1e3", "1_0",
		"2147483647", "2147483648", "4294967295", "4294967298", "18446744073709551618",
		"99999999999999999999999999999999999999999", "٣", "\xff", "\x1b[2J", " 2", "2\n", "%d",
	} {
		f.Add(arg)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		pid, err := ParsePID(arg)
		if err != nil {
			mustBeOneLine(t, err)
			return
		}
		if pid < 2 || pid > MaxPID {
			t.Errorf("ParsePID(%q) = %d", arg, pid)
		}
		if printed := fmt.Sprint(pid); printed != strings.TrimLeft(arg, "0") {
			t.Errorf("ParsePID(%q) = %s", arg, printed)
		}
	})
}
