package page

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"posixlab/server/classroom"
	"posixlab/server/protocol"
)

// A Machine is what /proc tells of the server and what descends from it, at one moment.
type Machine struct {
	State      string         `json:"state"`   // of the server: R, S, T, …
	Pending    bool           `json:"pending"` // SIGCHLD waits for it
	Threads    []string       `json:"threads"` // the state of each; the first few
	AllThreads int            `json:"allThreads"`
	Processes  []Process      `json:"processes"` // each after its parent; as many as fit
	States     map[string]int `json:"states"`    // how many processes are in which: of all
	Sockets    []Socket       `json:"sockets"`   // of the class's port; the first few
	TCP        map[string]int `json:"tcp"`       // how many sockets are in which state: of all
	Table      Table          `json:"table"`
	Waiters    int            `json:"waiters"` // of the ten, those that live

	of       map[string]int // the living processes of each student
	children map[int]bool   // the server's, by pid
}

// A Process is one of the class's.
type Process struct {
	PID     int    `json:"pid"`
	Depth   int    `json:"depth"` // 1 is a child of the server's
	State   string `json:"state"`
	Program string `json:"program"`
	Student string `json:"student,omitempty"` // who started it, or what it descends from
}

// A Socket is one of the class's port, in this machine's table.
type Socket struct {
	Peer   string `json:"peer,omitempty"`
	State  string `json:"state"`
	Unread uint64 `json:"unread"` // bytes that wait in it; of the one that listens, connections
}

// A Table is how long LIST's would be.
type Table struct {
	Bytes int `json:"bytes"`
	Rows  int `json:"rows"`
	Limit int `json:"limit"`
}

// How much of it all the page shows.
const (
	mostProcesses = 40
	mostSockets   = 16
	mostThreads   = 200
)

// How often it is looked at, if looking is quick, and how often browsers other than the projector are told.
const (
	often  = 150 * time.Millisecond
	seldom = time.Second
)

// watch looks at the machine as long as the page lives, and tells the browsers what has changed. It takes no
// more than a tenth of a CPU: the more processes there are, the more seldom it looks.
func (s *show) watch() {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		fmt.Fprintln(os.Stderr, "page:", err)
		return
	}
	go func() {
		for range time.Tick(often) {
			s.flush()
		}
	}()
	var told, toldAll []byte
	var lastAll time.Time
	for {
		began := time.Now()
		all, err := look(fs)
		if err == nil {
			s.mu.Lock()
			s.seen(fs, all)
			view := s.view()
			s.mu.Unlock()
			data, _ := json.Marshal(view) // numbers and strings: it cannot fail
			if !bytes.Equal(data, told) {
				told = data
				s.hub.send(message{"view", view}, func(b *browser) bool { return b.projector })
			}
			if began.Sub(lastAll) >= seldom && !bytes.Equal(data, toldAll) {
				toldAll, lastAll = data, began
				s.hub.send(message{"view", view}, func(b *browser) bool { return !b.projector })
			}
		}
		<-time.After(max(often, 9*time.Since(began)))
	}
}

// look reads every process's stat: see proc_pid_stat(5).
func look(fs procfs.FS) (map[int]procfs.ProcStat, error) {
	procs, err := fs.AllProcs()
	if err != nil {
		return nil, err
	}
	all := make(map[int]procfs.ProcStat)
	for _, p := range procs {
		if stat, err := p.Stat(); err == nil { // else it has gone
			all[p.PID] = stat
		}
	}
	return all, nil
}

// seen makes of it what the page shows. It is called with the lock held.
func (s *show) seen(fs procfs.FS, all map[int]procfs.ProcStat) {
	m := Machine{State: all[s.Server].State, States: make(map[string]int), TCP: make(map[string]int), of: make(map[string]int), children: make(map[int]bool)}
	if frozen := m.State == "T"; frozen != (s.now.State == "T") {
		e := classroom.Event{Time: time.Now(), Kind: Frozen, PID: s.Server}
		if !frozen {
			e.Kind = Thawed
			if !s.thawed.IsZero() { // by us: before it did anything
				e.Time, s.thawed = s.thawed, time.Time{}
			}
		}
		s.tell(e)
	}

	children := make(map[int][]int)
	for pid, stat := range all {
		children[stat.PPID] = append(children[stat.PPID], pid)
	}
	m.Table = Table{Bytes: len("    PID COMMAND\n"), Limit: protocol.Limit}
	var descend func(pid, depth int, owner string)
	descend = func(pid, depth int, owner string) {
		slices.Sort(children[pid])
		for _, child := range children[pid] {
			if child == os.Getpid() {
				continue // this page
			}
			stat, owner := all[child], owner
			if depth == 1 {
				owner = s.owners[child]
				m.children[child] = true
			}
			p := Process{PID: child, Depth: depth, State: stat.State, Program: plain(stat.Comm), Student: owner}
			m.Processes = append(m.Processes, p)
			m.States[stat.State]++
			row := fmt.Sprintf("%7d %s\n", child, p.Program)
			if stat.State == "Z" {
				row = strings.TrimSuffix(row, "\n") + " <defunct>\n"
				if depth == 1 && s.programs[child] != "" && !s.exits[child] { // else it was no START, or is reaped by now
					s.exits[child] = true
					s.ended(child, time.Now(), owner, s.programs[child])
				}
			} else {
				m.of[owner]++
				if depth == 1 && s.programs[child] == classroom.Waiter {
					m.Waiters++
				}
			}
			m.Table.Bytes += len(row)
			m.Table.Rows++
			if depth < 50 {
				descend(child, depth+1, owner)
			}
		}
	}
	descend(s.Server, 1, "")
	m.Processes = shown(m.Processes)
	m.Threads, m.AllThreads = threads(fs, s.Server), all[s.Server].NumThreads
	m.Pending = pendingSIGCHLD(s.Server)
	m.Sockets = sockets(fs, s.Port, m.TCP)
	s.now = m
}

// shown are the processes that fit the page. Of too many, those that only sleep are left out first, from the last on.
func shown(all []Process) []Process {
	left := len(all) - mostProcesses
	for i := len(all) - 1; i >= 0 && left > 0; i-- {
		if all[i].State == "S" {
			all = slices.Delete(all, i, i+1)
			left--
		}
	}
	return all[:min(len(all), mostProcesses)]
}

// plain is a program's name as a table shows it.
func plain(comm string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, comm)
}

// threads are the states of a process's, oldest first.
func threads(fs procfs.FS, pid int) (states []string) {
	tasks, err := fs.AllThreads(pid)
	if err != nil {
		return nil
	}
	slices.SortFunc(tasks, func(a, b procfs.Proc) int { return cmp.Compare(a.PID, b.PID) })
	for _, task := range tasks[:min(len(tasks), mostThreads)] {
		if stat, err := task.Stat(); err == nil {
			states = append(states, stat.State)
		}
	}
	return states
}

// pendingSIGCHLD reports whether SIGCHLD waits for a process: the bit of ShdPnd in /proc/PID/status, for signals
// that are for the whole process (proc_pid_status(5)).
func pendingSIGCHLD(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		if mask, found := strings.CutPrefix(line, "ShdPnd:"); found {
			bits, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
			return err == nil && bits&(1<<(unix.SIGCHLD-1)) != 0
		}
	}
	return false
}

// states are those of tcp(7), as the kernel numbers them in /proc/net/tcp.
var states = []string{"", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE",
	"CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING"}

// sockets are those of the class's port, the one that listens first, and counts all by state.
func sockets(fs procfs.FS, port int, count map[string]int) (found []Socket) {
	table, err := fs.NetTCP() //lint:ignore SA1019 the table is what we show
	if err != nil {
		return nil
	}
	for _, line := range table {
		if line.LocalPort != uint64(port) || line.St >= uint64(len(states)) {
			continue
		}
		socket := Socket{State: states[line.St], Unread: line.RxQueue}
		if socket.State != "LISTEN" {
			socket.Peer = fmt.Sprintf("%s:%d", line.RemAddr, line.RemPort)
		}
		count[socket.State]++
		found = append(found, socket)
	}
	slices.SortFunc(found, func(a, b Socket) int { return cmp.Compare(a.Peer, b.Peer) }) // none is the first
	return found[:min(len(found), mostSockets)]
}
