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
	for from := 0; from < len(entries); {
		to := from + 1
		for to < len(entries) && entries[to].Event != "begin" {
			to++
		}
		a.tellLesson(entries[from:to], asked)
		from = to
	}
	if torn > 0 {
		a.out.Line(a.say(show.Text{
			EN: "lines that are not whole: %d; the server ended while it wrote them, or the disk was full",
			ES: "líneas incompletas: %d; el servidor terminó mientras las escribía, o el disco estaba lleno"}, torn))
	}
	return grade.ExitPass
}

// tellLesson tells of one class what there is in the log, and then what has no outcome, and the sums.
func (a *app) tellLesson(entries []audit.Entry, asked func(audit.Entry) bool) {
	type sum struct{ requests, refused int }
	sums := make(map[string]*sum)           // by student
	pending := make(map[string]audit.Entry) // intents without an outcome, by peer
	unwritten := 0
	for _, e := range entries {
		unwritten += e.Unwritten
		switch e.Event {
		case "intent":
			pending[e.Peer] = e
		case "request":
			delete(pending, e.Peer)
			if !asked(e) {
				continue
			}
			if sums[e.Student] == nil {
				sums[e.Student] = &sum{}
			}
			sums[e.Student].requests++
			if e.Outcome == "refused" {
				sums[e.Student].refused++
			}
			a.out.Line(auditLine(e, e.Outcome))
		case "unread":
			if asked(e) {
				a.out.Line(auditLine(e, e.Event))
			}
		default: // what nobody asked for: that the class begins or ends
			a.out.Line(strings.TrimSpace(fmt.Sprintf("%s  %s %s", e.Time.Local().Format("2006-01-02 15:04:05"), show.Printable(e.Event), show.Printable(e.Request))))
		}
	}
	for _, peer := range slices.Sorted(maps.Keys(pending)) {
		if e := pending[peer]; asked(e) {
			a.out.Line(auditLine(e, a.say(show.Text{EN: "no outcome: the server was killed", ES: "sin resultado: mataron al servidor"})))
		}
	}
	a.out.Line("")
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		who := name
		if who == "" {
			who = a.say(show.Text{EN: "(nobody: before HELLO)", ES: "(nadie: antes de HELLO)"})
		}
		a.out.Line(fmt.Sprintf("  %-32s %s", show.Printable(who), a.say(show.Text{
			EN: "requests: %d, refused: %d", ES: "peticiones: %d, rechazadas: %d"}, sums[name].requests, sums[name].refused)))
	}
	if unwritten > 0 {
		a.out.Line(a.say(show.Text{
			EN: "  before HELLO, and counted but not written, so as not to fill the log: %d",
			ES: "  antes de HELLO, contadas pero no escritas, para no llenar la bitácora: %d"}, unwritten))
	}
	a.out.Line("")
}

func auditLine(e audit.Entry, outcome string) string {
	reply := ""
	if e.Outcome != "ok" {
		reply = "  " + e.Reply
	}
	return show.Printable(fmt.Sprintf("%s  %-12s %-21s %-8s %s%s", e.Time.Local().Format("15:04:05"), e.Student, e.Peer, outcome, e.Request, reply))
}
