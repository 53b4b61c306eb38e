package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"posixlab/labs/internal/course"
	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/show"
)

// A posting shows verdicts on the page of a class, beside a student's name.
type posting struct{ host, name, code string }

// pagePort is the port of a class's page, unless its instructor chose another.
const pagePort = "5080"

func (p *posting) flags(f *flag.FlagSet) {
	f.StringVar(&p.host, "post", "", "")
	f.StringVar(&p.name, "name", "", "")
	f.StringVar(&p.code, "code", "", "")
}

// check complains of what is missing, before any work is done. The status is -1 if nothing is.
func (p *posting) check(a *app) (status int) {
	if p.host != "" && (p.name == "" || p.code == "") {
		fmt.Fprintln(os.Stderr, "labs: "+a.say(show.Text{
			EN: "a class wants your name and its code with the verdicts:\n  make check-8 POST=%[1]s NAME=ana CODE=ABC123",
			ES: "una clase pide tu nombre y su código junto con los veredictos:\n  make check-8 POST=%[1]s NAME=ana CODE=ABC123"}, p.host))
		return grade.ExitUsage
	}
	return -1
}

// send posts the verdicts, a lab at a time. What goes wrong is said, and changes no verdict.
func (p *posting) send(ctx context.Context, a *app, results []grade.Result) {
	if p.host == "" {
		return
	}
	for _, lab := range a.course.Labs {
		verdicts := make(map[string]grade.Verdict)
		for _, r := range results {
			if r.Lab == lab.Name {
				verdicts[r.Scenario] = r.Verdict
			}
		}
		if len(verdicts) == 0 {
			continue
		}
		if err := p.post(ctx, lab, verdicts); err != nil {
			fmt.Fprintln(os.Stderr, "labs: "+a.say(show.Text{
				EN: "the verdicts are not on the class's page: %v",
				ES: "los veredictos no están en la página de la clase: %v"}, err))
			return
		}
	}
	a.out.Line(a.say(show.Text{
		EN: "  shown on the class's page beside %s",
		ES: "  en la página de la clase, junto a %s"}, show.Printable(p.name)))
}

func (p *posting) post(ctx context.Context, lab *course.Lab, verdicts map[string]grade.Verdict) error {
	body, err := json.Marshal(map[string]any{
		"name": p.name, "code": p.code, "lab": lab.Name, "of": len(lab.Scenarios), "verdicts": verdicts})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	host, port, err := net.SplitHostPort(p.host)
	if err != nil { // no port
		host, port = p.host, pagePort
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+net.JoinHostPort(host, port)+"/score", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNoContent {
		return nil
	}
	said, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
	return fmt.Errorf("%s", cmp.Or(show.Printable(strings.TrimSpace(string(said))), response.Status))
}
