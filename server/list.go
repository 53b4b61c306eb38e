package main

import (
	"bytes"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// list returns the process table: what ps wrote, up to the lecture's 64 KB. ps is a child whose
// standard output is a pipe that we read: the lecture's popen, in its parts.
//
// POSIX: FILE *f = popen("ps -e -o pid,comm", "r");
func (s *server) list(c *client) (string, error) {
	// START pipe OMIT
	// POSIX: int p[2]; pipe(p);
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return "", protocol.Refuse(protocol.CannotList, "pipe", err)
	}
	ps, err := s.spawn([]string{"ps", "-e", "-o", "pid,comm"}, p[1])
	unix.Close(p[1]) // our copy of the write end: while one is open, read waits for more
	if err != nil {
		unix.Close(p[0]) // the read end: nobody will write
		return "", err
	}
	table, lost := readTable(p[0])
	unix.Close(p[0]) // the read end: all has been read

	// END pipe OMIT
	// START pclose OMIT
	// POSIX: pclose(f);
	if <-ps.ended; ps.status != 0 {
		why := protocol.WaitStatus(s.lang, ps.status)
		return "", protocol.Refuse(protocol.ListFailed, why)
	}
	// END pclose OMIT
	if lost.bytes > 0 {
		s.log.say(logCut, listCut, c.number, len(table), len(table)+lost.bytes, lost.rows)
	}
	if len(table) == 0 { // no reply at all would leave the client waiting
		return "", protocol.Refuse(protocol.ListEmpty, protocol.Limit)
	}
	return string(table), nil
}

// lost counts what a reply leaves out.
type lost struct{ bytes, rows int }

// readTable reads the pipe up to its end and keeps as many whole lines as fit the limit. The
// rest is read too, to be counted, and so that ps is not left blocked on a full pipe.
//
// START limit OMIT
func readTable(pipe int) (table []byte, left lost) {
	buf := make([]byte, protocol.Limit)
	kept := readFull(pipe, buf)
	table = buf[:kept]
	if kept < len(buf) {
		return table, left
	}
	rest := make([]byte, 32*1024)
	for n := readFull(pipe, rest); n > 0; n = readFull(pipe, rest) {
		left.bytes += n
		left.rows += bytes.Count(rest[:n], []byte("\n"))
	}
	if left.bytes > 0 {
		end := bytes.LastIndexByte(table, '\n') + 1
		left.bytes += len(table) - end
		table = table[:end]
	}
	return table, left
}

// END limit OMIT

// readFull fills buf from a pipe and returns how many bytes it holds: fewer than len(buf) only
// at the end. One read returns what the pipe holds at that moment, and no more.
//
// START read OMIT
func readFull(pipe int, buf []byte) (n int) {
	for n < len(buf) {
		// POSIX: ssize_t got = read(pipe, buf + n, len - n);
		got, err := unix.Read(pipe, buf[n:])
		if err == unix.EINTR {
			continue
		}
		if got <= 0 || err != nil {
			break
		}
		n += got
	}
	return n
}

// END read OMIT
