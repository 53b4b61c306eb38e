// Package bench measures the built server beside the lecture's server in C.
package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// BenchmarkServer measures the built server beside the lecture's server in C (testdata/deck)
// and, for LIST, beside a bare ps. The sides take turns, so that what slows the machine slows
// both, and deck-ratio and ps-ratio are the medians of ours ÷ theirs over those turns: for
// START, LIST and idle less than 1 is better than theirs, for sessions more than 1 is.
//
// The aims: START under 1.5 ms, LIST's ps-ratio at most 1.2, sessions' deck-ratio at least 1,
// idle under 60 KB/client.
func BenchmarkServer(b *testing.B) {
	dir := b.TempDir()
	server := filepath.Join(dir, "server")
	build(b, "go", "build", "-o", server, "posixlab/server")
	deck, noDeck := buildDeck(b, dir)

	for _, bench := range []struct {
		name    string
		measure func(b *testing.B, server, deck starter)
	}{
		{"START", benchStart},
		{"LIST", benchList},
		{"sessions", benchSessions},
		{"idle", benchIdle},
	} {
		b.Run(bench.name, func(b *testing.B) {
			why := noDeck
			if !ownNetwork(b) && why == "" {
				why = deckPortTaken()
			}
			if why != "" && os.Getenv("CI") == "true" {
				b.Fatal(why)
			}
			ours := func() *subject { return start(b, 0, server, "-port", "0") }
			theirs := func() *subject { return start(b, protocol.Port, deck) }
			if why != "" {
				b.Log("not compared with the lecture's server in C: ", why)
				theirs = nil
			}
			bench.measure(b, ours, theirs)
			b.ReportMetric(0, "ns/op") // of a whole turn: it says nothing
		})
	}
}

// A starter starts one of the two servers. It is nil for one that cannot be had.
type starter func() *subject

func (s starter) start() *subject {
	if s == nil {
		return nil
	}
	return s()
}

// client starts the server and connects to it.
func (s starter) client(b *testing.B) *client {
	if s == nil {
		return nil
	}
	c, err := dial(s().port)
	check(b, err)
	b.Cleanup(func() { unix.Close(c.fd) })
	return c
}

// benchStart measures how long START takes to reply, in ms. The program lives for longer than
// the deck's server waits to see whether it does.
func benchStart(b *testing.B, server, deck starter) {
	ask := func(c *client) func() error {
		return func() error { return c.ask("START sleep 0.3", "PID") }
	}
	ours, theirs := server.client(b), deck.client(b)
	var times, toDeck []float64
	for b.Loop() {
		var turn []float64
		for range 20 {
			turn = append(turn, timed(b, ask(ours)))
		}
		times = append(times, turn...)
		if theirs != nil {
			toDeck = append(toDeck, median(turn)/timed(b, ask(theirs)))
		}
	}
	report(b, times, "ms")
	report(b, toDeck, "deck-ratio")
}

// benchList measures how long LIST takes, in ms: from the request until the whole table came.
func benchList(b *testing.B, server, deck starter) {
	ours, theirs := server.client(b), deck.client(b)
	var times, toPS, toDeck []float64
	for b.Loop() {
		took := timed(b, ours.list)
		times = append(times, took)
		toPS = append(toPS, took/timed(b, barePS))
		if theirs != nil {
			toDeck = append(toDeck, took/timed(b, theirs.list))
		}
	}
	report(b, times, "ms")
	report(b, toPS, "ps-ratio")
	report(b, toDeck, "deck-ratio")
}

// benchSessions counts sessions a second: connect, one cheap request, its reply, EXIT, EOF.
func benchSessions(b *testing.B, server, deck starter) {
	ours, theirs := server.start(), deck.start()
	var rates, toDeck []float64
	for b.Loop() {
		rate := ours.sessions()
		rates = append(rates, rate)
		if theirs != nil {
			toDeck = append(toDeck, rate/theirs.sessions())
		}
	}
	report(b, rates, "sessions/s")
	report(b, toDeck, "deck-ratio")
}

// benchIdle measures what a client costs that has made one request and then keeps silent: KB
// of memory, and threads.
func benchIdle(b *testing.B, server, deck starter) {
	var sizes, threads, toDeck []float64
	for b.Loop() {
		size, more := server.start().idle()
		sizes = append(sizes, size)
		threads = append(threads, more)
		if theirs := deck.start(); theirs != nil {
			deckSize, _ := theirs.idle()
			toDeck = append(toDeck, size/deckSize)
		}
	}
	report(b, sizes, "KB/client")
	report(b, threads, "threads/client")
	report(b, toDeck, "deck-ratio")
}

// barePS runs what LIST runs and reads it as LIST does, with no server in between.
func barePS() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close() // the read end
	ps := exec.Command("ps", "-e", "-o", "pid,comm")
	ps.Stdout = w
	err = ps.Start()
	w.Close() // our copy of the write end
	if err != nil {
		return err
	}
	buf := make([]byte, protocol.Limit)
	for err == nil {
		_, err = r.Read(buf)
	}
	return ps.Wait()
}

// timed returns how long f takes, in ms.
func timed(b *testing.B, f func() error) float64 {
	began := time.Now()
	check(b, f())
	return float64(time.Since(began)) / float64(time.Millisecond)
}

// report reports the median of what was measured, if anything was.
func report(b *testing.B, measured []float64, unit string) {
	if len(measured) > 0 {
		b.ReportMetric(median(measured), unit)
	}
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}
