package script

import (
	"slices"
	"strconv"
	"strings"

	"posixlab/labs/internal/show"
)

// Predictions counts what a student was asked, and what came true.
type Predictions struct {
	Asked int `json:"asked"`
	Right int `json:"right"`
}

// cmdPredict asks a student before the story reveals the answer. Without somebody to ask, and for
// whoever just presses Enter, the story goes on.
func (s *Story) cmdPredict(c *call) error {
	if len(c.args) < 3 {
		return misuse("wrong number of arguments")
	}
	if s.Ask == nil {
		return nil
	}
	question := show.Text{EN: c.args[0], ES: c.args[1]}
	answer, ok := s.Ask(s.say(question))
	if answer = plain(answer); !ok || answer == "" {
		return nil
	}
	s.Predictions.Asked++
	accepted, own := s.answers(strings.Join(c.args[2:], " "))
	if matches(answer, accepted) {
		s.Predictions.Right++
		s.Out.Foretold(true, s.say(show.Text{EN: "so it is", ES: "así es"}))
	} else {
		s.Out.Foretold(false, s.say(show.Text{EN: "it is: %s", ES: "es: %s"}, own))
	}
	return nil
}

// matches reports whether an answer is one of those that are right, begins with one as a word, or has a
// long one among its words.
func matches(answer string, accepted []string) bool {
	const long = 4
	words := strings.FieldsFunc(answer, func(r rune) bool { return strings.ContainsRune(" ,.;:()", r) })
	return slices.ContainsFunc(accepted, func(right string) bool {
		return answer == right || len(words) > 0 && words[0] == right ||
			len(right) >= long && strings.Contains(" "+answer+" ", " "+right+" ")
	})
}

// answers reads "yes|y;sí|s": what is accepted, in English and, after the semicolon, in Spanish; and
// the answer as it is told in the reader's language.
func (s *Story) answers(all string) (accepted []string, own string) {
	english, spanish, both := strings.Cut(all, ";")
	own, _, _ = strings.Cut(english, "|")
	if both && s.Out.Lang == show.Spanish {
		own, _, _ = strings.Cut(spanish, "|")
	}
	for one := range strings.SplitSeq(english+"|"+spanish, "|") {
		if one != "" {
			accepted = append(accepted, plain(one))
		}
	}
	return accepted, own
}

// plain takes from an answer what does not matter: case, spaces around it, a full stop.
func plain(answer string) string {
	return strings.Trim(strings.ToLower(strings.TrimSpace(answer)), " .¡!¿?\"'")
}

// cmdSum sets a variable to the sum of two numbers: a pid and 2 to the power of 32, say.
func (s *Story) cmdSum(c *call) error {
	if len(c.args) != 3 {
		return misuse("wrong number of arguments")
	}
	a, err := number(c.args[1])
	if err != nil {
		return err
	}
	b, err := number(c.args[2])
	if err != nil {
		return err
	}
	c.ts.Setenv(c.args[0], strconv.Itoa(a+b))
	return nil
}
