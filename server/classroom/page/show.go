package page

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"posixlab/server/classroom"
)

// A show is what the page knows of the class.
type show struct {
	Settings
	hub  hub
	door guard // against whoever guesses the secret
	gate guard // against whoever guesses the code

	mu       sync.Mutex
	students map[string]*student
	owners   map[int]string // of the children, by pid: who started it
	programs map[int]string // their names
	exits    map[int]bool   // children that were seen dead
	story    []Line         // what happened last, oldest first
	number   int            // of the last line
	now      Machine        // as it was looked at last
	thawed   time.Time      // when the server was last told to go on
	freezing time.Time      // when it was last told to stop
	news     map[int]bool   // the lines, by number, that browsers have not been sent
}

// A student as the page shows her.
type student struct {
	Name        string                     `json:"name"`
	Joined      bool                       `json:"joined"` // she has said HELLO, and not only posted scores
	Connections int                        `json:"connections"`
	Processes   int                        `json:"processes"` // that live
	Requests    int                        `json:"requests"`
	Refused     int                        `json:"refused"`
	Scores      map[string]Score           `json:"scores,omitempty"` // by lab
	from        netip.Addr                 // the machine that she is on, or was last
	passed      map[string]map[string]bool // by lab and scenario
	turn        int                        // of the last word on her connections
}

// A Line is one thing that happened, as the browsers get it. Its text is theirs to make, in their language.
type Line struct {
	Number int `json:"number"`
	classroom.Event
	Count int    `json:"count,omitempty"` // of equal ones that came together: of ten children that were reaped
	Score *Score `json:"score,omitempty"`
}

// Ended is the kind of a line that the page adds: a child has ended, and its parent has not collected it yet.
const Ended classroom.Kind = "exit"

// Frozen and Thawed are those of a server that stands still, and goes on.
const (
	Frozen classroom.Kind = "frozen"
	Thawed classroom.Kind = "thawed"
)

// mostLines is how much of the story is kept for browsers that come later.
const mostLines = 80

func (s *show) open() {
	s.students = make(map[string]*student)
	s.owners = make(map[int]string)
	s.programs = make(map[int]string)
	s.exits = make(map[int]bool)
	s.news = make(map[int]bool)
	s.now = Machine{States: make(map[string]int), TCP: make(map[string]int)}
	s.hub.browsers = make(map[*browser]bool)
}

// happened takes an event of the server's.
func (s *show) happened(e classroom.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e.Kind {
	case classroom.Joined, classroom.Left:
		s.seat(e.Seats)
	case classroom.Requested:
		s.student(e.Student).Requests++
	case classroom.Answered:
		if e.Student != "" && e.Outcome == "refused" {
			s.student(e.Student).Refused++
		}
	case classroom.Forked:
		s.owners[e.PID], s.programs[e.PID] = e.Student, e.Program
		delete(s.exits, e.PID)
	case classroom.Reaped:
		e.Student, e.Program = s.owners[e.PID], cmp.Or(e.Program, s.programs[e.PID])
		if !s.exits[e.PID] { // too fast to be seen as a zombie
			s.ended(e.PID, e.Time, e.Student, e.Program)
		}
		s.forget(e.PID)
	case classroom.Seated: // events were lost: this is how it is now
		for _, st := range s.students {
			st.Connections = 0
		}
		s.seat(e.Seats)
		for pid := range s.programs {
			if !s.now.children[pid] {
				s.forget(pid)
			}
		}
		return
	}
	s.tell(e)
}

// ended tells of a child's end, which is noticed late: it stands before the SIGCHLD that it was the cause of. It is
// called with the lock held.
func (s *show) ended(pid int, seen time.Time, student, program string) {
	for _, line := range s.story[max(0, len(s.story)-fewLines):] {
		if line.Kind == classroom.Signalled && seen.Sub(line.Time) < together {
			seen = line.Time.Add(-time.Millisecond)
			break
		}
	}
	s.tell(classroom.Event{Time: seen, Kind: Ended, PID: pid, Student: student, Program: program})
}

// seat notes who is connected from where. It is called with the lock held.
func (s *show) seat(seats []classroom.Seat) {
	for _, seat := range seats {
		st := s.student(seat.Student)
		if seat.Turn < st.turn {
			continue // it was overtaken
		}
		from, _ := netip.ParseAddr(seat.Peer)
		if from = s.machine(from); st.from != from { // the name is hers; somebody else may have posted scores under it
			st.from, st.Scores, st.passed = from, make(map[string]Score), make(map[string]map[string]bool)
		}
		st.Connections, st.turn, st.Joined = seat.Connections, seat.Turn, true
	}
}

// forget is called with the lock held, of a child that is no more.
func (s *show) forget(pid int) {
	delete(s.owners, pid)
	delete(s.programs, pid)
	delete(s.exits, pid)
}

// machine is an address by which the students of one machine are known: this machine's have two.
func (s *show) machine(from netip.Addr) netip.Addr {
	if from = from.Unmap(); from.IsLoopback() || from.String() == s.Host {
		return netip.IPv4Unspecified()
	}
	return from
}

// student is called with the lock held.
func (s *show) student(name string) *student {
	st := s.students[name]
	if st == nil {
		st = &student{Name: name, Scores: make(map[string]Score), passed: make(map[string]map[string]bool)}
		s.students[name] = st
	}
	return st
}

// Equal things that happen together are told as one: ten children that are reaped. They are together if the
// time between two of them is no longer than this, and not more than a few lines are between.
const (
	together = 250 * time.Millisecond
	fewLines = 4
)

// tell adds a line to the story, or to one of the last if that tells the same of another process. It is called
// with the lock held.
func (s *show) tell(e classroom.Event) {
	switch e.Kind {
	case classroom.Forked, classroom.Executed, Ended, classroom.Signalled, classroom.Reaped, classroom.Accepted, classroom.Answered:
		for i := len(s.story) - 1; i >= max(0, len(s.story)-fewLines); i-- {
			line := &s.story[i]
			if line.Kind == e.Kind && line.Student == e.Student && line.Program == e.Program && e.Time.Sub(line.Time) < together {
				line.Count = max(line.Count, 1) + 1
				line.Time, line.Reply = e.Time, e.Reply
				s.news[line.Number] = true
				return
			}
		}
	}
	s.add(Line{Event: e})
}

// add is called with the lock held.
func (s *show) add(line Line) {
	s.number++
	line.Number = s.number
	if s.story = append(s.story, line); len(s.story) > mostLines {
		s.story = slices.Delete(s.story, 0, len(s.story)-mostLines)
	}
	s.news[s.number] = true
}

// flush sends browsers what has happened since the last time: one message, however much that is.
func (s *show) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.news) == 0 {
		return
	}
	var lines []Line
	for _, line := range s.story {
		if s.news[line.Number] {
			lines = append(lines, line)
		}
	}
	clear(s.news)
	s.hub.send(message{"lines", lines}, everybody)
}

// A View is the whole page, but for the story.
type View struct {
	Machine
	Students []student `json:"students"` // by name
	Browsers int       `json:"browsers"`
}

// view is called with the lock held.
func (s *show) view() View {
	v := View{Machine: s.now, Browsers: s.hub.count()}
	for _, name := range slices.Sorted(maps.Keys(s.students)) {
		st := *s.students[name]
		st.Scores = maps.Clone(st.Scores)
		st.Processes = s.now.of[name]
		v.Students = append(v.Students, st)
	}
	return v
}
