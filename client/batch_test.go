package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBatch(t *testing.T) {
	server := serve(t, obey)
	for name, test := range map[string]struct {
		stdin string
		args  []string
		want  ended
	}{
		"given": {"not read\n", []string{"-c", "A", "-c", " b  c", server},
			ended{0, "OK A\nOK  b  c\nGoodbye.\n", ""}},
		"stdin": {"A\r\n\nB", []string{server},
			ended{0, "OK A\nOK \nOK B\nGoodbye.\n", ""}},
		"nothing": {"", []string{server},
			ended{0, "Goodbye.\n", ""}},
		"error": {"", []string{"-c", "BAD", "-c", "A", server},
			ended{1, "Error: bad\nOK A\nGoodbye.\n", ""}},
		"only EXIT": {"", []string{"-c", "exit", server},
			ended{0, "Goodbye.\n", ""}},
		"given after EXIT": {"", []string{"-c", "A", "-c", "Salir", "-c", "B", "-c", "BAD", server},
			ended{0, "OK A\nGoodbye.\n", "requests after EXIT, not sent: 2\n"}},
		"stdin after EXIT": {"A\n\tQUIT \r\nB\n\nC", []string{server},
			ended{0, "OK A\nGoodbye.\n", "requests after EXIT, not sent: 3\n"}},
		"EXIT with an argument is none": {"", []string{"-c", "EXIT now", "-c", "A", server},
			ended{0, "OK EXIT now\nOK A\nGoodbye.\n", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, run(t, test.stdin, test.args...)); diff != "" {
				t.Error("-want +got:\n" + diff)
			}
		})
	}
}

// What the server gets is exactly what the user said, one line each, and then the end.
func TestBatchSends(t *testing.T) {
	got := make(chan string, 1)
	server := serve(t, func(conn *net.TCPConn) {
		all, _ := io.ReadAll(conn)
		got <- string(all)
		conn.Write([]byte("bye\n"))
	})
	for in, want := range map[string]string{
		"A  b\n\x00\xff\r\nlast": "A  b\n\x00\xff\r\nlast\nEXIT\n",
		"A\nadios\nB\n":          "A\nadios\n",
		"":                       "EXIT\n",
	} {
		if status := run(t, in, server).Status; status != 0 {
			t.Errorf("%q: status %d", in, status)
		}
		if diff := cmp.Diff(want, <-got); diff != "" {
			t.Errorf("%q: -want +got:\n%s", in, diff)
		}
	}
}

// Replies that are not for a terminal are passed on byte by byte, whatever they are.
func TestBatchIsExact(t *testing.T) {
	var all []byte
	for b := range 256 {
		all = append(all, byte(b), byte(255-b))
	}
	server := serve(t, func(conn *net.TCPConn) {
		io.ReadAll(conn)
		conn.Write(all)
	})
	if diff := cmp.Diff(ended{0, string(all), ""}, run(t, "", "-c", "A", server)); diff != "" {
		t.Error("-want +got:\n" + diff)
	}
}

// Replies are printed as they come: the server's next word waits until this one is seen.
func TestBatchPrintsAtOnce(t *testing.T) {
	seen := make(chan bool)
	server := serve(t, func(conn *net.TCPConn) {
		conn.Write([]byte("half a line"))
		<-seen
		obey(conn)
	})
	cmd := command(t, nil, server)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("half a line"))); err != nil {
		t.Error(err)
	}
	close(seen)
	if rest, _ := io.ReadAll(out); string(rest) != "Goodbye.\n" {
		t.Errorf("then came %q", rest)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// 10 MB of requests and 10 MB of replies, from a server that reads no request before its last
// reply is sent: a client that sends everything first would wait for ever.
func TestBatchSendsAndReceivesAtOnce(t *testing.T) {
	server := serve(t, func(conn *net.TCPConn) {
		requests := bufio.NewReader(conn)
		for {
			line, err := requests.ReadString('\n')
			if err != nil || line == "EXIT\n" {
				return
			}
			conn.Write([]byte(line))
		}
	})
	text := strings.Repeat(strings.Repeat("x", 1023)+"\n", 10<<10)
	got := run(t, text, server)
	if got.Status != 0 || got.Stdout != text || got.Stderr != "" {
		t.Errorf("status %d, %d bytes of %d, stderr %q",
			got.Status, len(got.Stdout), len(text), got.Stderr)
	}
}

// A server that is gone is noticed while the client waits for its user.
func TestBatchLostWhileInputIsOpen(t *testing.T) {
	server := serve(t, func(conn *net.TCPConn) {
		bufio.NewReader(conn).ReadString('\n')
		conn.Write([]byte("OK\n"))
	})
	cmd := command(t, nil, server)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(in, "A\n")
	if status := statusOf(t, cmd.Wait()); status != 3 || out.String() != "OK\n" {
		t.Errorf("status %d, stdout %q", status, out.String())
	}
}

func TestUnreadableInput(t *testing.T) {
	server := serve(t, obey)
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	cmd := command(t, nil, server)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = dir, &stderr
	status := statusOf(t, cmd.Run())
	if status != 3 || !strings.Contains(stderr.String(), "(EISDIR)") {
		t.Errorf("status %d, stderr %q", status, stderr.String())
	}
}

func TestUnwritableOutput(t *testing.T) {
	server := serve(t, obey)
	full, err := os.OpenFile(filepath.Join("/dev", "full"), os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	cmd := command(t, nil, "-c", "A", server)
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = full, &stderr
	status := statusOf(t, cmd.Run())
	if status != 3 || !strings.Contains(stderr.String(), "(ENOSPC)") {
		t.Errorf("status %d, stderr %q", status, stderr.String())
	}
}
