package script

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/proc"
	"posixlab/labs/internal/show"
)

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

// receiving are the calls in which a thread can wait for its client, beside recv.
var receiving = []string{"recvmsg", "read", "poll", "select", "epoll_wait"}

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
				if in == "" || th.Call == in || in == "recv" && slices.Contains(receiving, th.Call) {
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
