package script

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/proc"
	"posixlab/labs/internal/show"
)

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
