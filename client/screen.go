package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fatih/color"
	"golang.org/x/term"

	"posixlab/server/protocol"
)

// pause is how long a terminal waits for the rest of a line before it shows what there is.
const pause = 100 * time.Millisecond

// screen shows replies. To a file or a pipe they go exactly as they came; to a terminal line by
// line, errors in red, and with control bytes spelt out, since a terminal would obey them.
type screen struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	held     []byte // a line that is not yet whole
	late     *time.Timer
	ended    bool // what is shown of the line was ended for it: its own ending is not shown
}

func newScreen(out *os.File) *screen {
	s := &screen{out: out, terminal: term.IsTerminal(int(out.Fd()))}
	s.late = time.AfterFunc(pause, s.flush)
	return s
}

// to sends what follows elsewhere.
func (s *screen) to(out io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = out
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.terminal {
		return s.out.Write(p)
	}
	if s.ended {
		s.held = append(s.held, bytes.TrimPrefix(p, []byte("\n"))...)
		s.ended = false
	} else {
		s.held = append(s.held, p...)
	}
	whole := bytes.LastIndexByte(s.held, '\n') + 1
	if len(s.held)-whole > protocol.Limit {
		whole = len(s.held) // no line is that long: do not hold it
	}
	_, err := io.WriteString(s.out, paint(string(s.held[:whole])))
	s.held = append(s.held[:0], s.held[whole:]...)
	s.late.Stop()
	if len(s.held) > 0 {
		s.late.Reset(pause)
	}
	return len(p), err
}

// flush shows a line that has not ended, on a line of its own.
func (s *screen) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.held) > 0 {
		io.WriteString(s.out, paint(string(s.held))+"\n")
		s.held, s.ended = s.held[:0], true
	}
}

// paint makes text fit for a terminal.
func paint(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "Error") {
			body := strings.TrimSuffix(line, "\n")
			line = color.RedString("%s", spell(body)) + line[len(body):]
		} else {
			line = spell(line)
		}
		b.WriteString(line)
	}
	return b.String()
}

// spell writes control bytes, bad UTF-8 and other invisible characters as Go would: \x1b.
func spell(text string) string {
	var b strings.Builder
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r == '\n', r == '\t', unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}
