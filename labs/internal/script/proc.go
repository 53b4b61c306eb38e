package script

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/proc"
	"posixlab/labs/internal/show"
)

// A look is one thing that proc can wait for.
type look struct {
	name        string
	args        string // its usage
	least, most int    // how many arguments; most -1 is any
	run         func(s *Story, c *call, pid int, args []string) error
}

// looks lists them all, in the order of the vocabulary.
func looks() []look {
	return []look{
		{"state", "LETTER", 1, 1, (*Story).procState},
		{"gone", "", 0, 0, (*Story).procGone},
		{"dead", "", 0, 0, (*Story).procDead},
		{"ended", "STATUS|SIGNAL", 1, 1, (*Story).procEnded},
		{"argv", "[-words N] [-word N] ARG…", 0, -1, (*Story).procArgv},
		{"exe", "[-not] PATH", 1, 2, (*Story).procExe},
		{"parent", "PID|other", 1, 1, (*Story).procParent},
		{"group", "PID", 1, 1, (*Story).procGroup},
		{"children", "N [NAME]", 1, 2, (*Story).procChildren},
		{"zombies", "N", 1, 1, (*Story).procZombies},
		{"descriptors", "FD=TARGET…", 0, -1, (*Story).procDescriptors},
		{"signals", "[blocked|ignored|caught|pending|handles NAME | clean]", 0, 2, (*Story).procSignals},
		{"threads", "N", 1, 1, (*Story).procThreads},
		{"calls", "CALL N", 2, 2, (*Story).procCalls},
		{"idle", "", 0, 0, (*Story).procIdle},
		{"memory", "[-grown BYTES]", 0, 2, (*Story).procMemory},
		{"holds", "[no-more]", 0, 1, (*Story).procHolds},
		{"user", "NAME", 1, 1, (*Story).procUser},
		{"powerless", "", 0, 0, (*Story).procPowerless},
		{"limits", "RESOURCE=MOST…", 1, -1, (*Story).procLimits},
	}
}

// looksUsage is the usage of all of them.
func looksUsage() string {
	var each []string
	for _, l := range looks() {
		each = append(each, strings.TrimSpace(l.name+" "+l.args))
	}
	return strings.Join(each, " | ")
}

func (s *Story) cmdProc(c *call) error {
	err := c.flags(func(f *flag.FlagSet) {
		f.BoolVar(&s.diff, "diff", false, "")
		f.BoolVar(&s.now, "now", false, "")
	}, 2, -1)
	defer func() { s.diff, s.now = false, false }()
	if err != nil {
		return err
	}
	pid, err := number(c.args[0])
	if err != nil {
		return err
	}
	for _, l := range looks() {
		if args := c.args[2:]; l.name == c.args[1] {
			if len(args) < l.least || l.most >= 0 && len(args) > l.most {
				return misuse("proc PID " + l.name + " " + l.args)
			}
			return l.run(s, c, pid, args)
		}
	}
	return misuse("proc cannot look at " + c.args[1])
}

// exhibit shows the kernel's evidence on a process; with -diff, what has changed since it was last
// shown.
func (s *Story) exhibit(pid int, t show.Table) {
	key := fmt.Sprint(pid, " ", t.Source)
	before, known := s.exhibits[key]
	if s.exhibits[key] = t; s.diff && known {
		s.Out.Difference(before, t)
	} else {
		s.Out.Evidence(t)
	}
}

// fact waits until something that /proc says of a process is what is wanted, and notes it.
func (s *Story) fact(file, want string, read func() (string, error)) error {
	got := ""
	err := s.await(nil, file+": "+want, func() string { return got }, func() (_ bool, err error) {
		got, err = read()
		return got == want, err
	})
	if err == nil {
		s.Out.Note(show.Text{EN: "%s: %s", ES: "%s: %s"}, file, got)
	}
	return err
}

// stat makes a fact of a number in /proc/PID/stat.
func (s *Story) stat(pid int, what show.Text, want string, field func(proc.Stat) int) error {
	return s.fact(fmt.Sprintf("/proc/%d/stat, %s", pid, s.say(what)), want, func() (string, error) {
		st, err := proc.ReadStat(pid)
		return fmt.Sprint(field(st)), err
	})
}

// procExe waits until a process runs this program; or finds, once and for all, that it runs another one.
func (s *Story) procExe(_ *call, pid int, args []string) error {
	file := fmt.Sprintf("/proc/%d/exe", pid)
	if len(args) == 1 {
		return s.fact(file, args[0], func() (string, error) { return proc.Exe(pid) })
	}
	exe, err := proc.Exe(pid)
	if err != nil {
		return err
	}
	if args[0] != "-not" || exe == args[1] {
		return &failure{s.say(show.Text{EN: "%s: another program than this", ES: "%s: un programa que no sea este"}, file), exe}
	}
	s.Out.Note(show.Text{EN: "%s: %s", ES: "%s: %s"}, file, exe)
	return nil
}

func (s *Story) procGroup(_ *call, pid int, args []string) error {
	return s.stat(pid, show.Text{EN: "process group", ES: "grupo de procesos"}, args[0],
		func(st proc.Stat) int { return st.Group })
}

// procParent waits for a parent, or for any other than the server: an orphan's.
func (s *Story) procParent(_ *call, pid int, args []string) error {
	what := show.Text{EN: "parent", ES: "padre"}
	if args[0] != "other" {
		return s.stat(pid, what, args[0], func(st proc.Stat) int { return st.Parent })
	}
	parent := 0
	expected := s.say(show.Text{
		EN: "/proc/%d/stat: a parent that is not the server",
		ES: "/proc/%d/stat: un padre que no es el servidor"}, pid)
	err := s.await(nil, expected, func() string { return fmt.Sprint(parent) }, func() (bool, error) {
		st, err := proc.ReadStat(pid)
		parent = st.Parent
		return parent != s.server.PID, err
	})
	if err == nil {
		s.Out.Note(show.Text{
			EN: "/proc/%d/stat, parent: %d, which collects orphans here, as init does elsewhere",
			ES: "/proc/%d/stat, padre: %d, que aquí recoge huérfanos, como init en otras partes"}, pid, parent)
	}
	return err
}

func (s *Story) procState(_ *call, pid int, args []string) error {
	letter, seen := args[0], ""
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
			if letter == "Z" && st.State == letter {
				return isZombie(pid)
			}
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
	s.exhibit(pid, s.processTable([]proc.Stat{st}))
	return nil
}

// isZombie reports whether a process that is in state Z stays so until it is collected. One whose parent
// ignores SIGCHLD is in it for a moment too: as long as it has other threads that are about to end, and
// while the kernel, which holds the lock of its process list, finds out that nobody will collect it. A
// signal to a process group, and be it the null signal to one that does not exist, waits for that lock.
func isZombie(pid int) (bool, error) {
	st, err := proc.ReadStat(pid)
	if err == nil && st.State == "Z" {
		const noGroup = 1<<31 - 1
		unix.Kill(-noGroup, 0)
		st, err = proc.ReadStat(pid)
	}
	if err == proc.ErrGone {
		return false, nil
	}
	return err == nil && st.State == "Z", err
}

func (s *Story) sayGone() string {
	return s.say(show.Text{EN: "no such process", ES: "no existe ese proceso"})
}

func (s *Story) procGone(_ *call, pid int, _ []string) error {
	err := s.awaitEnd(pid, s.say(show.Text{EN: "no /proc/%d", ES: "que no haya /proc/%d"}, pid), false)
	if err == nil {
		s.noteGone(pid)
	}
	return err
}

func (s *Story) noteGone(pid int) {
	s.Out.Note(show.Text{EN: "/proc/%d: no such process", ES: "/proc/%d: no existe ese proceso"}, pid)
}

// procDead waits until a process has ended, collected or not.
func (s *Story) procDead(_ *call, pid int, _ []string) error {
	err := s.awaitEnd(pid, s.say(show.Text{EN: "process %d has ended", ES: "el proceso %d ha terminado"}, pid), true)
	if err != nil {
		return err
	}
	if st, err := proc.ReadStat(pid); err == nil {
		s.exhibit(pid, s.processTable([]proc.Stat{st}))
	} else {
		s.noteGone(pid)
	}
	return nil
}

// awaitEnd waits until a process is gone; a zombie may do.
func (s *Story) awaitEnd(pid int, expected string, zombie bool) error {
	seen := ""
	return s.await(nil, expected,
		func() string { return seen },
		func() (bool, error) {
			s.run.Collect(pid)
			st, err := proc.ReadStat(pid)
			if err == proc.ErrGone {
				return true, nil
			}
			seen = fmt.Sprintf("/proc/%d: %s", pid, s.sayState(st.State))
			return zombie && st.State == "Z", err
		})
}

// procEnded waits until a process has ended, and looks at its wait status: a zombie's is in /proc,
// and that of a process that was left to us we know.
func (s *Story) procEnded(_ *call, pid int, args []string) error {
	var want unix.WaitStatus
	if n, err := strconv.Atoi(args[0]); err == nil {
		want = unix.WaitStatus(n << 8)
	} else if sig := unix.SignalNum("SIG" + args[0]); sig != 0 {
		want = unix.WaitStatus(sig)
	} else {
		return misuse("neither a status nor a signal: " + args[0])
	}
	expected := fmt.Sprintf("/proc/%d/stat, exit_code: %s", pid, s.sayStatus(want))
	if err := s.awaitEnd(pid, expected, true); err != nil {
		return err
	}
	status, err := proc.WaitStatus(pid)
	if err == proc.ErrGone {
		var known bool
		// A wrapper that waits for the server, a shell between the server and ps, or a server that
		// ended in the same moment and ignored SIGCHLD: others may have collected it.
		_, serverGone := proc.ReadStat(s.server.PID)
		others := s.shellBetween || pid == s.server.PID && pid != s.server.Root || pid != s.server.PID && serverGone != nil
		if status, known = s.run.Status(pid); !known && !others {
			return &failure{expected, s.sayGone()} // somebody has collected it
		}
		if !known {
			s.Out.Note(show.Text{
				EN: "/proc/%d is gone: somebody else has collected it, and has its status",
				ES: "/proc/%d ya no existe: lo recolectó alguien más, que tiene su estado"}, pid)
			return nil
		}
	} else if err != nil {
		return err
	}
	if status&^0x80 != want { // 0x80: it left a core file
		return &failure{expected, s.sayStatus(status)}
	}
	s.Out.Note(show.Text{EN: "/proc/%d/stat, exit_code: 0x%04x: it %s", ES: "/proc/%d/stat, exit_code: 0x%04x: %s"},
		pid, uint32(status), s.sayStatus(status))
	return nil
}

func (s *Story) procArgv(_ *call, pid int, args []string) error {
	var words, word int
	rest := &call{args: args}
	err := rest.flags(func(f *flag.FlagSet) {
		f.IntVar(&words, "words", 0, "")
		f.IntVar(&word, "word", 0, "")
	}, 0, -1)
	if err != nil {
		return err
	}
	want := append(slices.Clone(rest.args), manyArgs(words, word)...)
	var got []string
	expected := fmt.Sprintf("/proc/%d/cmdline: %s", pid, sayArgv(want))
	err = s.await(nil, expected,
		func() string { return sayArgv(got) },
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
	if len(got) == 0 {
		s.Out.Note(show.Text{EN: "%s: empty, and so is its memory", ES: "%s: vacío, y su memoria también"}, t.Source)
		return nil
	}
	for i, arg := range got {
		if len(got) <= 2*mostRows || i < mostRows || i == len(got)-1 {
			t.Rows = append(t.Rows, []string{fmt.Sprintf("[%d]", i), clipped(arg)})
		} else if i == mostRows {
			t.Rows = append(t.Rows, []string{"…", "…"})
		}
	}
	s.exhibit(pid, t)
	return nil
}

// sayArgv writes an argument list in quotes, shortened if it is long.
func sayArgv(argv []string) string {
	if len(argv) <= 2*mostRows {
		short := make([]string, len(argv))
		for i, arg := range argv {
			short[i] = clipped(arg)
		}
		return fmt.Sprintf("%q", short)
	}
	return fmt.Sprintf("%q … %q (argc %s)", argv[:3], argv[len(argv)-1:], show.Thousands(len(argv)))
}

// clipped is an argument fit for a table.
func clipped(arg string) string {
	if len(arg) > 100 {
		return fmt.Sprintf("%s… (%s bytes)", show.Printable(arg[:40]), show.Thousands(len(arg)))
	}
	return show.Printable(arg)
}

// procChildren waits for exactly so many children; the first of them becomes $CHILD.
func (s *Story) procChildren(c *call, pid int, args []string) error {
	n, err := number(args[0])
	if err != nil {
		return err
	}
	name := strings.Join(args[1:], "")
	expected := s.say(show.Text{EN: "%d children of %d", ES: "%d hijos de %d"}, n, pid)
	if name != "" {
		expected = s.say(show.Text{EN: "%d children of %d called %s", ES: "%d hijos de %d llamados %s"}, n, pid, name)
	}
	children, err := s.awaitChildren(pid, n, expected, func(st proc.Stat) bool { return name == "" || st.Comm == name })
	if err != nil {
		return err
	}
	if n == 0 {
		s.Out.Note(show.Text{EN: "process %d has no child (/proc/PID/stat)", ES: "el proceso %d no tiene ningún hijo (/proc/PID/stat)"}, pid)
		return nil
	}
	c.ts.Setenv("CHILD", fmt.Sprint(children[0].PID))
	s.exhibit(pid, s.processTable(children))
	return nil
}

// procZombies waits for exactly so many children that have ended and were not collected.
func (s *Story) procZombies(_ *call, pid int, args []string) error {
	n, err := number(args[0])
	if err != nil {
		return err
	}
	expected := s.say(show.Text{EN: "zombies among the children of %d: %d", ES: "zombis entre los hijos de %d: %d"}, pid, n)
	zombies, err := s.awaitChildren(pid, n, expected, func(st proc.Stat) bool {
		if st.State != "Z" {
			return false
		}
		stays, _ := isZombie(st.PID)
		return stays || n == 0
	})
	if err != nil {
		return err
	}
	if n == 0 {
		s.Out.Note(show.Text{EN: "process %d has no zombie", ES: "el proceso %d no tiene zombis"}, pid)
		return nil
	}
	s.exhibit(pid, s.processTable(zombies))
	return nil
}

// awaitChildren waits until a process has exactly n children of a kind.
func (s *Story) awaitChildren(pid, n int, expected string, counts func(proc.Stat) bool) (children []proc.Stat, err error) {
	err = s.await(nil, expected,
		func() string {
			return s.say(show.Text{EN: "%d", ES: "%d"}, len(children))
		},
		func() (bool, error) {
			if _, err := proc.ReadStat(pid); err != nil {
				return false, err // who is gone has no children, but that is no merit
			}
			all, err := proc.Children(pid)
			children = slices.DeleteFunc(all, func(st proc.Stat) bool { return !counts(st) })
			return len(children) == n, err
		})
	return children, err
}

// procDescriptors waits until a process has exactly these descriptors. The FIFO by which the
// script commands an actor is not counted.
func (s *Story) procDescriptors(_ *call, pid int, want []string) error {
	var got []string
	file := fmt.Sprintf("/proc/%d/fd", pid)
	err := s.await(nil, file+": "+strings.Join(want, " "),
		func() string { return strings.Join(got, " ") },
		func() (bool, error) {
			fds, err := proc.Descriptors(pid)
			got = nil
			for _, fd := range slices.Sorted(maps.Keys(fds)) {
				if !strings.HasSuffix(fds[fd], ".fifo") {
					got = append(got, fmt.Sprintf("%d=%s", fd, fds[fd]))
				}
			}
			return slices.Equal(got, want), err
		})
	if err != nil {
		return err
	}
	t := show.Table{Source: file, Head: []show.Text{{EN: "descriptor", ES: "descriptor"}, {EN: "refers to", ES: "se refiere a"}}}
	for _, pair := range got {
		fd, to, _ := strings.Cut(pair, "=")
		t.Rows = append(t.Rows, []string{fd, to})
	}
	s.exhibit(pid, t)
	return nil
}
