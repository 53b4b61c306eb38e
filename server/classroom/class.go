// Package classroom is the policy of a server that a whole class uses over a LAN. START over a network is
// remote execution; so who has the class's code may run what is on a list, as nobody in particular, within
// limits, and end what is the class's own; and all of it is written down.
//
// The server asks it about every connection and every request, and it calls the server's own verbs back.
package classroom

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// Options are what an instructor decides.
type Options struct {
	Code    string        // what a student says after HELLO and a name
	Allow   []string      // the programs that START runs, by name
	User    string        // whom they run as, when the server is root
	Names   int           // of students, at most, on one machine
	Own     bool          // STOP ends only the student's own processes
	All     bool          // LIST shows every process of the machine
	Lasting time.Duration // how long the class lasts; 0: until the server is told to end
	Limits  Limits
	Audit   string // the path of the log
	Title   string // what the class is called, in its announcements
	Quiet   bool   // it does not announce itself
	Lang    protocol.Lang
	Others  bool        // the server has children that are none of the class's: a page
	Tell    func(Event) // is told what happens, and does not wait; nil: nobody is
}

// Limits bound a student, and each process that she starts.
type Limits struct {
	Connections int           // at once, of one student
	Processes   int           // that live, of one student
	Rate        int           // requests a second, of one student; twice as many may come at once
	Wall        time.Duration // how long a process may live
	CPU         time.Duration // how much CPU time a process may use: RLIMIT_CPU
	Memory      uint64        // what it may write to of its own, in bytes: RLIMIT_DATA
	File        uint64        // the size of a file that it writes, in bytes: RLIMIT_FSIZE
	Descriptors uint64        // RLIMIT_NOFILE
	Threads     uint64        // of the user that all of them run as: RLIMIT_NPROC, only when that is another than the server's
	Hello       time.Duration // from a connection's begin to the right HELLO
	Reply       time.Duration // how long a reply may wait until she reads it
}

// Usual are the limits unless an instructor says otherwise.
var Usual = Limits{Connections: 4, Processes: 10, Rate: 5, Wall: 10 * time.Minute, CPU: 10 * time.Second,
	Memory: 512 << 20, File: 1 << 20, Descriptors: 64, Threads: 2000, Hello: time.Minute, Reply: 10 * time.Second}

// UsualNames is how many students may share a machine, or an address (NAT), unless an instructor says otherwise.
const UsualNames = 8

// Harmless are programs that can do little more than wait, count and compute. What they print goes to
// /dev/null.
var Harmless = []string{"date", "echo", "false", "id", "seq", "sleep", "true", "uname", "uptime", "yes"}

// letters are those of a code that nobody mistakes for another one, read aloud or from the last row.
const letters = "ACDEFHJKLMNPRTUVWXY3479"

// NewCode makes up a code of six letters, which is one of 148 million.
func NewCode() string {
	random := make([]byte, 6)
	rand.Read(random) // never fails
	for i, b := range random {
		random[i] = letters[int(b)%len(letters)]
	}
	return string(random)
}

// A Class is the policy at work.
type Class struct {
	opt    Options
	log    *audit
	allow  map[string]string // the programs' paths by name
	as     *credential       // whom they run as; nil: the server's own user
	now    func() time.Time
	pause  func(time.Duration) // lets a guest who guesses wait
	server int                 // the pid of the server, from which all processes of the class descend
	code   *regexp.Regexp      // where the code stands in a text
	forked func(pid int) bool  // whether the server made a process itself, by fork
	before map[process]bool    // the children that the server had before the class
	reaper chan os.Signal      // a SIGCHLD: see endOrphans

	herds      []process // that she has ordered
	instructor *student  // whose processes those of her orders are

	looking sync.Mutex // held by who looks around: see processes

	mu        sync.Mutex
	next      *look // that nobody has begun
	students  map[string]*student
	silent    map[netip.Addr]int       // connections that have not said HELLO
	wrong     map[netip.Addr]int       // codes, since the last right one
	strangers map[netip.Addr]*stranger // what was written of those who have not said HELLO
	roots     map[process]root         // what START made
	count     Summary
}

// A student is who said her name and the code. One student may have several connections.
type student struct {
	name        string
	from        netip.Addr // the machine that she is on
	connections int
	turn        int        // how often that has changed: whoever is told of it late knows what is newer
	requests    bucket     // that she may make now
	starting    sync.Mutex // held from the count of her processes until a new one is counted
}

// A Summary counts what happened in a class.
type Summary struct {
	Students, Connections, Requests, Started, Stopped, Refused, WrongCodes int
}

// Open begins a class on a server, which tells what it forked. An error says what the instructor can do about it.
func Open(opt Options, forked func(pid int) bool) (*Class, error) {
	c := &Class{opt: opt, now: time.Now, pause: time.Sleep, server: os.Getpid(), forked: forked,
		code:   regexp.MustCompile("(?i)" + regexp.QuoteMeta(opt.Code)),
		before: make(map[process]bool), next: new(look), students: make(map[string]*student),
		silent: make(map[netip.Addr]int), wrong: make(map[netip.Addr]int),
		strangers: make(map[netip.Addr]*stranger), instructor: &student{name: Instructor},
		roots: make(map[process]root)}
	var err error
	if c.allow, err = resolve(opt.Allow); err != nil {
		return nil, err
	}
	if c.as, err = lookUp(opt.User); err != nil {
		return nil, err
	}
	// Orphans become the server's own children (prctl(2)), and stay of the class.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, os.NewSyscallError("prctl PR_SET_CHILD_SUBREAPER", err)
	}
	if c.log, err = openAudit(opt.Audit); err != nil {
		return nil, refuse(noAudit, opt.Audit, err)
	}
	if err := c.log.write(entry{Time: c.now(), Event: "begin"}); err != nil {
		return nil, err
	}
	return c, c.watchForOrphans()
}

// Allowed are the programs that START runs, in order.
func (c *Class) Allowed() []string { return slices.Sorted(maps.Keys(c.allow)) }

// Close ends what is left of the class's processes, and the log.
func (c *Class) Close() (Summary, error) {
	c.disperse()
	left := c.endAll()
	c.noMoreOrphans()
	c.mu.Lock()
	defer c.mu.Unlock()
	end := entry{Time: c.now(), Event: "end"}
	for _, s := range c.strangers {
		end.Unwritten += s.unwritten
	}
	c.log.write(end)
	return c.count, errors.Join(left, c.log.close())
}

// SameCode compares in a time that does not depend on how much of a guess is right. Small letters are as good
// as capitals.
func SameCode(guess, code string) bool {
	guess, code = strings.ToUpper(guess), strings.ToUpper(code)
	return subtle.ConstantTimeCompare([]byte(guess), []byte(code)) == 1
}

// tell tells of something that has just happened. The lock is not held: whoever is told may ask for the seats.
func (c *Class) tell(e Event) {
	if c.opt.Tell != nil {
		c.opt.Tell(e)
	}
}

func (s *student) seat() Seat {
	return Seat{Student: s.name, Peer: s.from.String(), Connections: s.connections, Turn: s.turn}
}

// Seats are the students who are connected.
func (c *Class) Seats() (seats []Seat) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.students {
		if s.connections > 0 {
			seats = append(seats, s.seat())
		}
	}
	return seats
}
