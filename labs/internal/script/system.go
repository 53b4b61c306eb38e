package script

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/proc"
	"posixlab/labs/internal/show"
	"posixlab/labs/internal/target"
)

func (s *Story) cmdServer(c *call) error {
	if len(c.args) > 0 {
		return misuse("wrong number of arguments")
	}
	if c.neg && s.server == nil {
		return misuse("! server needs one that runs")
	}
	command := s.Server
	if command.TakesPort {
		command.Argv = append(slices.Clone(command.Argv), "-port", fmt.Sprint(s.port))
	}
	log := filepath.Join(s.work, fmt.Sprintf("server%d.log", len(s.logs)+1))
	s.logs = append(s.logs, log)
	server, err := s.run.Start(command, s.env, log)
	if err != nil {
		return fmt.Errorf("start %s: %w", strings.Join(command.Argv, " "), err)
	}
	s.Out.Note(show.Text{EN: "process %d: %s", ES: "proceso %d: %s"}, server.Root, show.Command(command.Argv))
	if c.neg {
		return s.mustEnd(server)
	}
	err = s.mustListen(c, server)
	if s.port == 0 && errors.Is(err, errPortWaits) {
		return s.startLater(c, command)
	}
	return err
}

// errPortWaits says that a server could not have its built-in port for connections of a scenario
// before, which stand in TIME_WAIT.
var errPortWaits = errors.New("TIME_WAIT on the port")

// startLater starts a server anew once an earlier scenario's connections have left the port. A
// server that does not set SO_REUSEADDR fails the scenario that is about that, and no other.
func (s *Story) startLater(c *call, command target.Command) error {
	s.Out.Note(show.Text{
		EN: "an earlier scenario left TIME_WAIT on port %d: waiting for its end, up to a minute",
		ES: "un escenario anterior dejó TIME_WAIT en el puerto %d: a esperar su fin, hasta un minuto"}, protocolPort)
	_, err := target.AwaitKernel(2*time.Minute, func() (bool, error) {
		table, err := proc.TCPTable()
		return !slices.ContainsFunc(table, waitsOnPort), err
	})
	if err != nil {
		return err
	}
	server, err := s.run.Start(command, s.env, s.logs[len(s.logs)-1])
	if err != nil {
		return err
	}
	return s.mustListen(c, server)
}

func waitsOnPort(t proc.TCP) bool {
	return t.State == proc.TimeWait && t.Local.Port() == protocolPort
}

// mustListen waits until a new server owns a socket in LISTEN.
func (s *Story) mustListen(c *call, server *target.Server) error {
	s.server, s.end = server, nil
	expected := s.say(show.Text{
		EN: "a socket of the server's in LISTEN",
		ES: "un socket del servidor en LISTEN"})
	err := s.await(nil, expected,
		func() string {
			return s.say(show.Text{EN: "none: it runs, and listens on no port", ES: "ninguno: corre, y no escucha en ningún puerto"})
		},
		func() (bool, error) {
			listening, err := s.run.Listening(server)
			if listening || err != nil {
				return listening, err
			}
			select {
			case <-server.Exited:
				if left, err := s.run.Descends(server); left || err != nil {
					return false, err // it went into the background, as daemons do
				}
				return false, s.endedEarly(expected, server)
			default:
				return false, nil
			}
		})
	if err != nil {
		return err
	}
	s.port = server.Port
	c.ts.Setenv("SERVER", fmt.Sprint(server.PID))
	c.ts.Setenv("PORT", fmt.Sprint(server.Port))
	return nil
}

// endedEarly tells how a server ended that should have listened. If a stranger has the port of
// the protocol, that is nobody's fault in this room.
func (s *Story) endedEarly(expected string, server *target.Server) error {
	table, err := proc.TCPTable()
	if err != nil {
		return err
	}
	for _, t := range table {
		if t.State == proc.Listen && t.Local.Port() == protocolPort && !s.Server.TakesPort {
			return fmt.Errorf("%s", s.say(show.Text{
				EN: "port %d is taken by another program, which `ss -ltnp` names: end it, and try again",
				ES: "otro programa tiene el puerto %d; `ss -ltnp` dice cuál: ciérralo e intenta de nuevo"}, protocolPort))
		}
	}
	ended := &failure{expected, s.say(show.Text{
		EN: "it %s before that: %s",
		ES: "antes de eso %s: %s"}, s.sayStatus(server.Status), s.lastWords(server))}
	if slices.ContainsFunc(table, waitsOnPort) && !s.Server.TakesPort {
		return errors.Join(ended, errPortWaits)
	}
	return ended
}

// protocolPort is where a server listens whose port is built in.
const protocolPort = 5002

// mustEnd waits until a server that cannot have its port ends by itself.
func (s *Story) mustEnd(server *target.Server) error {
	expected := s.say(show.Text{
		EN: "the second server says why it cannot start, and ends with a status other than 0",
		ES: "el segundo servidor dice por qué no puede iniciar, y termina con un estado distinto de 0"})
	err := s.await(nil, expected,
		func() string { return s.say(show.Text{EN: "it still runs", ES: "sigue corriendo"}) },
		func() (bool, error) {
			select {
			case <-server.Exited:
				return true, nil
			default:
			}
			listening, err := s.run.Listening(server)
			if listening {
				return false, &failure{expected, s.say(show.Text{
					EN: "it listens too, on port %d",
					ES: "también escucha, en el puerto %d"}, server.Port)}
			}
			return false, err
		})
	if err != nil {
		return err
	}
	how := s.sayStatus(server.Status)
	if server.Status == 0 {
		return &failure{expected, "it " + how}
	}
	s.Out.Note(show.Text{EN: "it %s: %s", ES: "%s: %s"}, how, s.lastWords(server))
	return nil
}

// lastWords is the last line that a server wrote.
func (s *Story) lastWords(server *target.Server) string {
	data, _ := os.ReadFile(server.Log)
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return show.Printable(last)
	}
	return s.say(show.Text{EN: "it said nothing", ES: "no dijo nada"})
}

// sayStatus decodes a wait status, as the macros of wait(2) do.
func (s *Story) sayStatus(status unix.WaitStatus) string {
	if status.Signaled() {
		return s.say(show.Text{EN: "was killed by %s", ES: "murió por %s"}, unix.SignalName(status.Signal()))
	}
	return s.say(show.Text{EN: "exited with status %d", ES: "terminó con estado %d"}, status.ExitStatus())
}

func (s *Story) cmdProc(c *call) error {
	if len(c.args) < 2 {
		return misuse("wrong number of arguments")
	}
	pid, err := strconv.Atoi(c.args[0])
	if err != nil {
		return misuse("not a pid: " + c.args[0])
	}
	what, args := c.args[1], c.args[2:]
	number := func(i int) (n int) {
		if i < len(args) {
			n, err = strconv.Atoi(args[i])
		}
		return n
	}
	switch {
	case what == "state" && len(args) == 1:
		return s.procState(pid, args[0])
	case what == "gone" && len(args) == 0:
		return s.procGone(pid)
	case what == "argv":
		return s.procArgv(pid, args)
	case what == "children" && (len(args) == 1 || len(args) == 2):
		if n := number(0); err == nil {
			return s.procChildren(pid, n, strings.Join(args[1:], ""))
		}
	case what == "threads" && len(args) == 1:
		if n := number(0); err == nil {
			return s.procThreads(pid, n, "")
		}
	case what == "calls" && len(args) == 2:
		if n := number(1); err == nil {
			return s.procThreads(pid, n, args[0])
		}
	}
	return misuse("proc PID " + strings.Join(c.args[1:], " "))
}

func (s *Story) procState(pid int, letter string) error {
	seen := ""
	err := s.await(nil, fmt.Sprintf("/proc/%d: %s", pid, s.sayState(letter)),
		func() string { return seen },
		func() (bool, error) {
			st, err := proc.ReadStat(pid)
			if err == proc.ErrGone {
				seen = s.sayGone()
				return false, nil
			}
			if err != nil {
				return false, err
			}
			seen = s.sayState(st.State)
			if letter != "T" {
				return st.State == letter, nil
			}
			threads, err := proc.Threads(pid)
			running := slices.ContainsFunc(threads, func(t proc.Thread) bool { return t.State != "T" })
			return !running && err == nil, nil
		})
	if err != nil {
		return err
	}
	st, err := proc.ReadStat(pid)
	if err != nil {
		return err
	}
	s.Out.Evidence(s.processTable([]proc.Stat{st}))
	return nil
}

func (s *Story) sayGone() string {
	return s.say(show.Text{EN: "no such process", ES: "no existe ese proceso"})
}

func (s *Story) procGone(pid int) error {
	seen := ""
	err := s.await(nil, s.say(show.Text{EN: "no /proc/%d", ES: "que no haya /proc/%d"}, pid),
		func() string { return seen },
		func() (bool, error) {
			if _, err := s.run.Tree(); err != nil { // collects what was left to us
				return false, err
			}
			st, err := proc.ReadStat(pid)
			if err == proc.ErrGone {
				return true, nil
			}
			seen = fmt.Sprintf("/proc/%d: %s", pid, s.sayState(st.State))
			return false, err
		})
	if err == nil {
		s.Out.Note(show.Text{EN: "/proc/%d: no such process", ES: "/proc/%d: no existe ese proceso"}, pid)
	}
	return err
}

func (s *Story) procArgv(pid int, want []string) error {
	var got []string
	expected := fmt.Sprintf("/proc/%d/cmdline: %q", pid, want)
	err := s.await(nil, expected,
		func() string { return fmt.Sprintf("%q", got) },
		func() (bool, error) {
			var err error
			got, err = proc.Argv(pid)
			if err == proc.ErrGone {
				return false, &failure{expected, s.sayGone()}
			}
			return slices.Equal(got, want), err
		})
	if err != nil {
		return err
	}
	t := show.Table{
		Source: fmt.Sprintf("/proc/%d/cmdline", pid),
		Head:   []show.Text{{EN: "argv", ES: "argv"}, {EN: "value", ES: "valor"}},
	}
	for i, arg := range got {
		t.Rows = append(t.Rows, []string{fmt.Sprintf("[%d]", i), show.Printable(arg)})
	}
	s.Out.Evidence(t)
	return nil
}

func (s *Story) procChildren(pid, n int, name string) error {
	var children []proc.Stat
	expected := s.say(show.Text{EN: "%d children of %d", ES: "%d hijos de %d"}, n, pid)
	if name != "" {
		expected = s.say(show.Text{EN: "%d children of %d called %s", ES: "%d hijos de %d llamados %s"}, n, pid, name)
	}
	err := s.await(nil, expected,
		func() string {
			return fmt.Sprintf("%d", len(children))
		},
		func() (bool, error) {
			all, err := proc.Children(pid)
			children = slices.DeleteFunc(all, func(st proc.Stat) bool { return name != "" && st.Comm != name })
			return len(children) == n, err
		})
	if err != nil {
		return err
	}
	if n == 0 {
		s.Out.Note(show.Text{EN: "%d has no such child", ES: "%d no tiene un hijo así"}, pid)
		return nil
	}
	s.Out.Evidence(s.processTable(children))
	return nil
}

// procThreads waits for at least n threads, blocked in a call if one is named.
func (s *Story) procThreads(pid, n int, in string) error {
	var threads []proc.Thread
	found := 0
	expected := s.say(show.Text{EN: "at least %d threads in /proc/%d/task", ES: "al menos %d hilos en /proc/%d/task"}, n, pid)
	if in != "" {
		expected = s.say(show.Text{
			EN: "at least %d threads of %d blocked in %s",
			ES: "al menos %d hilos de %d bloqueados en %s"}, n, pid, in)
	}
	err := s.await(nil, expected,
		func() string { return s.say(show.Text{EN: "%d", ES: "%d"}, found) },
		func() (bool, error) {
			var err error
			threads, err = proc.Threads(pid)
			found = 0
			for _, th := range threads {
				if in == "" || th.Call == in {
					found++
				}
			}
			return found >= n, err
		})
	if err != nil {
		return err
	}
	s.Out.Evidence(s.threadTable(pid, threads))
	return nil
}

func (s *Story) cmdSocket(c *call) error {
	if len(c.args) < 2 || s.server == nil {
		return misuse("wrong number of arguments")
	}
	which, err := s.findEnd(c.args[0])
	if err != nil {
		return err
	}
	want, gone := c.args[1], c.args[1] == "gone"
	var state proc.TCPState
	if !gone {
		if state, err = proc.ParseTCPState(want); err != nil {
			return misuse(err.Error())
		}
	}
	wanted, err := s.socketWanted(which, want, c.args[2:])
	if err != nil {
		return err
	}
	var got *proc.TCP
	mine := func(t proc.TCP) bool { return which.matches(t, s.port) }
	seen := func() string {
		if got == nil {
			return s.say(show.Text{EN: "no such line in /proc/net/tcp", ES: "ninguna línea así en /proc/net/tcp"})
		}
		return s.say(show.Text{
			EN: "%s at %s, %d unread, inode %d",
			ES: "%s en %s, %d sin leer, inodo %d"}, got.State, got.Local, got.RecvQueue, got.Inode)
	}
	err = s.await(nil, wanted.text, seen, func() (bool, error) {
		table, err := proc.TCPTable()
		if err != nil {
			return false, err
		}
		got = nil
		if i := slices.IndexFunc(table, mine); i >= 0 {
			got = &table[i]
		}
		if gone || got == nil {
			return gone && got == nil, nil
		}
		if got.State == state && wanted.address != nil && !wanted.address(*got) {
			return false, &failure{wanted.text, seen()} // it will not change any more
		}
		ok := got.State == state && (wanted.unread < 0 || got.RecvQueue == wanted.unread) &&
			(wanted.inode < 0 || got.Inode == uint64(wanted.inode))
		if ok && wanted.held {
			tree, err := s.run.Tree()
			return len(proc.Holders(tree)[got.Inode]) > 0, err
		}
		return ok, nil
	})
	if err != nil {
		return err
	}
	if got != nil {
		c.ts.Setenv("INODE", fmt.Sprint(got.Inode))
	}
	s.pending.ends = append(s.pending.ends, which)
	evidence, err := s.sockets(func(t proc.TCP) bool {
		return slices.ContainsFunc(s.pending.ends, func(e end) bool { return e.matches(t, s.port) })
	})
	s.pending.table = &evidence
	return err
}

// A wanted is what a socket must look like.
type wanted struct {
	address       func(proc.TCP) bool // nil: any
	unread, inode int                 // -1: any
	held          bool
	text          string // all of it in words
}

// socketWanted reads the conditions of a socket command, after its end and its state.
func (s *Story) socketWanted(which end, state string, args []string) (w wanted, err error) {
	w.unread, w.inode = -1, -1
	words := []string{s.sayEndOf(which) + ": " + state}
	if state == "gone" {
		words[0] = s.say(show.Text{
			EN: "no line in /proc/net/tcp for %s",
			ES: "ninguna línea en /proc/net/tcp para %s"}, s.sayEndOf(which))
	}
	for len(args) > 0 {
		name := args[0]
		if name == "held" {
			w.held = true
			words = append(words, s.say(show.Text{EN: "held by the server", ES: "en poder del servidor"}))
			args = args[1:]
			continue
		}
		if len(args) == 1 {
			return w, misuse(name + " needs a value")
		}
		value := args[1]
		args = args[2:]
		switch name {
		case "address":
			addr, err := netip.ParseAddr(value)
			if err != nil {
				return w, misuse(err.Error())
			}
			// A server for IPv6 on :: accepts IPv4 too: it is on all interfaces.
			w.address = func(t proc.TCP) bool {
				return t.Local.Addr() == addr || addr.IsUnspecified() && t.Local.Addr().IsUnspecified()
			}
			words = append(words, s.say(show.Text{EN: "on address %s", ES: "en la dirección %s"}, value))
		case "unread":
			w.unread, err = strconv.Atoi(value)
			words = append(words, s.say(show.Text{EN: "%s unread", ES: "%s sin leer"}, value))
		case "inode":
			w.inode, err = strconv.Atoi(value)
			words = append(words, s.say(show.Text{EN: "inode %s", ES: "inodo %s"}, value))
		default:
			return w, misuse("unknown condition " + name)
		}
		if err != nil {
			return w, misuse(name + " needs a number")
		}
	}
	w.text = strings.Join(words, ", ")
	return w, nil
}

// sayEndOf names an end of a connection.
func (s *Story) sayEndOf(e end) string {
	switch {
	case e.conn == nil:
		return s.say(show.Text{EN: "the listening socket", ES: "el socket que escucha"})
	case e.server:
		return s.say(show.Text{
			EN: "the server's end of %s's connection",
			ES: "el extremo del servidor en la conexión de %s"}, e.conn.name)
	}
	return s.say(show.Text{EN: "%s's end", ES: "el extremo de %s"}, e.conn.name)
}

func (s *Story) cmdSignal(c *call) error {
	if len(c.args) != 2 {
		return misuse("wrong number of arguments")
	}
	pid, err := strconv.Atoi(c.args[0])
	if err != nil {
		return misuse("not a pid: " + c.args[0])
	}
	sig := unix.SignalNum("SIG" + c.args[1])
	if sig == 0 {
		return misuse("no signal is called " + c.args[1])
	}
	tree, err := s.run.Tree()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(tree, func(st proc.Stat) bool { return st.PID == pid }) {
		return s.fails(
			show.Text{EN: "a process of this scenario to signal", ES: "un proceso de este escenario al cual enviarle la señal"},
			show.Text{EN: "it is gone", ES: "ya no existe"})
	}
	if err := unix.Kill(pid, sig); err != nil {
		return fmt.Errorf("kill %d: %w", pid, err)
	}
	s.Out.Note(show.Text{EN: "kill(%d, SIG%s)", ES: "kill(%d, SIG%s)"}, pid, c.args[1])
	if sig == unix.SIGSTOP {
		return s.procState(pid, "T")
	}
	return nil
}

// An actor is a program that the script commands through a FIFO.
type actor struct {
	path string
	fifo *os.File // open for reading and writing, so that neither side waits for the other
}

// cast puts an actor on the server's PATH under a name.
func (s *Story) cast(name string) (*actor, error) {
	if a := s.actors[name]; a != nil {
		return a, nil
	}
	path := filepath.Join(s.work, "bin", name)
	if err := os.Link(s.Actor, path); err != nil {
		if err := copyFile(s.Actor, path); err != nil {
			return nil, err
		}
	}
	if err := unix.Mkfifo(path+".fifo", 0o666); err != nil {
		return nil, err
	}
	fifo, err := os.OpenFile(path+".fifo", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	a := &actor{path, fifo}
	s.actors[name] = a
	return a, nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o777)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

func (s *Story) cmdActor(c *call) error {
	if len(c.args) != 1 && len(c.args) != 3 {
		return misuse("wrong number of arguments")
	}
	a, err := s.cast(c.args[0])
	if err != nil || len(c.args) == 1 {
		return err
	}
	if _, err := strconv.ParseUint(c.args[2], 10, 8); err != nil || c.args[1] != "exit" {
		return misuse("an actor can only exit N")
	}
	_, err = fmt.Fprintf(a.fifo, "exit %s\n", c.args[2])
	return err
}

func (s *Story) cmdTable(c *call) error {
	if len(c.args) != 1 {
		return misuse("wrong number of arguments")
	}
	ps, err := s.cast("ps")
	if err != nil {
		return err
	}
	switch c.args[0] {
	case "-hold":
		s.Out.Note(show.Text{EN: "from now on ps does not answer", ES: "desde ahora ps no responde"})
		return nil
	case "-held":
		return s.tableHeld(ps)
	case "-release":
		table := filepath.Join(s.work, "table")
		if err := os.WriteFile(table, []byte("    PID COMMAND\n      1 init\n"), 0o666); err != nil {
			return err
		}
		s.Out.Note(show.Text{EN: "ps answers", ES: "ps responde"})
		_, err := fmt.Fprintf(ps.fifo, "cat %s\nexit 0\n", table)
		return err
	}
	return misuse("unknown option " + c.args[0])
}

// tableHeld waits until the server has started our ps.
func (s *Story) tableHeld(ps *actor) error {
	var held []proc.Stat
	err := s.await(nil,
		s.say(show.Text{EN: "the server runs the ps that is first on its PATH", ES: "el servidor ejecuta el ps que está primero en su PATH"}),
		func() string { return s.say(show.Text{EN: "it does not", ES: "no lo hace"}) },
		func() (bool, error) {
			tree, err := s.run.Tree()
			if err != nil {
				return false, err
			}
			held = slices.DeleteFunc(tree, func(st proc.Stat) bool {
				exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", st.PID))
				return err != nil || exe != ps.path
			})
			return len(held) > 0, nil
		})
	if err != nil {
		return err
	}
	s.Out.Evidence(s.processTable(held))
	return nil
}
