package script

import (
	"fmt"
	"regexp"
	"strings"

	"posixlab/labs/internal/show"
)

// stepCommand is what Prepare makes of a heading.
const stepCommand = "step"

var heading = regexp.MustCompile(`^#(?:(es) |\s*)(.*)$`)

// Prepare turns each heading of a script into a command that shows it, in the reader's language,
// as the step begins. Every line keeps its number.
func Prepare(txtar []byte, lang show.Lang) []byte {
	text, files, found := strings.Cut(string(txtar), "\n-- ")
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		head := heading.FindStringSubmatch(line)
		if head == nil || head[1] != "" {
			continue
		}
		said := head[2]
		if i+1 < len(lines) {
			if es := heading.FindStringSubmatch(lines[i+1]); es != nil && es[1] == "es" && lang == show.Spanish {
				said = es[2]
			}
		}
		lines[i] = fmt.Sprintf("%s '%s'", stepCommand, strings.ReplaceAll(said, "'", "''"))
	}
	text = strings.Join(lines, "\n")
	if found {
		text += "\n-- " + files
	}
	return []byte(text)
}
