package page

import (
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// A guard slows down whoever guesses a secret, machine by machine.
type guard struct {
	mu     sync.Mutex
	wrongs map[netip.Addr]*wrongs
}

type wrongs struct {
	count int
	until time.Time // no more before then
}

const (
	freeGuesses  = 3 // that cost nothing: one may mistype
	longestPause = time.Minute
	mostGuessers = 10_000 // machines that are remembered
)

// mayTry reports whether a machine may guess now.
func (g *guard) mayTry(from netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	w := g.wrongs[from]
	return w == nil || !time.Now().Before(w.until)
}

// failed counts a wrong guess. From the fourth on each costs twice the time of the last.
func (g *guard) failed(from netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.wrongs == nil || len(g.wrongs) >= mostGuessers {
		g.wrongs = make(map[netip.Addr]*wrongs)
	}
	w := g.wrongs[from]
	if w == nil {
		w = &wrongs{}
		g.wrongs[from] = w
	}
	if w.count++; w.count > freeGuesses {
		w.until = time.Now().Add(min(longestPause, time.Second<<min(w.count-freeGuesses-1, 10)))
	}
}

func (g *guard) succeeded(from netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.wrongs, from)
}

// machine is the one that a request comes from.
func machine(r *http.Request) netip.Addr {
	from, _ := netip.ParseAddrPort(r.RemoteAddr) // as package net writes it
	return from.Addr().Unmap()
}
