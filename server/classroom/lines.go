package classroom

import (
	"bufio"
	"bytes"
	"io"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// Lines are the requests of a connection, cut at LF.
type Lines struct{ buffer *bufio.Reader }

// NewLines reads from a socket.
func NewLines(conn int) *Lines {
	return &Lines{bufio.NewReaderSize(socket(conn), protocol.Limit+len("\r\n"))}
}

// Next returns the next line without its ending, LF or CR LF; a last one that has none counts. A line of
// more than protocol.Limit bytes is an error, once, and is skipped. io.EOF is the end, however it came.
func (l *Lines) Next() (string, error) {
	line, err := l.buffer.ReadSlice('\n')
	long := err == bufio.ErrBufferFull
	for err == bufio.ErrBufferFull {
		_, err = l.buffer.ReadSlice('\n')
	}
	if err != nil && (len(line) == 0 || long) {
		return "", io.EOF
	}
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	if long || len(line) > protocol.Limit {
		return "", protocol.Refuse(protocol.TooLong, protocol.Limit)
	}
	return string(line), nil
}

// A socket is read by recv.
type socket int

func (fd socket) Read(buf []byte) (int, error) {
	for {
		// POSIX: ssize_t n = recv(fd, buf, sizeof buf, 0);
		n, _, err := unix.Recvfrom(int(fd), buf, 0)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}
