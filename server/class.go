package main

import (
	"errors"
	"flag"
	"io"
	"net"
	"os"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/server/classroom"
	"posixlab/server/classroom/page"
	"posixlab/server/protocol"
)

// A child of a class is this program at first, until it has confined itself.
func init() {
	if len(os.Args) > 0 && os.Args[0] == classroom.Confined {
		classroom.Confine(os.Args[1:])
	}
}

// classFlags are the options of a class. The list of programs is split once all is read.
func classFlags(flags *flag.FlagSet, opt *classroom.Options) (allow *string) {
	flags.StringVar(&opt.Code, "class", "", "")
	flags.StringVar(&opt.User, "user", "nobody", "")
	flags.IntVar(&opt.Names, "names", classroom.UsualNames, "")
	flags.BoolVar(&opt.Own, "own", false, "")
	flags.BoolVar(&opt.All, "all", false, "")
	flags.DurationVar(&opt.Lasting, "for", 0, "")
	flags.StringVar(&opt.Audit, "audit", "class.jsonl", "")
	flags.StringVar(&opt.Title, "title", hostname(), "")
	flags.BoolVar(&opt.Quiet, "quiet", false, "")
	return flags.String("allow", strings.Join(classroom.Harmless, ","), "")
}

// code is what can be said in one word.
var code = regexp.MustCompile(`^[A-Za-z0-9]{4,64}$`)

// readCode returns the code that -class names, "new" for one that is to be made up, or none for no class. Of
// @FILE it is what the file holds: the command line can be read by every user of this machine
// (/proc/PID/cmdline).
// It complains, in lang, of what is no code.
func readCode(given string, lang protocol.Lang) (said, complaint string) {
	path, isFile := strings.CutPrefix(given, "@")
	if !isFile && (given == "" || given == "new") {
		return given, ""
	}
	said = given
	if isFile {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", noCode.In(lang, protocol.Quote(given), err)
		}
		said = strings.TrimSpace(string(text))
	}
	if !code.MatchString(said) {
		return "", badCode.In(lang, protocol.Quote(given))
	}
	return said, ""
}

// openClass puts the class's policy before the verbs, and shows the code.
func (s *server) openClass() {
	opt := s.options.class
	if opt.Code == "new" {
		opt.Code = classroom.NewCode()
	}
	opt.Tell, opt.Others = s.tell, s.options.page != page.Off
	s.options.class = opt
	class, err := classroom.Open(opt, s.children.forked)
	if err != nil {
		s.cannotStart(err)
	}
	s.class, s.accept = class, s.acceptStudents
	as := opt.User
	if os.Geteuid() != 0 {
		as = sameUser.In(s.lang)
	}
	s.log.say(logListen, classOpens, opt.Code, opt.Code, lanAddress())
	s.log.say(logListen, classRuns, strings.Join(class.Allowed(), " "), as)
	s.openPage()
	if opt.Lasting > 0 {
		time.AfterFunc(opt.Lasting, func() {
			s.log.say(logEnd, timeIsUp, opt.Lasting)
			unix.Kill(os.Getpid(), unix.SIGTERM) // as if the instructor had ended it
		})
	}
}

// dismiss tells whoever is connected that the class is over, unless her machine takes nothing any more.
func (s *server) dismiss() {
	bye := []byte(protocol.ErrorReply(s.lang, protocol.Refuse(classIsOver)))
	s.clients.mu.Lock()
	defer s.clients.mu.Unlock()
	for c := range s.clients.joined {
		unix.Sendto(c.conn, bye, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, nil)
	}
}

// closeClass ends what is left of the class's processes, orphans too, and tells what there was.
func (s *server) closeClass() {
	s.dismiss()
	s.children.mu.Lock()
	s.children.ending = true // no more are started
	s.children.mu.Unlock()
	sum, err := s.class.Close()
	if err != nil {
		s.log.say(logFailed, protocol.Message{EN: "%v", ES: "%v"}, err)
	}
	s.log.say(logEnd, classEnds, sum.Students, sum.Connections, sum.Requests, sum.Started, sum.Stopped, sum.Refused, sum.WrongCodes)
}

// lanAddress is this machine's address on the LAN, as far as it has one: that of the route to the world or, on a
// network without one, of the first interface that is up. No packet is sent to find out.
func lanAddress() string {
	if conn, err := net.Dial("udp4", "198.51.100.1:9"); err == nil { // nobody's address (RFC 5737)
		defer conn.Close()
		return conn.LocalAddr().(*net.UDPAddr).IP.String()
	}
	addresses, _ := net.InterfaceAddrs()
	for _, address := range addresses {
		if network, is := address.(*net.IPNet); is && network.IP.To4() != nil && network.IP.IsGlobalUnicast() {
			return network.IP.String()
		}
	}
	return "127.0.0.1"
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil || !protocol.GoodTitle(name) {
		return "posixlab"
	}
	return name
}

// announce tells the LAN of the class until stop is closed.
func (s *server) announce(port int, stop <-chan struct{}) {
	if s.options.class.Quiet {
		return
	}
	if err := classroom.Announce(s.options.class.Title, port, stop); err != nil {
		s.log.say(logWarn, notAnnounced, err)
	}
}

// acceptStudents is acceptClients for a class: peers of any machine, and the policy before each verb.
func (s *server) acceptStudents(fd int) {
	stop := make(chan struct{})
	defer close(stop)
	if local, _ := unix.Getsockname(fd); local != nil { // the port, also if the kernel chose it
		port := local.(*unix.SockaddrInet4).Port
		s.startPage(port)
		s.announce(port, stop)
	}
	for {
		conn, peer, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		switch err {
		case nil:
			c := s.clients.join(conn, address(peer), s.maxClients)
			if c == nil {
				s.log.say(logFailed, refusedFull, address(peer))
				go s.refuse(conn, protocol.Refuse(protocol.TooManyClients, s.maxClients))
				continue
			}
			s.log.say(logAccept, accepted, c.number, c.peer, conn)
			s.tell(classroom.Event{Kind: classroom.Accepted, Peer: c.peer})
			go s.teach(c)
		case unix.EINVAL: // shut down
			unix.Close(fd) // the only copy: no child has one
			s.closeClass()
			return
		case unix.EINTR, unix.ECONNABORTED:
		default: // no descriptor, or no memory: until a client leaves
			s.log.say(logFailed, callFailed, "accept", err)
			select {
			case <-s.clients.left:
			case <-time.After(time.Second):
			}
		}
	}
}

// teach is serve for a class: the policy decides about each request, and runs it.
func (s *server) teach(c *client) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer s.clients.leave(c)
	defer s.log.say(logClosed, closing, c.number)
	guest, err := s.class.Guest(c.peer)
	if err != nil {
		send(c.conn, protocol.ErrorReply(s.lang, err))
		return
	}
	defer guest.Leave()

	conn := classroom.NewConn(c.conn, s.options.class.Limits)
	for lines := classroom.NewLines(conn); ; {
		line, err := lines.Next()
		if err == io.EOF {
			return
		}
		reply, exit := "", false
		if err != nil {
			reply = protocol.ErrorReply(s.lang, err)
		} else if reply, exit = guest.Answer(line, classVerbs{s, c}); guest.Joined() {
			conn.Joined()
		}
		if strings.HasPrefix(reply, "Error") {
			s.log.say(logFailed, answered, c.number, reply)
		}
		err = conn.Send(reply)
		if err == classroom.ErrUnread {
			guest.Unread()
		}
		if err != nil || exit {
			return
		}
	}
}

// classVerbs are the verbs as the policy calls them.
type classVerbs struct {
	*server
	client *client
}

func (v classVerbs) List() (string, error) { return v.list(v.client) }

// Start is spawn for a class: what it starts confines itself.
func (v classVerbs) Start(student string, argv []string) (pid int, reply string, err error) {
	var c *child
	pid, err = v.class.ForkExec(argv, uintptr(v.null), func(path string, args []string, attr *syscall.ProcAttr) (int, error) {
		made, err := v.fork(argv, path, args, attr)
		if err != nil {
			return 0, err
		}
		c = made
		v.tell(classroom.Event{Kind: classroom.Forked, PID: c.pid, Student: student, Program: argv[0]})
		return c.pid, nil
	})
	if c != nil && err == nil {
		v.tell(classroom.Event{Kind: classroom.Executed, PID: pid, Student: student, Program: printable(strings.Join(argv, " "))})
	}
	if c != nil {
		v.tellEnd(c)
	}
	if _, said := errors.AsType[*protocol.Refusal](err); err != nil && !said {
		err = explainExec(argv[0], err)
	}
	if err != nil {
		return 0, "", err
	}
	return pid, protocol.Started.In(v.lang, printable(argv[0]), pid) + "\n", nil
}

// fork makes a child of path and args, which is going to be argv, and records it.
func (v classVerbs) fork(argv []string, path string, args []string, attr *syscall.ProcAttr) (*child, error) {
	v.children.mu.Lock() // held across fork and record: see reap
	defer v.children.mu.Unlock()
	if v.children.ending {
		return nil, protocol.Refuse(protocol.ShuttingDown)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil)
	if argv[0] == classroom.Waiter {
		attr.Files[unix.Stdin] = v.page.Waiters()
	}
	pid, err := syscall.ForkExec(path, args, attr)
	if err != nil {
		return nil, err
	}
	c := &child{pid: pid, name: argv[0], ended: make(chan struct{})}
	v.children.living[pid] = c
	v.log.say(logFork, born, pid, printable(strings.Join(argv, " ")))
	return c, nil
}

func (v classVerbs) Stopped(pid int) string { return protocol.Stopped.In(v.lang, pid) + "\n" }

// forked reports whether a process is one that the server forked, and has not collected.
func (cs *children) forked(pid int) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.living[pid] != nil
}
