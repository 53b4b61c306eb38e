package script

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/audit"
	"posixlab/labs/internal/proc"
	"posixlab/labs/internal/show"
)

// auditPath is where a class writes its log: in a folder of its own, the only one in $WORK that a server may
// write to.
func (s *Story) auditPath() string { return filepath.Join(s.auditDir(), "class.jsonl") }

func (s *Story) auditDir() string { return filepath.Join(s.work, "log") }

// makeAuditDir makes that folder, for a server that may run as another user.
func (s *Story) makeAuditDir() error {
	if err := os.Mkdir(s.auditDir(), 0o777); errors.Is(err, fs.ErrExist) {
		return nil
	} else if err != nil {
		return err
	}
	return os.Chmod(s.auditDir(), 0o777|os.ModeSticky) // whatever our umask
}

// An auditPipe is a log that is a pipe, so that it can be full.
type auditPipe struct {
	fifo *os.File // open for reading and writing: the server's open(2) waits for nobody
	read []byte   // what came, once it is read
}

func (p *auditPipe) close() {
	if p != nil {
		p.fifo.Close()
	}
}

func (s *Story) cmdAudit(c *call) error {
	var pipe, full, read bool
	var blocked, never, pid string
	err := c.flags(func(f *flag.FlagSet) {
		f.BoolVar(&pipe, "pipe", false, "")
		f.BoolVar(&full, "full", false, "")
		f.BoolVar(&read, "read", false, "")
		f.StringVar(&blocked, "blocked", "", "")
		f.StringVar(&never, "never", "", "")
		f.StringVar(&pid, "pid", "", "")
	}, 0, 4)
	if err != nil {
		return err
	}
	switch {
	case pipe:
		return s.auditIntoPipe()
	case (full || read || blocked != "") && s.log == nil:
		return misuse("the log is no pipe")
	case full:
		return s.fillLog()
	case blocked != "":
		return s.awaitLogBlocked(blocked)
	case read:
		s.Out.Note(show.Text{EN: "the log is read again: there is room", ES: "se vuelve a leer la bitácora: ya hay lugar"})
		return s.log.drain()
	case never != "":
		s.showPending()
		return s.auditNever(never)
	case len(c.args) < 3:
		return misuse("wrong number of arguments")
	}
	return s.auditHas(c.args, pid)
}

// auditIntoPipe makes the log of the classes that are started from now on a pipe.
func (s *Story) auditIntoPipe() error {
	if err := s.makeAuditDir(); err != nil {
		return err
	}
	if err := unix.Mkfifo(s.auditPath(), 0o666); err != nil {
		return err
	}
	if err := os.Chmod(s.auditPath(), 0o666); err != nil {
		return err
	}
	fifo, err := os.OpenFile(s.auditPath(), os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	s.log = &auditPipe{fifo: fifo}
	s.Out.Note(show.Text{
		EN: "%s is a pipe: what is written waits in it until it is read",
		ES: "%s es una tubería: lo que se escribe espera en ella hasta que se lea"}, filepath.Base(s.auditPath()))
	return nil
}

// fillLog leaves no room in the pipe. It puts empty lines there, which are no entries.
func (s *Story) fillLog() error {
	raw, err := s.log.fifo.SyscallConn()
	if err != nil {
		return err
	}
	raw.Control(func(fd uintptr) {
		for size := os.Getpagesize(); size > 0; size /= 2 {
			for err = nil; err == nil || err == unix.EINTR; {
				_, err = unix.Write(int(fd), bytes.Repeat([]byte("\n"), size))
			}
		}
	})
	if err != unix.EAGAIN {
		return os.NewSyscallError("write", err)
	}
	s.Out.Note(show.Text{
		EN: "the log is full: the next write to it waits",
		ES: "la bitácora está llena: el siguiente write en ella espera"})
	return nil
}

// awaitLogBlocked waits until a thread of the server is blocked in writing to the log, with this client's
// request still unanswered.
func (s *Story) awaitLogBlocked(name string) error {
	conn, err := s.need(name)
	if err != nil {
		return err
	}
	expected := s.say(show.Text{
		EN: "a thread of the server blocked in write, to the log",
		ES: "un hilo del servidor bloqueado en write, hacia la bitácora"})
	var threads []proc.Thread
	err = s.await(conn.wake, expected,
		func() string { return s.say(show.Text{EN: "none is", ES: "ninguno lo está"}) },
		func() (bool, error) {
			if got, _ := conn.arrived(); len(got) > 0 {
				return false, &failure{expected, s.say(show.Text{
					EN: "%[1]s has her answer already: %[2]s", ES: "%[1]s ya tiene su respuesta: %[2]s"}, name, excerpt(got))}
			}
			fds, err := proc.Descriptors(s.server.PID)
			if err != nil {
				return false, err
			}
			threads, err = proc.Threads(s.server.PID)
			return slices.ContainsFunc(threads, func(th proc.Thread) bool {
				return (th.Call == "write" || th.Call == "writev") && fds[th.Argument] == s.auditPath()
			}), err
		})
	if err == nil {
		s.exhibit(s.server.PID, s.threadTable(s.server.PID, threads))
	}
	return err
}

// drain reads what the pipe holds, which makes room for as much.
func (p *auditPipe) drain() error {
	raw, err := p.fifo.SyscallConn()
	if err != nil {
		return err
	}
	part := make([]byte, 64*1024)
	raw.Control(func(fd uintptr) {
		for n := 0; err == nil || err == unix.EINTR; n, err = unix.Read(int(fd), part) {
			p.read = append(p.read, part[:max(0, n)]...)
		}
	})
	if err != unix.EAGAIN { // it is empty
		return os.NewSyscallError("read", err)
	}
	return nil
}

// emptyLines are what fillLog wrote.
var emptyLines = regexp.MustCompile(`\n\n+`)

// auditText is what the log holds so far, as far as it was read.
func (s *Story) auditText() ([]byte, error) {
	if s.log != nil {
		if err := s.log.drain(); err != nil {
			return nil, err
		}
		return emptyLines.ReplaceAll(s.log.read, []byte("\n")), nil
	}
	// The server could put something else there: a link to a file that it may not read, or no end.
	file, err := os.OpenFile(s.auditPath(), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &failure{s.say(show.Text{EN: "a log that is a file", ES: "una bitácora que sea un archivo"}), err.Error()}
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, mostLog))
}

// mostLog is how much of a log is read, in bytes.
const mostLog = 16 << 20

// auditHas looks for an entry of the log, which is there before the reply is: of this event, of this student,
// of this request, with this outcome if one is given, of this process if one is.
func (s *Story) auditHas(args []string, pid string) error {
	event, student, request, outcome := args[0], args[1], strings.Fields(args[2]), strings.Join(args[3:], "")
	wanted := func(e audit.Entry) bool {
		return e.Event == event && e.Student == student && slices.Equal(strings.Fields(e.Request), request) &&
			(outcome == "" || e.Outcome == outcome) && (pid == "" || fmt.Sprint(e.PID) == pid) &&
			e.Peer != "" && !e.Time.IsZero()
	}
	log := filepath.Base(s.auditPath())
	expected := strings.TrimSpace(fmt.Sprintf("%s: %s %s %q %s %s", log, event, student, args[2], outcome, pid))
	text, err := s.auditText()
	if err != nil {
		return err
	}
	entries, _, err := audit.Read(bytes.NewReader(text))
	if err != nil {
		return &failure{
			s.say(show.Text{EN: "a log of lines that are JSON objects", ES: "una bitácora de líneas que son objetos JSON"}),
			err.Error()}
	}
	if !slices.ContainsFunc(entries, wanted) {
		seen := s.say(show.Text{EN: "an empty log", ES: "una bitácora vacía"})
		if len(entries) > 0 {
			e := entries[len(entries)-1]
			last := strings.Join(strings.Fields(fmt.Sprintf("%s %s %q %s", e.Event, e.Student, e.Request, e.Outcome)), " ")
			seen = s.say(show.Text{EN: "%d entries, the last one: %s", ES: "%d registros, el último: %s"}, len(entries), last)
		}
		return &failure{expected, seen}
	}
	s.pending.entries = append(s.pending.entries, wanted)
	table := auditTable(log, entries, func(e audit.Entry) bool {
		return slices.ContainsFunc(s.pending.entries, func(wanted func(audit.Entry) bool) bool { return wanted(e) })
	})
	s.pending.by, s.pending.table = "audit", &table
	return nil
}

// auditTable shows the last entries of a log, and of those that are marked the first one, too.
func auditTable(log string, entries []audit.Entry, marked func(audit.Entry) bool) show.Table {
	t := show.Table{
		Source: log,
		Head: []show.Text{{EN: "event", ES: "evento"}, {EN: "student", ES: "estudiante"},
			{EN: "request", ES: "petición"}, {EN: "outcome", ES: "resultado"}, {EN: "pid", ES: "pid"}},
		Marked: make(map[int]bool),
	}
	first := max(0, len(entries)-mostRows)
	if i := slices.IndexFunc(entries, marked); i >= 0 {
		first = min(first, i)
	}
	for _, e := range entries[first:min(len(entries), first+mostRows)] {
		pid := ""
		if e.PID > 0 {
			pid = fmt.Sprint(e.PID)
		}
		t.Marked[len(t.Rows)] = marked(e)
		t.Rows = append(t.Rows, []string{e.Event, show.Printable(e.Student), clipped(e.Request), e.Outcome, pid})
	}
	t.More = len(entries) - first - len(t.Rows)
	return t
}

// auditNever looks for a text that has no place in the log.
func (s *Story) auditNever(text string) error {
	log, err := s.auditText()
	if err != nil {
		return err
	}
	if before, _, found := bytes.Cut(log, []byte(text)); found {
		line := log[bytes.LastIndexByte(before, '\n')+1:]
		line, _, _ = bytes.Cut(line, []byte("\n"))
		return &failure{
			s.say(show.Text{EN: "a log without the text %s", ES: "una bitácora sin el texto %s"}, text), excerpt(line)}
	}
	s.Out.Note(show.Text{
		EN: "%s, %d lines: none holds %s", ES: "%s, %d líneas: en ninguna está %s"},
		filepath.Base(s.auditPath()), bytes.Count(log, []byte("\n")), text)
	return nil
}
