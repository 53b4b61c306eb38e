// Server is the lecture's remote process manager: over TCP it lists, starts and stops the
// processes of the machine that it runs on.
//
//	server [-port 5002] [-lang en|es] [-max-clients 512] [-open] [-version]
//
// To read it in the lecture's order: listen.go (socket, bind, listen, accept), session.go (a
// thread for each client), request.go (recv, and where a request ends), list.go (a pipe from
// ps), start.go (fork and exec), stop.go (kill), reap.go (SIGCHLD and wait).
package main

import (
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// A server is what its threads share.
type server struct {
	options
	log      *log
	null     int // a descriptor of /dev/null: what children read from and write to
	clients  clients
	children children
}

// START main OMIT
func main() {
	s := newServer(parseFlags(os.Args[1:]))
	s.reapOnSIGCHLD()

	fd := s.listen()
	go s.shutDownOnSignal(fd)
	s.acceptClients(fd) // returns once the listening socket is shut down

	s.end()
}

// END main OMIT

func newServer(opt options) *server {
	s := &server{options: opt, log: newLog(os.Stderr, opt.lang)}
	s.clients.joined = make(map[*client]bool)
	s.clients.left = make(chan struct{}, 1)
	s.children.living = make(map[int]*child)
	if err := s.prepareForChildren(); err != nil {
		s.cannotStart(err)
	}
	if s.open {
		s.log.say(warn, openToAll)
	}
	return s
}

// cannotStart says what kept the server from starting and ends it with status 1.
func (s *server) cannotStart(err error) {
	os.Stderr.WriteString(protocol.ErrorReply(s.lang, err))
	os.Exit(1)
}

// shutDownOnSignal waits for SIGTERM or SIGINT (or SIGHUP, unless nohup(1) had it ignored), and
// then shuts the listening socket down, which wakes the thread that is blocked in accept.
func (s *server) shutDownOnSignal(fd int) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT)
	if !s.children.hangupIgnored {
		signal.Notify(signals, unix.SIGHUP)
	}
	sig := (<-signals).(unix.Signal)
	s.log.say(end, endsOn, unix.SignalName(sig))

	// POSIX: shutdown(fd, SHUT_RDWR);
	unix.Shutdown(fd, unix.SHUT_RDWR)
}

// grace is how long a child may take to end after SIGTERM, before it gets SIGKILL.
const grace = time.Second

// end ends what the server started, and then the server, with status 0.
func (s *server) end() {
	s.clients.hangUp()
	dying := s.children.signal(unix.SIGTERM)
	late := time.AfterFunc(grace, func() { s.children.signal(unix.SIGKILL) })
	for _, c := range dying {
		<-c.ended
	}
	late.Stop()
	s.log.say(end, endedAll, len(dying))
	os.Exit(0)
}
