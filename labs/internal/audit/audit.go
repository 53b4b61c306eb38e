// Package audit reads the log that a class's server writes: who asked for what, and what came of it.
package audit

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// An Entry is a line of the log: a JSON object with these keys, in lower case.
type Entry struct {
	Time    time.Time // RFC 3339
	Event   string    // begin; intent, before something is done; request, with what came of it; unread, a reply; end
	Peer    string    // ADDR:PORT
	Student string    // "" before HELLO
	Request string    // without the class's code
	Outcome string    // ok, error, refused
	PID     int       // of START and STOP
	Reply   string    // its first line

	Unwritten int // requests of strangers, before this one, that have no entry
}

// Read reads a log to its end. A last line that is not whole is left out, and told; any other that is no
// entry is an error.
func Read(r io.Reader) (entries []Entry, torn bool, err error) {
	lines := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return entries, strings.TrimSpace(line) != "", nil
		}
		if err != nil {
			return nil, false, err
		}
		var e Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return nil, false, fmt.Errorf("line %d is no entry of a log: %w", n, err)
		}
		entries = append(entries, e)
	}
}
