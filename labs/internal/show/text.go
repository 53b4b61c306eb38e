// Package show is what a person sees of a lab: texts in the reader's language, and the story told
// on a terminal, step by step.
package show

import (
	"fmt"
	"strings"
)

// Lang is a reader's language.
type Lang string

const (
	English Lang = "en"
	Spanish Lang = "es"
)

// LangOf finds the reader's language in the environment: the first of LC_ALL, LC_MESSAGES and
// LANG that is set decides (setlocale(3)), and what is not Spanish is English.
func LangOf(getenv func(string) string) Lang {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if value := getenv(name); value != "" {
			if strings.HasPrefix(value, "es") {
				return Spanish
			}
			return English
		}
	}
	return English
}

// ParseLang reads the value of a -lang option.
func ParseLang(s string) (Lang, error) {
	if lang := Lang(s); lang == English || lang == Spanish {
		return lang, nil
	}
	return "", fmt.Errorf("-lang %q: say en or es (los idiomas son en y es)", s)
}

// A Text is one thing to say, in each language. With arguments, both are formats for the same
// arguments; a Text among them is said in the reader's language too.
type Text struct {
	EN string `toml:"en"`
	ES string `toml:"es"`
}

// In says the text in a language.
func (t Text) In(lang Lang, args ...any) string {
	text := t.EN
	if lang == Spanish {
		text = t.ES
	}
	if len(args) == 0 {
		return text
	}
	said := make([]any, len(args))
	for i, arg := range args {
		if t, ok := arg.(Text); ok {
			arg = t.In(lang)
		}
		said[i] = arg
	}
	return fmt.Sprintf(text, said...)
}

// Thousands writes a whole number with commas, as both Mexico and the United States do.
func Thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
