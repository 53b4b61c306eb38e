package main_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

const hello = "this is a class: first say HELLO, your name and its code: HELLO ana ABC123"

// startClass starts a server with a class's policy, which tells the LAN nothing of it, and returns the path
// of its log.
func startClass(t *testing.T, args ...string) (s *server, audit string) {
	t.Helper()
	audit = filepath.Join(t.TempDir(), "class.jsonl")
	return start(t, options{args: append([]string{"-class", "Q7W3E9", "-quiet", "-page", "off", "-audit", audit}, args...)}), audit
}

func (s *server) join(name string) *client {
	s.t.Helper()
	c := s.connect()
	if reply := c.ask("HELLO " + name + " Q7W3E9"); !strings.HasPrefix(reply, "OK: welcome, "+name+"; START runs: ") {
		s.t.Fatal(reply)
	}
	return c
}

// TestClass is a lesson: who has the code starts, lists and stops what the policy allows, and at the end
// nothing is left.
func TestClass(t *testing.T) {
	s, audit := startClass(t, "-own", "-allow", "sleep,yes")
	stranger := s.connect()
	for _, request := range []string{"LIST", "START sleep 1000", "STOP 4", "what"} {
		if reply := stranger.ask(request); reply != "Error: "+hello {
			t.Errorf("%s before HELLO: %q", request, reply)
		}
	}
	ana, bea := s.join("ana"), s.join("bea")
	pid := ana.start("sleep 1000")
	var rows []string
	bea.send("LIST\nSTOP 0\n")
	for row := bea.line(); row != protected; row = bea.line() {
		rows = append(rows, strings.Join(strings.Fields(row), " "))
	}
	if got, want := strings.Join(rows, "|"), fmt.Sprintf("PID COMMAND|%d sleep", pid); got != want {
		t.Errorf("LIST shows %q; want %q", got, want)
	}
	for request, want := range map[string]string{
		"START sh -c id":                 `Error: START "sh" is not allowed in this class; what is: sleep yes`,
		"START /bin/sleep 1":             `Error: START "/bin/sleep" is not allowed in this class; what is: sleep yes`,
		fmt.Sprint("STOP ", s.pid):       fmt.Sprintf("Error: process %d is not one of this class", s.pid),
		fmt.Sprint("STOP ", pid):         fmt.Sprintf("Error: process %d is not yours", pid),
		fmt.Sprint("STOP ", os.Getpid()): fmt.Sprintf("Error: process %d is not one of this class", os.Getpid()),
	} {
		if reply := bea.ask(request); reply != want {
			t.Errorf("%s: %q; want %q", request, reply, want)
		}
	}
	if reply := ana.ask(fmt.Sprint("STOP ", pid)); !strings.HasPrefix(reply, "OK: ") {
		t.Error(reply)
	}
	s.await("the end of the process", func() bool { return status(pid, "State") == "" })
	ana.start("sleep 1000")
	bea.start("yes")
	bea.exit()
	s.end(unix.SIGINT) // Ctrl-C
	s.awaitLog(`  end      students: 2; connections: 3; requests: \d+; started: 3; stopped: 1; refused: \d+; wrong codes: 0$`)
	data, err := os.ReadFile(audit)
	if err != nil || strings.Contains(string(data), "Q7W3E9") ||
		!regexp.MustCompile(fmt.Sprintf(`"student":"ana","request":"STOP %d","outcome":"ok","pid":%[1]d`, pid)).Match(data) {
		t.Errorf("%v\n%s", err, data)
	}
}

// TestClassWithoutDescriptors has a class go on when there is none left to accept with.
func TestClassWithoutDescriptors(t *testing.T) {
	audit := filepath.Join(t.TempDir(), "class.jsonl")
	s := start(t, options{args: []string{"-class", "Q7W3E9", "-quiet", "-page", "off", "-audit", audit}, shell: "ulimit -n 22"})
	var joined []*client
	for range 4 {
		joined = append(joined, s.join(fmt.Sprint("ana", len(joined))))
	}
	var idle []*client
	for range 8 {
		idle = append(idle, s.connect())
	}
	s.awaitLog(`  error    accept: too many open files`)
	for _, c := range idle {
		c.Close()
	}
	s.await("room for a process", func() bool { return strings.HasPrefix(joined[1].ask("START sleep 1000"), "OK: ") })
}

// TestClassOver has the end of a class told to those who are in it.
func TestClassOver(t *testing.T) {
	s, _ := startClass(t)
	c := s.join("ana")
	unix.Kill(s.pid, unix.SIGINT)
	if bye := c.line(); bye != "Error: the class is over" {
		t.Errorf("at its end: %q", bye)
	}
	c.eof()
	s.await("the end of the class", s.hasEnded)
}

// TestClassEnds has a class end by itself, when its time is up.
func TestClassEnds(t *testing.T) {
	s, _ := startClass(t, "-for", "100ms")
	s.await("the end of the class", s.hasEnded)
	if !strings.Contains(s.log(), "  end      the class has lasted 100ms, as -for says\n") {
		t.Error("the log does not tell why it ended")
	}
	if s.status != 0 {
		t.Errorf("status %#x", uint32(s.status))
	}
}

// TestClassCodeFile has the code come from a file, and not stand in what every user of the machine can read.
func TestClassCodeFile(t *testing.T) {
	dir := t.TempDir()
	code := filepath.Join(dir, "code")
	if err := os.WriteFile(code, []byte("Q7W3E9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, options{args: []string{"-class", "@" + code, "-quiet", "-page", "off", "-audit", filepath.Join(dir, "class.jsonl")}})
	s.join("ana").exit()
	for _, file := range []string{"cmdline", "environ"} {
		if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", s.pid, file)); err != nil || strings.Contains(string(text), "Q7W3E9") {
			t.Errorf("%s: %q, %v", file, text, err)
		}
	}
}

// TestClassDaemon has a daemon end with the process that started it, at once, and be in nobody's way.
func TestClassDaemon(t *testing.T) {
	s, _ := startClass(t, "-allow", "setsid,sleep")
	c := s.join("ana")
	c.start("setsid -f sleep 1000")
	s.awaitLog(`  reap     process \d+, which this server did not start, was killed by signal 9 `)
	if table := c.list(); table != "    PID COMMAND\n" {
		t.Errorf("LIST shows\n%s", table)
	}
	c.exit()
}

// TestClassKilled has the log of a server that is killed hold all that was answered.
func TestClassKilled(t *testing.T) {
	s, audit := startClass(t)
	c := s.join("ana")
	pid := c.start("sleep 1000")
	unix.Kill(s.pid, unix.SIGKILL)
	<-s.ended
	unix.Kill(pid, unix.SIGKILL) // what no orderly end could end
	data, err := os.ReadFile(audit)
	if err != nil || !strings.Contains(string(data), fmt.Sprintf(`"request":"START sleep 1000","outcome":"ok","pid":%d`, pid)) {
		t.Errorf("%v\n%s", err, data)
	}
}

// TestClassMisuse has wrong use end the server, and say what to do.
func TestClassMisuse(t *testing.T) {
	audit := filepath.Join(t.TempDir(), "class.jsonl")
	for _, use := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"-class", "abc"}, 2, "a code is 4 to 64 letters and digits"},
		{[]string{"-class", "two words"}, 2, "without spaces"},
		{[]string{"-class", "@/no/such/file"}, 2, `-class "@/no/such/file": the code is to be read from that file`},
		{[]string{"-class", "@/dev/null"}, 2, `-class "@/dev/null": a code is 4 to 64 letters and digits`},
		{[]string{"-class", "Q7W3E9", "-names", "0"}, 2, "-names 0: at least one student has to fit a machine"},
		{[]string{"-class", "Q7W3E9", "-title", "a\tb"}, 2, "1 to 60 printable characters"},
		{[]string{"-class", "Q7W3E9", "-open"}, 2, "choose one of the two"},
		{[]string{"-class", "Q7W3E9", "-allow", "sleep,nosuchprogram"}, 1, "there is no nosuchprogram in"},
		{[]string{"-class", "Q7W3E9", "-allow", "/bin/sh"}, 1, "give names, without a folder"},
		{[]string{"-class", "Q7W3E9", "-audit", "/no/such/folder/log"}, 1, "-audit /no/such/folder/log: open: no such file or directory"},
	} {
		_, stderr, status := run(t, nil, append([]string{"-lang", "en", "-port", "0", "-audit", audit}, use.args...), nil)
		if status != use.status || !strings.Contains(stderr, use.says) {
			t.Errorf("%q: status %d, want %d and %q in\n%s", use.args, status, use.status, use.says, stderr)
		}
	}
}

// testClassFrom has a student on another machine hear of a class, and join it by the code. It runs in
// namespaces: the class tells a LAN of two machines.
func testClassFrom(t *testing.T, pid int) {
	audit := filepath.Join(t.TempDir(), "class.jsonl")
	s := start(t, options{args: []string{"-class", "Q7W3E9", "-page", "off", "-title", "Redes, grupo 1", "-audit", audit}})
	var from net.Addr
	datagram := make([]byte, 2048)
	err := onOther(pid, func() error {
		network, err := net.InterfaceByName("there")
		if err != nil {
			return err
		}
		conn, err := net.ListenMulticastUDP("udp4", network, &net.UDPAddr{IP: protocol.Group[:], Port: protocol.AnnouncePort})
		if err != nil {
			return err
		}
		defer conn.Close()
		conn.SetReadDeadline(time.Now().Add(guard))
		n, peer, err := conn.ReadFrom(datagram)
		datagram, from = datagram[:n], peer
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if a, err := protocol.ParseAnnouncement(datagram); err != nil || a.Title != "Redes, grupo 1" || a.Port != s.port || !strings.HasPrefix(from.String(), here+":") {
		t.Errorf("%s says %q: %+v, %v", from, datagram, a, err)
	}
	if strings.Contains(string(datagram), "Q7W3E9") {
		t.Errorf("the code is announced: %s", datagram)
	}
	c := s.connectFrom(pid)
	if reply := c.ask("LIST"); reply != "Error: "+hello {
		t.Errorf("a stranger on another machine was told %q", reply)
	}
	if reply := c.ask("HELLO ana Q7W3E9"); !strings.HasPrefix(reply, "OK: welcome, ana;") {
		t.Error(reply)
	}
	c.exit()
}
