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

// Read reads a log to its end. Lines that are not whole, as those of a machine that crashed, are left out, and
// counted; any other that is no entry is an error.
func Read(r io.Reader) (entries []Entry, torn int, err error) {
	lines := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			if line != "" {
				torn++
			}
			return entries, torn, nil
		}
		if err != nil {
			return nil, 0, err
		}
		var e Entry
		err = json.Unmarshal([]byte(line), &e)
		switch {
		case err == nil:
			entries = append(entries, e)
		case isCut(strings.TrimSuffix(line, "\n")):
			torn++
		default:
			return nil, 0, fmt.Errorf("line %d is no entry of a log: %w", n, err)
		}
	}
}

// isCut reports whether a line is the beginning of an entry.
func isCut(line string) bool {
	err := json.NewDecoder(strings.NewReader(line)).Decode(new(Entry))
	return errors.Is(err, io.ErrUnexpectedEOF)
}
