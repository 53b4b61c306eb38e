package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"posixlab/labs/internal/audit"
	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/show"
)

// tellAudit tells what was asked of a class's server: a line for each request, and the sums of each student of
// each class, since one file may hold those of a whole term.
func tellAudit(_ context.Context, a *app, args []string) int {
	student := ""
	rest, status := a.options(args, func(f *flag.FlagSet) { f.StringVar(&student, "student", "", "") })
	if status >= 0 {
		return status
	}
	if len(rest) != 1 {
		return a.wrongUse(a.say(show.Text{EN: "name the log of a class: server -audit FILE", ES: "nombra la bitácora de una clase: server -audit ARCHIVO"}))
	}
	file, err := os.Open(rest[0])
	if err != nil {
		return a.infra(err)
	}
	defer file.Close()
	entries, torn, err := audit.Read(file)
	if err != nil {
		return a.infra(fmt.Errorf("%s: %w", rest[0], err))
	}
	asked := func(e audit.Entry) bool { return student == "" || e.Student == student }
	class := newLesson()
	for i, e := range entries {
		class.unwritten += e.Unwritten
		switch e.Event {
		case "begin":
			if i > 0 && entries[i-1].Event != "end" {
				a.tellLesson(class, asked)
				class = newLesson()
			}
			a.tellMoment(e)
		case "intent":
			class.pending[e.Peer] = e
		case "request":
			delete(class.pending, e.Peer)
			if asked(e) {
				class.count(e)
				a.out.Line(auditLine(e, e.Outcome))
			}
		case "unread":
			if asked(e) {
				a.out.Line(auditLine(e, e.Event))
			}
		case "end":
			a.tellMoment(e)
			a.tellLesson(class, asked)
			class = newLesson()
		default:
			a.tellMoment(e)
		}
	}
	if len(entries) > 0 && entries[len(entries)-1].Event != "end" { // it goes on, or was killed
		a.tellLesson(class, asked)
	}
	if torn > 0 {
		a.out.Line(a.say(show.Text{
			EN: "lines that are not whole: %d; the server ended while it wrote them, or the disk was full",
			ES: "líneas incompletas: %d; el servidor terminó mientras las escribía, o el disco estaba lleno"}, torn))
	}
	return grade.ExitPass
}

// A lesson is what a log tells of a class, from its beginning to its end.
type lesson struct {
	sums      map[string]*sum        // by student
	pending   map[string]audit.Entry // intents without an outcome, by peer
	unwritten int
}

type sum struct{ requests, refused int }

func newLesson() *lesson {
	return &lesson{sums: make(map[string]*sum), pending: make(map[string]audit.Entry)}
}

func (l *lesson) count(e audit.Entry) {
	if l.sums[e.Student] == nil {
		l.sums[e.Student] = &sum{}
	}
	l.sums[e.Student].requests++
	if e.Outcome == "refused" {
		l.sums[e.Student].refused++
	}
}

// tellLesson tells what a class's log ends with: what has no outcome, and the sums.
func (a *app) tellLesson(l *lesson, asked func(audit.Entry) bool) {
	for _, peer := range slices.Sorted(maps.Keys(l.pending)) {
		if e := l.pending[peer]; asked(e) {
			a.out.Line(auditLine(e, a.say(show.Text{EN: "no outcome: the server was killed", ES: "sin resultado: mataron al servidor"})))
		}
	}
	a.out.Line("")
	for _, name := range slices.Sorted(maps.Keys(l.sums)) {
		who := name
		if who == "" {
			who = a.say(show.Text{EN: "(nobody: before HELLO)", ES: "(nadie: antes de HELLO)"})
		}
		a.out.Line(fmt.Sprintf("  %-32s %s", show.Printable(who), a.say(show.Text{
			EN: "requests: %d, refused: %d", ES: "peticiones: %d, rechazadas: %d"}, l.sums[name].requests, l.sums[name].refused)))
	}
	if l.unwritten > 0 {
		a.out.Line(a.say(show.Text{
			EN: "  before HELLO, and counted but not written, so as not to fill the log: %d",
			ES: "  antes de HELLO, contadas pero no escritas, para no llenar la bitácora: %d"}, l.unwritten))
	}
	a.out.Line("")
}

// tellMoment tells of something that nobody asked for: that a class begins or ends.
func (a *app) tellMoment(e audit.Entry) {
	a.out.Line(strings.TrimSpace(fmt.Sprintf("%s  %s %s", e.Time.Local().Format("2006-01-02 15:04:05"), show.Printable(e.Event), show.Printable(e.Request))))
}

func auditLine(e audit.Entry, outcome string) string {
	reply := ""
	if e.Outcome != "ok" {
		reply = "  " + e.Reply
	}
	return show.Printable(fmt.Sprintf("%s  %-12s %-21s %-8s %s%s", e.Time.Local().Format("15:04:05"), e.Student, e.Peer, outcome, e.Request, reply))
}
