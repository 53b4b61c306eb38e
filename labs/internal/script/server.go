package script

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/proc"
	"posixlab/labs/internal/show"
	"posixlab/labs/internal/target"
)

func (s *Story) cmdServer(c *call) error {
	options := c.args
	if len(options) > 1 && options[0] == "-limit" {
		if err := s.under(options[1]); err != nil {
			return err
		}
		options = options[2:]
	}
	if c.neg && s.server == nil {
		return misuse("! server needs one that runs")
	}
	command := s.Server
	if command.TakesPort {
		command.Argv = append(slices.Clone(command.Argv), "-port", fmt.Sprint(s.port))
	}
	if s.class = slices.Contains(options, "-class"); s.class {
		if err := s.makeAuditDir(); err != nil {
			return err
		}
		options = append(slices.Clone(options), "-quiet", "-page", "off", "-audit", s.auditPath())
	}
	command.Argv = slices.Concat(command.Argv, options)
	shown := strings.ReplaceAll(show.Command(command.Argv), s.auditPath(), filepath.Base(s.auditPath()))
	if len(s.limits) > 0 {
		shown += " (" + s.sayLimits() + ")"
	}
	command.Argv = s.launched(command)
	log := filepath.Join(s.work, fmt.Sprintf("server%d.log", len(s.logs)+1))
	s.logs = append(s.logs, log)
	server, err := s.run.Start(command, s.env, log)
	switch {
	case errors.Is(err, unix.ENOEXEC), errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOENT):
		return &failure{
			s.say(show.Text{EN: "a program that exec can run", ES: "un programa que exec pueda ejecutar"}),
			err.Error()}
	case err != nil:
		return fmt.Errorf("start %s: %w", strings.Join(command.Argv, " "), err)
	}
	s.Out.Note(show.Text{EN: "process %d: %s", ES: "proceso %d: %s"}, server.Root, shown)
	if c.neg {
		return s.mustEnd(server)
	}
	err = s.mustListen(c, server)
	if s.port == 0 && errors.Is(err, errPortWaits) {
		return s.startLater(c, command)
	}
	return err
}

// launched is the argv by which a server is started: under the limits that the script set, and behind
// the wall of its sandbox.
func (s *Story) launched(command target.Command) []string {
	switch {
	case command.Sandbox != nil:
		box := *command.Sandbox
		box.Read = append(slices.Clone(box.Read), s.work)
		if s.class {
			box.Write = append(slices.Clone(box.Write), s.auditDir())
		}
		box.Dir = command.Dir
		return box.Command(command.Argv, s.limits)
	case len(s.limits) > 0:
		return slices.Concat([]string{s.Actor, "launch"}, s.limits, []string{"--"}, command.Argv)
	}
	return command.Argv
}

// sayLimits tells what servers are started under.
func (s *Story) sayLimits() string {
	var all []string
	for _, limit := range s.limits {
		name, value, _ := strings.Cut(limit, "=")
		switch name {
		case "nofile":
			limit = s.say(show.Text{EN: "at most %s descriptors", ES: "a lo más %s descriptores"}, value)
		case "fork":
			limit = s.say(show.Text{EN: "no new processes", ES: "sin procesos nuevos"})
		case "spare":
			limit = s.say(show.Text{EN: "no signals to %s", ES: "sin señales para %s"}, value)
		case "without":
			limit = s.say(show.Text{EN: "without CAP_KILL", ES: "sin CAP_KILL"})
		}
		all = append(all, limit)
	}
	return strings.Join(all, ", ")
}

// errPortWaits says that a server could not have its built-in port for connections of a scenario
// before, which stand in TIME_WAIT.
var errPortWaits = errors.New("TIME_WAIT on the port")

// startLater starts a server anew once an earlier scenario's connections have left the port. A
// server that does not set SO_REUSEADDR fails the scenario that is about that, and no other.
func (s *Story) startLater(c *call, command target.Command) error {
	s.Out.Note(show.Text{
		EN: "an earlier scenario left TIME_WAIT on port %d: waiting for its end, up to a minute",
		ES: "un escenario anterior dejó TIME_WAIT en el puerto %d: se espera a que termine, a lo más un minuto"}, protocolPort)
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
	s.server = server
	expected := s.say(show.Text{
		EN: "a socket of the server's in LISTEN",
		ES: "un socket del servidor en LISTEN"})
	err := s.await(nil, expected,
		func() string {
			return s.say(show.Text{EN: "none: it runs, and listens on no port", ES: "ninguno: corre, y no escucha en ningún puerto"})
		},
		func() (bool, error) {
			listening, err := s.run.Listening(server, cmp.Or(s.port, protocolPort))
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
	if s.port != 0 && server.Port != s.port {
		if s.port != protocolPort {
			return s.skipOwnChoice()
		}
		return &failure{
			s.say(show.Text{EN: "port %d again", ES: "el puerto %d otra vez"}, s.port),
			s.say(show.Text{EN: "port %d", ES: "el puerto %d"}, server.Port)}
	}
	s.port = server.Port
	c.ts.Setenv("SERVER", fmt.Sprint(server.PID))
	c.ts.Setenv("PORT", fmt.Sprint(server.Port))
	return s.learn()
}

// endedEarly tells how a server ended that should have listened. If a stranger has the port of
// the protocol, that is nobody's fault in this room.
func (s *Story) endedEarly(expected string, server *target.Server) error {
	table, err := proc.TCPTable()
	if err != nil {
		return err
	}
	tree, err := s.run.Tree()
	if err != nil {
		return err
	}
	ours := proc.Holders(tree) // an earlier server's children may have inherited its socket
	for _, t := range table {
		stranger := t.State == proc.Listen && len(ours[t.Inode]) == 0 && !s.ownRoom(t)
		if stranger && t.Local.Port() == protocolPort && !s.Server.TakesPort {
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

// ownRoom reports whether whoever has a socket came of the server, however it has covered its tracks:
// there is nobody else, or nobody else is that user.
func (s *Story) ownRoom(t proc.TCP) bool {
	box := s.Server.Sandbox
	return box != nil && (box.Contained || box.UID != 0 && t.UID == box.UID)
}

// protocolPort is where a server listens whose port is built in.
const protocolPort = 5002

// mustEnd waits until a server that cannot have its port ends by itself.
func (s *Story) mustEnd(server *target.Server) error {
	expected := s.say(show.Text{
		EN: "the second server says why it cannot start, and ends with a status other than 0",
		ES: "el segundo servidor dice por qué no puede arrancar, y termina con un estado distinto de 0"})
	err := s.await(nil, expected,
		func() string { return s.say(show.Text{EN: "it still runs", ES: "sigue corriendo"}) },
		func() (bool, error) {
			select {
			case <-server.Exited:
				return true, nil
			default:
			}
			listening, err := s.run.Listening(server, cmp.Or(s.port, protocolPort))
			if listening && s.port != protocolPort && !s.Server.TakesPort {
				return false, s.skipOwnChoice()
			}
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
		return &failure{expected, s.say(show.Text{EN: "it %s", ES: "%s"}, how)}
	}
	s.Out.Note(show.Text{EN: "it %s: %s", ES: "%s: %s"}, how, s.lastWords(server))
	return nil
}

// serverEnded tells how a connection ended by the end of the server, if that was it; else it returns "".
func (s *Story) serverEnded() string {
	if how := s.howServerEnded(); how != "" {
		return how + s.say(show.Text{EN: ": its kernel closed its sockets", ES: ": el kernel cerró sus sockets"})
	}
	return ""
}

// howServerEnded tells how the server ended, if it has, or is about to; else it returns "". A server
// that crashes closes its sockets a little before it is gone, so this looks for a moment. Only the
// words of a failure depend on it, not the verdict.
func (s *Story) howServerEnded() string {
	const moment = 300 * time.Millisecond
	server := s.server
	ending, err := target.AwaitKernel(moment, func() (bool, error) {
		st, err := proc.ReadStat(server.PID)
		return err == proc.ErrGone || err == nil && (st.Ending || st.State == "Z"), nil
	})
	if !ending || err != nil {
		return ""
	}
	if !server.Direct { // its status is for the program that started it
		return s.say(show.Text{
			EN: "the server itself ended",
			ES: "el servidor mismo terminó"})
	}
	ended := s.run.Await(nil, func() (bool, error) {
		select {
		case <-server.Exited:
			return true, nil
		default:
			return false, nil
		}
	})
	if ended != nil {
		return ""
	}
	return s.say(show.Text{
		EN: "the server itself %s",
		ES: "el servidor mismo %s"}, s.sayStatus(server.Status))
}

// skipOwnChoice ends a scenario about one port, for a server that chooses another at each start.
func (s *Story) skipOwnChoice() error {
	return skipped(s.say(show.Text{
		EN: "this server chooses its port anew at each start; give it port %d to be judged here",
		ES: "este servidor elige su puerto cada vez que arranca; dale el puerto %d para que se evalúe aquí"}, protocolPort))
}

// lastWords is the last line that a server wrote.
func (s *Story) lastWords(server *target.Server) string {
	if said := lastLines(server.Log, 1); len(said) > 0 {
		return said[0]
	}
	return s.say(show.Text{EN: "it said nothing", ES: "no dijo nada"})
}

// sayStatus decodes a wait status, as the macros of wait(2) do.
func (s *Story) sayStatus(status unix.WaitStatus) string {
	if status.Signaled() {
		return s.say(show.Text{EN: "was killed by %s", ES: "murió por %s"}, unix.SignalName(status.Signal()))
	}
	return s.say(show.Text{EN: "exited with status %d", ES: "terminó con estado de salida %d"}, status.ExitStatus())
}
