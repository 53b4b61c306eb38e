package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A subject is a running server that is measured.
type subject struct {
	b    *testing.B
	cmd  *exec.Cmd
	port int
}

// start runs a server in the calling thread's network and waits until it listens: on a port
// that is built in, or, for port 0, on the one that its log names. It goes with the benchmark.
func start(b *testing.B, port int, path string, args ...string) *subject {
	log, err := os.Create(filepath.Join(b.TempDir(), "log"))
	check(b, err)
	defer log.Close()
	s := &subject{b, exec.Command(path, args...), port}
	s.cmd.Stderr = log
	// It goes too if this thread does: ownNetwork keeps the thread for as long as the benchmark.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	check(b, s.cmd.Start())
	b.Cleanup(s.stop)

	for began := time.Now(); time.Since(began) < patience; time.Sleep(time.Millisecond) {
		if s.port == 0 {
			s.port = loggedPort(log.Name())
		}
		if c, err := dial(s.port); err == nil {
			unix.Close(c.fd)
			return s
		}
	}
	b.Fatalf("%s does not listen on port %d", path, s.port)
	return nil
}

var listening = regexp.MustCompile(`listen .*0\.0\.0\.0:(\d+)`)

// loggedPort returns the port that our server's log says it listens on, or 0 so far.
func loggedPort(log string) int {
	text, err := os.ReadFile(log)
	found := listening.FindSubmatch(text)
	if err != nil || found == nil {
		return 0
	}
	port, _ := strconv.Atoi(string(found[1])) // digits, by the expression
	return port
}

func (s *subject) stop() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

// sessionTime is how long one turn of sessions lasts, and sessionClients is how many clients
// have sessions at once.
const (
	sessionTime    = 25 * time.Millisecond
	sessionClients = 4
)

// sessions has clients open, use and close sessions for a while, and returns how many a second.
func (s *subject) sessions() (rate float64) {
	network, err := os.Open("/proc/thread-self/ns/net")
	check(s.b, err)
	defer network.Close()
	var clients sync.WaitGroup
	var sessions atomic.Int64
	began := time.Now()
	for range sessionClients {
		clients.Go(func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with its client
			// Without the right to, there is only one network anyway.
			unix.Setns(int(network.Fd()), unix.CLONE_NEWNET)
			for time.Since(began) < sessionTime {
				if err := session(s.port); err != nil {
					s.b.Error(err)
					return
				}
				sessions.Add(1)
			}
		})
	}
	clients.Wait()
	return float64(sessions.Load()) / time.Since(began).Seconds()
}

// idleClients is how many clients wait in silence.
const idleClients = 500

// idle connects clients that make one request each, and returns what each of them costs: KB of
// resident memory, and threads. Then it ends the server.
func (s *subject) idle() (kb, threads float64) {
	memoryBefore, threadsBefore := s.status("VmRSS"), s.status("Threads")
	for range idleClients {
		c, err := dial(s.port)
		check(s.b, err)
		defer unix.Close(c.fd)
		check(s.b, c.ask(cheap, "Error"))
	}
	kb = float64(s.status("VmRSS")-memoryBefore) / idleClients
	threads = float64(s.status("Threads")-threadsBefore) / idleClients
	s.stop()
	return kb, threads
}

// status reads a number from /proc/PID/status (proc(5)); memory is in KB.
func (s *subject) status(field string) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	check(s.b, err)
	_, rest, _ := strings.Cut(string(text), "\n"+field+":")
	number, err := strconv.Atoi(strings.Fields(rest)[0])
	check(s.b, err)
	return number
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
