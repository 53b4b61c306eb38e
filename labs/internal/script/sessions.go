package script

import "posixlab/labs/internal/show"

// cmdSessions plays many short sessions, one after the other. A client asks, and goes in one of four
// ways in turn: EXIT; close, before it has read its replies; a reset; and half a close, after which it
// reads up to the end.
func (s *Story) cmdSessions(c *call) error {
	if len(c.args) < 2 {
		return misuse("wrong number of arguments")
	}
	n, err := number(c.args[0])
	if err != nil {
		return err
	}
	was := s.Out.Mute(false)
	defer s.Out.Mute(was)
	for i := range n {
		s.Out.Mute(was || i >= 4)
		if err := s.session(c, i%4); err != nil {
			return err
		}
	}
	if s.Out.Mute(was); n > 4 {
		s.Out.Note(show.Text{EN: "… and %s times more", ES: "… y %s veces más"}, show.Thousands(n-4))
	}
	return nil
}

// passer is the client of a short session. No script has another client of this name.
const passer = "guest"

func (s *Story) session(c *call, way int) error {
	do := func(run func(*Story, *call) error, args ...string) error {
		return run(s, &call{ts: c.ts, args: args})
	}
	if err := do((*Story).cmdConnect, passer); err != nil {
		return err
	}
	defer func() { s.past = nil }() // a thousand of them need not be remembered
	for _, text := range c.args[1:] {
		if err := do((*Story).cmdSend, passer, text); err != nil {
			return err
		}
		if way == 0 {
			if err := do((*Story).cmdReply, passer); err != nil {
				return err
			}
		}
	}
	switch way {
	case 0:
		if err := do((*Story).cmdSend, passer, "EXIT"); err != nil {
			return err
		}
	case 2:
		return do((*Story).cmdHangup, "-reset", passer)
	case 3:
		if err := do((*Story).cmdHangup, "-half", passer); err != nil {
			return err
		}
	}
	if way == 0 || way == 3 {
		if err := do((*Story).cmdEOF, passer); err != nil {
			return err
		}
	}
	return do((*Story).cmdHangup, passer)
}
