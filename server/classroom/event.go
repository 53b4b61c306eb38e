package classroom

import (
	"time"

	"posixlab/server/protocol"
)

// An Event is something that happened in a class, for whoever shows it. Which fields are set depends on the kind.
type Event struct {
	Time    time.Time                `json:"time"`
	Kind    Kind                     `json:"kind"`
	Peer    string                   `json:"peer,omitempty"`    // ADDR:PORT
	Student string                   `json:"student,omitempty"` // by name
	Request string                   `json:"request,omitempty"` // without the class's code
	Outcome string                   `json:"outcome,omitempty"` // of a request: error, refused (by the policy)
	Reply   string                   `json:"reply,omitempty"`   // its first line
	PID     int                      `json:"pid,omitempty"`
	Program string                   `json:"program,omitempty"`
	How     map[protocol.Lang]string `json:"how,omitempty"`   // how a process ended: its wait status
	Seats   []Seat                   `json:"seats,omitempty"` // of those of whom it tells
}

// A Kind is what an event is about.
type Kind string

const (
	Accepted  Kind = "accept"  // a connection
	Joined    Kind = "join"    // a student said HELLO and the code
	Left      Kind = "leave"   // one of her connections is closed
	Requested Kind = "request" // of a student
	Answered  Kind = "answer"  // by an error
	Forked    Kind = "fork"    // a child
	Executed  Kind = "exec"    // its program
	Signalled Kind = "sigchld" // the server got SIGCHLD
	Reaped    Kind = "reap"    // a child was collected
	Seated    Kind = "seats"   // who is connected, after events were lost
)

// A Seat is a student, and how many connections she has.
type Seat struct {
	Student     string `json:"student"`
	Peer        string `json:"peer"` // ADDR: the machine that she is on
	Connections int    `json:"connections"`
	Turn        int    `json:"turn"` // of two that tell of one student, the greater one is newer
}
