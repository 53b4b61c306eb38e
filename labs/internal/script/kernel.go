package script

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"posixlab/labs/internal/audit"
	"posixlab/labs/internal/proc"
	"posixlab/labs/internal/show"
)

// states names the letters of /proc/PID/stat.
var states = map[string]show.Text{
	"R": {EN: "R running", ES: "R en ejecución"},
	"S": {EN: "S sleeping", ES: "S dormido"},
	"D": {EN: "D uninterruptible", ES: "D ininterrumpible"},
	"T": {EN: "T stopped", ES: "T detenido"},
	"t": {EN: "t traced", ES: "t rastreado"},
	"Z": {EN: "Z zombie", ES: "Z zombi"},
	"X": {EN: "X dead", ES: "X muerto"},
}

func (s *Story) sayState(letter string) string {
	if text, known := states[letter]; known {
		return s.say(text)
	}
	return letter
}

// sockets shows the TCP sockets on the server's port, and whatever else it holds: the listening
// ones, then those that are marked, then the rest.
func (s *Story) sockets(marked func(proc.TCP) bool) (show.Table, error) {
	t := show.Table{
		Source: "/proc/net/tcp",
		Head: []show.Text{
			{EN: "local", ES: "local"}, {EN: "remote", ES: "remoto"}, {EN: "state", ES: "estado"},
			{EN: "unread", ES: "sin leer"}, {EN: "inode", ES: "inodo"}, {EN: "process:fd", ES: "proceso:fd"}},
		Marked: make(map[int]bool),
	}
	table, err := proc.TCPTable()
	if err != nil {
		return t, err
	}
	tree, err := s.run.Tree()
	if err != nil {
		return t, err
	}
	holders := proc.Holders(tree)
	port := uint16(s.port)
	table = slices.DeleteFunc(table, func(e proc.TCP) bool {
		if slices.ContainsFunc(s.probes, func(c *conn) bool { return ours(c, e) }) {
			return true // the runner's own
		}
		onPort := port != 0 && (e.Local.Port() == port || e.Remote.Port() == port)
		return !onPort && holders[e.Inode] == nil
	})
	if marked != nil {
		slices.SortStableFunc(table, func(a, b proc.TCP) int { return rank(a, marked) - rank(b, marked) })
	}
	for _, e := range table {
		if len(t.Rows) == mostRows {
			t.More = len(table) - mostRows
			break
		}
		if marked != nil && marked(e) {
			t.Marked[len(t.Rows)] = true
		}
		remote := e.Remote.String()
		if e.State == proc.Listen {
			remote = "*"
		}
		t.Rows = append(t.Rows, []string{e.Local.String(), remote, e.State.String(),
			fmt.Sprint(e.RecvQueue), fmt.Sprint(e.Inode), s.holder(e, holders)})
	}
	return t, nil
}

// ours reports whether a line of the kernel's table is an end of this connection.
func ours(c *conn, t proc.TCP) bool {
	return (end{c, false}).matches(t, 0) || (end{c, true}).matches(t, 0)
}

// rank puts the listening socket first, then what is marked.
func rank(t proc.TCP, marked func(proc.TCP) bool) int {
	switch {
	case t.State == proc.Listen:
		return 0
	case marked(t):
		return 1
	}
	return 2
}

// holder says whose a socket is: a descriptor of the server's, a client of the script's, or
// nobody's.
func (s *Story) holder(t proc.TCP, holders map[uint64][]proc.Holder) string {
	if t.Inode == 0 {
		return s.say(show.Text{EN: "(kernel)", ES: "(kernel)"})
	}
	for _, c := range s.conns {
		if (end{c, false}).matches(t, 0) {
			return c.name
		}
	}
	var who []string
	for _, h := range holders[t.Inode] {
		if h.PID == s.server.PID {
			who = append(who, s.say(show.Text{EN: "server:%d", ES: "servidor:%d"}, h.FD))
		} else {
			who = append(who, fmt.Sprintf("%d:%d", h.PID, h.FD))
		}
	}
	if who == nil { // a process that we may not look into
		return "?"
	}
	if len(who) > 2 {
		who = append(who[:1], fmt.Sprintf("+%d", len(who)-1))
	}
	return strings.Join(who, " ")
}

// threadTable groups a process's threads by what they do.
func (s *Story) threadTable(pid int, threads []proc.Thread) show.Table {
	t := show.Table{
		Source: fmt.Sprintf("/proc/%d/task", pid),
		Head: []show.Text{
			{EN: "threads", ES: "hilos"}, {EN: "state", ES: "estado"}, {EN: "blocked in", ES: "bloqueados en"}},
	}
	type group struct{ state, call string }
	count := make(map[group]int)
	for _, th := range threads {
		count[group{th.State, th.Call}]++
	}
	var groups []group
	for g := range count {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b group) int {
		return cmp.Or(count[b]-count[a], strings.Compare(a.call, b.call), strings.Compare(a.state, b.state))
	})
	for _, g := range groups {
		call := g.call
		if call == "" {
			call = "-"
		}
		t.Rows = append(t.Rows, []string{fmt.Sprint(count[g]), s.sayState(g.state), call})
	}
	return t
}

// A pending table waits for the next command. A second look at the sockets, or at a class's log, within
// a step replaces it, and marks its row beside the others.
type pending struct {
	by      string // the command
	table   *show.Table
	ends    []end                    // of sockets, those that were looked at
	entries []func(audit.Entry) bool // of the log, too
}

func (s *Story) showPending() {
	if s.pending.table != nil {
		s.Out.Evidence(*s.pending.table)
	}
	s.pending = pending{}
}

// processTable shows processes as ps would.
func (s *Story) processTable(tree []proc.Stat) show.Table {
	t := show.Table{
		Source: "/proc/PID/stat",
		Head: []show.Text{
			{EN: "pid", ES: "pid"}, {EN: "parent", ES: "padre"},
			{EN: "state", ES: "estado"}, {EN: "program", ES: "programa"}},
	}
	for i, st := range tree {
		if i == mostRows {
			t.More = len(tree) - mostRows
			break
		}
		t.Rows = append(t.Rows, []string{fmt.Sprint(st.PID), fmt.Sprint(st.Parent), s.sayState(st.State), st.Comm})
	}
	return t
}

// mostRows is how many rows of evidence are shown.
const mostRows = 6
