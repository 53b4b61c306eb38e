package main_test

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMaxClients(t *testing.T) {
	s := start(t, options{args: []string{"-max-clients", "2"}})
	first, second := s.connect(), s.connect()
	first.ask("STOP 0")
	second.ask("STOP 0")
	for range 3 {
		third := s.connect()
		if reply := third.line(); reply != "Error: the server is full (2 clients): try again later" {
			t.Errorf("a third client was told %q", reply)
		}
		third.eof()
	}
	first.exit()
	third := s.connect()
	if reply := third.ask("STOP 0"); reply != protected {
		t.Errorf("in the first one's place, the third was told %q", reply)
	}
	second.Close() // without EXIT: the place is free once the server has seen it
	s.awaitLog(`close    client 2$`)
	s.await("the second one's place", func() bool {
		c := s.connect()
		c.Write([]byte("STOP 0\n"))
		reply, _ := c.reply.ReadString('\n')
		c.Close()
		return reply == protected+"\n"
	})
}

// TestNoDescriptorLeft: at RLIMIT_NOFILE a client is told so, START and LIST fail, no time is
// burnt, and the place of a client that leaves is free for the next. Then the end is in order.
func TestNoDescriptorLeft(t *testing.T) {
	s := start(t, options{shell: "ulimit -n 24"})
	var served []*client
	const refusal = "Error: the server has no descriptor left for you: try again later"
	// fill connects clients until one is refused, and returns after how many.
	fill := func() (n int) {
		for {
			c := s.connect()
			c.Write([]byte("STOP 0\n"))
			switch reply := c.line(); reply {
			case protected:
				served = append(served, c)
				n++
			case refusal:
				c.Close()
				return n
			default:
				t.Fatalf("client %d was told %q", n, reply)
			}
		}
	}
	if n := fill(); n < 5 {
		t.Fatalf("only %d clients were served", n)
	}
	before := cpuTime(s.pid)
	deadline := time.Now().Add(300 * time.Millisecond)
	s.await("300 ms to pass", func() bool { return time.Now().After(deadline) })
	if ticks := cpuTime(s.pid) - before; ticks > 10 {
		t.Errorf("idle, it used %d0 ms of 300", ticks)
	}
	c := served[0]
	if reply := c.ask("START true"); reply != `Error: cannot start "true": pipe: too many open files (EMFILE)` {
		t.Errorf("START: %q", reply)
	}
	if reply := c.ask("LIST"); reply != "Error: cannot list processes: pipe: too many open files (EMFILE)" {
		t.Errorf("LIST: %q", reply)
	}
	for range 3 {
		for _, c := range served[len(served)-3:] {
			c.exit()
		}
		served = served[:len(served)-3]
		if n := fill(); n != 3 {
			t.Errorf("three have left, and %d are served", n)
		}
	}
	s.end(unix.SIGTERM)
}

// TestForkFails: at RLIMIT_NPROC, START and LIST fail, and work again when there is room.
func TestForkFails(t *testing.T) {
	s := start(t, options{change: asNobody})
	// Go cannot live without a thread that it wants, so it gets them all before the limit.
	warm(s)
	c := s.connect()
	c.ask("START true")

	old := limitProcesses(t, s.pid, 1)
	for request, program := range map[string]string{"START true": "true", "LIST": "ps"} {
		want := `Error: cannot start "` + program + `": fork: resource temporarily unavailable (EAGAIN)`
		if reply := c.ask(request); reply != want {
			t.Errorf("%s: %q, want %q", request, reply, want)
		}
	}
	limitProcesses(t, s.pid, old)
	if reply := c.ask("START true"); !strings.HasPrefix(reply, "OK: ") {
		t.Errorf("with the limit gone: %q", reply)
	}
}

// warm has a crowd of clients start programs all at once, and go.
func warm(s *server) {
	const crowd = 8
	done := make(chan bool)
	for range crowd {
		c := s.connect()
		go func() {
			for range 10 {
				c.Write([]byte("START true\n"))
				c.reply.ReadString('\n')
			}
			c.Close()
			done <- true
		}()
	}
	for range crowd {
		<-done
	}
	s.await("the crowd to leave", func() bool { return strings.Count(s.log(), "  close ") == crowd })
}

// limitProcesses sets a process's soft RLIMIT_NPROC and returns the old one. It does so as the
// process's own user, who may even where root may not, for want of CAP_SYS_RESOURCE.
func limitProcesses(t *testing.T, pid int, most uint64) (old uint64) {
	t.Helper()
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // ids are the thread's, and it ends with this function
		if os.Getuid() == 0 {
			unix.RawSyscall(unix.SYS_SETRESGID, nobody, nobody, nobody)
			unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody)
		}
		var limit unix.Rlimit
		err := unix.Prlimit(pid, unix.RLIMIT_NPROC, nil, &limit)
		if err == nil {
			old, limit.Cur = limit.Cur, most
			err = unix.Prlimit(pid, unix.RLIMIT_NPROC, &limit, nil)
		}
		result <- err
	}()
	if err := <-result; err != nil {
		t.Fatalf("prlimit RLIMIT_NPROC: %v", err)
	}
	return old
}
