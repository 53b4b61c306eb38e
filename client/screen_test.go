package main

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"
)

func TestSpell(t *testing.T) {
	for in, want := range map[string]string{
		"plain\tññ 日本 \"q\" \\ '\n": "plain\tññ 日本 \"q\" \\ '\n",
		"\x1b[2J\a\r\b\x00\x7f":     `\x1b[2J\a\r\b\x00\x7f`,
		"\u009b2J\u202e\ufeff":      `\u009b2J\u202e\ufeff`,
		"\xff\xc3(":                 `\xff\xc3(`,
		"\ufffd":                    "\ufffd",
	} {
		if got := spell(in); got != want {
			t.Errorf("%q: want %q, got %q", in, want, got)
		}
	}
}

// A terminal gets whole lines; the rest of one is waited for, but not for long.
func TestScreenHoldsUnendedLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := newScreen(nil)
		s.out, s.terminal = &out, true
		for _, step := range []struct{ in, shown string }{
			{"one\ntw", "one\n"},
			{"o \xc3", ""},
			{"\xb1\nthree", "two ñ\n"},
			{"", "three\n"},        // the pause is over
			{"\nfour\n", "four\n"}, // its own ending comes late
			{"five", ""},
			{"", "five\n"},
			{"six\n", "six\n"},
		} {
			if step.in == "" {
				time.Sleep(2 * pause) // of the bubble's clock: it takes no time
				synctest.Wait()
			} else {
				s.Write([]byte(step.in))
			}
			s.mu.Lock()
			if got := out.String(); got != step.shown {
				t.Errorf("after %q: want %q, got %q", step.in, step.shown, got)
			}
			out.Reset()
			s.mu.Unlock()
		}
	})
}
