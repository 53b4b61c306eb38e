package main

import (
	"bytes"
	"errors"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// errClosed says that a client has no more requests: it closed its end, or the connection broke.
var errClosed = errors.New("connection closed")

// requests cuts what a client sends into lines. TCP is a stream of bytes: one recv may bring
// half a request, or three and a half, so only the line ending says where a request ends.
type requests struct {
	conn    int
	held    []byte // received, and not yet part of a request that was returned
	skip    bool   // within a line that was too long: drop bytes up to its end
	arrived [4096]byte
}

// next returns the next line without its ending, which is LF or CR LF. A last line that the
// client did not end counts. A line of more than protocol.Limit bytes is an error, once, and
// the rest of it is skipped. errClosed is the end.
func (r *requests) next() (string, error) {
	for {
		// START line OMIT
		line, rest, ended := bytes.Cut(r.held, []byte("\n"))
		if ended {
			r.held = rest
			if r.skip {
				r.skip = false
				continue
			}
			return whole(line)
		}
		// END line OMIT
		if r.skip || len(r.held) > protocol.Limit+len("\r") {
			first := !r.skip
			r.held, r.skip = nil, true
			if first {
				return "", protocol.Refuse(protocol.TooLong, protocol.Limit)
			}
		}

		// START more OMIT
		n, err := recv(r.conn, r.arrived[:])
		if err != nil {
			return "", errClosed
		}
		if n == 0 && len(r.held) > 0 { // the client closed its end after an unended line
			line, r.held = r.held, nil
			return whole(line)
		}
		if n == 0 {
			return "", errClosed
		}
		r.held = append(r.held, r.arrived[:n]...)
		// END more OMIT
	}
}

// whole takes the CR off a line's end and checks the length of what is left.
func whole(line []byte) (string, error) {
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) > protocol.Limit {
		return "", protocol.Refuse(protocol.TooLong, protocol.Limit)
	}
	return string(line), nil
}

// recv waits for bytes from the client and returns how many came: 0 when the client has closed.
func recv(conn int, buf []byte) (int, error) {
	for {
		// POSIX: ssize_t n = recv(conn, buf, sizeof buf, 0);
		n, _, err := unix.Recvfrom(conn, buf, 0)
		if err != unix.EINTR {
			return n, err
		}
	}
}
