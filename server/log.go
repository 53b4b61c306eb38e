package main

import (
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// A kind of log line: the word that it begins with and, on a terminal, its colour (an SGR
// parameter of ECMA-48).
type kind struct{ word, colour string }

var (
	logListen  = kind{"listen", "32"}
	logAccept  = kind{"accept", "32"}
	logRequest = kind{"request", "36"}
	logFork    = kind{"fork", "33"}
	logReap    = kind{"reap", "35"}
	logCut     = kind{"cut", "31"}
	logFailed  = kind{"error", "31"}
	logWarn    = kind{"warning", "31"}
	logClosed  = kind{"close", "32"}
	logEnd     = kind{"end", "32"}
)

// log writes one line for each thing that happens: the time, what it is, the details.
type log struct {
	mu       sync.Mutex
	file     *os.File
	lang     protocol.Lang
	coloured bool
}

func newLog(file *os.File, lang protocol.Lang) *log {
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return &log{file: file, lang: lang, coloured: err == nil && os.Getenv("NO_COLOR") == ""}
}

func (l *log) say(k kind, m protocol.Message, args ...any) {
	word := k.word + strings.Repeat(" ", 8-len(k.word))
	if l.coloured {
		word = "\x1b[" + k.colour + "m" + word + "\x1b[0m"
	}
	text := strings.TrimSuffix(m.In(l.lang, args...), "\n")
	l.mu.Lock()
	defer l.mu.Unlock()
	l.file.WriteString(time.Now().Format("15:04:05.000") + "  " + word + " " + text + "\n")
}

// printable is text from a client, fit for a log line or a reply: as it is if it is plain and
// short, and otherwise quoted.
func printable(s string) string {
	if quoted := protocol.Quote(s); quoted != `"`+s+`"` {
		return quoted
	}
	return s
}
