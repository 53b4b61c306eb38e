package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Whatever luck decides between the end of the stream, a reset and a failed send, a server that
// refuses is status 1 and is heard, and one that dies is status 3.
func TestEndings(t *testing.T) {
	for name, test := range map[string]struct {
		talk   func(*net.TCPConn)
		status int
		stdout string
	}{
		"refuses": {func(conn *net.TCPConn) {
			io.WriteString(conn, "Error: full\n")
		}, 1, "Error: full\n"},
		"refuses in pieces, unended": {func(conn *net.TCPConn) {
			io.WriteString(conn, "hello\nErr")
			io.WriteString(conn, "or: full")
		}, 1, "hello\nError: full"},
		"refuses and resets": {func(conn *net.TCPConn) {
			conn.Read(make([]byte, 1))
			io.WriteString(conn, "Error: full\n")
			reset(conn)
		}, 1, "Error: full\n"},
		"closes at once": {func(conn *net.TCPConn) {
		}, 3, ""},
		"closes without a word": {func(conn *net.TCPConn) {
			io.ReadAll(conn)
		}, 3, ""},
		"resets at once": {func(conn *net.TCPConn) {
			reset(conn)
		}, 3, ""},
		"resets after a reply": {func(conn *net.TCPConn) {
			bufio.NewReader(conn).ReadString('\n')
			io.WriteString(conn, "OK\n")
			reset(conn)
		}, 3, "OK\n"},
		"resets after all of them": {func(conn *net.TCPConn) {
			io.ReadAll(conn)
			io.WriteString(conn, "OK\nOK\nGoodbye.\n")
			reset(conn)
		}, 3, "OK\nOK\nGoodbye.\n"},
		"says Error, but not as a line begins": {func(conn *net.TCPConn) {
			io.ReadAll(conn)
			io.WriteString(conn, "OK Error\nErro\nr\n error\nERROR\n")
		}, 0, "OK Error\nErro\nr\n error\nERROR\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, test.talk)
			for range 20 {
				got := run(t, "", "-c", "A", "-c", "B", server)
				if got.Status != test.status || got.Stdout != test.stdout {
					t.Fatalf("want status %d, stdout %q\ngot %+v", test.status, test.stdout, got)
				}
				if said := got.Stderr != ""; said != (test.status == 3) {
					t.Fatalf("status %d, stderr %q", got.Status, got.Stderr)
				}
			}
		})
	}
}

func TestCannotConnect(t *testing.T) {
	server := nobody(t)
	for _, test := range []struct {
		args   []string
		stderr string
	}{
		{[]string{server}, "connect " + server + ": connection refused (ECONNREFUSED): " +
			"is the server running? start it: make server, then ./server/server\n"},
		{[]string{"-lang", "es", server}, "connect " + server + ": conexión rechazada (ECONNREFUSED): " +
			"¿está corriendo el servidor? arráncalo: make server, luego ./server/server\n"},
		{[]string{"a..b"}, "getaddrinfo \"a..b\": no IPv4 address found: " +
			"check the name, or give the address\n"},
	} {
		if diff := cmp.Diff(ended{3, "", test.stderr}, run(t, "A\n", test.args...)); diff != "" {
			t.Errorf("%q: -want +got:\n%s", test.args, diff)
		}
	}
}

func TestWrongUse(t *testing.T) {
	const address = ": give HOST or HOST:PORT, "
	for _, test := range []struct {
		args []string
		says string
	}{
		{[]string{"127.0.0.1:0"}, `"127.0.0.1:0"` + address},
		{[]string{"127.0.0.1:70000"}, `"127.0.0.1:70000"` + address},
		{[]string{"127.0.0.1:http"}, `"127.0.0.1:http"` + address},
		{[]string{"127.0.0.1:+5"}, `"127.0.0.1:+5"` + address},
		{[]string{"127.0.0.1:"}, `"127.0.0.1:"` + address},
		{[]string{"::1"}, `"::1"` + address},
		{[]string{"[::1]:5002"}, `"[::1]:5002"` + address},
		{[]string{":5002"}, `":5002"` + address},
		{[]string{""}, `""` + address},
		{[]string{"localhost", "-c"}, `"-c": one HOST[:PORT] at most`},
		{[]string{"-c", "LIST\nLIST"}, `-c "LIST\nLIST": a request is one line`},
		{[]string{"-c"}, `"-c": there is no such option`},
		{[]string{"--frobnicate", "-c", "A"}, `"-frobnicate": there is no such option`},
		{[]string{"-=x", "-c", "A"}, `"-=x": there is no such option`},
		{[]string{"-lang", "fr"}, `-lang "fr": say en or es`},
		{[]string{"LIST"}, `"LIST" is a request and not a host: did you mean -c LIST?`},
		{[]string{"stop", "12"}, `"stop" is a request and not a host: did you mean -c "stop 12"?`},
		{[]string{"-c", "LIST", "adiós"}, `"adiós" is a request`},
		{[]string{"-lang", "es", "START sleep 60"}, `"START sleep 60" es una petición y no un host: ¿quisiste decir -c "START sleep 60"?`},
		{[]string{"-lang", "es", "::1"}, `"::1": usa HOST o HOST:PUERTO, `},
	} {
		got := run(t, "", test.args...)
		if got.Status != 2 || got.Stdout != "" || !strings.HasPrefix(got.Stderr, "client: "+test.says) {
			t.Errorf("%q: want status 2 and %s\ngot %+v", test.args, test.says, got)
		}
	}
}

func TestAsked(t *testing.T) {
	for _, test := range []struct {
		args   []string
		stdout string
	}{
		{[]string{"-version"}, "posixlab client 0.1.0\n"},
		{[]string{"-h"}, say.Usage.EN},
		{[]string{"-lang", "es", "--help"}, say.Usage.ES},
	} {
		if diff := cmp.Diff(ended{0, test.stdout, ""}, run(t, "", test.args...)); diff != "" {
			t.Errorf("%q: -want +got:\n%s", test.args, diff)
		}
	}
}

func TestSplitAddress(t *testing.T) {
	for in, want := range map[string]string{
		"example.org":     "example.org 5002 true",
		"10.0.0.1:1":      "10.0.0.1 1 true",
		"example.org:080": "example.org 80 true",
		"h:65535":         "h 65535 true",
		"h:65536":         "h 65535 false",
	} {
		if got := fmt.Sprintln(splitAddress(in)); got != want+"\n" {
			t.Errorf("%s: want %s, got %s", in, want, got)
		}
	}
}

// TestNotJoined: whoever is not let into a class asks it for nothing more, however the answer comes.
func TestNotJoined(t *testing.T) {
	for _, reply := range []string{"Error: no\n", "Error: no"} {
		asked := make(chan string, 1)
		server := serve(t, func(conn *net.TCPConn) {
			lines := bufio.NewReader(conn)
			hello, _ := lines.ReadString('\n')
			io.WriteString(conn, reply[:3])
			io.WriteString(conn, reply[3:])
			if !strings.HasSuffix(reply, "\n") {
				conn.CloseWrite()
			}
			rest, _ := io.ReadAll(lines)
			asked <- hello + string(rest)
		})
		got := run(t, "", "-name", "ana maría", "-code", "WRONG", "-c", "LIST", server)
		if said := <-asked; said != "HELLO ana maría WRONG\n" || got.Status != 1 || got.Stdout != reply {
			t.Errorf("%q: asked %q, status %d, stdout %q", reply, said, got.Status, got.Stdout)
		}
	}
}
