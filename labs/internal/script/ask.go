package script

import (
	"flag"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"posixlab/labs/internal/show"
)

// A request is what send and ask put on the wire.
type request struct {
	raw, bytewise bool
	pad           int
	text, tail    string // tail comes after the padding
}

func (r *request) flags(f *flag.FlagSet) {
	f.BoolVar(&r.raw, "raw", false, "")
	f.IntVar(&r.pad, "pad", 0, "")
	f.StringVar(&r.tail, "tail", "", "")
}

// bytes is the request as it is sent.
func (r *request) bytes() ([]byte, error) {
	if r.raw {
		text, err := strconv.Unquote(`"` + strings.ReplaceAll(r.text, `"`, `\"`) + `"`)
		if err != nil {
			return nil, misuse("bad escape in " + r.text)
		}
		return []byte(text), nil
	}
	return []byte(r.text + strings.Repeat(" ", max(0, r.pad-len(r.text))) + r.tail + "\n"), nil
}

// shown is the request as it is told.
func (r *request) shown() string {
	switch {
	case r.raw:
		return "'" + r.text + "'"
	case r.pad > 0:
		return fmt.Sprintf("%s␣␣␣…%s (%s bytes)", r.text, r.tail, show.Thousands(r.pad+len(r.tail)))
	case r.text == "":
		return "⏎"
	}
	return r.text
}

func (s *Story) send(name string, r request) error {
	conn, err := s.need(name)
	if err != nil {
		return err
	}
	data, err := r.bytes()
	if err != nil {
		return err
	}
	s.Out.Sends(name, r.shown())
	if !r.bytewise {
		return s.write(conn, data)
	}
	for i := range data {
		if err := s.write(conn, data[i:i+1]); err != nil {
			return err
		}
		if err := s.consumed(conn); err != nil {
			return err
		}
	}
	s.Out.Note(show.Text{
		EN: "%d segments of one byte, each read by the server before the next was sent",
		ES: "%d segmentos de un byte; el servidor leyó cada uno antes de que saliera el siguiente"}, len(data))
	return nil
}

func (s *Story) cmdSend(c *call) error {
	var r request
	err := c.flags(func(f *flag.FlagSet) {
		r.flags(f)
		f.BoolVar(&r.bytewise, "bytewise", false, "")
	}, 2, 2)
	if err != nil {
		return err
	}
	r.text = c.args[1]
	return s.send(c.args[0], r)
}

// A check is what a reply must look like.
type check struct {
	pattern string // "" is any
	neg     bool
	count   int    // how often, exactly; 0: at least once
	not     string // what it must not match as well; "" is anything

	// Of several matches, the first group of the first one and of the last one become these
	// variables; "" for none.
	first, last string
}

var notMatching = show.Text{EN: "a reply that does not match %s", ES: "una respuesta que no coincida con %s"}

func (s *Story) check(c *call, conn *conn, reply []byte, want check) error {
	if want.pattern == "" {
		return nil
	}
	re, err := regexp.Compile(want.pattern)
	if err != nil {
		return misuse(err.Error())
	}
	matches := re.FindAllSubmatch(reply, -1)
	found := len(matches)
	ok := found > 0
	expected := s.say(show.Text{EN: "a reply that matches %s", ES: "una respuesta que coincida con %s"}, want.pattern)
	switch {
	case want.neg:
		ok = !ok
		expected = s.say(notMatching, want.pattern)
	case want.count > 0:
		ok = found == want.count
		expected = s.say(show.Text{EN: "%d replies that match %s", ES: "%d respuestas que coincidan con %s"}, want.count, want.pattern)
	}
	if !ok {
		seen := excerpt(reply)
		if seen == "" {
			seen = s.say(show.Text{EN: "no byte", ES: "ni un byte"})
		}
		if want.count > 0 {
			seen = s.say(show.Text{EN: "%d: %s", ES: "%d: %s"}, found, seen)
		}
		return &failure{expected, seen}
	}
	if want.not != "" {
		never, err := regexp.Compile(want.not)
		if err != nil {
			return misuse(err.Error())
		}
		if never.Match(reply) {
			return &failure{s.say(notMatching, want.not), excerpt(reply)}
		}
	}
	for name, match := range map[string]int{want.first: 0, want.last: found - 1} {
		if name != "" && match >= 0 && len(matches[match]) > 1 {
			c.ts.Setenv(name, string(matches[match][1]))
		}
	}
	if groups := re.FindSubmatch(reply); groups != nil {
		if conn.captured == nil {
			conn.captured = make(map[string]string)
		}
		for i, name := range re.SubexpNames() {
			if name != "" {
				conn.captured[name] = string(groups[i])
				c.ts.Setenv(name, string(groups[i]))
			}
		}
	}
	return nil
}

func (s *Story) cmdReply(c *call) error {
	want := check{neg: c.neg}
	var eof bool
	err := c.flags(func(f *flag.FlagSet) {
		f.BoolVar(&eof, "eof", false, "")
		f.IntVar(&want.count, "count", 0, "")
		f.StringVar(&want.not, "not", "", "")
		f.StringVar(&want.first, "first", "", "")
		f.StringVar(&want.last, "last", "", "")
	}, 1, 2)
	if err != nil {
		return err
	}
	conn, err := s.need(c.args[0])
	if err != nil {
		return err
	}
	read := s.reply
	if eof {
		read = s.replyToEOF
	}
	reply, err := read(conn)
	if err != nil {
		return err
	}
	s.Out.Hears(conn.name, reply)
	if len(c.args) == 2 {
		want.pattern = c.args[1]
	}
	return s.check(c, conn, reply, want)
}

func (s *Story) cmdAsk(c *call) error {
	var r request
	times := 1
	err := c.flags(func(f *flag.FlagSet) {
		r.flags(f)
		f.IntVar(&times, "times", 1, "")
	}, 2, 3)
	if err != nil {
		return err
	}
	r.text = c.args[1]
	want := check{neg: c.neg}
	if len(c.args) == 3 {
		want.pattern = c.args[2]
	}
	conn, err := s.need(c.args[0])
	if err != nil {
		return err
	}
	was := s.Out.Mute(false)
	defer s.Out.Mute(was)
	for i := range times {
		s.Out.Mute(was || i > 0)
		if err := s.send(conn.name, r); err != nil {
			return err
		}
		reply, err := s.reply(conn)
		if err != nil {
			return err
		}
		s.Out.Hears(conn.name, reply)
		if err := s.check(c, conn, reply, want); err != nil {
			return err
		}
	}
	if s.Out.Mute(was); times > 1 {
		s.Out.Note(show.Text{EN: "… and %d times more", ES: "… y %d veces más"}, times-1)
	}
	return nil
}
