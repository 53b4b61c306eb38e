package script

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"posixlab/labs/internal/show"
	"posixlab/labs/internal/target"
)

func TestHalf(t *testing.T) {
	const end = "Error: no such process 2147483647\n"
	for name, c := range map[string]struct{ got, want string }{
		"nothing":              {"", ""},
		"one":                  {end, ""},
		"one and a half":       {end + end[:9], ""},
		"two":                  {end + end, end},
		"no line ending":       {"no 7, no 7", ""},
		"nor a space":          {"no.no.", "no."},
		"lines":                {"Error: no\n(see kill)\nError: no\n(see kill)\n", "Error: no\n(see kill)\n"},
		"all but for a number": {"9 requests: no\n10 requests: no\n", "9 requests: no\n"},
		"other words":          {"no\nyes\n", ""},
	} {
		if got := half([]byte(c.got)); string(got) != c.want {
			t.Errorf("%s: half(%q) = %q; want %q", name, c.got, got, c.want)
		}
	}
}

func TestExcerpt(t *testing.T) {
	if got := excerpt([]byte("a\nb\x1b\xff")); got != `a\nb\x1b\xff` {
		t.Error(got)
	}
	if got := excerpt([]byte(strings.Repeat("x", 1000))); len(got) > 110 {
		t.Error(got)
	}
	if got := excerpt([]byte("x" + strings.Repeat("ñ", 1000))); strings.Contains(got, `\x`) {
		t.Errorf("an excerpt cuts within a character: %s", got)
	}
}

// story returns one whose server is a function that answers each line, until it says that it
// closes.
func story(t *testing.T, answer func(line string) (reply string, closes bool)) *Story {
	t.Helper()
	run, err := target.NewRun()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run.End() })
	// The test itself answers, and is no process of the run's. This one keeps the run from standing
	// still meanwhile.
	awake := target.Command{Argv: []string{"sh", "-c", "while sleep 0.1; do :; done"}}
	server, err := run.Start(awake, os.Environ(), filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for lines := bufio.NewReader(conn); ; {
					line, err := lines.ReadString('\n')
					if err != nil {
						return
					}
					reply, closes := answer(strings.TrimSpace(line))
					if io.WriteString(conn, reply); closes {
						return
					}
				}
			}()
		}
	}()
	s := &Story{run: run, work: t.TempDir()}
	s.Out = show.NewNarrator(io.Discard, show.English, false)
	s.server = server
	s.server.Port = l.Addr().(*net.TCPAddr).Port
	s.port = s.server.Port
	if err := s.learn(); err != nil { // as the server command does
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, c := range s.conns {
			c.tcp.Close()
		}
	})
	return s
}

func (s *Story) mustAsk(t *testing.T, name, line string) (string, error) {
	t.Helper()
	if s.conn(name) == nil {
		if err := s.dial(name, hearing{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.send(name, request{text: line}); err != nil {
		t.Fatal(err)
	}
	reply, err := s.reply(s.conn(name))
	return string(reply), err
}

func TestReply(t *testing.T) {
	table := strings.Repeat("  1 init\n", 10_000)
	for name, end := range map[string]string{
		"a line":                 "Error: no such process\n",
		"no line ending":         "Error: no such process 2147483647.",
		"CR LF":                  "Error: no\r\n",
		"lines":                  "Error: no such process\n  pid 2147483647\n\n",
		"a success for the mark": "OK: sent SIGKILL to 2147483647\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := story(t, func(line string) (string, bool) {
				switch line {
				case "STOP 2147483647":
					return end, false
				case "LIST":
					return table, false
				case "again":
					return end, false
				}
				return "you said " + line, false
			})
			for i, line := range []string{"hello", "LIST", "x", "again", "LIST", "again"} {
				want := map[string]string{"LIST": table, "again": end}[line]
				if want == "" {
					want = "you said " + line
				}
				client := fmt.Sprint("c", i%2) // what one connection taught holds for all
				if got, err := s.mustAsk(t, client, line); got != want || err != nil {
					t.Fatalf("%s: %d bytes %.100q, %v; want %d bytes %.100q", line, len(got), got, err, len(want), want)
				}
			}
		})
	}
}

// TestReplyThenClose has a server that closes after its reply: all that came is the reply.
func TestReplyThenClose(t *testing.T) {
	s := story(t, func(line string) (string, bool) { return "Goodbye.\n", true })
	if got, err := s.mustAsk(t, "ana", "EXIT"); got != "Goodbye.\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// TestNoReply has servers that close, say nothing, or do not answer the mark: failures of theirs.
func TestNoReply(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(string) (string, bool)
		seen   string
	}{
		"closes": {func(string) (string, bool) { return "", true }, "closed the connection"},
	} {
		t.Run(name, func(t *testing.T) {
			s := story(t, c.answer)
			got, err := s.mustAsk(t, "ana", "LIST")
			f, ok := errors.AsType[*failure](err)
			if !ok || got != "" || !strings.Contains(f.seen, c.seen) {
				t.Errorf("%q, %v; want a failure that saw %q", got, err, c.seen)
			}
			if out := s.explain(err); out.Infra {
				t.Errorf("%+v", out)
			}
		})
	}
}

func TestRequestBytes(t *testing.T) {
	for _, c := range []struct {
		r    request
		want string
	}{
		{request{text: "LIST"}, "LIST\n"},
		{request{text: ""}, "\n"},
		{request{text: "LIST", pad: 8}, "LIST    \n"},
		{request{text: "LIST", pad: 2}, "LIST\n"},
		{request{text: `a\r\n"b"\x00\\`, raw: true}, "a\r\n\"b\"\x00\\"},
	} {
		if got, err := c.r.bytes(); string(got) != c.want || err != nil {
			t.Errorf("%+v: %q, %v; want %q", c.r, got, err, c.want)
		}
	}
	if _, err := (&request{text: `\q`, raw: true}).bytes(); err == nil {
		t.Error(`\q is no escape`)
	}
}
