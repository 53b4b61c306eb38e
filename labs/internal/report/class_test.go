package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"posixlab/labs/internal/course"
	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/gradebook"
	"posixlab/labs/internal/show"
)

// hostile are names that a student may choose: each is harmless in every format, and stays readable.
var hostile = []string{
	`<script>alert(1)</script>`,
	`=cmd|'/c calc'!A1`,
	`+1+1`,
	"Ana\n| 100 | 100 |",
	"Bea\x1b[31m\u202egnp\x00\xff",
	`**[Cleo](http://evil.example)** @everyone $x$`,
	`]]></failure>&amp;`,
	`{{.Class}}" onload="x`,
}

// secretWord is in all that a hidden scenario's result says.
const secretWord = "TRAPDOOR"

// classOf is a class judged by the scenarios of the labs, and by a hidden one. Its n submissions are
// worse and worse; some have each thing that can happen to one.
func classOf(t testing.TB, lang show.Lang, n int) *gradebook.Class {
	t.Helper()
	k, err := course.Load("../../..")
	if err != nil {
		t.Fatal(err)
	}
	c := &gradebook.Class{
		Version: gradebook.Version, Lang: string(lang),
		Started:   time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC),
		Isolation: show.Text{EN: "namespaces of users, pids, networks and mounts", ES: "espacios de nombres de usuarios, procesos, redes y montajes"}.In(lang),
		Limits: []string{
			show.Text{EN: "256 MB of memory", ES: "256 MB de memoria"}.In(lang),
			show.Text{EN: "200 processes", ES: "200 procesos"}.In(lang)},
	}
	for _, sc := range k.Scenarios() {
		c.Scenarios = append(c.Scenarios, gradebook.Scenario{Lab: sc.Lab.Name, Name: sc.Name,
			Title: sc.Lab.Title.In(lang), Claim: sc.Claim.In(lang), Points: sc.Points})
	}
	last := c.Scenarios[len(c.Scenarios)-1]
	c.Scenarios = append(c.Scenarios, gradebook.Scenario{Lab: last.Lab, Name: "after-dark", Title: last.Title,
		Claim: "CLAIM " + secretWord, Points: 5, Hidden: true})

	names := []string{"Ana Beltrán", "Beatriz Núñez Ó", "Cleo Martín", "Darío Peña", "Elena Wu", "Fabián Íñiguez"}
	for i := range n {
		s := &gradebook.Submission{Version: gradebook.Version, Name: fmt.Sprintf("team-%03d", i), Complete: true,
			Digest: fmt.Sprintf("sha256:%064x", i), Kind: gradebook.Make, Seconds: 61.5 + float64(i)}
		switch {
		case i < len(names):
			s.Student = names[i]
		case i < len(names)+len(hostile):
			s.Student = hostile[i-len(names)]
		}
		for j, sc := range c.Scenarios {
			s.Results = append(s.Results, resultOf(k, c, sc, lang, (i*i*7+j*j*13+3*i*j)%97 < i*6))
		}
		c.Submissions = append(c.Submissions, s)
	}
	if n > 4 {
		s := c.Submissions[4]
		s.Kind, s.Problem = gradebook.Exercise, show.Text{EN: "make ended with 2", ES: "make terminó con 2"}.In(lang)
		s.Said = []string{"cc -O2 -Wall -o server_bin server.c", "server.c:31:9: error: implicit declaration of function ‘acept’; did you mean ‘accept’?",
			"   31 |         int c = acept(s, NULL, NULL);", "      |                 ^~~~~", "make: *** [Makefile:4: server_bin] Error 1"}
		for j := range s.Results {
			r := &s.Results[j]
			*r = grade.Result{Lab: r.Lab, Scenario: r.Scenario, Max: r.Max, Hidden: r.Hidden, Verdict: grade.Fail, Expected: "a server", Seen: s.Problem}
		}
	}
	for i, v := range map[int]grade.Verdict{1: grade.Infra, 2: grade.Skip} {
		if i < n {
			r := &c.Submissions[i].Results[7]
			*r = grade.Result{Lab: r.Lab, Scenario: r.Scenario, Max: r.Max, Verdict: v,
				Reason: show.Text{EN: "fork: resource temporarily unavailable", ES: "fork: recurso no disponible por ahora"}.In(lang)}
		}
	}
	if n > 3 { // interrupted
		c.Submissions[3].Complete = false
		c.Submissions[3].Results = slices.Delete(c.Submissions[3].Results, 30, 34)
	}
	for _, s := range c.Submissions {
		s.Sum()
	}
	return c
}

// resultOf is a pass, or a failure with all that there may be to say.
func resultOf(k *course.Course, c *gradebook.Class, sc gradebook.Scenario, lang show.Lang, fails bool) grade.Result {
	r := grade.Result{Lab: sc.Lab, Scenario: sc.Name, Verdict: grade.Pass, Points: sc.Points, Max: sc.Points,
		Seconds: 0.25, Hidden: sc.Hidden}
	if !fails {
		return r
	}
	r.Verdict, r.Points = grade.Fail, 0
	r.StepNumber, r.Steps, r.Line = 3, 7, 21
	r.Slide = sc.Lab
	r.Step = show.Text{EN: "The client closes, and the server closes too", ES: "El cliente cierra, y el servidor también cierra"}.In(lang)
	r.Command = "eof c1"
	r.Expected = show.Text{EN: "the server closes the connection of c1", ES: "que el servidor cierre la conexión de c1"}.In(lang)
	r.Seen = show.Text{EN: "nothing, for 5 s: all 3 threads of the server sleep", ES: "nada, durante 5 s: duermen los 3 hilos del servidor"}.In(lang)
	r.Evidence = []string{
		"/proc/net/tcp",
		"  local            remote           state       inode  process:fd",
		"  0.0.0.0:5002     0.0.0.0:*        LISTEN      41877  server_bin:3",
		"▸ 127.0.0.1:5002   127.0.0.1:40312  CLOSE_WAIT  41883  server_bin:4",
		"", "server_bin said: \x1b[31m<b>bye</b>"}
	for _, other := range k.Scenarios() {
		if other.Lab.Name == sc.Lab && other.Name == sc.Name {
			r.Hint = other.Hint.In(lang)
		}
	}
	if sc.Name == "processes" || sc.Name == "storm" {
		r.Limit = show.Text{EN: "processes", ES: "procesos"}.In(lang)
	}
	if sc.Hidden {
		for _, p := range []*string{&r.Step, &r.Command, &r.Expected, &r.Seen, &r.Hint, &r.Slide, &r.Limit} {
			*p = secretWord
		}
		r.Evidence = strings.Fields(secretWord)
	}
	return r
}
