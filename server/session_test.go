package main_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestBadRequests: each gets its Error, in one line, and the session goes on.
func TestBadRequests(t *testing.T) {
	long := strings.Repeat("x", 65536)
	tests := []struct{ request, en, es string }{
		{"", "empty line: say LIST, START cmd, STOP pid or EXIT", "línea vacía: escribe LIST, START cmd, STOP pid o EXIT"},
		{" \t", "empty line: say LIST, START cmd, STOP pid or EXIT", "línea vacía: escribe LIST, START cmd, STOP pid o EXIT"},
		{"DANCE", `unknown verb "DANCE": say LIST, START cmd, STOP pid or EXIT`, `verbo desconocido "DANCE": escribe LIST, START cmd, STOP pid o EXIT`},
		{long, `unknown verb "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"…: say LIST, START cmd, STOP pid or EXIT`, `verbo desconocido "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"…: escribe LIST, START cmd, STOP pid o EXIT`},
		{long + "x", "the line is longer than 65536 bytes and was skipped", "la línea tiene más de 65536 bytes y se descartó"},
		{strings.Repeat(long, 20), "the line is longer than 65536 bytes and was skipped", "la línea tiene más de 65536 bytes y se descartó"},
		{"START", "START needs a program: START sleep 60", "START necesita un programa: START sleep 60"},
		{"STOP", "STOP needs one pid: STOP 1234", "STOP necesita un pid: STOP 1234"},
		{"STOP 2 3", "STOP needs one pid: STOP 1234", "STOP necesita un pid: STOP 1234"},
		{"LIST -l", "LIST takes no arguments", "LIST no lleva argumentos"},
		{"EXIT 0", "EXIT takes no arguments", "EXIT no lleva argumentos"},
		{"LIST\x00", "the line holds a control byte: send text, one request a line", "la línea contiene un byte de control: envía texto, una petición por línea"},
		{"\x1b[31mLIST", "the line holds a control byte: send text, one request a line", "la línea contiene un byte de control: envía texto, una petición por línea"},
		{"LIST\xff", "the line is not valid UTF-8", "la línea no es UTF-8 válido"},
		{"STOP 0", "process 0 is protected", "el proceso 0 está protegido"},
		{"STOP 01", "process 1 is protected", "el proceso 1 está protegido"},
		{"STOP -1", `"-1" is not a pid: give decimal digits only`, `"-1" no es un pid: usa solo dígitos decimales`},
		{"STOP +5", `"+5" is not a pid: give decimal digits only`, `"+5" no es un pid: usa solo dígitos decimales`},
		{"STOP 12a", `"12a" is not a pid: give decimal digits only`, `"12a" no es un pid: usa solo dígitos decimales`},
		{"STOP 4294967298", `"4294967298" is not a pid: the largest is 2147483647`, `"4294967298" no es un pid: el máximo es 2147483647`},
		{"STOP 2147483648", `"2147483648" is not a pid: the largest is 2147483647`, `"2147483648" no es un pid: el máximo es 2147483647`},
		{"STOP 2147483647", "cannot stop process 2147483647: kill: no such process (ESRCH)", "no se puede detener el proceso 2147483647: kill: no existe ese proceso (ESRCH)"},
		{"START nosuchprogram", `cannot start "nosuchprogram": exec: no such file or directory (ENOENT)`, `no se puede iniciar "nosuchprogram": exec: no existe el archivo o directorio (ENOENT)`},
		{"START /no/such/program", `cannot start "/no/such/program": exec: no such file or directory (ENOENT)`, `no se puede iniciar "/no/such/program": exec: no existe el archivo o directorio (ENOENT)`},
		{"START /etc/passwd/x", `cannot start "/etc/passwd/x": exec: not a directory (ENOTDIR)`, `no se puede iniciar "/etc/passwd/x": exec: no es un directorio (ENOTDIR)`},
		{"START /tmp", `cannot start "/tmp": exec: is a directory (EISDIR)`, `no se puede iniciar "/tmp": exec: es un directorio (EISDIR)`},
		{"START /etc/passwd", `cannot start "/etc/passwd": exec: permission denied (EACCES)`, `no se puede iniciar "/etc/passwd": exec: permiso denegado (EACCES)`},
		{"START ./formless", `cannot start "./formless": exec: exec format error (ENOEXEC)`, `no se puede iniciar "./formless": exec: formato de ejecutable no válido (ENOEXEC)`},
		{"START ;", `cannot start ";": exec: no such file or directory (ENOENT)`, `no se puede iniciar ";": exec: no existe el archivo o directorio (ENOENT)`},
	}
	for _, lang := range []string{"en", "es"} {
		s := start(t, options{args: []string{"-lang", lang}, shell: "cd " + t.TempDir() + " && : >formless && chmod 755 formless"})
		c := s.connect()
		for _, test := range tests {
			want := "Error: " + test.en
			if lang == "es" {
				want = "Error: " + test.es
			}
			shown := test.request[:min(40, len(test.request))]
			if diff := cmp.Diff(want, c.ask(test.request)); diff != "" {
				t.Errorf("%q in %s (-want +got):\n%s", shown, lang, diff)
			}
		}
		if reply := c.ask("START true"); !strings.HasPrefix(reply, "OK: ") {
			t.Errorf("after all these errors, START true: %q", reply)
		}
		for line := range strings.Lines(s.log()) {
			if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), unicode.IsControl) {
				t.Errorf("the log holds control bytes: %q", line)
			}
		}
	}
}

// TestStream: however TCP cuts the stream, each request is answered, in order.
func TestStream(t *testing.T) {
	s := start(t, options{})
	c := s.connect()
	var want, all string
	for pid := range 10 {
		all += fmt.Sprintf("STOP -%d\r\n", pid)
		want += fmt.Sprintf("Error: \"-%d\" is not a pid: give decimal digits only\n", pid)
	}
	got := ""
	c.send(all) // ten in one segment
	for range 10 {
		got += c.line() + "\n"
	}
	for _, b := range []byte(all) { // byte by byte
		c.send(string(b))
	}
	for range 10 {
		got += c.line() + "\n"
	}
	if diff := cmp.Diff(want+want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	c.send("EXIT") // not ended but by the end of the stream
	c.CloseWrite()
	if bye := c.line(); bye != "Goodbye." {
		t.Errorf("an unended EXIT: %q", bye)
	}
	c.eof()
	s.awaitLog(`close    client 1$`)
}

// TestExitCloses, though a child lives: it holds no copy of the socket.
func TestExitCloses(t *testing.T) {
	s := start(t, options{})
	c := s.connect()
	pid := c.start("sleep 1000")
	c.exit()
	if state := status(pid, "State"); state == "" {
		t.Error("the child ended with the session")
	}
	// Nor of the listening socket: the port is free as soon as the server is gone, be it by
	// force, which leaves the child.
	unix.Kill(s.pid, unix.SIGKILL)
	<-s.ended
	again := start(t, options{args: []string{"-port", fmt.Sprint(s.port)}})
	again.await("the child that was left to hold three descriptors", func() bool { return len(descriptors(pid)) == 3 })
	again.mustServe()
	unix.Kill(pid, unix.SIGKILL)
}

// TestVanishingClients: one that resets its connection amid a reply ends its session only.
func TestVanishingClients(t *testing.T) {
	s := start(t, options{env: []string{fakePS(t, rows(65536))}})
	for range 20 {
		c := s.connect()
		c.send(strings.Repeat("LIST\n", 10))
		c.line()       // the reply is on its way
		c.SetLinger(0) // close sends RST
		c.Close()
	}
	s.awaitLog(`close    client 20$`)
	s.await("all to have left", func() bool { return strings.Count(s.log(), "  close ") == 20 })
	s.mustServe()
}

// TestStalledReader: a client that asks and does not read holds up no one else, nor the end.
func TestStalledReader(t *testing.T) {
	s := start(t, options{env: []string{fakePS(t, rows(65536))}})
	stalled := s.connect()
	stalled.SetReadBuffer(4096)
	stalled.send(strings.Repeat("LIST\n", 300))
	s.await("the thread to block in send", func() bool {
		calls := currentCalls(s.pid)
		return len(calls) == 0 || slices.Contains(calls, unix.SYS_SENDMSG)
	})
	s.mustServe()
	s.end(unix.SIGTERM)
}

// TestFlood: a client that goes on sending after EXIT is closed all the same.
func TestFlood(t *testing.T) {
	s := start(t, options{})
	flood := strings.Repeat("x", 1<<20)
	for range 4 {
		c := s.connect()
		go func() {
			for _, err := c.Write([]byte("EXIT\n")); err == nil; {
				_, err = c.Write([]byte(flood))
			}
		}()
	}
	s.await("all to be closed", func() bool { return strings.Count(s.log(), "  close ") == 4 })
	s.mustServe()
}

// currentCalls are the numbers of the calls that a process's threads are blocked in; none if this
// machine does not tell (ptrace(2), Yama).
func currentCalls(pid int) (calls []int) {
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, task := range tasks {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/syscall", pid, task.Name()))
		var call int
		if _, err := fmt.Sscan(string(text), &call); err == nil {
			calls = append(calls, call)
		}
	}
	return calls
}
