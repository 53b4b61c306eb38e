package script

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"time"

	"posixlab/labs/internal/show"
)

// A request is what send and ask put on the wire.
type request struct {
	raw, bytewise bool
	pad           int
	words, word   int // so many arguments more: 1, 2, …; one more of so many bytes
	times         int
	text, tail    string // tail comes after the padding
}

func (r *request) flags(f *flag.FlagSet) {
	f.BoolVar(&r.raw, "raw", false, "")
	f.IntVar(&r.pad, "pad", 0, "")
	f.IntVar(&r.words, "words", 0, "")
	f.IntVar(&r.word, "word", 0, "")
	f.IntVar(&r.times, "times", 1, "")
	f.StringVar(&r.tail, "tail", "", "")
}

// manyArgs are the arguments that -words and -word stand for.
func manyArgs(words, word int) (args []string) {
	for i := range words {
		args = append(args, strconv.Itoa(i+1))
	}
	if word > 0 {
		args = append(args, strings.Repeat("x", word))
	}
	return args
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
	text := strings.Join(append([]string{r.text}, manyArgs(r.words, r.word)...), " ")
	return []byte(text + strings.Repeat(" ", max(0, r.pad-len(text))) + r.tail + "\n"), nil
}

// shown is the request as it is told.
func (r *request) shown() string {
	switch {
	case r.raw:
		return "'" + r.text + "'"
	case r.pad > 0:
		return fmt.Sprintf("%s␣␣␣…%s (%s bytes)", r.text, r.tail, show.Thousands(r.pad+len(r.tail)))
	case r.words > 0:
		return fmt.Sprintf("%s 1 2 3 … %d", r.text, r.words)
	case r.word > 0:
		return fmt.Sprintf("%s xxx… (%s x)", r.text, show.Thousands(r.word))
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
	if r.times > 1 {
		s.Out.Sends(name, s.say(show.Text{EN: "%s   (%d times)", ES: "%s   (%d veces)"}, r.shown(), r.times))
	} else {
		s.Out.Sends(name, r.shown())
	}
	if !r.bytewise {
		return s.write(conn, bytes.Repeat(data, max(1, r.times)))
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
	random := 0
	err := c.flags(func(f *flag.FlagSet) {
		r.flags(f)
		f.BoolVar(&r.bytewise, "bytewise", false, "")
		f.IntVar(&random, "random", 0, "")
	}, 1, 2)
	if err != nil {
		return err
	}
	if random > 0 && len(c.args) == 1 {
		return s.sendRandom(c.args[0], random)
	}
	if len(c.args) != 2 {
		return misuse("wrong number of arguments")
	}
	r.text = c.args[1]
	return s.send(c.args[0], r)
}

// sendRandom sends bytes at random, always the same ones.
func (s *Story) sendRandom(name string, n int) error {
	conn, err := s.need(name)
	if err != nil {
		return err
	}
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(data)
	s.Out.Sends(name, s.say(show.Text{EN: "%s random bytes", ES: "%s bytes al azar"}, show.Thousands(n)))
	return s.write(conn, data)
}

// A check is what a reply must look like.
type check struct {
	pattern string // "" is any
	neg     bool
	count   int    // how often, exactly; 0: at least once
	not     string // what it must not match as well; "" is anything
	unlike  string // a reply that this one must differ from, numbers aside; "" is any

	// What a LIST must be: the table that ps wrote, cut at the limit, so many times; or cut before
	// the line of this process. "" and false are any.
	table   bool
	times   int // 0: as often as it was asked for
	without string

	// Of several matches, the first group of the first one and of the last one become these
	// variables; "" for none.
	first, last string
}

var notMatching = show.Text{EN: "a reply that does not match %s", ES: "una respuesta que no coincida con %s"}

func (w *check) flags(f *flag.FlagSet) {
	f.IntVar(&w.count, "count", 0, "")
	f.StringVar(&w.not, "not", "", "")
	f.StringVar(&w.unlike, "unlike", "", "")
	f.StringVar(&w.first, "first", "", "")
	f.StringVar(&w.last, "last", "", "")
	f.BoolVar(&w.table, "table", false, "")
	f.StringVar(&w.without, "without", "", "")
}

func (s *Story) check(c *call, conn *conn, reply []byte, want check) error {
	if want.table {
		if err := s.checkTable(reply, cmp.Or(want.times, conn.asked, 1)); err != nil {
			return err
		}
	}
	if want.without != "" {
		if err := s.checkLimit(reply, want.without); err != nil {
			return err
		}
	}
	if want.unlike != "" && numberless(strings.TrimSpace(want.unlike), "0") == numberless(strings.TrimSpace(string(reply)), "0") {
		return &failure{
			s.say(show.Text{EN: "another reply than that", ES: "una respuesta distinta de esa"}),
			s.say(show.Text{EN: "the same, numbers aside: %s", ES: "la misma, salvo los números: %s"}, excerpt(reply))}
	}
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
	defer func() { s.slow = 0 }()
	err := c.flags(func(f *flag.FlagSet) {
		f.BoolVar(&eof, "eof", false, "")
		f.DurationVar(&s.slow, "after", 0, "")
		f.IntVar(&want.times, "times", 0, "")
		want.flags(f)
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
	took := time.Since(conn.sent)
	if err != nil {
		return err
	}
	s.Out.Hears(conn.name, reply)
	if calls := conn.countCalls(); calls > 0 {
		s.Out.Note(show.Text{
			EN: "%s bytes, in %d calls of recv", ES: "%s bytes, en %d llamadas a recv"}, show.Thousands(len(reply)), calls)
	}
	if len(c.args) == 2 {
		want.pattern = c.args[1]
	}
	if err := s.check(c, conn, reply, want); err != nil || s.slow == 0 {
		return err
	}
	return s.tooSoon(took)
}

func (s *Story) cmdAsk(c *call) error {
	var r request
	want := check{neg: c.neg, times: 1}
	err := c.flags(func(f *flag.FlagSet) {
		r.flags(f)
		want.flags(f)
	}, 2, 3)
	if err != nil {
		return err
	}
	times := r.times
	r.text, r.times = c.args[1], 1
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
