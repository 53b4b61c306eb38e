package script

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"posixlab/labs/internal/proc"
	"posixlab/labs/internal/show"
)

// cmdPipe looks at the pipe to which a descriptor refers: who has its ends, and how full it is.
func (s *Story) cmdPipe(c *call) error {
	if len(c.args) == 1 && c.args[0] == "gone" {
		return s.pipeGone()
	}
	if len(c.args) < 3 {
		return misuse("wrong number of arguments")
	}
	pid, err := number(c.args[0])
	if err != nil {
		return err
	}
	fd, err := number(c.args[1])
	if err != nil {
		return err
	}
	var readers, writers []int
	var into *[]int
	full := false
	for _, arg := range c.args[2:] {
		switch pid, err := strconv.Atoi(arg); {
		case arg == "readers":
			into = &readers
		case arg == "writers":
			into = &writers
		case arg == "full":
			full = true
		case err == nil && into != nil:
			*into = append(*into, pid)
		default:
			return misuse("pipe PID FD " + strings.Join(c.args[2:], " "))
		}
	}
	if err := s.pipeOf(pid, fd); err != nil {
		return err
	}
	var ends []proc.PipeEnd
	if readers != nil {
		if ends, err = s.pipeHeld(readers, false); err != nil {
			return err
		}
	}
	if writers != nil {
		if ends, err = s.pipeHeld(writers, true); err != nil {
			return err
		}
	}
	if ends != nil {
		s.Out.Evidence(s.pipeTable(ends))
	}
	if full {
		return s.pipeFull(pid, fd)
	}
	return nil
}

func (s *Story) sayPipeEnd(pid, fd int) string {
	return s.say(show.Text{
		EN: "descriptor %d of process %d is an end of a pipe",
		ES: "el descriptor %d del proceso %d es un extremo de una tubería"}, fd, pid)
}

// pipeOf waits until a descriptor refers to a pipe, which the story then is about.
func (s *Story) pipeOf(pid, fd int) error {
	seen := ""
	return s.await(nil, s.sayPipeEnd(pid, fd),
		func() string { return seen },
		func() (bool, error) {
			fds, err := proc.Descriptors(pid)
			if seen = fds[fd]; seen == "" {
				seen = s.say(show.Text{EN: "it is closed", ES: "está cerrado"})
			}
			if st, gone := proc.ReadStat(pid); gone != nil || st.State == "Z" {
				seen = s.say(show.Text{EN: "the process has ended, and had no such end", ES: "el proceso ya terminó, y no tenía un extremo así"})
				return false, &failure{s.sayPipeEnd(pid, fd), seen}
			}
			s.pipe = proc.PipeOf(pid, fd)
			return s.pipe != 0, err
		})
}

// pipeEnds are the descriptors of the run's processes that refer to the pipe.
func (s *Story) pipeEnds() ([]proc.PipeEnd, error) {
	tree, err := s.run.Tree()
	return proc.PipeEnds(tree, s.pipe), err
}

// pipeHeld waits until exactly these processes have the read end, or the write end. A shell between
// the server and one of them may have it too: popen(3) has one.
func (s *Story) pipeHeld(want []int, write bool) (ends []proc.PipeEnd, err error) {
	which := show.Text{EN: "read end", ES: "extremo de lectura"}
	if write {
		which = show.Text{EN: "write end", ES: "extremo de escritura"}
	}
	expected := s.say(show.Text{
		EN: "the %s of the pipe is held by %s, and by nobody else",
		ES: "el %s de la tubería lo tiene %s, y nadie más"}, which, s.sayHolders(want))
	err = s.await(nil, expected,
		func() string {
			var who []int
			for _, e := range ends {
				if e.Writes == write {
					who = append(who, e.PID)
				}
			}
			return s.sayHolders(who)
		},
		func() (bool, error) {
			tree, err := s.run.Tree()
			if err != nil {
				return false, err
			}
			ends = proc.PipeEnds(tree, s.pipe)
			var have []int
			for _, e := range ends {
				between := slices.ContainsFunc(want, func(pid int) bool { return s.between(tree, e.PID, pid) })
				counts := slices.Contains(want, e.PID) || !between
				if e.Writes == write && counts && !slices.Contains(have, e.PID) {
					have = append(have, e.PID)
				}
			}
			want := slices.Clone(want)
			slices.Sort(want)
			slices.Sort(have)
			return slices.Equal(have, want), nil
		})
	return ends, err
}

// between reports whether a process stands between the server and one that descends from it.
func (s *Story) between(tree []proc.Stat, pid, below int) bool {
	for at := below; ; {
		i := slices.IndexFunc(tree, func(st proc.Stat) bool { return st.PID == at })
		if i < 0 || at == s.server.PID {
			return false
		}
		if at = tree[i].Parent; at == pid && pid != s.server.PID {
			return true
		}
	}
}

// sayHolders names processes.
func (s *Story) sayHolders(pids []int) string {
	if len(pids) == 0 {
		return s.say(show.Text{EN: "nobody", ES: "nadie"})
	}
	var who []string
	for _, pid := range pids {
		name := fmt.Sprint(pid)
		if pid == s.server.PID {
			name = s.say(show.Text{EN: "the server", ES: "el servidor"})
		} else if st, err := proc.ReadStat(pid); err == nil {
			name = fmt.Sprintf("%d (%s)", pid, st.Comm)
		}
		who = append(who, name)
	}
	return strings.Join(who, ", ")
}

// pipeTable shows who has which end of the pipe.
func (s *Story) pipeTable(ends []proc.PipeEnd) show.Table {
	t := show.Table{
		Source: fmt.Sprintf("/proc/PID/fd: pipe:[%d]", s.pipe),
		Head: []show.Text{
			{EN: "process:fd", ES: "proceso:fd"}, {EN: "program", ES: "programa"}, {EN: "end", ES: "extremo"}},
	}
	for _, e := range ends {
		who, program := fmt.Sprintf("%d:%d", e.PID, e.FD), ""
		if e.PID == s.server.PID {
			who = s.say(show.Text{EN: "server:%d", ES: "servidor:%d"}, e.FD)
		}
		if st, err := proc.ReadStat(e.PID); err == nil {
			program = st.Comm
		}
		end := show.Text{EN: "read", ES: "lectura"}
		if e.Writes {
			end = show.Text{EN: "write", ES: "escritura"}
		}
		t.Rows = append(t.Rows, []string{who, program, s.say(end)})
	}
	return t
}

// pipeGone waits until no process of the run has either end of the pipe any more.
func (s *Story) pipeGone() error {
	if s.pipe == 0 {
		return misuse("there was no pipe to look at")
	}
	var ends []proc.PipeEnd
	err := s.await(nil,
		s.say(show.Text{EN: "nobody has an end of pipe:[%d]", ES: "nadie tiene un extremo de pipe:[%d]"}, s.pipe),
		func() string {
			var who []int
			for _, e := range ends {
				who = append(who, e.PID)
			}
			return s.sayHolders(who)
		},
		func() (_ bool, err error) {
			ends, err = s.pipeEnds()
			return len(ends) == 0, err
		})
	if err == nil {
		s.Out.Note(show.Text{EN: "pipe:[%d]: no process has an end of it", ES: "pipe:[%d]: ningún proceso tiene un extremo"}, s.pipe)
	}
	return err
}

// pipeFull waits until the pipe can take nothing more.
func (s *Story) pipeFull(pid, fd int) error {
	var bytes, capacity int
	err := s.await(nil, s.say(show.Text{EN: "a full pipe", ES: "una tubería llena"}),
		func() string {
			return s.say(show.Text{EN: "%s bytes of %s", ES: "%s bytes de %s"}, show.Thousands(bytes), show.Thousands(capacity))
		},
		func() (_ bool, err error) {
			bytes, capacity, err = proc.PipeFill(pid, fd)
			return bytes == capacity && err == nil, err
		})
	if err == nil {
		s.Out.Note(show.Text{
			EN: "pipe:[%d] holds %s bytes (FIONREAD), of %s (F_GETPIPE_SZ)",
			ES: "pipe:[%d] tiene %s bytes (FIONREAD), de %s (F_GETPIPE_SZ)"},
			s.pipe, show.Thousands(bytes), show.Thousands(capacity))
	}
	return err
}
