package report

import (
	"strings"
	"unicode"

	"posixlab/labs/internal/show"
)

// plain makes text that a student or her server wrote harmless to see, line by line: what a terminal
// would act on is escaped, what XML does not allow is replaced, and what would turn the direction of
// the text around it is taken out.
func plain(text string) string {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.Map(func(r rune) rune {
			switch {
			case unicode.Is(unicode.Bidi_Control, r):
				return -1
			case unicode.Is(unicode.Noncharacter_Code_Point, r):
				return unicode.ReplacementChar
			}
			return r
		}, show.Printable(line))
	}
	return strings.Join(lines, "\n")
}

// line is text in one line.
func line(text string) string {
	return plain(strings.Join(strings.Fields(text), " "))
}

// indent begins each line but the first with spaces.
func indent(text string, spaces int) string {
	return strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", spaces))
}
