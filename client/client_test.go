package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"posixlab/server/protocol"
)

// The tests run the client as a program: this test's own binary, which with this variable set
// is the client and nothing else.
const asClient = "POSIXLAB_TEST_AS_CLIENT"

func TestMain(m *testing.M) {
	if os.Getenv(asClient) != "" {
		main()
	}
	os.Exit(m.Run())
}

// guard is only to catch what hangs.
const guard = time.Minute

// command is a client that is ready to start, in English unless env says otherwise.
func command(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), guard)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append([]string{asClient + "=1", "LC_ALL=C", "TERM=xterm",
		"GORACE=atexit_sleep_ms=0"}, env...)
	return cmd
}

// ended is how a client ended, and what it said.
type ended struct {
	Status         int
	Stdout, Stderr string
}

// run runs a client to its end.
func run(t *testing.T, stdin string, args ...string) ended {
	t.Helper()
	cmd := command(t, nil, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	status := statusOf(t, cmd.Run())
	return ended{status, stdout.String(), stderr.String()}
}

func statusOf(t *testing.T, err error) int {
	t.Helper()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0
}

// serve is a server that gives each connection to talk, and then closes it. It returns its
// address.
func serve(t *testing.T, talk func(*net.TCPConn)) string {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var talks sync.WaitGroup
	talks.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			talks.Go(func() {
				defer conn.Close()
				talk(conn.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		talks.Wait()
	})
	return listener.Addr().String()
}

// obey answers as the protocol has it: BAD fails, all else but EXIT succeeds.
func obey(conn *net.TCPConn) {
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		request, err := protocol.Parse(lines.Text())
		switch {
		case err == nil && request.Verb == protocol.Exit:
			conn.Write([]byte("Goodbye.\n"))
			return
		case lines.Text() == "BAD":
			conn.Write([]byte("Error: bad\n"))
		default:
			conn.Write([]byte("OK " + lines.Text() + "\n"))
		}
	}
}

// nobody is an address at which nothing listens.
func nobody(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// reset closes a connection with RST.
func reset(conn *net.TCPConn) {
	conn.SetLinger(0)
	conn.Close()
}
