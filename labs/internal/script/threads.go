package script

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"posixlab/labs/internal/proc"
	"posixlab/labs/internal/show"
	"posixlab/labs/internal/target"
)

// alike are the calls that do the same for a server's thread as the one that a script names: it waits
// for its client, or until more can be sent to it.
var alike = map[string][]string{
	"recv":  slices.Concat([]string{"recvmsg", "read"}, selecting),
	"send":  slices.Concat(sending, selecting),
	"write": {"writev"},
}

// The calls that send to a client, and those that wait for any of several.
var (
	sending   = []string{"send", "sendmsg", "write", "writev"}
	selecting = []string{"poll", "select", "epoll_wait"}
)

// anyIn reports whether a thread is in one of these calls.
func anyIn(threads []proc.Thread, calls ...string) bool {
	return slices.ContainsFunc(threads, func(th proc.Thread) bool { return slices.Contains(calls, th.Call) })
}

// procThreads waits for at least so many threads.
func (s *Story) procThreads(_ *call, pid int, args []string) error {
	return s.awaitThreads(pid, args[0], "", show.Text{EN: "at least %[1]s threads in /proc/%[2]d/task", ES: "al menos %[1]s hilos en /proc/%[2]d/task"})
}

// procCalls waits for at least so many threads that are blocked in a call.
func (s *Story) procCalls(_ *call, pid int, args []string) error {
	return s.awaitThreads(pid, args[1], args[0], show.Text{
		EN: "at least %[1]s threads of %[2]d blocked in %[3]s",
		ES: "al menos %[1]s hilos de %[2]d bloqueados en %[3]s"})
}

func (s *Story) awaitThreads(pid int, count, in string, expected show.Text) error {
	n, err := number(count)
	if err != nil {
		return err
	}
	var threads []proc.Thread
	found := 0
	args := []any{count, pid, in}
	if in == "" {
		args = args[:2]
	}
	err = s.await(nil, s.say(expected, args...),
		func() string { return s.say(show.Text{EN: "%d", ES: "%d"}, found) },
		func() (bool, error) {
			var err error
			threads, err = proc.Threads(pid)
			found = 0
			for _, th := range threads {
				if in == "" || th.Call == in || slices.Contains(alike[in], th.Call) {
					found++
				}
			}
			return found >= n, err
		})
	if err != nil {
		return err
	}
	s.exhibit(pid, s.threadTable(pid, threads))
	return nil
}

// A process is called idle if, for so long, hardly any look finds a thread of it that runs or wants to:
// state R. One that spins is found so at every look, however small its share of the CPUs; and after a
// second of CPU time there is nothing more to wait for.
const (
	idleFor   = 300 * time.Millisecond
	idleLooks = 10  // at the least
	idleTurns = 100 // how often its threads may have left a CPU meanwhile: a loop that sleeps a little does far more
	spinTicks = 100 // of 10 ms
)

// procIdle waits until a process leaves the CPUs alone.
func (s *Story) procIdle(_ *call, pid int, _ []string) error {
	expected := s.say(show.Text{
		EN: "every thread of process %d sleeps",
		ES: "todos los hilos del proceso %d duermen"}, pid)
	var began, since time.Time
	var atFirst, used, looks, busy, turns, first int
	say := func(t show.Text) string { return s.say(t, used*10, time.Since(began).Milliseconds()) }
	seen := show.Text{EN: "it runs: %d ms of CPU time in %d ms", ES: "corre: %d ms de CPU en %d ms"}
	err := s.run.AwaitStill(s.quiet(), nil,
		func() (bool, error) {
			st, err := proc.ReadStat(pid)
			if err != nil {
				return false, err
			}
			threads, err := proc.Threads(pid)
			if err != nil {
				return false, err
			}
			if began.IsZero() {
				began, atFirst = time.Now(), st.CPU
			}
			if used = st.CPU - atFirst; used >= spinTicks {
				return false, &failure{expected, say(seen)}
			}
			turns = 0
			for _, th := range threads {
				turns += th.Switches
			}
			if looks == 0 {
				since, busy, first = time.Now(), 0, turns
			}
			looks++
			if slices.ContainsFunc(threads, func(th proc.Thread) bool { return th.State == "R" }) {
				busy++
			}
			if looks < idleLooks || time.Since(since) < idleFor {
				return false, nil
			}
			idle := busy <= looks/10 && turns-first <= idleTurns
			looks = 0
			return idle, nil
		})
	if hang, ok := errors.AsType[*target.Hang](err); ok && !hang.Quiet {
		return &failure{expected, say(seen)}
	} else if err != nil && !ok { // one that stands still is idle
		return err
	}
	s.Out.Note(show.Text{
		EN: "/proc/%[1]d/task: all asleep; utime + stime: %[2]d ms in %[3]d ms",
		ES: "/proc/%[1]d/task: todos duermen; utime + stime: %[2]d ms en %[3]d ms"}, pid, used*10, time.Since(began).Milliseconds())
	return nil
}

// procMemory shows what a process occupies, and remembers it; or checks by how much its peak has
// grown since.
func (s *Story) procMemory(_ *call, pid int, args []string) error {
	now, most, err := proc.Memory(pid)
	if err != nil {
		return err
	}
	t := show.Table{
		Source: fmt.Sprintf("/proc/%d/status", pid),
		Head:   []show.Text{{EN: "field", ES: "campo"}, {EN: "bytes", ES: "bytes"}},
		Rows:   [][]string{{"VmRSS", show.Thousands(now)}, {"VmHWM", show.Thousands(most)}},
	}
	if len(args) == 0 {
		s.peak = most
		s.exhibit(pid, t)
		return nil
	}
	limit := 0
	if len(args) == 2 && args[0] == "-grown" {
		limit, err = strconv.Atoi(args[1])
	}
	if limit == 0 || err != nil || s.peak == 0 {
		return misuse("memory, and later memory -grown BYTES")
	}
	s.diff = true
	s.exhibit(pid, t)
	if grown := most - s.peak; grown > limit {
		return &failure{
			s.say(show.Text{
				EN: "the peak of its memory (VmHWM) grew by at most %s bytes",
				ES: "su máximo de memoria (VmHWM) creció a lo más %s bytes"}, show.Thousands(limit)),
			s.say(show.Text{EN: "%s bytes", ES: "%s bytes"}, show.Thousands(grown))}
	}
	return nil
}

// A holding is what a server can leak.
type holding struct{ descriptors, threads, children int }

// What a server may hold more than at first: a library may open something late, and a pool may keep
// its threads.
const (
	moreDescriptors = 10
	moreThreads     = 20
)

// procHolds counts what a process holds, and remembers it; or waits until it is no more than that.
func (s *Story) procHolds(_ *call, pid int, args []string) error {
	var now holding
	count := func() error {
		fds, err := proc.Descriptors(pid)
		if err != nil {
			return err
		}
		threads, err := proc.Threads(pid)
		if err != nil {
			return err
		}
		children, err := proc.Children(pid)
		now = holding{len(fds), len(threads), len(children)}
		return err
	}
	tell := func() {
		s.exhibit(pid, show.Table{
			Source: fmt.Sprintf("/proc/%d", pid),
			Head:   []show.Text{{EN: "what", ES: "qué"}, {EN: "how many", ES: "cuántos"}},
			Rows: [][]string{
				{s.say(show.Text{EN: "descriptors", ES: "descriptores"}), fmt.Sprint(now.descriptors)},
				{s.say(show.Text{EN: "threads", ES: "hilos"}), fmt.Sprint(now.threads)},
				{s.say(show.Text{EN: "children", ES: "hijos"}), fmt.Sprint(now.children)}},
		})
	}
	if len(args) == 0 {
		if err := count(); err != nil {
			return err
		}
		s.held = &now
		tell()
		return nil
	}
	if s.held == nil || args[0] != "no-more" {
		return misuse("holds, and later holds no-more")
	}
	say := show.Text{
		EN: "descriptors: %d, threads: %d, children: %d",
		ES: "descriptores: %d, hilos: %d, hijos: %d"}
	expected := s.say(show.Text{
		EN: "no more than before, or hardly more: %s",
		ES: "no más que antes, o apenas más: %s"}, s.say(say, s.held.descriptors, s.held.threads, s.held.children))
	err := s.await(nil, expected,
		func() string { return s.say(say, now.descriptors, now.threads, now.children) },
		func() (bool, error) {
			err := count()
			return now.descriptors <= s.held.descriptors+moreDescriptors &&
				now.threads <= s.held.threads+moreThreads && now.children <= s.held.children, err
		})
	if err != nil {
		return err
	}
	tell()
	return nil
}
