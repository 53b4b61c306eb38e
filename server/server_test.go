// The tests of package main_test are black-box: they run the built server and judge it by its
// socket, its log, its exit status and what the kernel tells about it in /proc. Nothing sleeps:
// each waits for a condition, and a guard catches hangs. The topics have a file each.
package main_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// guard is how long a condition may take before the test says that it does not come.
const guard = time.Minute

// nobody is the ordinary user whom a test that is run by root uses.
const nobody = 65534

// binary is the server under test.
var binary string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	if binary = os.Getenv("POSIXLAB_SERVER"); binary != "" { // run by TestOtherMachine
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "posixlab-server")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	os.Chmod(dir, 0o755) // for nobody to run it
	binary = filepath.Join(dir, "server")
	build := exec.Command("go", "build", "-o", binary, ".")
	if raceDetector {
		build.Args = []string{"go", "build", "-race", "-o", binary, "."}
	}
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// options are how a test wants the server to be started.
type options struct {
	args   []string // after -port 0 -lang en
	env    []string
	shell  string              // a shell command to be run before the server takes its place
	before func()              // called on the thread that starts the server
	change func(cmd *exec.Cmd) // the last word before it is started
}

// A server is one that a test has started.
type server struct {
	t      *testing.T
	cmd    *exec.Cmd
	pid    int
	port   int
	dir    string // the test's own
	tag    string // an environment variable that it and all its descendants carry
	ended  chan struct{}
	status syscall.WaitStatus // valid once ended is closed
}

// start starts a server and returns once it listens. The test's cleanup ends it, and fails the
// test if the end is not an orderly one or a process is left over.
func start(t *testing.T, opt options) *server {
	t.Helper()
	s := launch(t, opt)
	line := regexp.MustCompile(`listen   0\.0\.0\.0:(\d+), `)
	s.await("a line that says that it listens", func() bool {
		if s.hasEnded() {
			t.Fatalf("the server ended at once: %v\n%s", s.status, s.log())
		}
		found := line.FindStringSubmatch(s.log())
		if found != nil {
			s.port, _ = strconv.Atoi(found[1])
		}
		return found != nil
	})
	return s
}

// launch starts a server and does not wait for it.
func launch(t *testing.T, opt options) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), ended: make(chan struct{})}
	s.tag = "POSIXLAB_TEST=" + s.dir
	args := append([]string{binary, "-port", "0", "-lang", "en"}, opt.args...)
	if opt.shell != "" {
		args = append([]string{"/bin/sh", "-c", opt.shell + `; exec "$0" "$@"`}, args...)
	}
	log, err := os.Create(s.dir + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.cmd = exec.Command(args[0], args[1:]...)
	s.cmd.Env = append(append(environ(), s.tag), opt.env...)
	s.cmd.Stdout = log
	s.cmd.Stderr = log
	if opt.change != nil {
		opt.change(s.cmd)
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: before may have changed the thread
		if opt.before != nil {
			opt.before()
		}
		started <- s.cmd.Start()
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	s.pid = s.cmd.Process.Pid
	go func() {
		s.cmd.Wait()
		s.status = s.cmd.ProcessState.Sys().(syscall.WaitStatus)
		close(s.ended)
	}()
	t.Cleanup(s.cleanUp)
	return s
}

// environ is the test's environment without what chooses a language or a colour.
func environ() (env []string) {
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		switch {
		case name == "LANG", name == "NO_COLOR", strings.HasPrefix(name, "LC_"), name == "POSIXLAB_TEST":
		default:
			env = append(env, pair)
		}
	}
	return env
}

// cleanUp ends the server as a test should, and then looks for what it left.
func (s *server) cleanUp() {
	defer func() {
		if s.t.Failed() {
			s.t.Logf("the server's log:\n%s", s.log())
		}
	}()
	if !s.hasEnded() {
		s.end(unix.SIGTERM)
	}
	if s.leftover() != nil {
		s.await("the end of what the server started", func() bool { return s.leftover() == nil })
	}
}

// end sends the server a signal and fails the test unless it then ends with status 0.
func (s *server) end(sig unix.Signal) {
	s.t.Helper()
	unix.Kill(s.pid, sig)
	select {
	case <-s.ended:
	case <-time.After(guard):
		unix.Kill(s.pid, unix.SIGQUIT) // Go says where its threads are, and ends
		<-s.ended
		s.t.Fatalf("the server does not end on %s", unix.SignalName(sig))
	}
	if s.status != 0 {
		s.t.Errorf("the server ended with wait status %#x on %s; want exit status 0", uint32(s.status), unix.SignalName(sig))
	}
	if strings.Contains(s.log(), "DATA RACE") {
		s.t.Error("the race detector found something")
	}
}

func (s *server) hasEnded() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// leftover returns the pids of the processes that carry the server's tag, without its own.
func (s *server) leftover() (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		env, _ := os.ReadFile(dir + "/environ")
		if pid != s.pid && pid != os.Getpid() && strings.Contains("\x00"+string(env), "\x00"+s.tag+"\x00") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// log is what the server has logged so far.
func (s *server) log() string {
	text, _ := os.ReadFile(s.dir + "/log")
	return string(text)
}

// awaitLog waits until the log has a line that matches.
func (s *server) awaitLog(pattern string) {
	s.t.Helper()
	re := regexp.MustCompile("(?m)" + pattern)
	s.await("a line of the log like "+pattern, func() bool { return re.MatchString(s.log()) })
}

// await waits until a condition holds. When the guard fires, all that the server started is
// killed, and the test fails.
func (s *server) await(what string, holds func() bool) {
	s.t.Helper()
	for limit := time.Now().Add(guard); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			for _, pid := range s.leftover() {
				unix.Kill(pid, unix.SIGKILL)
			}
			s.t.Fatalf("waited %v in vain for %s", guard, what)
		}
	}
}

// A client is a connection to the server.
type client struct {
	*net.TCPConn
	t     *testing.T
	reply *bufio.Reader
}

func (s *server) connect() *client {
	s.t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
	if err != nil {
		s.t.Fatal(err)
	}
	return newClient(s.t, conn)
}

func newClient(t *testing.T, conn net.Conn) *client {
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(guard))
	return &client{conn.(*net.TCPConn), t, bufio.NewReader(conn)}
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// line reads one line of a reply, and returns it without its LF.
func (c *client) line() string {
	c.t.Helper()
	line, err := c.reply.ReadString('\n')
	if err != nil {
		c.t.Fatalf("reply %q, %v", line, err)
	}
	return strings.TrimSuffix(line, "\n")
}

// ask sends a request and returns the reply's one line.
func (c *client) ask(request string) string {
	c.t.Helper()
	c.send(request + "\n")
	return c.line()
}

// list sends LIST and returns its table. Where that ends is not on the wire, so a request that
// must fail follows, and its Error line ends it.
func (c *client) list() string {
	c.t.Helper()
	c.send("LIST\nSTOP 0\n")
	var table strings.Builder
	for {
		line := c.line()
		if line == protected {
			return table.String()
		}
		table.WriteString(line + "\n")
	}
}

// start asks the server to start a program and returns its pid.
func (c *client) start(program string) int {
	c.t.Helper()
	reply := c.ask("START " + program)
	found := regexp.MustCompile(`^OK: .* PID (\d+)$`).FindStringSubmatch(reply)
	if found == nil {
		c.t.Fatalf("START %s: %s", program, reply)
	}
	pid, _ := strconv.Atoi(found[1])
	return pid
}

// eof fails the test unless the server closes, with nothing more to say.
func (c *client) eof() {
	c.t.Helper()
	if rest, err := c.reply.ReadString(0); rest != "" || err.Error() != "EOF" {
		c.t.Errorf("want the end of the stream, got %q, %v", rest, err)
	}
}

// exit ends the session.
func (c *client) exit() {
	c.t.Helper()
	if bye := c.ask("EXIT"); bye != "Goodbye." {
		c.t.Errorf("EXIT: %q", bye)
	}
	c.eof()
}

// protected is what STOP 0 is told: a request that fails and changes nothing.
const protected = "Error: process 0 is protected"

// mustServe fails the test unless a new client is served.
func (s *server) mustServe() {
	s.t.Helper()
	c := s.connect()
	if reply := c.ask("STOP 0"); reply != protected {
		s.t.Errorf("a new client was told %q", reply)
	}
	c.exit()
}

// status returns a field of /proc/PID/status, "" if there is no such process.
func status(pid int, field string) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); name == field {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// descriptors maps each descriptor of a process to what it is open on.
func descriptors(pid int) map[string]string {
	found := make(map[string]string)
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, link := range links {
		found[filepath.Base(link)], _ = os.Readlink(link)
	}
	return found
}

// cpuTime is what a process has used up so far, in the clock's ticks of 10 ms.
func cpuTime(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return user + system
}

// script writes a program for the server to run, and returns its path.
func (s *server) script(name, text string) string {
	s.t.Helper()
	return writeScript(s.t, s.dir, name, text)
}

func writeScript(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	// Written by another process: one that is being written cannot be run (ETXTBSY), and a
	// descriptor of ours may live on in a child that another test's thread has just forked.
	write := exec.Command("/bin/sh", "-c", `cat >"$0" && chmod 755 "$0"`, path)
	write.Stdin = strings.NewReader("#!/bin/sh\n" + text + "\n")
	if err := write.Run(); err != nil {
		t.Fatal(err)
	}
	return path
}

// asNobody has the server run as an ordinary user.
func asNobody(cmd *exec.Cmd) {
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
}

// run runs the server to its end and returns what it wrote and its exit status.
func run(t *testing.T, env, args []string, change func(*exec.Cmd)) (stdout, stderr string, status int) {
	t.Helper()
	var out, err strings.Builder
	cmd := exec.Command(binary, args...)
	cmd.Env = append(environ(), env...)
	cmd.Stdout, cmd.Stderr = &out, &err
	if change != nil {
		change(cmd)
	}
	late := time.AfterFunc(guard, func() { cmd.Process.Kill() })
	defer late.Stop()
	if e := cmd.Run(); e != nil {
		if _, ended := errors.AsType[*exec.ExitError](e); !ended {
			t.Fatal(e)
		}
	}
	return out.String(), err.String(), cmd.ProcessState.ExitCode()
}
