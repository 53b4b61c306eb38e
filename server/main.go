// Server is the lecture's remote process manager: over TCP it lists, starts and stops the
// processes of the machine that it runs on.
//
//	server [-port 5002] [-lang en|es] [-max-clients 512] [-open] [-version]
//
// To read it in the lecture's order: listen.go (socket, bind, listen, accept), session.go (a
// thread for each client), request.go (recv, and where a request ends), list.go (a pipe from
// ps), start.go (fork and exec), stop.go (kill), reap.go (SIGCHLD and wait).
// Lines that end in OMIT mark what slides show.
package main

import (
	"os"
	"os/signal"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/server/classroom"
	"posixlab/server/classroom/page"
	"posixlab/server/protocol"
)

// A server is what its threads share.
type server struct {
	options
	log      *log
	null     int // a descriptor of /dev/null: what children read from and write to
	clients  clients
	children children

	accept func(fd int)     // acceptClients, or acceptStudents
	class  *classroom.Class // the policy of a class; nil: there is none
	page   *page.Page       // what its projector shows; nil: nothing
}

// START main OMIT
func main() {
	s := newServer(parseFlags(os.Args[1:]))
	s.reapOnSIGCHLD()
	signals := s.catchSignals()

	fd := s.listen()
	go s.shutDownOn(signals, fd)
	s.accept(fd) // returns once the listening socket is shut down

	s.end()
}

// END main OMIT

func newServer(opt options) *server {
	// A thread that blocks in a raw call keeps one of Go's GOMAXPROCS places to run until the
	// runtime takes it back, up to 10 ms later. Some to spare, and no other thread waits for it.
	runtime.GOMAXPROCS(4 * runtime.NumCPU())

	// Go's timers need descriptors of the runtime's own, opened at the first timer: without one
	// left the runtime would end the server. So it opens them now.
	time.AfterFunc(0, func() {})

	s := &server{options: opt, log: newLog(os.Stderr, opt.lang)}
	s.accept = s.acceptClients
	s.clients.joined = make(map[*client]bool)
	s.clients.left = make(chan struct{}, 1)
	s.children.living = make(map[int]*child)
	if err := s.prepareForChildren(); err != nil {
		s.cannotStart(err)
	}
	if s.open {
		s.log.say(logWarn, openToAll)
	}
	if s.options.class.Code != "" {
		s.openClass()
	}
	return s
}

// cannotStart says what kept the server from starting and ends it with status 1.
func (s *server) cannotStart(err error) {
	os.Stderr.WriteString(protocol.ErrorReply(s.lang, err))
	os.Exit(1)
}

// catchSignals catches those that ask the server to end: SIGTERM and SIGINT, and SIGHUP unless
// nohup(1) had it ignored. From before listen on: whoever sees the port may send one.
//
// START signals OMIT
func (s *server) catchSignals() <-chan os.Signal {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT)
	if !s.children.hangupIgnored {
		signal.Notify(signals, unix.SIGHUP)
	}
	return signals
}

// END signals OMIT

// shutDownOn waits for a signal, and then shuts the listening socket down, which wakes the thread
// that is blocked in accept.
func (s *server) shutDownOn(signals <-chan os.Signal, fd int) {
	sig := (<-signals).(unix.Signal)
	s.log.say(logEnd, endsOn, unix.SignalName(sig))

	// POSIX: shutdown(fd, SHUT_RDWR);
	unix.Shutdown(fd, unix.SHUT_RDWR)
}

// grace is how long a child may take to end after SIGTERM, before it gets SIGKILL.
const grace = time.Second

// end ends what the server started, and then the server, with status 0.
//
// START end OMIT
func (s *server) end() {
	s.clients.hangUp()
	dying := s.children.signal(unix.SIGTERM)
	late := time.AfterFunc(grace, func() { s.children.signal(unix.SIGKILL) })
	waitForEach(dying, 10*grace)
	late.Stop()
	left := s.children.count()
	if left > 0 {
		s.log.say(logWarn, endedNot, left)
	}
	s.log.say(logEnd, endedAll, len(dying)-left)
	os.Exit(0)
}

// END end OMIT

// waitForEach waits until each child has ended, but no longer than most: one that became another
// user's (sudo) is not ours to kill, and could keep us for ever.
func waitForEach(dying []*child, most time.Duration) {
	tooLong := time.After(most)
	for _, c := range dying {
		select {
		case <-c.ended:
		case <-tooLong:
			return
		}
	}
}
