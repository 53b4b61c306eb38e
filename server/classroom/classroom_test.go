package classroom

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// The test binary is also the program that confines itself.
func TestMain(m *testing.M) {
	if os.Args[0] == Confined {
		Confine(os.Args[1:])
	}
	os.Exit(m.Run())
}

// A stage is a class whose verbs are played, with a clock that the test moves.
type stage struct {
	*Class
	t      *testing.T
	mu     sync.Mutex
	at     time.Time
	paused []time.Duration
	forks  map[int]bool
	close  func() error // once: the class
}

func open(t *testing.T, change func(*Options)) *stage {
	t.Helper()
	opt := Options{Code: "Q7W3E9", Allow: []string{"sleep", "yes"}, User: "nobody", Names: UsualNames, Limits: Usual,
		Audit: filepath.Join(t.TempDir(), "class.jsonl"), Lang: protocol.English}
	if change != nil {
		change(&opt)
	}
	s := &stage{t: t, at: time.Unix(1_700_000_000, 0).UTC(), forks: make(map[int]bool)}
	var err error
	if s.Class, err = Open(opt, func(pid int) bool { s.mu.Lock(); defer s.mu.Unlock(); return s.forks[pid] }); err != nil {
		t.Fatal(err)
	}
	s.now = func() time.Time { return s.at }
	s.pause = func(d time.Duration) { s.mu.Lock(); defer s.mu.Unlock(); s.paused = append(s.paused, d) }
	s.close = sync.OnceValue(func() error {
		closed := make(chan struct{})
		var reaper sync.WaitGroup
		reaper.Go(func() { // as the server has one
			for look := time.NewTicker(time.Millisecond); ; <-look.C {
				s.collect()
				select {
				case <-closed:
					return
				default:
				}
			}
		})
		_, err := s.Close()
		close(closed)
		reaper.Wait()
		return err
	})
	t.Cleanup(func() { s.close() })
	return s
}

// run starts a program as the server itself runs ps: one that it forked is no orphan of the class.
func (s *stage) run(program string, args ...string) *exec.Cmd {
	s.t.Helper()
	s.mu.Lock() // held across fork and record, as in the server
	defer s.mu.Unlock()
	cmd := exec.Command(program, args...)
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.forks[cmd.Process.Pid] = true
	return cmd
}

// collect takes the statuses of what has ended.
func (s *stage) collect() {
	for {
		var status unix.WaitStatus
		if pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil); pid <= 0 || err != nil {
			return
		}
	}
}

// List plays a table with all processes of the machine.
func (s *stage) List() (string, error) {
	out, err := os.CreateTemp(s.t.TempDir(), "ps")
	if err != nil {
		return "", err
	}
	defer out.Close()
	ps := s.run("sh", "-c", `exec ps -e -o pid,comm >"$0"`, out.Name())
	if err := ps.Wait(); err != nil {
		return "", err
	}
	table, err := io.ReadAll(out)
	return string(table), err
}

func (s *stage) Start(_ string, argv []string) (int, string, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, "", err
	}
	defer null.Close()
	fd := null.Fd()
	pid, err := s.ForkExec(argv, fd, func(path string, argv []string, attr *syscall.ProcAttr) (int, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		pid, err := syscall.ForkExec(path, argv, attr)
		s.forks[pid] = true
		return pid, err
	})
	if err != nil {
		return 0, "", err
	}
	return pid, fmt.Sprintf("OK: PID %d\n", pid), nil
}

func (s *stage) Stopped(pid int) string { return fmt.Sprintf("OK: stopped %d\n", pid) }

// ask has a guest say a line, and wants a reply that begins with a text; "Error" and a part of it for an error.
func (s *stage) ask(g *Guest, line, want string) string {
	s.t.Helper()
	reply, _ := g.Answer(line, s)
	parts := strings.SplitN(want, "…", 2)
	if !strings.HasPrefix(reply, parts[0]) || !strings.Contains(reply, parts[len(parts)-1]) {
		s.t.Errorf("%s: %q; want %q", line, reply, want)
	}
	return reply
}

func (s *stage) guest(peer string) *Guest {
	s.t.Helper()
	g, err := s.Guest(peer)
	if err != nil {
		s.t.Fatal(err)
	}
	return g
}

func (s *stage) join(name, address string) *Guest {
	s.t.Helper()
	g := s.guest(address + ":1000")
	s.ask(g, "HELLO "+name+" Q7W3E9", "OK: welcome, "+name)
	return g
}

// start starts a program and returns its pid.
func (s *stage) start(g *Guest, line string) (pid int) {
	s.t.Helper()
	fmt.Sscanf(s.ask(g, line, "OK: PID"), "OK: PID %d", &pid)
	return pid
}

func TestHello(t *testing.T) {
	s := open(t, nil)
	for _, lines := range [][2]string{
		{"LIST", "Error…first say HELLO"}, {"START sleep 1", "Error…first say HELLO"}, {"STOP 4", "Error…first say HELLO"},
		{"", "Error…first say HELLO"}, {"nonsense", "Error…first say HELLO"},
		{"HELLO", "Error…needs your name"}, {"HELLO Q7W3E9", "Error…needs your name"},
		{"HELLO <b>ana</b> Q7W3E9", "Error…not a name"}, {"HELLO " + strings.Repeat("a", 33) + " Q7W3E9", "Error…not a name"},
		{"HELLO an\xffa Q7W3E9", "Error…not a name"}, {"HELLO ana\u202e Q7W3E9", "Error…not a name"},
	} {
		s.ask(s.guest("10.0.0.1:1000"), lines[0], lines[1])
		s.silent = make(map[netip.Addr]int) // they have gone
	}
	g := s.guest("10.0.0.1:1000")
	for i := range mostTries { // a stranger who goes on is hung up on
		if _, exit := g.Answer("LIST", s); exit != (i == mostTries-1) {
			t.Errorf("request %d: exit is %v", i+1, exit)
		}
	}
	g = s.guest("10.0.0.1:1000")
	s.ask(g, "hello José Ñ. O'Hara-2 q7w3e9", "OK: welcome, José Ñ. O'Hara-2; START runs: sleep yes")
	s.ask(g, "HELLO eva Q7W3E9", "Error…you are José")
	if reply, exit := g.Answer("EXIT", s); reply != "Goodbye.\n" || !exit {
		t.Errorf("%q, %v", reply, exit)
	}
}

// TestWrongCode has each wrong code cost more than the last one, for that machine, whoever it says to be.
func TestWrongCode(t *testing.T) {
	s := open(t, nil)
	g := s.guest("10.0.0.1:1000")
	for i := range mostTries {
		if _, exit := g.Answer("HELLO ana Q7W3E8", s); exit != (i == mostTries-1) {
			t.Errorf("after guess %d: exit is %v", i+1, exit)
		}
	}
	s.guest("10.0.0.1:1001").Answer("HELLO eva Q7W3E", s)
	s.guest("10.0.0.2:1000").Answer("HELLO bea Q7W3E94", s)
	second := time.Second
	want := []time.Duration{second, 2 * second, 4 * second, 8 * second, 16 * second, 30 * second, second}
	if diff := cmp.Diff(want, s.paused); diff != "" {
		t.Error(diff)
	}
	s.join("ana", "10.0.0.1")
	s.paused = nil
	s.guest("10.0.0.1:1002").Answer("HELLO ana no", s)
	if diff := cmp.Diff([]time.Duration{second}, s.paused); diff != "" {
		t.Errorf("after a right one: %s", diff)
	}
}

// TestSilent bounds the connections of a machine that have not said HELLO.
func TestSilent(t *testing.T) {
	s := open(t, nil)
	var guests []*Guest
	for range mostSilent {
		guests = append(guests, s.guest("10.0.0.1:1000"))
	}
	if _, err := s.Guest("10.0.0.1:1000"); err == nil {
		t.Error("one more was taken")
	}
	s.guest("10.0.0.2:1000")
	s.ask(guests[0], "HELLO ana Q7W3E9", "OK")
	s.guest("10.0.0.1:1000")
	guests[1].Leave()
	s.guest("10.0.0.1:1000")
	if _, err := s.Guest("10.0.0.1:1000"); err == nil {
		t.Error("one more was taken")
	}
}

func TestLines(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer unix.Close(pair[1])
		for _, part := range []string{"LI", "ST\r\nEX", "IT\n\n", strings.Repeat("x", protocol.Limit) + "\n",
			strings.Repeat("y", protocol.Limit+1) + "\nafter\n", "last"} {
			for rest := []byte(part); len(rest) > 0; {
				n, err := unix.Write(pair[1], rest)
				if err != nil {
					return
				}
				rest = rest[n:]
			}
		}
	}()
	defer unix.Close(pair[0])
	lines := NewLines(NewConn(pair[0], Usual))
	for _, want := range []string{"LIST", "EXIT", "", strings.Repeat("x", protocol.Limit), "error", "after", "last", "EOF"} {
		line, err := lines.Next()
		switch {
		case err == io.EOF:
			line = "EOF"
		case err != nil:
			line = "error"
		}
		if line != want {
			t.Errorf("%.20q (%d bytes), %v; want %.20q", line, len(line), err, want)
		}
	}
}

func TestNames(t *testing.T) {
	s := open(t, func(o *Options) { o.Limits.Connections = 2 })
	first := s.join("ana", "10.0.0.1")
	s.ask(s.guest("10.0.0.2:1000"), "HELLO ana Q7W3E9", "Error…is here already, on the machine 10.0.0.1")
	second := s.join("ana", "10.0.0.1")
	s.ask(s.guest("10.0.0.1:1000"), "HELLO ana Q7W3E9", "Error…2 connections already")
	first.Leave()
	second.Leave()
	s.ask(s.guest("10.0.0.2:1000"), "HELLO ana Q7W3E9", "Error…is here already, on the machine 10.0.0.1")
	s.join("ana", "10.0.0.1")
}

// TestNamesOfMachine bounds the names of one machine, and so what it may do in all.
func TestNamesOfMachine(t *testing.T) {
	s := open(t, func(o *Options) { o.Names = 2 })
	s.join("ana", "10.0.0.1").Leave()
	s.join("bea", "10.0.0.1")
	s.ask(s.guest("10.0.0.1:1000"), "HELLO cleo Q7W3E9", "Error…on the machine 10.0.0.1 there are 2 names already")
	s.join("ana", "10.0.0.1")
	s.join("cleo", "10.0.0.2")
}

func TestRate(t *testing.T) {
	s := open(t, func(o *Options) { o.Limits.Rate = 3 })
	g, other := s.join("ana", "10.0.0.1"), s.join("bea", "10.0.0.1")
	for range 5 { // and HELLO
		s.ask(g, "STOP x", "Error…not a pid")
	}
	s.ask(g, "STOP x", "Error…too fast: at most 3")
	s.ask(s.join("ana", "10.0.0.1"), "STOP x", "Error…too fast") // on any of her connections, also a new one
	s.ask(other, "STOP x", "Error…not a pid")
	if diff := cmp.Diff([]time.Duration{time.Second / 3, time.Second / 3, time.Second / 3}, s.paused); diff != "" {
		t.Errorf("who is too fast waits: %s", diff)
	}
	s.at = s.at.Add(time.Second)
	for range 3 {
		s.ask(g, "STOP x", "Error…not a pid")
	}
	s.ask(g, "STOP x", "Error…too fast")
	s.at = s.at.Add(time.Hour)
	for range 6 {
		s.ask(g, "STOP x", "Error…not a pid")
	}
	s.ask(g, "STOP x", "Error…too fast")
}

// TestStart looks at the program that runs: as another user if that can be, within limits, with nothing of
// the server's.
func TestStart(t *testing.T) {
	s := open(t, func(o *Options) { o.Limits.Processes = 2 })
	g := s.join("ana", "10.0.0.1")
	for _, line := range []string{"START sh", "START /bin/sleep 1", "START ./sleep 1", "START sleep;sh", "START  bash", "START SLEEP 1"} {
		s.ask(g, line, "Error…is not allowed in this class; what is: sleep yes")
	}
	s.at = s.at.Add(time.Minute)
	pid := s.start(g, "START yes ; $HOME")
	read := func(name string) string {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
		if err != nil {
			t.Error(err)
		}
		return string(data)
	}
	if got := read("cmdline"); got != "yes\x00;\x00$HOME\x00" {
		t.Errorf("argv: %q", got)
	}
	status := read("status")
	// The two signals of glibc's own, 32 and 33, may have been left ignored by a posix_spawn before us (nptl(7)).
	status = regexp.MustCompile(`SigIgn:\t00000000[08]0000000`).ReplaceAllString(status, "SigIgn:\t0000000000000000")
	status = regexp.MustCompile(`SigIgn:\t00000001[08]0000000`).ReplaceAllString(status, "SigIgn:\t0000000000000000")
	for _, want := range []string{"NoNewPrivs:\t1\n", "SigBlk:\t0000000000000000\n", "SigIgn:\t0000000000000000\n"} {
		if !strings.Contains(status, want) {
			t.Errorf("no %q in\n%s", want, status)
		}
	}
	if os.Geteuid() == 0 {
		as, _ := lookUp("nobody")
		if !strings.Contains(status, fmt.Sprintf("Uid:\t%d\t%[1]d\t%[1]d\t%[1]d\n", as.UID)) || !strings.Contains(status, "Groups:\t \n") {
			t.Errorf("it should be nobody's:\n%s", status)
		}
	}
	var got []string
	for line := range strings.Lines(read("limits")) {
		for _, name := range []string{"Max cpu time", "Max file size", "Max core file size", "Max open files", "Max data size"} {
			if strings.HasPrefix(line, name) {
				got = append(got, strings.Join(strings.Fields(line[25:])[:2], " "))
			}
		}
	}
	if diff := cmp.Diff([]string{"10 10", "1048576 1048576", "536870912 536870912", "0 0", "64 64"}, got); diff != "" {
		t.Error(diff)
	}
	if env := read("environ"); env != "PATH="+searched+"\x00HOME=/\x00LANG=C.UTF-8\x00" {
		t.Errorf("environment: %q", env)
	}
	s.start(g, "START sleep 1000")
	s.ask(g, "START sleep 1000", "Error…2 processes already")
	s.start(s.join("bea", "10.0.0.1"), "START sleep 1000")
}

// TestStartAtOnce has connections of one student START at the same moment: no more run than one after the other.
func TestStartAtOnce(t *testing.T) {
	s := open(t, func(o *Options) { o.Limits.Processes, o.Limits.Rate = 3, 100 })
	var started atomic.Int32
	var starting sync.WaitGroup
	for range s.opt.Limits.Connections {
		g := s.join("ana", "10.0.0.1")
		starting.Go(func() {
			for range 3 {
				if reply, _ := g.Answer("START sleep 1000", s); strings.HasPrefix(reply, "OK") {
					started.Add(1)
				}
			}
		})
	}
	starting.Wait()
	if n := started.Load(); n != 3 {
		t.Errorf("%d were started", n)
	}
}

// TestExecFails has exec fail in the child: the error comes back over the pipe, and the child ends.
func TestExecFails(t *testing.T) {
	s := open(t, nil)
	s.allow["sleep"] = "/no/such/program"
	g := s.join("ana", "10.0.0.1")
	reply := s.ask(g, "START sleep 1", "Error")
	if !strings.Contains(reply, unix.ENOENT.Error()) {
		t.Error(reply)
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(-1, &status, 0, nil); err != nil || status.ExitStatus() != 127 {
		t.Errorf("its status: %#x, %v", status, err)
	}
}

// TestStop has a student end what is the class's, what is her own, and nothing else.
func TestStop(t *testing.T) {
	for _, own := range []bool{false, true} {
		s := open(t, func(o *Options) { o.Own = own })
		ana, bea := s.join("ana", "10.0.0.1"), s.join("bea", "10.0.0.2")
		pid := s.start(ana, "START sleep 1000")
		stranger := s.run("sleep", "1000") // a child of the server, like ps, and not the class's
		for _, line := range []string{"STOP 0", "STOP 1", "STOP -1", "STOP 4294967298", "STOP x"} {
			s.ask(bea, line, "Error")
		}
		s.at = s.at.Add(time.Minute)
		s.ask(bea, fmt.Sprintf("STOP %d", os.Getpid()), "Error…not one of this class")
		s.ask(bea, fmt.Sprintf("STOP %d", stranger.Process.Pid), "Error…not one of this class")
		s.ask(bea, "STOP 2147483646", "Error…no such process")
		if own {
			s.ask(bea, fmt.Sprintf("STOP %d", pid), "Error…not yours")
			s.ask(ana, fmt.Sprintf("STOP %d", pid), "OK: stopped")
		} else {
			s.ask(bea, fmt.Sprintf("STOP %d", pid), "OK: stopped")
		}
		var status unix.WaitStatus
		if _, err := unix.Wait4(pid, &status, 0, nil); err != nil || status.Signal() != unix.SIGKILL {
			t.Errorf("own %v: %v, %v", own, status, err)
		}
		if err := stranger.Process.Signal(syscall.Signal(0)); err != nil {
			t.Errorf("the stranger: %v", err)
		}
		stranger.Process.Kill()
		stranger.Wait()
	}
}

// TestList has LIST show the class's processes, or all of them.
func TestList(t *testing.T) {
	for _, all := range []bool{false, true} {
		s := open(t, func(o *Options) { o.All = all })
		g := s.join("ana", "10.0.0.1")
		pid := s.start(g, "START sleep 1000")
		lines := strings.Split(strings.TrimSpace(s.ask(g, "LIST", " …PID COMMAND")), "\n")
		if fields := strings.Fields(lines[len(lines)-1]); !all && (len(lines) != 2 || fields[0] != fmt.Sprint(pid) || fields[1] != "sleep") {
			t.Errorf("%q", lines)
		}
		if all && len(lines) < 4 {
			t.Errorf("all: %q", lines)
		}
	}
}

// TestAudit reads what was written of a few requests: in order, whole, and without the code.
func TestAudit(t *testing.T) {
	s := open(t, nil)
	g := s.guest("10.0.0.1:1000")
	s.ask(g, "LIST", "Error")
	s.ask(g, "HELLO ana Q7W3E9", "OK")
	pid := s.start(g, "START sleep 1000")
	s.ask(g, "START sh", "Error")
	s.ask(g, "STOP x", "Error")
	g.Answer("EXIT", s)
	data, err := os.ReadFile(s.opt.Audit)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), "Q7W3E9") {
		t.Errorf("the code is in the log:\n%s", data)
	}
	var got []string
	for line := range strings.Lines(string(data)) {
		var e entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s|%s|%s|%s|%s|%d", e.Event, e.Peer, e.Student, e.Request, e.Outcome, e.PID))
	}
	peer := "10.0.0.1:1000"
	want := []string{"begin|||||0", "request|" + peer + "||LIST|refused|0", "request|" + peer + "|ana|HELLO ana|ok|0",
		"intent|" + peer + "|ana|START sleep 1000||0", fmt.Sprintf("request|%s|ana|START sleep 1000|ok|%d", peer, pid),
		"intent|" + peer + "|ana|START sh||0", "request|" + peer + "|ana|START sh|refused|0",
		"intent|" + peer + "|ana|STOP x||0", "request|" + peer + "|ana|STOP x|error|0", "request|" + peer + "|ana|EXIT|ok|0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := os.WriteFile(s.opt.Audit, []byte(`{"time":"2026-03-02T10:`), 0o600); err != nil { // what a crash of the machine left
		t.Fatal(err)
	}
	log, err := openAudit(s.opt.Audit)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(log.write(entry{Event: "begin"}), log.write(entry{Event: "end"}), log.close()); err != nil {
		t.Fatal(err)
	}
	if data, err = os.ReadFile(s.opt.Audit); strings.Count(string(data), "\n{") != 2 {
		t.Errorf("after a line without an end: %s %v", data, err)
	}
	if info, _ := os.Stat(s.opt.Audit); info.Mode().Perm() != 0o600 {
		t.Errorf("%v", info.Mode())
	}
}

// TestStrangersInLog bounds what a machine's strangers have the log hold, on any number of connections. Nothing of
// a student's is left out, and no request is left uncounted.
func TestStrangersInLog(t *testing.T) {
	s := open(t, nil)
	ask := func(address string, n int) {
		for range n {
			g := s.guest(address)
			s.ask(g, "LIST", "Error")
			g.Leave()
		}
	}
	ask("10.0.0.1:1000", 100)
	ask("10.0.0.2:1000", 3)
	s.at = s.at.Add(time.Minute)
	ask("10.0.0.1:1001", 10)
	s.ask(s.join("ana", "10.0.0.1"), "LIST", " …PID")
	ask("10.0.0.1:1002", 5)
	s.ask(s.join("bea", "10.0.0.1"), "LIST", " …PID")
	ask("10.0.0.1:1003", 7)
	ask("10.0.0.2:1001", 30)
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	type line struct {
		Event, Student string
		Entries        int // in a row, alike
		Unwritten      int
	}
	var got []line
	data, err := os.ReadFile(s.opt.Audit)
	if err != nil {
		t.Fatal(err)
	}
	for text := range strings.Lines(string(data)) {
		var e entry
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatal(err)
		}
		l := line{e.Event, e.Student, 1, e.Unwritten}
		if n := len(got); n > 0 && l.Unwritten == 0 && got[n-1].Event == l.Event && got[n-1].Student == l.Student {
			got[n-1].Entries++
			continue
		}
		got = append(got, l)
	}
	want := []line{{"begin", "", 1, 0}, {"request", "", 23, 0}, {"request", "", 6, 80}, {"request", "ana", 2, 4},
		{"request", "bea", 2, 5}, {"request", "", 20, 0}, {"end", "", 1, 17}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestAuditFails has a server whose log cannot be written run nothing.
func TestAuditFails(t *testing.T) {
	s := open(t, nil)
	g := s.join("ana", "10.0.0.1")
	full, err := unix.Open("/dev/full", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.Dup3(full, s.log.fd, unix.O_CLOEXEC)
	unix.Close(full)
	reply, exit := g.Answer("START sleep 1000", s)
	if !strings.Contains(reply, "cannot write its log") || !exit {
		t.Errorf("%q, %v", reply, exit)
	}
	now, err := s.processes()
	if err != nil || len(now.living(nil)) > 0 {
		t.Errorf("%v runs all the same, %v", now.living(nil), err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"no nosuchprogram in":  func(o *Options) { o.Allow = []string{"nosuchprogram"} },
		"give names, without":  func(o *Options) { o.Allow = []string{"/bin/sh"} },
		`-allow: ""`:           func(o *Options) { o.Allow = []string{""} },
		"no such file or dire": func(o *Options) { o.Audit = "/no/such/folder/log" },
	} {
		opt := Options{Code: "Q7W3E9", Allow: []string{"sleep"}, User: "nobody", Audit: filepath.Join(t.TempDir(), "log")}
		change(&opt)
		if c, err := Open(opt, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", want, c, err)
		}
	}
	if os.Geteuid() == 0 {
		for user, want := range map[string]string{"root": "that is root", "no-such-user": "there is no such user"} {
			if _, err := lookUp(user); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", user, err)
			}
		}
	}
}

func TestNewCode(t *testing.T) {
	seen := make(map[string]bool)
	for range 100 {
		code := NewCode()
		if len(code) != 6 || strings.Trim(code, letters) != "" || seen[code] {
			t.Errorf("%q", code)
		}
		seen[code] = true
	}
}

func FuzzHello(f *testing.F) {
	for _, line := range []string{"HELLO ana Q7W3E9", "HELLO", "hello  ñ Q7W3E9 ", "HELLO Q7W3E9", "LIST", "HELLO a\x00 Q7W3E9", "HELLO \u202e x"} {
		f.Add(line)
	}
	c, err := Open(Options{Code: "Q7W3E9", Allow: []string{"sleep"}, User: "nobody", Limits: Usual,
		Audit: os.DevNull, Lang: protocol.Spanish}, func(int) bool { return true }) // the fuzzer's own children, too
	if err != nil {
		f.Fatal(err)
	}
	c.pause = func(time.Duration) {}
	f.Fuzz(func(t *testing.T, line string) {
		g, err := c.Guest("10.0.0.1:1000")
		if err != nil {
			t.Fatal(err)
		}
		defer g.Leave()
		reply, _ := g.Answer(line, nothing{t})
		joined := g.student != nil
		if joined != strings.HasPrefix(reply, "OK") || !strings.HasSuffix(reply, "\n") || strings.Count(reply, "\n") != 1 {
			t.Errorf("%q: %q, joined %v", line, reply, joined)
		}
		if words := strings.Fields(line); joined && (len(words) < 3 || words[len(words)-1] != "Q7W3E9" || !GoodName(g.student.name)) {
			t.Errorf("%q joined as %q", line, g.student.name)
		}
	})
}

// nothing are verbs that nobody may reach without a HELLO.
type nothing struct{ t *testing.T }

func (n nothing) List() (string, error) { n.t.Error("LIST"); return "", nil }
func (n nothing) Start(string, []string) (int, string, error) {
	n.t.Error("START")
	return 0, "", errors.New("START")
}
func (n nothing) Stopped(int) string { n.t.Error("STOP"); return "" }
