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

// sets are the ways in which a script can name a set of signals. A server that takes SIGCHLD by
// sigwait(3) or signalfd(2) blocks it; that is handling it too.
var sets = map[string]struct {
	field string
	of    func(proc.Signals) proc.SignalSet
}{
	"pending": {"SigPnd", func(s proc.Signals) proc.SignalSet { return s.Pending }},
	"blocked": {"SigBlk", func(s proc.Signals) proc.SignalSet { return s.Blocked }},
	"ignored": {"SigIgn", func(s proc.Signals) proc.SignalSet { return s.Ignored }},
	"caught":  {"SigCgt", func(s proc.Signals) proc.SignalSet { return s.Caught }},
	"handles": {"SigCgt | SigBlk", func(s proc.Signals) proc.SignalSet { return s.Caught | s.Blocked }},
}

// procSignals shows a process's sets of signals, once this one is in that set, or once that set is
// empty.
func (s *Story) procSignals(_ *call, pid int, args []string) error {
	if len(args) == 1 {
		return misuse("which signal?")
	}
	expected := fmt.Sprintf("/proc/%d/status", pid)
	wanted := func(proc.Signals) bool { return true }
	if len(args) == 2 {
		set, known := sets[args[0]]
		sig := unix.SignalNum("SIG" + args[1])
		if !known {
			return misuse("no set of signals is called " + args[0])
		}
		if sig == 0 && args[1] != "none" {
			return misuse("no signal is called " + args[1])
		}
		wanted = func(got proc.Signals) bool { return set.of(got).Has(sig) }
		expected += s.say(show.Text{EN: ": SIG%s in %s", ES: ": SIG%s en %s"}, args[1], set.field)
		if sig == 0 {
			wanted = func(got proc.Signals) bool { return set.of(got).Known() == 0 }
			expected = s.say(show.Text{
				EN: "/proc/%d/status: no signal in %s",
				ES: "/proc/%d/status: ninguna señal en %s"}, pid, set.field)
		}
	}
	var got proc.Signals
	err := s.await(nil, expected,
		func() string {
			if len(args) == 0 {
				return ""
			}
			return s.saySet(sets[args[0]].of(got))
		},
		func() (_ bool, err error) {
			got, err = proc.ReadSignals(pid)
			return wanted(got), err
		})
	if err != nil {
		return err
	}
	s.exhibit(pid, s.signalTable(pid, got))
	return nil
}

// signalTable decodes the bitmaps of /proc/PID/status.
func (s *Story) signalTable(pid int, got proc.Signals) show.Table {
	t := show.Table{
		Source: fmt.Sprintf("/proc/%d/status", pid),
		Head: []show.Text{
			{EN: "field", ES: "campo"}, {EN: "bitmap", ES: "mapa de bits"}, {EN: "signals", ES: "señales"}},
	}
	for _, name := range []string{"pending", "blocked", "ignored", "caught"} {
		set := sets[name].of(got)
		t.Rows = append(t.Rows, []string{sets[name].field, fmt.Sprintf("%016x", uint64(set)), s.saySet(set)})
	}
	return t
}

// saySet names the signals in a set; of a large one only how many.
func (s *Story) saySet(set proc.SignalSet) string {
	names := set.Names()
	switch {
	case len(names) == 0:
		return s.say(show.Text{EN: "none", ES: "ninguna"})
	case len(names) > 4:
		return s.say(show.Text{EN: "%d of them", ES: "%d señales"}, len(names))
	}
	return strings.Join(names, " ")
}

// handles reports whether the server catches or blocks a signal: the condition [handles:NAME].
func (s *Story) handles(name string) (bool, error) {
	sig := unix.SignalNum("SIG" + name)
	if sig == 0 {
		return false, misuse("no signal is called " + name)
	}
	if s.server == nil {
		return false, misuse("no server was started")
	}
	got, err := proc.ReadSignals(s.server.PID)
	return sets["handles"].of(got).Has(sig), err
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
		return s.procState(c, pid, []string{"T"})
	}
	return nil
}
