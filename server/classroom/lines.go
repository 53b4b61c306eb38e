package classroom

import (
	"bufio"
	"bytes"
	"io"

	"posixlab/server/protocol"
)

// Lines are the requests of a connection, cut at LF.
type Lines struct{ buffer *bufio.Reader }

// NewLines reads from a connection.
func NewLines(conn io.Reader) *Lines {
	return &Lines{bufio.NewReaderSize(conn, protocol.Limit+len("\r\n"))}
}

// Next returns the next line without its ending, LF or CR LF; a last one that has none counts, unless the
// connection broke. A line of more than protocol.Limit bytes is an error, once, and is skipped. io.EOF is the
// end, however it came.
func (l *Lines) Next() (string, error) {
	line, err := l.buffer.ReadSlice('\n')
	long := err == bufio.ErrBufferFull
	for err == bufio.ErrBufferFull {
		_, err = l.buffer.ReadSlice('\n')
	}
	if err != nil && (err != io.EOF || len(line) == 0 || long) {
		return "", io.EOF
	}
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	if long || len(line) > protocol.Limit {
		return "", protocol.Refuse(protocol.TooLong, protocol.Limit)
	}
	return string(line), nil
}
