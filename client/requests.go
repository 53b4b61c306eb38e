package main

import (
	"bufio"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// requests are the lines of a batch.
type requests struct {
	lines *bufio.Reader
	ready func() bool // whether reading more would not wait
	sent  int         // how many were, EXIT not counted
}

// requestsGiven are the values of -c.
func requestsGiven(given []string) *requests {
	text := strings.Join(given, "\n") + "\n"
	always := func() bool { return true }
	return &requests{lines: bufio.NewReader(strings.NewReader(text)), ready: always}
}

// requestsFrom are the lines of a file.
func requestsFrom(file *os.File) *requests {
	ready := func() bool {
		// POSIX: poll(&(struct pollfd){ fd, POLLIN }, 1, 0);
		n, _ := unix.Poll([]unix.PollFd{{Fd: int32(file.Fd()), Events: unix.POLLIN}}, 0)
		return n > 0
	}
	return &requests{lines: bufio.NewReader(file), ready: ready}
}

// sendTo sends requests as they are, up to the one that says EXIT. It returns that one unsent:
// the user's own, or ours when there are no more.
func (r *requests) sendTo(fd int) (exit string, err error) {
	for {
		line, err := r.lines.ReadString('\n')
		if line == "" || err != nil && err != io.EOF {
			if err == io.EOF {
				err = nil
			}
			return protocol.Exit.String() + "\n", err
		}
		if !strings.HasSuffix(line, "\n") {
			line += "\n" // or EXIT would be part of it
		}
		if isExit(line) {
			return line, nil
		}
		if err := send(fd, line); err != nil {
			return protocol.Exit.String() + "\n", err
		}
		r.sent++
	}
}

// left counts the requests that have come and will not be sent. It does not wait for more.
func (r *requests) left() (n int) {
	last := byte('\n')
	for r.lines.Buffered() > 0 || r.ready() {
		c, err := r.lines.ReadByte()
		if err != nil {
			break
		}
		if last == '\n' {
			n++
		}
		last = c
	}
	return n
}

// isExit reports whether a line asks to close the session, by any of EXIT's names.
func isExit(line string) bool {
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	request, err := protocol.Parse(line)
	return err == nil && request.Verb == protocol.Exit
}
