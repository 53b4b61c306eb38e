package script

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"posixlab/labs/internal/show"
)

// stepCommand is what Prepare makes of a heading.
const stepCommand = "step"

// A script's comments in column 0: a heading, the same in Spanish, and a hint for whoever fails
// this step, in both languages. Without one, the scenario's own hint is given.
var comment = regexp.MustCompile(`^#(?:(es|hint|pista) |\s*)(.*)$`)

// Prepare turns each heading of a script into a command that begins the step: its number, how many
// there are, and heading and hint in the reader's language. Every line keeps its number.
func Prepare(txtar []byte, lang show.Lang) []byte {
	text, files, found := strings.Cut(string(txtar), "\n-- ")
	lines := strings.Split(text, "\n")
	steps := 0
	for _, line := range lines {
		if c := comment.FindStringSubmatch(line); c != nil && c[1] == "" {
			steps++
		}
	}
	step := 0
	for i, line := range lines {
		c := comment.FindStringSubmatch(line)
		if c == nil || c[1] != "" {
			continue
		}
		said := map[string]string{"": c[2]}
		for _, under := range lines[i+1:] {
			c := comment.FindStringSubmatch(under)
			if c == nil || c[1] == "" {
				break
			}
			said[c[1]] = c[2]
		}
		heading, hint := said[""], said["hint"]
		if lang == show.Spanish {
			heading, hint = cmp.Or(said["es"], heading), cmp.Or(said["pista"], hint)
		}
		step++
		lines[i] = fmt.Sprintf("%s %d %d %s %s", stepCommand, step, steps, quote(heading), quote(hint))
	}
	text = strings.Join(lines, "\n")
	if found {
		text += "\n-- " + files
	}
	return []byte(text)
}

// quote makes one argument of a text, as testscript reads it.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
