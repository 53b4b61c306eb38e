package script

import (
	"bytes"
	"io"
	"regexp"
	"time"
	"unicode/utf8"

	"posixlab/labs/internal/proc"
	"posixlab/labs/internal/show"
)

// Where a reply ends is not on the wire: it may be one line or thousands. So after the first
// bytes of a reply we send a request that must fail, and whatever is before its answer is the
// reply. No process has this pid (proc(5): pid_max is at most 4,194,304).
const (
	markPID     = "2147483647"
	markRequest = "STOP " + markPID + "\n"
)

// learn finds out how a new server answers the mark, on a connection of its own that is hung up
// again: two marks, and what comes is twice the same, but for its numbers. A server that does not
// answer is found out later, at the first reply that a script wants.
func (s *Story) learn() error {
	s.end = nil
	if s.class { // where a request may cost something
		return nil
	}
	if err := s.dial(probeName, hearing{}); err != nil {
		return nil
	}
	c := s.conn(probeName)
	s.forget(c)
	s.probes = append(s.probes, c)
	defer c.tcp.Close()
	enough := func(cond func(got []byte) bool) bool {
		return s.arrive(c, "", func(got []byte) bool { return cond(got) }) == nil
	}
	c.tcp.Write([]byte(markRequest))
	if !enough(func(got []byte) bool { return len(got) > 0 }) || s.consumed(c) != nil {
		return nil
	}
	c.tcp.Write([]byte(markRequest)) // by itself: a server may take one recv for one request
	var answer []byte
	if !enough(func(got []byte) bool { answer = half(got); return answer != nil }) {
		if got, over := c.arrived(); over != nil {
			answer = got // it closed after one answer
		}
	}
	if len(answer) > 0 {
		s.end = regexp.MustCompile(`(?s)^.+?(` + numberless(regexp.QuoteMeta(string(answer)), `\d+`) + `)$`)
	}
	return nil
}

// probeName is the name of the connection that learn makes. No script can use it.
const probeName = "?"

// half returns the first half of what has arrived, if the second is the same but for numbers: a
// server may put the time or a count into what it says.
func half(got []byte) []byte {
	for n := 1; n < len(got); n++ {
		if numberless(string(got[:n]), "0") == numberless(string(got[n:]), "0") {
			return got[:n]
		}
	}
	return nil
}

var digits = regexp.MustCompile(`\d+`)

// numberless puts something else in the place of each number.
func numberless(text, instead string) string { return digits.ReplaceAllLiteralString(text, instead) }

// line reads one reply of a class, which is a line.
func (s *Story) line(c *conn) ([]byte, error) {
	c.listen()
	end := 0
	expected := s.say(show.Text{EN: "a line of reply to %s", ES: "una línea de respuesta para %s"}, c.name)
	err := s.arrive(c, expected, func(got []byte) bool {
		end = bytes.IndexByte(got, '\n') + 1
		return end > 0
	})
	if err != nil {
		return nil, err
	}
	return c.take(end), nil
}

// tooSoon makes a failure of a reply that came before it may, after so much time.
func (s *Story) tooSoon(took time.Duration) error {
	if took < s.slow {
		return &failure{
			s.say(show.Text{EN: "an answer after %s at the earliest", ES: "una respuesta, no antes de %s"}, show.Duration(s.slow)),
			s.say(show.Text{EN: "one after %d ms", ES: "una a los %d ms"}, took.Milliseconds())}
	}
	s.Out.Note(show.Text{EN: "the answer took %d ms", ES: "la respuesta tardó %d ms"}, took.Milliseconds())
	return nil
}

// reply reads one reply. Pipelined requests count as one: their answers come before the mark's.
func (s *Story) reply(c *conn) ([]byte, error) {
	if s.class {
		return s.line(c)
	}
	c.listen()
	expected := s.say(show.Text{EN: "a reply to %s", ES: "una respuesta para %s"}, c.name)
	err := s.arrive(c, expected, func(got []byte) bool { return len(got) > 0 })
	if err != nil {
		return nil, err
	}

	c.tcp.Write([]byte(markRequest)) // if the server has closed, that ends the reply
	expected = s.say(show.Text{
		EN: "an answer to the next request, STOP " + markPID + ", which the runner sends to see where a reply ends",
		ES: "una respuesta a la siguiente petición, STOP " + markPID + ", que el evaluador envía para ver dónde acaba una respuesta"})
	var all, mark int // how many bytes came, and how many of them are the mark's answer
	err = s.arrive(c, expected, func(got []byte) bool {
		all = len(got)
		if _, over := c.arrived(); over != nil && over != errFlood {
			return true // it closed: all that came is the reply
		}
		if s.end == nil {
			return false
		}
		// LIST may be long, and the answer is not: look at the end only.
		tail := got[max(0, len(got)-longestMark):]
		at := s.end.FindSubmatchIndex(tail)
		if at == nil {
			return false
		}
		mark = at[3] - at[2]
		return true
	})
	if err != nil {
		return nil, &hinted{err, s.say(show.Text{
			EN: "It answered one request, and reads no more. After a reply, go back to recv(2), in a loop, until it " +
				"returns 0: lab 2, persistence. And if you do close: a child that inherited the descriptor keeps " +
				"the connection open (SOCK_CLOEXEC, accept4(2)).",
			ES: "Contestó una petición y ya no lee. Después de responder, vuelve a recv(2), en un ciclo, hasta que " +
				"devuelva 0: laboratorio 2, persistence. Y si sí cierras: un hijo que heredó el descriptor mantiene " +
				"abierta la conexión (SOCK_CLOEXEC, accept4(2))."})}
	}
	reply := c.take(all - mark)
	c.take(mark)
	return reply, nil
}

// longestMark is more than any server says about a pid that does not exist, in bytes.
const longestMark = 4096

// arrive waits until enough has arrived on a connection.
func (s *Story) arrive(c *conn, expected string, enough func(got []byte) bool) error {
	return s.await(c.wake, expected,
		func() string {
			if got, _ := c.arrived(); len(got) > 0 {
				return s.say(show.Text{
					EN: "%s, and nothing more; bytes that the server has not read: %d",
					ES: "%s, y nada más; bytes que el servidor no ha leído: %d"}, excerpt(got), unread(c))
			}
			return s.say(show.Text{EN: "no byte", ES: "ni un byte"})
		},
		func() (bool, error) {
			got, over := c.arrived()
			if enough(got) {
				return true, nil
			}
			if over == nil {
				return false, nil
			}
			seen := s.sayEnd(over)
			if len(got) > 0 {
				seen = excerpt(got) + "; " + seen
			}
			return false, &failure{expected, seen}
		})
}

// replyToEOF reads all that comes until the server closes.
func (s *Story) replyToEOF(c *conn) ([]byte, error) {
	c.listen()
	expected := s.say(show.Text{
		EN: "the server closes the connection of %s",
		ES: "el servidor cierra la conexión de %s"}, c.name)
	err := s.await(c.wake, expected,
		func() string {
			return s.say(show.Text{EN: "it stays open", ES: "sigue abierta"})
		},
		func() (bool, error) {
			switch _, over := c.arrived(); over {
			case nil:
				return false, nil
			case io.EOF:
				return true, nil
			default:
				return false, &failure{expected, s.sayEnd(over)}
			}
		})
	if err != nil {
		return nil, err
	}
	got, _ := c.arrived()
	return c.take(len(got)), nil
}

// consumed waits until the server has taken all that this client sent: nothing waits for an
// acknowledgement on our side, and nothing waits to be read on its side.
func (s *Story) consumed(c *conn) error {
	expected := s.say(show.Text{
		EN: "the server reads what %s sent",
		ES: "el servidor lee lo que envió %s"}, c.name)
	return s.await(nil, expected,
		func() string {
			return s.say(show.Text{EN: "unread bytes: %d", ES: "bytes sin leer: %d"}, unread(c))
		},
		func() (bool, error) { return unread(c) == 0, nil })
}

// unread counts the bytes of a client's that the server has not read yet; 0 too if the kernel's
// table cannot be read.
func unread(c *conn) (bytes int) {
	table, err := proc.TCPTable()
	if err != nil {
		return 0
	}
	for _, t := range table {
		if (end{c, false}).matches(t, 0) {
			bytes += t.SendQueue
		}
		if (end{c, true}).matches(t, 0) {
			bytes += t.RecvQueue
		}
	}
	return bytes
}

// excerpt quotes the beginning of a reply.
func excerpt(got []byte) string {
	const most = 100
	more := ""
	if len(got) > most {
		cut := most
		for cut > most-utf8.UTFMax && !utf8.RuneStart(got[cut]) { // not within a character
			cut--
		}
		got, more = got[:cut], "…"
	}
	return show.Printable(string(bytes.ReplaceAll(got, []byte("\n"), []byte(`\n`)))) + more
}
