package script

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"posixlab/labs/internal/show"
)

// TestTable makes tables of all sizes around those that matter: exactly so many bytes, in whole lines
// that ps could have written.
func TestTable(t *testing.T) {
	for _, size := range []int{0, 1, 35, 36, 37, 55, 56, 57, 400, 60000, limit - 1, limit, limit + 1, limit + 19, 2_000_000} {
		table := tableOf(size)
		if len(table) != size {
			t.Errorf("tableOf(%d) has %d bytes", size, len(table))
		}
		if size > 0 && table[size-1] != '\n' {
			t.Errorf("tableOf(%d) ends in %q", size, table[size-1])
		}
		if size >= 36 && !bytes.HasPrefix(table, []byte("    PID COMMAND\n      2 a2")) {
			t.Errorf("tableOf(%d) begins with %q", size, table[:26])
		}
		fit := fits(table)
		switch {
		case size <= limit && len(fit) != size:
			t.Errorf("of %d bytes %d are to be sent", size, len(fit))
		case size > limit && (len(fit) > limit || len(fit) <= limit-20 || fit[len(fit)-1] != '\n'):
			t.Errorf("of %d bytes %d are to be sent, ending in %q", size, len(fit), fit[len(fit)-1])
		}
	}
}

// TestCheckTable compares replies with a table, and looks at what is said of them.
func TestCheckTable(t *testing.T) {
	s := &Story{Options: Options{Out: show.NewNarrator(nil, show.English, false)}, table: tableOf(limit + 1)}
	good := string(fits(s.table))
	for name, c := range map[string]struct {
		reply string
		times int
		seen  string // "" is nothing to complain of
	}{
		"right":        {good, 1, ""},
		"right, twice": {good + good, 2, ""},
		"once":         {good, 2, "65,517 bytes"},
		"all of it":    {string(s.table), 1, "65,537 bytes; from byte 65,518 on it is another text:    3277"},
		"cut":          {good + string(s.table[len(good):limit]), 1, "65,536 bytes; from byte 65,518 on it is another text"},
		"in a line":    {good[:1000], 1, "1,000 bytes, the last line cut:"},
		"a line less":  {good[:len(good)-20], 1, "65,497 bytes"},
		"nothing":      {"", 1, "no byte"},
		"another":      {"    PID CMD\n", 1, "12 bytes; from byte 10 on it is another text: MD"},
	} {
		err := s.checkTable([]byte(c.reply), c.times)
		seen := ""
		if err != nil {
			seen = err.(*failure).seen
		}
		if c.seen == "" && err != nil || !strings.HasPrefix(strings.ReplaceAll(seen, "  ", ""), strings.ReplaceAll(c.seen, "  ", "")) || c.seen != "" && err == nil {
			t.Errorf("%s: seen %q; want %q", name, seen, c.seen)
		}
	}
}

// TestAnswers reads what a prediction accepts.
func TestAnswers(t *testing.T) {
	for answers, want := range map[string]struct {
		english, spanish string
		accepted         []string
	}{
		"60":                     {"60", "60", []string{"60"}},
		"no|n":                   {"no", "no", []string{"no", "n"}},
		"yes|y;sí|si":            {"yes", "sí", []string{"yes", "y", "sí", "si"}},
		"$HOME":                  {"$HOME", "$HOME", []string{"$home"}},
		"By a signal|die;Por ti": {"By a signal", "Por ti", []string{"by a signal", "die", "por ti"}},
	} {
		for lang, own := range map[show.Lang]string{show.English: want.english, show.Spanish: want.spanish} {
			s := &Story{Options: Options{Out: show.NewNarrator(nil, lang, false)}}
			accepted, got := s.answers(answers)
			if diff := cmp.Diff(want.accepted, accepted); diff != "" || got != own {
				t.Errorf("%s: %q, %s", answers, got, diff)
			}
		}
	}
	for answer, want := range map[string]string{" Yes. ": "yes", "¡Sí!": "sí", "  ": "", "65,536": "65,536", `"no"`: "no"} {
		if got := plain(answer); got != want {
			t.Errorf("plain(%q) = %q; want %q", answer, got, want)
		}
	}
}
