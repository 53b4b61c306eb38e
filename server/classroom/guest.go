package classroom

import (
	"errors"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"posixlab/server/protocol"
)

// Verbs are the server's own. The policy calls them when it has nothing against a request.
type Verbs interface {
	List() (table string, err error)
	Start(student string, argv []string) (pid int, reply string, err error)
	Stopped(pid int) (reply string) // the reply to a STOP, which the policy carries out
}

// A Guest is one connection: a student's once she has said her name and the code.
type Guest struct {
	class   *Class
	peer    netip.AddrPort
	student *student // nil: has not said HELLO
	tries   int      // requests before the right HELLO
}

const (
	LongestName  = 32 // of a student's name, in runes
	mostTries    = 5  // requests before the right HELLO, until the connection is closed
	mostSilent   = 8  // connections of one machine that have not said HELLO
	longestPause = 30 * time.Second
)

// Guest takes a connection, from ADDR:PORT, unless too many of that machine have not said HELLO.
func (c *Class) Guest(peer string) (*Guest, error) {
	from, err := netip.ParseAddrPort(peer)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count.Connections++
	if c.silent[from.Addr()] >= mostSilent {
		c.count.Refused++
		return nil, refuse(tooManyConnections, mostSilent)
	}
	c.silent[from.Addr()]++
	return &Guest{class: c, peer: from}, nil
}

// Joined reports whether the guest has said her name and the right code.
func (g *Guest) Joined() bool { return g.student != nil }

// Leave gives the connection back.
func (g *Guest) Leave() {
	g.class.mu.Lock()
	var seats []Seat
	if g.student != nil {
		g.student.connections--
		g.student.turn++
		seats = []Seat{g.student.seat()}
	} else {
		g.class.noLongerSilent(g.peer.Addr())
	}
	g.class.mu.Unlock()
	if seats != nil {
		g.class.tell(Event{Kind: Left, Student: seats[0].Student, Peer: g.peer.String(), Seats: seats})
	}
}

// noLongerSilent is called with the lock held.
func (c *Class) noLongerSilent(from netip.Addr) {
	if c.silent[from]--; c.silent[from] == 0 {
		delete(c.silent, from)
	}
}

// errUnwritten says that the log cannot be written: nobody does what is not written down.
var errUnwritten = errors.New("the log cannot be written")

// Answer runs one request, or refuses it, and writes down which; before the reply is sent.
func (g *Guest) Answer(line string, verbs Verbs) (reply string, exit bool) {
	e := entry{Time: g.class.now(), Event: "request", Peer: g.peer.String(), Request: g.printable(line)}
	reply, exit, err := g.answer(line, verbs, &e)
	if err == errUnwritten {
		return protocol.ErrorReply(g.class.opt.Lang, protocol.Refuse(auditFailed)), true
	}
	e.Outcome = "ok"
	if err != nil {
		e.Outcome = "error"
		if isRefusal(err) {
			e.Outcome = "refused"
		}
		reply = protocol.ErrorReply(g.class.opt.Lang, err)
	}
	if g.student != nil {
		e.Student = g.student.name
	}
	e.Reply, _, _ = strings.Cut(reply, "\n")
	e.Reply = g.class.withoutCode(short(e.Reply))
	if err != nil {
		g.class.tell(Event{Kind: Answered, Student: e.Student, Peer: e.Peer, Reply: e.Reply, Outcome: e.Outcome})
	}
	g.class.mu.Lock()
	g.class.count.Requests++
	if e.Outcome == "refused" {
		g.class.count.Refused++
	}
	written := g.class.noted(g, &e)
	g.class.mu.Unlock()
	if written && g.class.log.write(e) != nil {
		return protocol.ErrorReply(g.class.opt.Lang, protocol.Refuse(auditFailed)), true
	}
	return reply, exit
}

func (g *Guest) answer(line string, verbs Verbs, e *entry) (reply string, exit bool, err error) {
	if words := strings.Fields(line); len(words) > 0 && strings.EqualFold(words[0], "HELLO") {
		if reply, exit, err = g.hello(words[1:]); err == nil {
			g.class.mu.Lock()
			seat := g.student.seat()
			g.class.mu.Unlock()
			g.class.tell(Event{Kind: Joined, Student: seat.Student, Peer: e.Peer, Seats: []Seat{seat}})
		}
		if g.student != nil {
			g.class.mayAsk(g.student) // who joins again and again waits
		}
		return reply, exit || g.stranger(), err
	}
	req, err := protocol.Parse(line)
	if err == nil && req.Verb == protocol.Exit {
		return protocol.Goodbye.In(g.class.opt.Lang) + "\n", true, nil
	}
	if g.student == nil {
		return "", g.stranger(), refuse(helloFirst)
	}
	if !g.class.mayAsk(g.student) {
		return "", false, refuse(tooFast, g.class.opt.Limits.Rate)
	}
	if err != nil {
		return "", false, err
	}
	g.class.tell(Event{Kind: Requested, Student: g.student.name, Peer: e.Peer, Request: e.Request})
	// START intent OMIT
	if req.Verb != protocol.List { // it does something: that is written down before it is done
		intent := *e
		intent.Event, intent.Student = "intent", g.student.name
		if g.class.log.write(intent) != nil {
			return "", false, errUnwritten
		}
	}
	// END intent OMIT
	switch req.Verb {
	case protocol.List:
		reply, err = g.list(verbs)
	case protocol.Start:
		reply, err = g.start(req.Args, verbs, e)
	case protocol.Stop:
		reply, err = g.stop(req.Args[0], verbs, e)
	}
	return reply, false, err
}

// stranger counts what is asked before the right HELLO, and reports whether that is enough: whoever goes on
// would only fill the log.
func (g *Guest) stranger() (enough bool) {
	if g.student == nil {
		g.tries++
	}
	return g.student == nil && g.tries >= mostTries
}

// hello takes a name and the code. A wrong code costs time, twice as much each time for that machine: it
// would take years to try them all.
func (g *Guest) hello(words []string) (reply string, exit bool, err error) {
	c := g.class
	if len(words) < 2 {
		return "", false, refuse(helloHow)
	}
	name, code := strings.Join(words[:len(words)-1], " "), words[len(words)-1]
	if !GoodName(name) {
		return "", false, refuse(BadName, LongestName)
	}
	if g.student != nil {
		return "", false, refuse(helloTwice, g.student.name)
	}
	// START wrong OMIT
	if !SameCode(code, c.opt.Code) {
		c.mu.Lock()
		c.count.WrongCodes++
		c.wrong[g.peer.Addr()]++
		wrong := c.wrong[g.peer.Addr()]
		c.mu.Unlock()
		c.pause(min(longestPause, time.Second<<min(wrong-1, 10)))
		return "", false, refuse(WrongCode)
	}
	// END wrong OMIT
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.wrong, g.peer.Addr())
	s := c.students[name]
	switch {
	case s == nil:
		if c.names(g.peer.Addr()) >= c.opt.Names {
			return "", false, refuse(TooManyNames, g.peer.Addr(), c.opt.Names)
		}
		s = &student{name: name, from: g.peer.Addr()}
		c.students[name] = s
		c.count.Students++
	case s.from != g.peer.Addr(): // a name is its first machine's for as long as the class lasts
		return "", false, refuse(NameTaken, name, s.from)
	case s.connections >= c.opt.Limits.Connections:
		return "", false, refuse(tooManyConnections, s.connections)
	}
	s.connections++
	s.turn++
	g.student = s
	c.noLongerSilent(g.peer.Addr())
	return welcome.In(c.opt.Lang, name, strings.Join(c.Allowed(), " ")) + "\n", false, nil
}

// names counts the students of a machine: with any number of names there, a student would have any number of
// limits. It is called with the lock held.
func (c *Class) names(from netip.Addr) (n int) {
	for _, s := range c.students {
		if s.from == from {
			n++
		}
	}
	return n
}

// GoodName reports whether a name can be shown to a class: letters, digits and a few signs, no more than 32.
func GoodName(name string) bool {
	return name != "" && utf8.ValidString(name) && utf8.RuneCountInString(name) <= LongestName &&
		!strings.ContainsFunc(name, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) && !strings.ContainsRune(" -_.'", r)
		})
}

// printable is a request as the log keeps it: without the code, and not longer than a line needs to be.
func (g *Guest) printable(line string) string {
	if words := strings.Fields(line); len(words) > 1 && strings.EqualFold(words[0], "HELLO") {
		line = strings.Join(words[:len(words)-1], " ")
	}
	if !utf8.ValidString(line) {
		line = strings.ToValidUTF8(line, "\uFFFD")
	}
	return short(g.class.withoutCode(line))
}

// withoutCode is a text without the class's code, which may stand anywhere in what a student mistypes.
func (c *Class) withoutCode(text string) string { return c.code.ReplaceAllString(text, "…") }

// short is a text as far as the log keeps it.
func short(text string) string {
	if runes := []rune(text); len(runes) > 500 {
		return string(runes[:500]) + "…"
	}
	return text
}
