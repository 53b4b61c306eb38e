//go:build exercise

package main

import (
	"bytes"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// list returns the process table: what ps wrote, up to the lecture's 64 KB.
func (s *server) list(c *client) (string, error) {
	var p [2]int
	err := unix.Pipe2(p, unix.O_CLOEXEC)
	if err != nil {
		return "", protocol.Refuse(protocol.CannotList, "pipe", err)
	}
	ps, err := s.spawn([]string{"ps", "-e", "-o", "pid,comm"}, p[1])
	unix.Close(p[1])
	if err != nil {
		unix.Close(p[0])
		return "", err
	}
	table, lost := readTable(p[0])
	unix.Close(p[0])
	<-ps.ended
	if lost.bytes > 0 {
		s.log.say(logCut, listCut, c.number, len(table), len(table)+lost.bytes, lost.rows)
	}
	if len(table) == 0 { // no reply at all would leave the client waiting
		return "", protocol.Refuse(protocol.ListEmpty, protocol.Limit)
	}
	return table, nil
}

// lost counts what a reply leaves out.
type lost struct{ bytes, rows int }

// readTable reads the pipe up to its end and keeps as many whole lines as fit the limit.
// The rest is read too, to be counted, and so that ps is not left blocked on a full pipe.
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

// readFull reads until buf is full or the pipe ends.
func readFull(pipe int, buf []byte) (n int) {
	for n < len(buf) {
		got, err := unix.Read(pipe, buf[n:])
		if err == unix.EINTR {
			continue
		}
		if err != nil || got == 0 {
			return n
		}
		n += got
	}
	return n
}
