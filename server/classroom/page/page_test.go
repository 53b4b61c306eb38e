package page

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"posixlab/server/classroom"
)

// TestSlowBrowser drops a browser that does not read, and no other.
func TestSlowBrowser(t *testing.T) {
	slow, quick := &browser{messages: make(chan []byte, waiting)}, &browser{messages: make(chan []byte, waiting)}
	h := hub{browsers: map[*browser]bool{slow: true, quick: true}}
	for range waiting + 1 {
		h.send(message{"line", 1}, everybody)
		<-quick.messages
	}
	if h.browsers[slow] || !h.browsers[quick] {
		t.Errorf("the slow one is kept: %v, the quick one: %v", h.browsers[slow], h.browsers[quick])
	}
	for range waiting {
		<-slow.messages
	}
	if _, open := <-slow.messages; open {
		t.Error("the slow one is not told")
	}
	h.leave(slow) // as it does when it is told
	h.leave(quick)
	if n := h.count(); n != 0 {
		t.Errorf("%d are left", n)
	}
}

// TestStory tells ten children that end together as one line, and gives one that was reaped before anybody saw
// it dead its end.
func TestStory(t *testing.T) {
	s := &show{}
	s.open()
	now := time.Now()
	for i := range 10 {
		s.happened(classroom.Event{Time: now, Kind: classroom.Forked, PID: 100 + i, Student: "ana", Program: "sleep"})
		s.happened(classroom.Event{Time: now, Kind: classroom.Executed, PID: 100 + i, Student: "ana", Program: "sleep 5"})
	}
	for i := range 10 {
		s.happened(classroom.Event{Time: now.Add(time.Second), Kind: classroom.Reaped, PID: 100 + i, Program: "sleep"})
	}
	s.happened(classroom.Event{Time: now.Add(5 * time.Second), Kind: classroom.Forked, PID: 200, Student: "ana", Program: "yes"})
	type told struct {
		Kind    classroom.Kind
		Student string
		Count   int
	}
	var got []told
	for _, line := range s.story {
		got = append(got, told{line.Kind, line.Student, line.Count})
	}
	want := []told{{classroom.Forked, "ana", 10}, {classroom.Executed, "ana", 10}, {Ended, "ana", 10}, {classroom.Reaped, "ana", 10},
		{classroom.Forked, "ana", 0}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(s.owners) != 1 || len(s.exits) != 0 {
		t.Errorf("remembered: owners %v, exits %v", s.owners, s.exits)
	}
}

// TestSeats sets right who is here when events were lost.
func TestSeats(t *testing.T) {
	s := &show{}
	s.open()
	told := func(kind classroom.Kind, seats ...classroom.Seat) {
		s.happened(classroom.Event{Kind: kind, Seats: seats})
	}
	told(classroom.Joined, classroom.Seat{Student: "ana", Peer: "10.0.0.1", Connections: 1, Turn: 1})
	told(classroom.Joined, classroom.Seat{Student: "bea", Peer: "10.0.0.2", Connections: 1, Turn: 1})
	told(classroom.Seated, classroom.Seat{Student: "bea", Peer: "10.0.0.2", Connections: 2, Turn: 4})
	told(classroom.Left, classroom.Seat{Student: "bea", Peer: "10.0.0.2", Connections: 1, Turn: 3}) // it was overtaken
	got := map[string]int{}
	for name, st := range s.students {
		got[name] = st.Connections
	}
	if diff := cmp.Diff(map[string]int{"ana": 0, "bea": 2}, got); diff != "" {
		t.Error(diff)
	}
}

// TestGuard has guesses cost time, each twice as much, machine by machine.
func TestGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g guard
		guesser, other := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
		var waited []time.Duration
		for range 14 {
			began := time.Now()
			for g.try(guesser, false) == wait {
				time.Sleep(time.Second)
			}
			waited = append(waited, time.Since(began))
			if g.try(other, true) != right {
				t.Fatal("another machine has to wait")
			}
		}
		s := time.Second
		if diff := cmp.Diff([]time.Duration{0, 0, 0, 0, s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 60 * s, 60 * s, 60 * s, 60 * s}, waited); diff != "" {
			t.Error(diff)
		}
		time.Sleep(time.Minute)
		for i, want := range []guess{right, wrong, wrong, wrong, wrong, wait} { // a success makes good for all
			if got := g.try(guesser, i == 0); got != want {
				t.Errorf("guess %d: %d, want %d", i, got, want)
			}
		}
	})
}

// TestShown leaves out sleepers first: a zombie among a hundred processes is shown.
func TestShown(t *testing.T) {
	var all []Process
	for pid := range 100 {
		all = append(all, Process{PID: pid, State: "S"})
	}
	all[99].State = "Z"
	got := shown(all)
	if len(got) != mostProcesses || got[0].PID != 0 || got[mostProcesses-1].PID != 99 {
		t.Errorf("%v", got)
	}
}
