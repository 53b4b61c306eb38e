package main

import (
	"cmp"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// send sends a whole text, however many calls it takes: one send may take less than it was
// given. MSG_NOSIGNAL: a server that has gone is the error EPIPE, not the signal SIGPIPE.
func send(fd int, text string) error {
	for rest := []byte(text); len(rest) > 0; {
		// POSIX: ssize_t n = send(fd, rest, len, MSG_NOSIGNAL);
		n, err := unix.SendmsgN(fd, rest, nil, nil, unix.MSG_NOSIGNAL)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return os.NewSyscallError("send", err)
		}
		rest = rest[n:]
	}
	return nil
}

// receive hands on what the server sends, as it arrives, and returns why no more will: io.EOF
// once the server has closed. TCP is a stream: a piece may end anywhere in a reply.
//
// START receive OMIT
func receive(fd int, out io.Writer) error {
	buf := make([]byte, protocol.Limit)
	for {
		// POSIX: ssize_t n = recv(fd, buf, sizeof buf, 0);
		n, _, err := unix.Recvfrom(fd, buf, 0)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return os.NewSyscallError("recv", err)
		case n == 0:
			return io.EOF
		}
		if _, err := out.Write(buf[:n]); err != nil {
			return err
		}
	}
}

// END receive OMIT

// sayExit sends the last request, in the user's own words, and closes the sending half of the
// connection, so that even a server that does not know EXIT sees an end. It fails if the
// connection is no longer there.
func sayExit(fd int, request string) error {
	err := send(fd, request)
	// POSIX: shutdown(fd, SHUT_WR);
	gone := unix.Shutdown(fd, unix.SHUT_WR)
	return cmp.Or(err, os.NewSyscallError("shutdown", gone))
}

// hangUp closes the connection: this is the only copy of its descriptor.
func hangUp(fd int) {
	// POSIX: close(fd);
	unix.Close(fd)
}
