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

// How a guess went.
type guess int

const (
	right guess = iota
	wrong
	wait // it was not looked at: that machine has guessed too often
)

// try takes a guess from a machine. From the fourth wrong one on each costs twice the time of the last, in which
// no other is looked at.
func (g *guard) try(from netip.Addr, isRight bool) guess {
	g.mu.Lock()
	defer g.mu.Unlock()
	w := g.wrongs[from]
	switch {
	case w != nil && time.Now().Before(w.until):
		return wait
	case isRight:
		delete(g.wrongs, from)
		return right
	case w == nil:
		if g.wrongs == nil {
			g.wrongs = make(map[netip.Addr]*wrongs)
		}
		for other := range g.wrongs {
			if len(g.wrongs) < mostGuessers {
				break
			}
			delete(g.wrongs, other) // any
		}
		w = &wrongs{}
		g.wrongs[from] = w
	}
	if w.count++; w.count > freeGuesses {
		w.until = time.Now().Add(min(longestPause, time.Second<<min(w.count-freeGuesses-1, 10)))
	}
	return wrong
}

// machine is the one that a request comes from.
func machine(r *http.Request) netip.Addr {
	from, _ := netip.ParseAddrPort(r.RemoteAddr) // as package net writes it
	return from.Addr().Unmap()
}
