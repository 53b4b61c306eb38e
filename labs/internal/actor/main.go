// Actor is the program that lab scripts have a server start: it does nothing until the script
// tells it to, over a FIFO that stands beside its executable as NAME.fifo, a command a line:
//
//	cat FILE      writes a file to standard output
//	print TEXT    writes a line to standard output
//	sign NAME     locks the file NAME in the folder signs, beside its own, until the next command: the kernel
//	              tells whose lock that is (F_GETLK in fcntl(2)), a sign of life that nobody else can give
//	ignore NAME   ignores a signal from now on, such as TERM
//	fork NAME     starts the actor NAME that stands beside it, and no other program, with the same
//	              descriptors 0, 1 and 2
//	wait          waits for a child that has ended
//	kill NAME     ends by this signal
//	exit N        ends with this status
//
// If there is a file NAME.play, it holds the commands, and the FIFO is not read. Several actors may
// share a FIFO: each line reaches one of them, the one that holds its lock. An actor's own arguments
// mean nothing. Without a FIFO beside it, this program is one of the script's tools: see tools.
//
// A server under test can write to the FIFOs of the actors that it starts. What it could have them do, it
// could do itself.
package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		fail(err)
	}
	if play, err := os.ReadFile(self + ".play"); err == nil {
		for line := range strings.Lines(string(play)) {
			act(self, strings.TrimSuffix(line, "\n"))
		}
	}
	// The script holds the other end: when it goes, read sees the end, and the actor goes too
	// (fifo(7)). In raw calls: an actor is one thread that is blocked, and nothing more.
	fifo, err := syscall.Open(self+".fifo", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) && len(os.Args) > 1 && tools[os.Args[1]] != nil {
		err = tools[os.Args[1]](os.Args[2:])
	}
	if err != nil {
		fail(err)
	}
	for {
		act(self, readLine(fifo))
	}
}

// act carries out one command.
func act(self, line string) {
	command, argument, _ := strings.Cut(line, " ")
	var err error
	lastSign.Close() // and with it the lock
	switch command {
	case "cat":
		var data []byte
		if data, err = os.ReadFile(argument); err == nil {
			_, err = os.Stdout.Write(data)
		}
	case "print":
		_, err = os.Stdout.WriteString(argument + "\n")
	case "sign":
		err = sign(self, argument)
	case "ignore":
		signal.Ignore(unix.SignalNum("SIG" + argument))
	case "fork":
		name := filepath.Base(argument)
		_, err = os.StartProcess(filepath.Join(filepath.Dir(self), name), []string{name}, &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
	case "wait":
		_, err = syscall.Wait4(-1, nil, 0, nil)
	case "kill":
		err = endBy(unix.SignalNum("SIG" + argument))
	case "exit":
		var status int
		if status, err = strconv.Atoi(argument); err == nil {
			os.Exit(status)
		}
	default:
		err = os.ErrInvalid
	}
	if err != nil {
		fail(err)
	}
}

// endBy ends this process by a signal, which must be one that Go does not catch.
func endBy(sig syscall.Signal) error {
	if err := syscall.Kill(os.Getpid(), sig); err != nil {
		return err
	}
	for {
		unix.Pause() // until it takes effect
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
		case err == nil && n == 0: // the script is over
			os.Exit(0)
		case err != nil:
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

// lastSign is the file that was locked last; nil before.
var lastSign *os.File

// sign locks a file of the folder signs for reading: for that, nobody needs to be able to write there.
func sign(self, name string) (err error) {
	path := filepath.Join(filepath.Dir(self), "..", "signs", filepath.Base(name))
	if lastSign, err = os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0); err != nil {
		return err
	}
	return unix.FcntlFlock(lastSign.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_RDLCK})
}
