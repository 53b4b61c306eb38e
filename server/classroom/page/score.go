package page

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"regexp"
	"time"

	"posixlab/server/classroom"
	"posixlab/server/protocol"
)

// A Score is what a student has of a lab.
type Score struct {
	Passed int `json:"passed"` // scenarios
	Of     int `json:"of"`
}

// Scored is the kind of a line that tells of a score.
const Scored classroom.Kind = "score"

// A posting is what labs sends to POST /score: the verdicts of a lab, and the same name and code that the
// student says to the server.
type posting struct {
	Name     string            `json:"name"`
	Code     string            `json:"code"`
	Lab      string            `json:"lab"`      // by number and name: 08-zombies
	Of       int               `json:"of"`       // how many scenarios it has
	Verdicts map[string]string `json:"verdicts"` // of those that were judged, by name: pass, fail, skip, infra
}

// good reports whether a posting can be what labs sends.
func (p posting) good() bool {
	for name := range p.Verdicts {
		if !scenario.MatchString(name) {
			return false
		}
	}
	return lab.MatchString(p.Lab) && len(p.Verdicts) > 0 && len(p.Verdicts) <= p.Of && p.Of <= mostScenarios
}

var (
	lab      = regexp.MustCompile(`^[0-9]{2}-[a-z0-9-]{1,30}$`)
	scenario = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)
)

const (
	mostScenarios = 100 // of a lab
	mostStudents  = 1000
	mostLabs      = 40 // of a student
)

// score takes a student's verdicts. What is wrong is said in a line: labs shows it to her.
func (s *show) score(w http.ResponseWriter, r *http.Request) {
	from := s.machine(machine(r))
	refuse := func(status int, why protocol.Message, args ...any) {
		http.Error(w, why.In(s.Lang, args...), status)
	}
	var p posting
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<10))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil || !p.good() {
		refuse(http.StatusBadRequest, badPosting)
		return
	}
	switch s.gate.try(from, classroom.SameCode(p.Code, s.Code)) {
	case wait:
		refuse(http.StatusTooManyRequests, tooManyCodes)
		return
	case wrong:
		refuse(http.StatusForbidden, classroom.WrongCode)
		return
	}
	if !classroom.GoodName(p.Name) {
		refuse(http.StatusBadRequest, classroom.BadName, classroom.LongestName)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.students[p.Name] == nil && s.names(from) >= s.Names {
		refuse(http.StatusConflict, classroom.TooManyNames, from, s.Names)
		return
	}
	st := s.student(p.Name)
	if !st.from.IsValid() {
		st.from = from
	}
	if st.from != from { // a name is its first machine's
		refuse(http.StatusConflict, classroom.NameTaken, p.Name, st.from)
		return
	}
	if st.passed[p.Lab] == nil && len(st.passed) >= mostLabs {
		refuse(http.StatusBadRequest, badPosting)
		return
	}
	score := st.judged(p)
	s.add(Line{Event: classroom.Event{Time: time.Now(), Kind: Scored, Student: p.Name, Program: p.Lab}, Score: &score})
	w.WriteHeader(http.StatusNoContent)
}

// names counts the students of a machine. It is called with the lock held.
func (s *show) names(from netip.Addr) (n int) {
	for _, st := range s.students {
		if st.from == from {
			n++
		}
	}
	return n
}

// judged takes verdicts, in the place of earlier ones of the same scenarios.
func (st *student) judged(p posting) Score {
	if st.passed[p.Lab] == nil {
		st.passed[p.Lab] = make(map[string]bool)
	}
	passed := st.passed[p.Lab]
	for name, verdict := range p.Verdicts {
		if _, had := passed[name]; had || len(passed) < mostScenarios {
			passed[name] = verdict == "pass"
		}
	}
	score := Score{Of: p.Of}
	for _, is := range passed {
		if is {
			score.Passed++
		}
	}
	st.Scores[p.Lab] = score
	return score
}

// What a student is told.
var (
	badPosting = protocol.Message{
		EN: "these are no verdicts of a lab",
		ES: "estos no son veredictos de un laboratorio"}
	tooManyCodes = protocol.Message{
		EN: "too many wrong codes: wait a minute, and look at the projector",
		ES: "demasiados códigos incorrectos: espera un minuto y mira el proyector"}
)
