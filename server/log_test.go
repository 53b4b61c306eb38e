package main_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

var logLine = regexp.MustCompile(`^\d\d:\d\d:\d\d\.\d\d\d  (listen|accept|request|fork|reap|cut|error|warning|close|end) +\S.*\n$`)

// TestPlainLog: in a file, one plain line for each thing that happens.
func TestPlainLog(t *testing.T) {
	s := start(t, options{})
	c := s.connect()
	pid := c.start("sleep 1000")
	gone := c.start("true ; $HOME")
	s.awaitLog(fmt.Sprintf(`reap     child %d `, gone))
	c.ask("STOP nobody")
	c.ask("\x1b[2J\x00")
	c.ask("START " + strings.Repeat("x", 100))
	c.exit()
	s.awaitLog(`close    client 1$`)
	s.end(unix.SIGTERM)
	for line := range strings.Lines(s.log()) {
		if !logLine.MatchString(line) || strings.Contains(line, "\x1b") {
			t.Errorf("the line %q", line)
		}
	}
	for _, line := range []string{
		`listen   0\.0\.0\.0:\d+, with a queue of 128`,
		`accept   client 1 from 127\.0\.0\.1:\d+, descriptor \d+`,
		`request  client 1: START true ; \$HOME`,
		fmt.Sprintf(`fork     child %d: true ; \$HOME`, gone),
		fmt.Sprintf(`reap     child %d \(true\) exited with status 0`, gone),
		`error    client 1 was told: Error: "nobody" is not a pid: .*`,
		`request  client 1: "\\x1b\[2J\\x00"`,
		`request  client 1: "START x{34}"…`,
		`request  client 1: EXIT`,
		`close    client 1`,
		fmt.Sprintf(`reap     child %d \(sleep\) was killed by signal 15 \(SIGTERM\)`, pid),
	} {
		s.awaitLog(`^\d\d:\d\d:\d\d\.\d\d\d  ` + line + `$`)
	}
}

func TestSpanishLog(t *testing.T) {
	s := start(t, options{args: []string{"-lang", "es"}})
	c := s.connect()
	c.send("START true\n")
	c.line()
	s.awaitLog(`  reap     el hijo \d+ \(true\) terminó con estado de salida 0$`)
	c.send("EXIT\n")
	if bye := c.line(); bye != "Adiós." {
		t.Errorf("EXIT: %q", bye)
	}
	s.awaitLog(`  close    cliente 1$`)
}

// TestColouredLog: on a terminal, and only there, and not if NO_COLOR is set (no-color.org).
func TestColouredLog(t *testing.T) {
	for _, test := range []struct {
		env      string
		coloured bool
	}{{"POSIXLAB_=", true}, {"NO_COLOR=1", false}, {"NO_COLOR=", true}} {
		master, terminal := openTerminal(t)
		s := launch(t, options{env: []string{test.env}, change: func(cmd *exec.Cmd) { cmd.Stderr = terminal }})
		terminal.Close() // our copy: the server's is the last, so its end is the end of the reading
		var mu sync.Mutex
		var shown strings.Builder
		done := make(chan bool)
		go func() {
			io.Copy(writerFunc(func(p []byte) (int, error) {
				mu.Lock()
				defer mu.Unlock()
				return shown.Write(p)
			}), master)
			close(done)
		}()
		read := func() string { mu.Lock(); defer mu.Unlock(); return shown.String() }
		s.await("the first line", func() bool { return strings.Contains(read(), "\n") })
		s.end(unix.SIGTERM)
		<-done
		if coloured := strings.Contains(read(), "\x1b[32mlisten  \x1b[0m "); coloured != test.coloured {
			t.Errorf("with %s the terminal shows %q", test.env, read())
		}
		if !test.coloured && strings.Contains(read(), "\x1b") {
			t.Errorf("with %s the terminal shows %q", test.env, read())
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// openTerminal makes a pseudo-terminal (pty(7)) and returns its two ends.
func openTerminal(t *testing.T) (master, terminal *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, terminal
}
