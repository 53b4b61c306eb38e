package page

import (
	"net"
	"net/netip"
	"sync"
)

// A fair listener takes no more connections from one machine than a class behind NAT needs, and no more in all
// than a browser or two for each student: whoever wants them all gets none beyond. This machine, and so the
// projector, always gets one.
type fair struct {
	net.Listener
	mu sync.Mutex
	of map[netip.Addr]int
	n  int
}

const (
	mostOfMachine = 250
	mostOfAll     = 800
)

// Accept closes at once what is too much.
func (f *fair) Accept() (net.Conn, error) {
	for {
		conn, err := f.Listener.Accept()
		if err != nil {
			return nil, err
		}
		peer, _ := netip.ParseAddrPort(conn.RemoteAddr().String()) // as package net writes it
		from := peer.Addr().Unmap()
		if from.IsLoopback() {
			return conn, nil
		}
		f.mu.Lock()
		if f.of[from] >= mostOfMachine || f.n >= mostOfAll {
			f.mu.Unlock()
			conn.Close()
			continue
		}
		f.of[from]++
		f.n++
		f.mu.Unlock()
		return &counted{Conn: conn, left: sync.OnceFunc(func() { f.leave(from) })}, nil
	}
}

func (f *fair) leave(from netip.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n--
	if f.of[from]--; f.of[from] == 0 {
		delete(f.of, from)
	}
}

// A counted connection gives its place back when it is closed.
type counted struct {
	net.Conn
	left func()
}

func (c *counted) Close() error {
	c.left()
	return c.Conn.Close()
}
