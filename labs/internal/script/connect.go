package script

import (
	"errors"
	"flag"
	"fmt"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/show"
)

func (s *Story) cmdConnect(c *call) error {
	var n int
	var how hearing
	err := c.flags(func(f *flag.FlagSet) {
		f.IntVar(&n, "n", 0, "")
		f.BoolVar(&how.deaf, "deaf", false, "")
		f.IntVar(&how.recv, "recv", 0, "")
	}, 1, -1)
	if err != nil {
		return err
	}
	for _, name := range c.args {
		names := []string{name}
		if n > 0 {
			names = nil
			for i := range n {
				names = append(names, fmt.Sprint(name, i+1))
			}
		}
		for i, name := range names {
			if err := s.dial(name, how); err != nil {
				return err
			}
			if i < 2 || i == len(names)-1 {
				conn := s.conn(name)
				s.Out.Event(name, show.Text{
					EN: fmt.Sprintf("connected, %s to %s", conn.local, conn.remote),
					ES: fmt.Sprintf("conexión de %s a %s", conn.local, conn.remote)})
			}
			if i == 2 && len(names) > 3 {
				s.Out.Note(show.Text{EN: "… %d more", ES: "… %d más"}, len(names)-3)
			}
		}
	}
	return nil
}

func (s *Story) cmdEOF(c *call) error {
	if len(c.args) != 1 {
		return misuse("wrong number of arguments")
	}
	conn, err := s.need(c.args[0])
	if err != nil {
		return err
	}
	last, err := s.replyToEOF(conn)
	if err != nil {
		return err
	}
	if len(last) > 0 {
		s.Out.Hears(conn.name, last)
	}
	s.Out.Event(conn.name, show.Text{
		EN: "the server closed: recv returns 0",
		ES: "el servidor cerró: recv devuelve 0"})
	return nil
}

func (s *Story) cmdHangup(c *call) error {
	var half, reset bool
	err := c.flags(func(f *flag.FlagSet) {
		f.BoolVar(&half, "half", false, "")
		f.BoolVar(&reset, "reset", false, "")
	}, 1, 1)
	if err != nil {
		return err
	}
	conn, err := s.need(c.args[0])
	if err != nil {
		return err
	}
	if half {
		conn.flood.stop()
		s.Out.Event(conn.name, show.Text{
			EN: "shutdown(SHUT_WR): nothing more to say, still listening",
			ES: "shutdown(SHUT_WR): ya no dice nada, pero sigue escuchando"})
		if err := conn.tcp.CloseWrite(); !errors.Is(err, unix.ENOTCONN) {
			return err
		}
		return nil
	}
	what := show.Text{EN: "close", ES: "close"}
	if reset {
		what = show.Text{EN: "reset (RST)", ES: "corte (RST)"}
		if err := conn.tcp.SetLinger(0); err != nil {
			return err
		}
	}
	s.Out.Event(conn.name, what)
	conn.flood.stop()
	s.forget(conn)
	s.past = append(s.past, conn)
	return conn.tcp.Close()
}
