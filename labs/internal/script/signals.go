package script

import (
	"fmt"
	"slices"
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
	"pending": {"SigPnd|ShdPnd", func(s proc.Signals) proc.SignalSet { return s.Pending }},
	"blocked": {"SigBlk", func(s proc.Signals) proc.SignalSet { return s.Blocked }},
	"ignored": {"SigIgn", func(s proc.Signals) proc.SignalSet { return s.Ignored }},
	"caught":  {"SigCgt", func(s proc.Signals) proc.SignalSet { return s.Caught }},
	"handles": {"SigCgt|SigBlk", func(s proc.Signals) proc.SignalSet { return s.Caught | s.Blocked }},
	"clean":   {"SigBlk|SigIgn|SigCgt", func(s proc.Signals) proc.SignalSet { return s.Blocked | s.Ignored | s.Caught }},
}

// procSignals shows a process's sets of signals, once this one is in that set; or once it is clean:
// nothing is blocked, ignored or caught, but for what belongs to the C library.
func (s *Story) procSignals(_ *call, pid int, args []string) error {
	expected, wanted, err := s.wantedSignals(pid, args)
	if err != nil {
		return err
	}
	var got proc.Signals
	err = s.await(nil, expected,
		func() string {
			t := s.signalTable(pid, got)
			var seen []string
			for _, row := range t.Rows {
				seen = append(seen, row[0]+": "+row[2])
			}
			return strings.Join(seen, "; ")
		},
		func() (_ bool, err error) {
			got, err = proc.ReadSignals(pid)
			return wanted(got) || len(args) == 2 && args[0] == "handles" && sigwaits(pid), err
		})
	if err != nil {
		return err
	}
	s.exhibit(pid, s.signalTable(pid, got))
	return nil
}

// wantedSignals reads what the sets of a process must be.
func (s *Story) wantedSignals(pid int, args []string) (expected string, wanted func(proc.Signals) bool, err error) {
	file := fmt.Sprintf("/proc/%d/status", pid)
	switch {
	case len(args) == 0:
		return file, func(proc.Signals) bool { return true }, nil
	case len(args) == 1 && args[0] == "clean":
		expected = s.say(show.Text{EN: "%s: no signal in %s", ES: "%s: ninguna señal en %s"}, file, sets["clean"].field)
		return expected, func(got proc.Signals) bool { return sets["clean"].of(got).Known() == 0 }, nil
	case len(args) == 1 || args[0] == "clean":
		return "", nil, misuse("signals SET NAME, or signals clean")
	}
	set, known := sets[args[0]]
	if !known {
		return "", nil, misuse("no set of signals is called " + args[0])
	}
	sig, err := signalNamed(args[1])
	if err != nil {
		return "", nil, err
	}
	expected = s.say(show.Text{EN: "%s: SIG%s in %s", ES: "%s: SIG%s en %s"}, file, args[1], set.field)
	return expected, func(got proc.Signals) bool { return set.of(got).Has(sig) }, nil
}

// sigwaits reports whether a thread of a process is in sigwait(3). As long as it is, the kernel does not
// count what it waits for among the blocked.
func sigwaits(pid int) bool {
	threads, _ := proc.Threads(pid)
	return anyIn(threads, "sigwait")
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
	sig, err := signalNamed(name)
	if err != nil {
		return false, err
	}
	if s.server == nil {
		return false, misuse("no server was started")
	}
	got, err := proc.ReadSignals(s.server.PID)
	return sets["handles"].of(got).Has(sig) || sigwaits(s.server.PID), err
}

func (s *Story) cmdSignal(c *call) error {
	if len(c.args) != 2 {
		return misuse("wrong number of arguments")
	}
	pid, err := number(c.args[0])
	if err != nil {
		return err
	}
	sig, err := signalNamed(c.args[1])
	if err != nil {
		return err
	}
	tree, err := s.run.Tree()
	if err != nil {
		return err
	}
	isServer := s.server != nil && pid == s.server.PID
	if !slices.ContainsFunc(tree, func(st proc.Stat) bool { return st.PID == pid }) {
		if sig == unix.SIGCONT && !isServer { // the kernel has woken it already (_exit(2), orphaned process groups)
			return nil
		}
		return s.fails(
			show.Text{EN: "a process of this scenario to signal", ES: "un proceso de este escenario al cual enviarle la señal"},
			show.Text{EN: "it is gone", ES: "ya no existe"})
	}
	if err := unix.Kill(pid, sig); err != nil {
		return fmt.Errorf("kill %d: %w", pid, err)
	}
	s.Out.Note(show.Text{EN: "kill(%d, SIG%s)", ES: "kill(%d, SIG%s)"}, pid, c.args[1])
	if isServer && sig != unix.SIGSTOP && sig != unix.SIGCONT {
		s.asked = true
	}
	if sig == unix.SIGSTOP {
		return s.procState(c, pid, []string{"T"})
	}
	return nil
}
