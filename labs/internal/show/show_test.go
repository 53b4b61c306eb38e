package show

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func widest(text string) (n int) {
	for line := range strings.Lines(text) {
		n = max(n, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")))
	}
	return n
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text, indent string
		width        int
		want         string
	}{
		{"", "  ", 10, ""},
		{"one", "  ", 10, "  one"},
		{"one two three", "", 7, "one two\nthree"},
		{"one two three", "  ", 9, "  one two\n  three"},
		{" one\n two\t ", "", 80, "one two"},
		{"ñandú ñandú", "", 11, "ñandú ñandú"},
		{"ñandú ñandú", "", 10, "ñandú\nñandú"},
	} {
		if got := Wrap(c.text, c.indent, c.width); got != c.want {
			t.Errorf("Wrap(%q, %q, %d) = %q; want %q", c.text, c.indent, c.width, got, c.want)
		}
	}
	text := strings.Repeat("El kernel completa los saludos y forma las conexiones en una cola; ", 20)
	wrapped := Wrap(text, "        ", Width)
	if n := widest(wrapped); n > Width {
		t.Errorf("%d columns", n)
	}
	if diff := cmp.Diff(strings.Fields(text), strings.Fields(wrapped)); diff != "" {
		t.Error(diff)
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"plain, ñ, 日本, tab\tand all": "plain, ñ, 日本, tab\tand all",
		"\x1b[31mred":                `\x1b[31mred`,
		"\x00\x07\n\r":               `\x00\x07\x0a\x0d`,
		"\xff\xfe":                   `\xff\xfe`,
		"\x7f":                       `\x7f`,
		"\uFFFD":                     "\uFFFD", // sent as such, it is text
	} {
		if got := Printable(text); got != want {
			t.Errorf("Printable(%q) = %q; want %q", text, got, want)
		}
	}
	for _, text := range []string{"\u009b31m", "\u0080", "a\xc3"} { // C1: a terminal acts on these too
		if got := Printable(text); !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) {
			t.Errorf("Printable(%q) = %q", text, got)
		}
	}
}

func TestTableLines(t *testing.T) {
	table := Table{
		Source: "/proc/net/tcp",
		Head:   []Text{{"local", "local"}, {"remote", "remoto"}, {"state", "estado"}, {"unread", "sin leer"}, {"inode", "inodo"}, {"process:fd", "proceso:fd"}},
		Rows: [][]string{
			{"0.0.0.0:5002", "*", "LISTEN", "0", "4294967295", "servidor:10"},
			{"127.0.0.1:65535", "127.0.0.1:65534", "ESTABLISHED", "65536", "42949672", "servidor:1000"},
		},
		Marked: map[int]bool{1: true},
		More:   7,
	}
	for _, lang := range []Lang{English, Spanish} {
		lines := table.Lines(lang)
		if len(lines) != 5 || lines[0] != table.Source || !strings.HasPrefix(lines[3], "▸ 127.0.0.1:65535") ||
			!strings.HasPrefix(lines[2], "  0.0.0.0") || !strings.Contains(lines[4], "7") {
			t.Errorf("%s: %q", lang, lines)
		}
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); n > Width || line != strings.TrimRight(line, " ") {
				t.Errorf("%s: %d columns: %q", lang, n, line)
			}
		}
	}
	short := Table{Source: "/proc/1/cmdline", Head: []Text{{"argv", "argv"}}}
	if diff := cmp.Diff([]string{"/proc/1/cmdline", "  argv"}, short.Lines(English)); diff != "" {
		t.Error(diff)
	}
}

func TestClip(t *testing.T) {
	for _, c := range []struct {
		line  string
		width int
		want  string
	}{
		{"", 3, ""}, {"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"ñññ", 3, "ñññ"}, {"ñññññ", 3, "ññ…"},
	} {
		if got := clip(c.line, c.width); got != c.want {
			t.Errorf("clip(%q, %d) = %q; want %q", c.line, c.width, got, c.want)
		}
	}
}

// TestNarrow narrates things that are too wide, and has none of it leave the 80 columns.
func TestNarrow(t *testing.T) {
	long := strings.Repeat("una línea larguísima ", 20)
	for _, lang := range []Lang{English, Spanish} {
		var out bytes.Buffer
		n := NewNarrator(&out, lang, false)
		n.Scene("name", "about", long)
		n.Step(long)
		n.Sends("ana", long)
		n.Hears("ana", []byte(long+"\x1b[2J\n"+strings.Repeat("x\n", 100)))
		n.Note(Text{long, long})
		n.Evidence(Table{Source: long, Head: []Text{{long, long}}, Rows: [][]string{{long, long, long}}})
		n.Patch("--- a/f\n+++ b/f\n@@ -1 +1 @@\n-\t" + long + "\n+\t" + long + "\n")
		n.Paragraph("label", long)
		n.Block([]string{long})
		n.EndStep()
		n.Step("short")
		n.FailStep()
		if n := widest(out.String()); n > Width {
			t.Errorf("%s: %d columns:\n%s", lang, n, out.String())
		}
		if strings.Contains(out.String(), "\x1b") {
			t.Errorf("%s: an escape sequence, and colour is off", lang)
		}
	}
}

func TestMuteAndBrief(t *testing.T) {
	var out bytes.Buffer
	n := NewNarrator(&out, English, false)
	if was := n.Mute(true); was {
		t.Error("muted from the start")
	}
	n.Step("a")
	n.Note(Text{"b", "b"})
	if was := n.Mute(false); !was || out.Len() > 0 {
		t.Errorf("muted: %v; said %q", was, out.String())
	}
	n.Brief = true
	n.Step("c")
	n.Note(Text{"d", "d"})
	if said := out.String(); !strings.Contains(said, "c") || strings.Contains(said, "d") {
		t.Errorf("brief: %q", said)
	}
}

func TestColour(t *testing.T) {
	var out bytes.Buffer
	NewNarrator(&out, English, true).Verdict(true, "x")
	if !strings.Contains(out.String(), "\x1b[") {
		t.Errorf("%q", out.String())
	}
}

func TestText(t *testing.T) {
	text := Text{EN: "%d of %s", ES: "%[2]s: %[1]d"}
	if got := text.In(English, 1, Text{"dogs", "perros"}); got != "1 of dogs" {
		t.Error(got)
	}
	if got := text.In(Spanish, 1, Text{"dogs", "perros"}); got != "perros: 1" {
		t.Error(got)
	}
	if got := (Text{EN: "100%", ES: "100 %"}).In(English); got != "100%" {
		t.Error(got)
	}
}

func TestLang(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want Lang
	}{
		{nil, English},
		{map[string]string{"LANG": "es_MX.UTF-8"}, Spanish},
		{map[string]string{"LANG": "es_MX.UTF-8", "LC_ALL": "C"}, English},
		{map[string]string{"LANG": "en_US", "LC_MESSAGES": "es"}, Spanish},
		{map[string]string{"LANG": "fr_FR"}, English},
	} {
		if got := LangOf(func(name string) string { return c.env[name] }); got != c.want {
			t.Errorf("%v: %s", c.env, got)
		}
	}
	for text, want := range map[string]Lang{"en": English, "es": Spanish, "ES": "", "": "", "fr": ""} {
		if got, err := ParseLang(text); got != want || (err == nil) != (want != "") {
			t.Errorf("ParseLang(%q) = %q, %v", text, got, err)
		}
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 65536: "65,536", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := Thousands(n); got != want {
			t.Errorf("Thousands(%d) = %s", n, got)
		}
	}
	for d, want := range map[time.Duration]string{1500 * time.Microsecond: "1.5 ms", time.Second: "1.0 s", 12340 * time.Millisecond: "12.3 s"} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%v) = %s", d, got)
		}
	}
	if got := Command([]string{"/a/b/server", "-port", "0", "\x1b"}); got != `server -port 0 \x1b` {
		t.Error(got)
	}
	if got := fmt.Sprint(Lang("en")); got != "en" {
		t.Error(got)
	}
}

// TestDifference shows a table that has changed: what was and what is, row by row.
func TestDifference(t *testing.T) {
	head := []Text{{"field", "campo"}, {"value", "valor"}}
	before := Table{Source: "/proc/7/status", Head: head, Rows: [][]string{{"a", "1"}, {"b", "2"}, {"c", "3"}}}
	after := Table{Source: "/proc/7/status", Head: head, Rows: [][]string{{"a", "1"}, {"b", "20"}, {"d", "4"}}}
	var out bytes.Buffer
	NewNarrator(&out, English, false).Difference(before, after)
	const want = `    /proc/7/status
      field  value
      a      1
    - b      2
    + b      20
    + d      4
    - c      3
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// TestReader reads lines as a person types them, and leaves the rest to the next reader.
func TestReader(t *testing.T) {
	in := strings.NewReader("one\n\ntwo\nunended")
	r := &Reader{In: in}
	for _, want := range []string{"one", "", "two"} {
		if line, ok := r.Line(); line != want || !ok {
			t.Errorf("%q, %v; want %q", line, ok, want)
		}
	}
	if in.Len() != len("unended") {
		t.Errorf("%d bytes are left for the next reader", in.Len())
	}
	if line, ok := r.Line(); line != "" || ok {
		t.Errorf("at the end: %q, %v", line, ok)
	}
	if _, ok := r.Line(); ok {
		t.Error("after the end")
	}
}

// TestNoteWraps shows a long fact to its end.
func TestNoteWraps(t *testing.T) {
	var out bytes.Buffer
	NewNarrator(&out, English, false).Note(Text{"%s the end", "%s el fin"}, strings.Repeat("word ", 40))
	if n := widest(out.String()); n > Width || !strings.HasSuffix(out.String(), "the end\n") {
		t.Errorf("%d columns:\n%s", n, out.String())
	}
}
