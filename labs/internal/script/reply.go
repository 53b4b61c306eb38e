package script

import (
	"bytes"
	"io"
	"regexp"

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

// The first time, the mark is sent twice, to learn how this server answers it: what has arrived
// then ends in two equal pieces, which begin with Error (or at least name the pid).
var markAnswer = regexp.MustCompile(`^Error|` + markPID)

// reply reads one reply. Pipelined requests count as one: their answers come before the mark's.
func (s *Story) reply(c *conn) ([]byte, error) {
	expected := s.say(show.Text{EN: "a reply to %s", ES: "una respuesta para %s"}, c.name)
	arrive := func(cond func(got []byte) bool) error {
		return s.await(c.wake, expected,
			func() string {
				if got, _ := c.arrived(); len(got) > 0 {
					return s.say(show.Text{
						EN: "%s, and no end to it: STOP 2147483647 was not answered",
						ES: "%s, y sin final: STOP 2147483647 no tuvo respuesta"}, excerpt(got))
				}
				return s.say(show.Text{EN: "no byte", ES: "ni un byte"})
			},
			func() (bool, error) {
				got, over := c.arrived()
				if cond(got) {
					return true, nil
				}
				if over != nil {
					seen := s.sayEnd(over)
					if len(got) > 0 {
						seen = excerpt(got) + "; " + seen
					}
					return false, &failure{expected, seen}
				}
				return false, nil
			})
	}

	if err := arrive(func(got []byte) bool { return len(got) > 0 }); err != nil {
		return nil, err
	}
	marks := 1
	if s.end == nil {
		marks = 2
	}
	for i := range marks {
		if i > 0 { // let each reach the server by itself: it may take one recv for one request
			if err := s.consumed(c); err != nil {
				return nil, err
			}
		}
		c.tcp.Write([]byte(markRequest)) // if the server has closed, that ends the reply
	}
	var tail int
	err := arrive(func(got []byte) bool {
		if end := s.end; end != nil {
			tail = len(end)
			return len(got) > len(end) && bytes.HasSuffix(got, end)
		}
		end := twice(got)
		tail = 2 * len(end)
		return end != nil
	})
	got, over := c.arrived()
	if over != nil && len(got) > 0 { // it closed: all that came is the reply
		return c.take(len(got)), nil
	}
	if err != nil {
		return nil, err
	}
	if s.end == nil {
		s.end = bytes.Clone(got[len(got)-tail/2:])
	}
	reply := c.take(len(got) - tail)
	c.take(tail)
	return reply, nil
}

// twice finds the answer to the mark in what has arrived: after at least one byte of the reply
// proper, twice the same bytes up to the end. It returns nil if that is not there yet.
func twice(got []byte) []byte {
	for at := 2 - len(got)%2; at < len(got); at += 2 { // an even number of bytes follows
		tail := got[at:]
		first, second := tail[:len(tail)/2], tail[len(tail)/2:]
		if bytes.Equal(first, second) && markAnswer.Match(first) {
			return first
		}
	}
	return nil
}

// replyToEOF reads all that comes until the server closes.
func (s *Story) replyToEOF(c *conn) ([]byte, error) {
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
	unread := 0
	return s.await(nil, expected,
		func() string {
			return s.say(show.Text{EN: "%d bytes unread", ES: "%d bytes sin leer"}, unread)
		},
		func() (bool, error) {
			table, err := proc.TCPTable()
			if err != nil {
				return false, err
			}
			unread = 0
			for _, t := range table {
				if (end{c, false}).matches(t, 0) {
					unread += t.SendQueue
				}
				if (end{c, true}).matches(t, 0) {
					unread += t.RecvQueue
				}
			}
			return unread == 0, nil
		})
}

// excerpt quotes the beginning of a reply.
func excerpt(got []byte) string {
	const most = 100
	if len(got) > most {
		return show.Printable(string(bytes.ReplaceAll(got[:most], []byte("\n"), []byte(`\n`)))) + "…"
	}
	return show.Printable(string(bytes.ReplaceAll(got, []byte("\n"), []byte(`\n`))))
}
