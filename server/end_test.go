package main_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"testing"

	"golang.org/x/sys/unix"
)

// ignoresTerm starts a child that SIGTERM does not end, and waits until it is so.
func ignoresTerm(s *server, c *client) int {
	pid := c.start(s.script("deaf", `trap "" TERM; exec sleep 1000`))
	s.await("a child that ignores SIGTERM", func() bool { return status(pid, "Name") == "sleep" })
	return pid
}

// TestOrderlyEnd: a signal ends the children, first TERM and then KILL, and the server, status 0.
func TestOrderlyEnd(t *testing.T) {
	for sig, name := range map[unix.Signal]string{unix.SIGTERM: "SIGTERM", unix.SIGINT: "SIGINT", unix.SIGHUP: "SIGHUP"} {
		t.Run(name, func(t *testing.T) {
			s := start(t, options{})
			c := s.connect()
			one, two := c.start("sleep 1000"), c.start("sleep 1000")
			deaf := ignoresTerm(s, c)
			group := c.start(s.script("group", `sleep 1000 & sleep 1000`))
			s.end(sig)
			c.eof()
			for pid, how := range map[int]string{
				one: `\(sleep\) was killed by signal 15 \(SIGTERM\)`, two: `\(sleep\) was killed by signal 15 \(SIGTERM\)`,
				group: `\(.*\) was killed by signal 15 \(SIGTERM\)`, deaf: `\(.*\) was killed by signal 9 \(SIGKILL\)`,
			} {
				s.awaitLog(fmt.Sprintf(`  reap     child %d %s$`, pid, how))
				if state := status(pid, "State"); state != "" {
					t.Errorf("child %d is left: %s", pid, state)
				}
			}
			s.awaitLog(`  end      ` + name + `: accepting no more clients$`)
			s.awaitLog(`  end      children ended: 4$`)
		})
	}
}

// TestEndAtOnce: the signals are caught before the port is announced.
func TestEndAtOnce(t *testing.T) {
	for range 20 {
		start(t, options{}).end(unix.SIGTERM)
	}
}

// TestNohup: a SIGHUP that the starter had ignored stays ignored.
func TestNohup(t *testing.T) {
	s := start(t, options{shell: `trap "" HUP`})
	c := s.connect()
	for range 5 {
		unix.Kill(s.pid, unix.SIGHUP)
		if reply := c.ask("STOP 0"); reply != protected {
			t.Errorf("after SIGHUP: %q", reply)
		}
	}
	s.end(unix.SIGTERM)
	s.awaitLog(`  end      SIGTERM: `)
}

// TestBlockedSignals: the starter's signal mask does not keep the server from ending.
func TestBlockedSignals(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGINT} {
		s := start(t, options{before: func() {
			all := unix.Sigset_t{Val: [16]uint64{1<<(unix.SIGTERM-1) | 1<<(unix.SIGINT-1) | 1<<(unix.SIGCHLD-1)}}
			unix.PthreadSigmask(unix.SIG_BLOCK, &all, nil)
		}})
		s.connect().start("sleep 1000")
		s.end(sig)
	}
}

// TestLogReaderGone: server 2>&1 | head, and the server lives on, and ends in order.
func TestLogReaderGone(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := launch(t, options{change: func(cmd *exec.Cmd) { cmd.Stderr = write }})
	write.Close() // our copy: the server has its own
	first := make([]byte, 200)
	n, err := read.Read(first)
	found := regexp.MustCompile(`0\.0\.0\.0:(\d+), `).FindSubmatch(first[:n])
	if err != nil || found == nil {
		t.Fatalf("the first line is %q, %v", first[:n], err)
	}
	fmt.Sscan(string(found[1]), &s.port)
	read.Close() // the only copy: from now on each line is EPIPE
	c := s.connect()
	pid := c.start("sleep 1000")
	s.mustServe()
	s.end(unix.SIGINT)
	if state := status(pid, "State"); state != "" {
		t.Errorf("the child is left: %s", state)
	}
}

// TestMovedChild: one that left its process group is ended too.
func TestMovedChild(t *testing.T) {
	if _, err := exec.LookPath("perl"); err != nil {
		t.Skip("no perl, the only common program here that can call setpgid")
	}
	s := start(t, options{})
	c := s.connect()
	pid := c.start("perl -e setpgrp(0,getpgrp(getppid()));sleep(1000)")
	s.await("the child to move", func() bool { group, _ := unix.Getpgid(pid); return group != pid })
	s.end(unix.SIGTERM)
	s.awaitLog(fmt.Sprintf(`  reap     child %d \(perl\) was killed by signal 15 \(SIGTERM\)$`, pid))
}

// TestRestart: the server closes first, so its port is left in TIME_WAIT; it restarts at once.
func TestRestart(t *testing.T) {
	port := "0"
	for range 5 {
		s := start(t, options{args: []string{"-port", port}})
		port = fmt.Sprint(s.port)
		c := s.connect()
		c.start("sleep 1000")
		s.end(unix.SIGTERM)
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the client of a server that has ended reads %v", err)
		}
	}
}
