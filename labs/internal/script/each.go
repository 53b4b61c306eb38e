package script

import (
	"regexp"
	"strings"

	"posixlab/labs/internal/show"
)

var placeholder = regexp.MustCompile(`\{(\w*)\}`)

func (s *Story) cmdEach(c *call) error {
	if len(c.args) < 2 {
		return misuse("wrong number of arguments")
	}
	prefix, name := c.args[0], c.args[1]
	var command Command
	for _, known := range Vocabulary() {
		if known.Name == name {
			command = known
		}
	}
	if command.run == nil {
		return misuse("each cannot run " + name)
	}
	var names []string
	for _, conn := range s.conns {
		if strings.HasPrefix(conn.name, prefix) {
			names = append(names, conn.name)
		}
	}
	if len(names) == 0 {
		return misuse("no connection's name begins with " + prefix)
	}
	was := s.Out.Mute(false)
	defer s.Out.Mute(was)
	for i, name := range names {
		conn := s.conn(name)
		args := make([]string, len(c.args)-2)
		for j, arg := range c.args[2:] {
			args[j] = placeholder.ReplaceAllStringFunc(arg, func(p string) string {
				if p == "{}" {
					return name
				}
				return conn.captured[p[1:len(p)-1]]
			})
		}
		s.Out.Mute(was || i > 1 && i < len(names)-1)
		if err := s.try(c.ts, command, c.neg, args); err != nil {
			return err
		}
		if i == 1 && len(names) > 3 {
			s.Out.Note(show.Text{EN: "… %d more", ES: "… %d más"}, len(names)-3)
		}
	}
	return nil
}
