// Actor is the program that lab scripts have a server start: it does nothing until the script
// tells it to, over a FIFO that stands beside its executable as NAME.fifo, a command a line:
//
//	cat FILE    writes a file to standard output
//	exit N      ends with this status
//
// Several actors may share a FIFO: each line reaches one of them, the one that holds its lock. An
// actor's own arguments mean nothing.
package main

import (
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		fail(err)
	}
	// For reading and writing, so that open does not wait for a writer and read never sees the
	// end (fifo(7)). In raw calls: an actor is one thread that is blocked, and nothing more.
	fifo, err := syscall.Open(self+".fifo", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		fail(err)
	}
	for {
		command, argument, _ := strings.Cut(readLine(fifo), " ")
		switch command {
		case "cat":
			data, err := os.ReadFile(argument)
			if err != nil {
				fail(err)
			}
			if _, err := os.Stdout.Write(data); err != nil {
				fail(err)
			}
		case "exit":
			status, err := strconv.Atoi(argument)
			if err != nil {
				fail(err)
			}
			os.Exit(status)
		default:
			fail(os.ErrInvalid)
		}
	}
}

// readLine reads byte by byte, under the lock: what follows the line is for another actor.
func readLine(fifo int) string {
	if err := syscall.Flock(fifo, syscall.LOCK_EX); err != nil {
		fail(err)
	}
	defer syscall.Flock(fifo, syscall.LOCK_UN)
	var line []byte
	for b := make([]byte, 1); ; {
		switch n, err := syscall.Read(fifo, b); {
		case err == syscall.EINTR:
		case err != nil || n != 1:
			fail(err)
		case b[0] == '\n':
			return string(line)
		default:
			line = append(line, b[0])
		}
	}
}

func fail(err error) {
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	os.Stderr.WriteString("actor: " + err.Error() + "\n")
	os.Exit(99)
}
