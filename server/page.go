package main

import (
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/server/classroom"
	"posixlab/server/classroom/page"
	"posixlab/server/protocol"
)

// The page of a class, the ten and the herd are this program too, under other names.
func init() {
	switch {
	case len(os.Args) > 0 && os.Args[0] == page.Name:
		page.Main()
	case len(os.Args) == 1 && os.Args[0] == classroom.Waiter:
		classroom.BeWaiter()
	case len(os.Args) == 2 && os.Args[0] == classroom.Herd:
		n, _ := strconv.Atoi(os.Args[1])
		classroom.BeHerd(n)
	}
}

// openPage takes the page's address, if the class has a page, and says where it is.
func (s *server) openPage() {
	if s.options.page == page.Off {
		return
	}
	opt := s.options.class
	var err error
	s.page, err = page.Open(s.options.page, page.Settings{Lang: s.lang, Title: opt.Title, Host: lanAddress(), Names: opt.Names, Code: opt.Code, Server: os.Getpid()})
	if err != nil {
		s.cannotStart(err)
	}
	s.log.say(logListen, pageOpens, s.page.Shown, s.page.Page)
	s.log.say(logListen, projectorOpens, s.page.URL())
}

// startPage starts the page's process once the class's port is known. A class goes on without.
func (s *server) startPage(port int) {
	if s.page == nil {
		return
	}
	s.page.Port = port
	if err := s.page.Start(s.forkPage, s.class.Seats); err != nil {
		s.log.say(logWarn, noPage, err)
		s.page = nil
		return
	}
	sigchld := make(chan os.Signal, 16)
	signal.Notify(sigchld, unix.SIGCHLD) // beside the reaper's: to be told
	go func() {
		for range sigchld {
			s.tell(classroom.Event{Kind: classroom.Signalled})
		}
	}()
	go s.page.Orders(s.obey)
}

// forkPage makes the page a child like any other: the reaper collects it, and the server's end ends it.
func (s *server) forkPage(argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	s.children.mu.Lock() // held across fork and record: see reap
	defer s.children.mu.Unlock()
	attr.Files[unix.Stdin] = uintptr(s.null)
	pid, err = syscall.ForkExec("/proc/self/exe", argv, attr)
	if err != nil {
		return 0, os.NewSyscallError("fork", err)
	}
	s.children.living[pid] = &child{pid: pid, name: argv[0], ended: make(chan struct{})}
	s.log.say(logFork, born, pid, argv[0])
	return pid, nil
}

// tell tells the page, if there is one, of something that has just happened.
func (s *server) tell(e classroom.Event) {
	if s.page != nil {
		e.Time = time.Now()
		s.page.Tell(e)
	}
}

// tellEnd tells the page once a child has been collected.
func (s *server) tellEnd(c *child) {
	if s.page == nil {
		return
	}
	go func() {
		<-c.ended
		s.tell(classroom.Event{Kind: classroom.Reaped, PID: c.pid, Program: c.name, How: map[protocol.Lang]string{
			protocol.English: protocol.WaitStatus(protocol.English, c.status),
			protocol.Spanish: protocol.WaitStatus(protocol.Spanish, c.status),
		}})
	}()
}

// obey does what the instructor orders, on the page.
func (s *server) obey(order classroom.Order) {
	s.log.say(logWarn, ordered, order)
	if err := s.class.Obey(order, classVerbs{server: s}); err != nil {
		s.log.say(logFailed, protocol.Message{EN: "%s", ES: "%s"}, protocol.ErrorReply(s.lang, err))
	}
}
