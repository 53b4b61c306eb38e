package script

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/proc"
	"posixlab/labs/internal/show"
	"posixlab/labs/internal/target"
)

// An actor is a program that the script commands through a FIFO.
type actor struct {
	path string   // NAME, in the folder bin of its stage
	fifo *os.File // open for reading and writing, so that neither side waits for the other
}

// setStage makes the two folders that actors need: bin, for themselves, and signs, for their signs of life.
// A server may run as another user: what it must reach is open to all, whatever our umask. It can write to
// neither.
func setStage(dir string) error {
	bin, signs := filepath.Join(dir, "bin"), filepath.Join(dir, "signs")
	return errors.Join(os.Mkdir(bin, 0o755), os.Mkdir(signs, 0o755), os.Chmod(bin, 0o755), os.Chmod(signs, 0o755))
}

// cast puts an actor on the server's PATH under a name.
func (s *Story) cast(name string) (*actor, error) { return s.castOn(s.work, name) }

// castOn puts an actor on a stage: see setStage.
func (s *Story) castOn(stage, name string) (*actor, error) {
	if a := s.actors[name]; a != nil {
		return a, nil
	}
	path := filepath.Join(stage, "bin", name)
	if err := os.Link(s.Actor, path); err != nil {
		if err := copyFile(s.Actor, path); err != nil {
			return nil, err
		}
	}
	if err := unix.Mkfifo(path+".fifo", 0o666); err != nil {
		return nil, err
	}
	// The server may run as another user, and our umask is not for it.
	if err := errors.Join(os.Chmod(path+".fifo", 0o666), os.Chmod(path, 0o755)); err != nil {
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

// script has those that are started from now on do these lines, and then listen to the FIFO; "" is
// the FIFO alone.
func (a *actor) script(lines string) error {
	play := a.path + ".play"
	if lines == "" {
		err := os.Remove(play)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if err := os.WriteFile(play+".new", []byte(lines), 0o644); err != nil {
		return err
	}
	return os.Rename(play+".new", play)
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

// cmdActor puts actors on the server's PATH, or gives one of them an order.
func (s *Story) cmdActor(c *call) error {
	times := 1
	if err := c.flags(func(f *flag.FlagSet) { f.IntVar(&times, "times", 1, "") }, 1, -1); err != nil {
		return err
	}
	if len(c.args) > 1 {
		if known, order := orders[c.args[1]]; order {
			return s.order(c.args[0], c.args[1], c.args[2:], known, times)
		}
	}
	for _, name := range c.args {
		if _, err := s.cast(name); err != nil {
			return err
		}
	}
	return nil
}

// orders are what an actor can be told, and whether there is an argument to it.
var orders = map[string]bool{
	"exit": true, "print": true, "ignore": true, "fork": true, "wait": false, "alive": false}

func (s *Story) order(name, order string, args []string, takesOne bool, times int) error {
	a := s.actors[name]
	if a == nil {
		return misuse("no actor is called " + name)
	}
	if len(args) != map[bool]int{true: 1, false: 0}[takesOne] && (order != "alive" || len(args) > 1) {
		return misuse("actor " + name + " " + order + " takes another number of arguments")
	}
	argument := strings.Join(args, "")
	line := strings.TrimSpace(order+" "+argument) + "\n"
	switch order {
	case "alive":
		return s.alive(name, a, argument)
	case "exit":
		if _, err := strconv.ParseUint(argument, 10, 8); err != nil {
			return misuse("not an exit status: " + argument)
		}
	case "ignore":
		if _, err := signalNamed(argument); err != nil {
			return err
		}
	case "print":
		line = "print " + argument + "\n"
	case "fork":
		if s.actors[argument] == nil {
			return misuse("no actor is called " + argument)
		}
	}
	if times > 1 {
		s.Out.Note(show.Text{EN: "order to %s: %s, %d times", ES: "orden para %s: %s, %d veces"}, name, strings.TrimSpace(line), times)
	} else {
		s.Out.Note(show.Text{EN: "order to %s: %s", ES: "orden para %s: %s"}, name, strings.TrimSpace(line))
	}
	_, err := a.fifo.WriteString(strings.Repeat(line, times))
	return err
}

// alive has an actor give a sign of life: whoever was killed does nothing any more, however its entry in
// /proc may still look. The sign is a lock on a file, and the kernel says which process holds it: one that
// runs the actor and, if a pid is given, that one.
func (s *Story) alive(name string, a *actor, pid string) error {
	s.signs++
	path := filepath.Join(filepath.Dir(a.path), "..", "signs", fmt.Sprint(s.signs))
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := file.Chmod(0o644); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(a.fifo, "sign %d\n", s.signs); err != nil {
		return err
	}
	err = s.await(nil,
		s.say(show.Text{EN: "%s still does as it is told", ES: "%s sigue obedeciendo"}, name),
		func() string { return s.say(show.Text{EN: "no sign of life from it", ES: "no da señales de vida"}) },
		func() (bool, error) {
			lock := unix.Flock_t{Type: unix.F_WRLCK}
			if err := unix.FcntlFlock(file.Fd(), unix.F_GETLK, &lock); err != nil || lock.Type == unix.F_UNLCK {
				return false, err
			}
			exe, err := proc.Exe(int(lock.Pid))
			return err == nil && exe == a.path && (pid == "" || pid == fmt.Sprint(lock.Pid)), nil
		})
	if err == nil {
		s.Out.Note(show.Text{EN: "%s is alive: it did as it was told", ES: "%s está vivo: hizo lo que se le dijo"}, name)
	}
	return err
}

// cmdWitness starts an actor that is not the server's: no sandbox holds it. So its FIFO is where no sandbox
// shows it, and no other user finds a way.
func (s *Story) cmdWitness(c *call) error {
	if len(c.args) != 1 {
		return misuse("wrong number of arguments")
	}
	stage, err := os.MkdirTemp(filepath.Dir(s.work), "witness-") // 0700
	if err != nil {
		return err
	}
	if err := setStage(stage); err != nil {
		return err
	}
	a, err := s.castOn(stage, c.args[0])
	if err != nil {
		return err
	}
	pid, err := s.run.Extra(target.Command{Argv: []string{a.path}}, s.env, nil, 0)
	if err != nil {
		return err
	}
	s.Out.Note(show.Text{EN: "process %d: %s", ES: "proceso %d: %s"}, pid, c.args[0])
	c.ts.Setenv(c.args[0], fmt.Sprint(pid))
	return nil
}

// nobody is a user who owns nothing: the uid that Linux shows for those it cannot show.
const nobody = 65534

// cmdStranger starts a process that the servers started afterwards may not signal. If we are root it
// is another user's, and the servers lose the capability that makes root's signals reach everybody;
// else the kernel is told by a filter to refuse them.
func (s *Story) cmdStranger(c *call) error {
	if len(c.args) != 0 || s.server != nil {
		return misuse("stranger stands alone, and before server")
	}
	uid, launch := uint32(0), fmt.Sprintf("without=%d", unix.CAP_KILL)
	if os.Geteuid() == 0 {
		uid = nobody
	}
	sleep := target.Command{Argv: []string{"sleep", "1000000"}, Dir: "/"}
	pid, err := s.run.Extra(sleep, s.env, nil, uid)
	if err != nil && uid != 0 { // root of a namespace that has no other user
		uid = 0
		pid, err = s.run.Extra(sleep, s.env, nil, uid)
	}
	if err != nil {
		return fmt.Errorf("sleep: %w", err)
	}
	c.ts.Setenv("STRANGER", fmt.Sprint(pid))
	if box := s.Server.Sandbox; uid != 0 && box != nil && box.UID != 0 {
		s.Out.Note(show.Text{
			EN: "process %d belongs to user %d; the server will be user %d",
			ES: "el proceso %d es del usuario %d; el servidor será el usuario %d"}, pid, uid, box.UID)
		return nil
	}
	if uid != 0 {
		s.Out.Note(show.Text{
			EN: "process %d belongs to user %d; the server will be root without CAP_KILL",
			ES: "el proceso %d es del usuario %d; el servidor será root sin CAP_KILL"}, pid, uid)
	} else {
		launch = fmt.Sprintf("spare=%d", pid)
		s.Out.Note(show.Text{
			EN: "process %d: the kernel will refuse the server's signals to it (seccomp(2))",
			ES: "proceso %d: el kernel le negará al servidor señales hacia él (seccomp(2))"}, pid)
	}
	return s.under(launch)
}

// under has servers be started under a limit from now on. Where the machine does not know it, the
// scenario is skipped.
func (s *Story) under(limit string) error {
	log := filepath.Join(s.work, "launch.log")
	out, err := os.Create(log)
	if err != nil {
		return err
	}
	defer out.Close()
	pid, err := s.run.Extra(target.Command{Argv: []string{s.Actor, "launch", limit}}, s.env, out, 0)
	if err != nil {
		return err
	}
	if status, _ := s.run.Status(pid); status != 0 { // waits for it
		return skipped(s.say(show.Text{
			EN: "this machine does not allow what the scenario needs: %s",
			ES: "esta máquina no permite lo que el escenario necesita: %s"}, strings.Join(lastLines(log, 1), "")))
	}
	s.limits = append(s.limits, limit)
	return nil
}

// cmdHerd makes many processes: the zombies of a helper that does not collect its children.
func (s *Story) cmdHerd(c *call) error {
	if len(c.args) != 1 {
		return misuse("wrong number of arguments")
	}
	n, err := number(c.args[0])
	if err != nil {
		return err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	pid, err := s.run.Extra(target.Command{Argv: []string{s.Actor, "herd", c.args[0]}}, s.env, write, 0)
	write.Close()
	if err != nil {
		return err
	}
	told, _ := bufio.NewReader(read).ReadString('\n')
	var first, last int
	if found, _ := fmt.Sscan(told, &first, &last); found != 2 {
		return skipped(s.say(show.Text{
			EN: "this machine does not allow %d processes more: %s",
			ES: "esta máquina no permite %d procesos más: %s"}, n, strings.TrimSpace(told)))
	}
	zombies, err := proc.Children(pid)
	if err != nil {
		return err
	}
	s.Out.Note(show.Text{EN: "%s zombies, children of process %d:", ES: "%s zombis, hijos del proceso %d:"}, show.Thousands(n), pid)
	s.Out.Evidence(s.processTable(zombies))
	return nil
}
