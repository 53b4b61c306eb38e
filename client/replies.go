package main

import (
	"bytes"
	"io"
)

// replies passes on what the server sends to the screen, and notes what the exit status needs.
type replies struct {
	screen  *screen
	some    bool   // anything came at all
	failed  bool   // a line began with "Error"
	refused bool   // the last line did
	begin   []byte // how the line that is coming begins, up to the length of "Error"
}

// from receives all that a server sends, and returns why no more will come.
func (r *replies) from(fd int) error {
	defer r.screen.flush()
	return receive(fd, r)
}

func (r *replies) Write(p []byte) (int, error) {
	r.note(p)
	return r.screen.Write(p)
}

// note looks at how each line begins. Lines may arrive in pieces.
func (r *replies) note(p []byte) {
	const word = "Error"
	for len(p) > 0 {
		r.some = true
		line, rest, ended := bytes.Cut(p, []byte("\n"))
		r.begin = append(r.begin, line[:min(len(line), len(word)-len(r.begin))]...)
		r.refused = string(r.begin) == word
		r.failed = r.failed || r.refused
		if ended {
			r.begin = r.begin[:0]
		}
		p = rest
	}
}

// lost judges how an exchange ended: why receiving did, and why sending did (nil once EXIT was
// sent). An orderly end is nil. An end without a single byte for all that was asked is none.
func (r *replies) lost(received, sent error, asked int) error {
	switch {
	case received != io.EOF:
		return received
	case sent == nil && asked > 0 && !r.some:
		return io.EOF
	}
	return sent
}
