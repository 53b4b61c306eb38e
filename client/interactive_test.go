package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// A session is a client at a terminal of its own, and what its user does and sees.
type session struct {
	t      *testing.T
	cmd    *exec.Cmd
	master *os.File // the user's end
	slave  *os.File // the program's end
	before unix.Termios

	mu     sync.Mutex
	news   chan struct{} // told when more has been shown
	shown  bytes.Buffer
	looked int // how much of it the test has passed
}

// openPTY opens a pair of terminal ends, as openpty(3) does.
func openPTY(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	var number int
	raw, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// begin starts a client at a terminal of 80 columns.
func begin(t *testing.T, env []string, args ...string) *session {
	t.Helper()
	s := &session{t: t, news: make(chan struct{}, 1)}
	s.master, s.slave = openPTY(t)
	s.resize(80)
	s.before = s.termios()
	s.cmd = command(t, env, args...)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = s.slave, s.slave, s.slave
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := s.master.Read(buf)
			s.mu.Lock()
			s.shown.Write(buf[:n])
			s.mu.Unlock()
			select {
			case s.news <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	return s
}

func (s *session) resize(columns uint16) {
	s.t.Helper()
	size := &unix.Winsize{Row: 24, Col: columns}
	if err := unix.IoctlSetWinsize(int(s.slave.Fd()), unix.TIOCSWINSZ, size); err != nil {
		s.t.Fatal(err)
	}
}

func (s *session) termios() unix.Termios {
	s.t.Helper()
	got, err := unix.IoctlGetTermios(int(s.slave.Fd()), unix.TCGETS)
	if err != nil {
		s.t.Fatal(err)
	}
	return *got
}

func (s *session) types(keys string) {
	s.t.Helper()
	if _, err := io.WriteString(s.master, keys); err != nil {
		s.t.Fatal(err)
	}
}

// sees waits until a text is shown, after all that was seen before.
func (s *session) sees(text string) {
	s.t.Helper()
	late := time.After(guard)
	for {
		s.mu.Lock()
		fresh := s.shown.String()[s.looked:]
		at := strings.Index(fresh, text)
		if at >= 0 {
			s.looked += at + len(text)
		}
		s.mu.Unlock()
		if at >= 0 {
			return
		}
		select {
		case <-s.news:
		case <-late:
			s.t.Fatalf("waited for %q and saw %q", text, fresh)
		}
	}
}

// ends waits for the client's end, and looks whether the terminal is as it was.
func (s *session) ends() syscall.WaitStatus {
	s.t.Helper()
	s.cmd.Wait()
	if diff := cmp.Diff(s.before, s.termios()); diff != "" {
		s.t.Errorf("terminal, -before +after:\n%s", diff)
	}
	return s.cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// exits waits for the client's end with a status.
func (s *session) exits(status int) {
	s.t.Helper()
	if got := s.ends(); !got.Exited() || got.ExitStatus() != status {
		s.t.Errorf("want status %d, got %s; seen: %q", status, s.cmd.ProcessState, s.everything())
	}
}

func (s *session) everything() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.String()
}

func TestSession(t *testing.T) {
	server := serve(t, obey)
	s := begin(t, nil, server)
	s.sees(server + "> ")
	if s.termios() == s.before {
		t.Error("the terminal is not raw")
	}
	s.types("\rLIST\r")
	s.sees("OK LIST\r\n")
	s.types("?\r")
	s.sees("STOP pid          end a process by force\r\n")
	s.types("\x1b[A\x1b[A\rX\x7fY\r") // history: up, up, Enter; then editing
	s.sees("OK LIST\r\n")
	s.sees("OK Y\r\n")
	s.types("BAD\r")
	s.sees("\x1b[31mError: bad\x1b[0m\r\n")
	s.types("\x04") // Ctrl-D
	s.sees("Goodbye.")
	s.exits(1)
}

func TestSessionEndsByExit(t *testing.T) {
	s := begin(t, []string{"LC_ALL=es_MX.UTF-8"}, serve(t, obey))
	s.sees("> ")
	s.types("ayuda\r")
	s.sees("termina un proceso a la fuerza\r\n")
	s.types("salir\r")
	s.sees("Goodbye.\r\n")
	s.exits(0)
	if all := s.everything(); !strings.HasSuffix(all, "salir\r\nGoodbye.\r\n") {
		t.Errorf("seen: %q", all)
	}
}

func TestSessionNoColor(t *testing.T) {
	s := begin(t, []string{"NO_COLOR=1"}, serve(t, obey))
	s.types("BAD\r")
	s.sees("Error: bad\r\n")
	s.types("\x03") // Ctrl-C
	s.exits(1)
	if all := s.everything(); strings.Contains(all, "\x1b[31m") {
		t.Errorf("seen: %q", all)
	}
}

// A reply that comes while the user types goes above the prompt, which is drawn again.
func TestReplyWhileTyping(t *testing.T) {
	typed := make(chan bool)
	server := serve(t, func(conn *net.TCPConn) {
		<-typed
		io.WriteString(conn, "news\n")
		obey(conn)
	})
	s := begin(t, nil, server)
	s.sees("> ")
	s.types("LI")
	s.sees("I")
	close(typed)
	s.sees("news\r\n" + server + "> LI")
	s.types("ST\r")
	s.sees("OK LIST\r\n")
	s.types("\x04")
	s.exits(0)
}

func TestLostAtThePrompt(t *testing.T) {
	for name, end := range map[string]func(*net.TCPConn){
		": 0 bytes: ":     func(conn *net.TCPConn) {},
		" (ECONNRESET): ": reset,
	} {
		typed := make(chan bool)
		server := serve(t, func(conn *net.TCPConn) {
			<-typed
			end(conn)
		})
		s := begin(t, nil, server)
		s.sees("> ")
		s.types("LIS")
		s.sees("S")
		close(typed)
		s.sees("\r\nrecv " + server)
		s.sees(name)
		s.exits(3)
	}
}

func TestLostAfterAnErrorOfBefore(t *testing.T) {
	server := serve(t, func(conn *net.TCPConn) {
		requests := bufio.NewReader(conn)
		for _, reply := range []string{"Error: bad\n", "OK\n", ""} {
			requests.ReadString('\n')
			io.WriteString(conn, reply)
		}
	})
	s := begin(t, nil, server)
	s.sees("> ")
	for _, shows := range []string{"Error: bad", "OK", "the server closed the connection"} {
		s.types("A\r")
		s.sees(shows)
	}
	s.exits(3)
}

func TestLostByRequest(t *testing.T) {
	server := serve(t, func(conn *net.TCPConn) {
		bufio.NewReader(conn).ReadString('\n')
	})
	s := begin(t, nil, server)
	s.types("LIST\r")
	s.sees("the server closed the connection")
	s.exits(3)
}

func TestRefusedAtThePrompt(t *testing.T) {
	server := serve(t, func(conn *net.TCPConn) {
		io.WriteString(conn, "Error: full\n")
	})
	s := begin(t, nil, server)
	s.sees("Error: full")
	s.exits(1)
}

func TestSignalsRestoreTheTerminal(t *testing.T) {
	server := serve(t, obey)
	for _, sig := range []syscall.Signal{unix.SIGTERM, unix.SIGHUP, unix.SIGINT} {
		s := begin(t, nil, server)
		s.sees("> ")
		s.cmd.Process.Signal(sig)
		if got := s.ends(); !got.Signaled() || got.Signal() != sig {
			t.Errorf("%v: %v", sig, s.cmd.ProcessState)
		}
	}
}

func TestWindowIsFollowed(t *testing.T) {
	server := serve(t, obey)
	s := begin(t, nil, server)
	s.sees(server + "> ")
	s.resize(30)
	s.sees(server + "> ") // drawn again for the new width
	s.types(strings.Repeat("x", 30))
	s.sees("x\r\nx")
	s.types("\x15\x04") // Ctrl-U, Ctrl-D
	s.exits(0)
}

// What a server sends cannot drive the user's terminal, neither at the prompt nor in a batch.
func TestControlBytesAreSpelt(t *testing.T) {
	server := serve(t, func(conn *net.TCPConn) {
		io.WriteString(conn, "a\x1b]0;owned\a\tb\x9b2J\n")
		obey(conn)
	})
	const safe = `a\x1b]0;owned\a` + "\tb" + `\x9b2J` + "\r\n"
	for _, args := range [][]string{{server}, {"-c", "exit", server}} {
		s := begin(t, nil, args...)
		s.sees(safe)
		if len(args) == 1 {
			s.types("exit\r")
		}
		s.exits(0)
		if all := s.everything(); strings.Contains(all, "\x1b]") || strings.Contains(all, "\a") {
			t.Errorf("seen raw: %q", all)
		}
	}
}

// A server that does not end its replies is read at once all the same.
func TestUnendedReplyIsShown(t *testing.T) {
	server := serve(t, func(conn *net.TCPConn) {
		for requests := bufio.NewScanner(conn); requests.Scan(); {
			io.WriteString(conn, "started")
		}
	})
	s := begin(t, nil, server)
	s.types("START a\r")
	s.sees("started\r\n" + server + "> ")
	s.types("\x04")
	s.exits(0)
}
