// Package page shows a class to itself, in a browser: who is there, the server's processes and their states,
// what happens, as it happens. A projector shows it, and students' own phones and laptops may.
//
// It is a process of its own, a child of the server's. So it goes on while the server is stopped, which is
// what it is there to show; it cannot slow the server, which drops what the page does not take; and whoever
// breaks into it is neither root nor a user of the class's. What it shows it reads in /proc, as anybody
// could, and from the events that the server tells.
//
//	server ── a socket pair: events ─→ page ── server-sent events ─→ browsers
//	       ←─ the instructor's orders ──     ←─ HTTP: the door, scores ──
package page

import (
	"crypto/rand"
	"encoding/json"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"posixlab/server/classroom"
	"posixlab/server/protocol"
)

// Name is the name, argv[0], under which the server's program is the page: see Main.
const Name = "posixlab-page"

// Off is the address of no page.
const Off = "off"

// Settings are what the page is told when it begins.
type Settings struct {
	Lang   protocol.Lang `json:"lang"`
	Title  string        `json:"title"`
	Host   string        `json:"host"` // the machine's address on the LAN
	Port   int           `json:"port"` // of the class, TCP
	Page   int           `json:"page"` // of the page, TCP
	Code   string        `json:"code"` // of the class: for the projector only
	Secret string        `json:"secret"`
	Server int           `json:"server"` // its pid
}

// A Page is the server's side of it.
type Page struct {
	Settings
	listener *net.TCPListener
	fd       int // of the socket pair, the server's end
	pipe     int // on which the ten wait: the end to read

	mu    sync.Mutex
	lost  bool // an event, since the page was slow
	seats func() []classroom.Seat
}

// Open takes the page's address: HOST:PORT, of which the host may be left out.
func Open(addr string, settings Settings) (*Page, error) {
	where, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return nil, protocol.Refuse(badAddress, protocol.Quote(addr))
	}
	listener, err := net.ListenTCP("tcp4", where)
	if err != nil {
		if refused, ok := err.(*net.OpError); ok {
			err = refused.Err
		}
		return nil, protocol.Refuse(noListen, addr, err)
	}
	settings.Page = listener.Addr().(*net.TCPAddr).Port
	settings.Secret = rand.Text()
	return &Page{Settings: settings, listener: listener, fd: -1}, nil
}

// URL is the page's address with the instructor's secret in it, after #, which no browser sends.
func (p *Page) URL() string {
	host := p.listener.Addr().(*net.TCPAddr).IP
	if host.IsUnspecified() {
		host = net.IPv4(127, 0, 0, 1)
	}
	return "http://" + (&net.TCPAddr{IP: host, Port: p.Page}).String() + "/#" + p.Secret
}

// Waiters is a descriptor of the pipe on which the ten wait, to be read.
func (p *Page) Waiters() uintptr { return uintptr(p.pipe) }

// Start starts the page's process, by a function that forks and records a child of the server's. The seats
// are asked for when events were lost.
func (p *Page) Start(fork func(argv []string, attr *syscall.ProcAttr) (pid int, err error), seats func() []classroom.Seat) error {
	// POSIX: int pair[2]; socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	defer unix.Close(pair[1]) // our copy of the page's end
	// POSIX: int pipe[2]; pipe(pipe);
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		unix.Close(pair[0])
		return os.NewSyscallError("pipe", err)
	}
	defer unix.Close(pipe[1]) // our copy of the end to write: the page has the only other one
	listening, err := p.listener.File()
	if err != nil {
		unix.Close(pair[0])
		return err
	}
	defer listening.Close() // our copies of the listening socket: the page has its own
	defer p.listener.Close()
	_, err = fork([]string{Name}, &syscall.ProcAttr{
		Env: []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8"},
		Dir: "/",
		Files: []uintptr{uintptr(unix.Stdin), uintptr(unix.Stdout), uintptr(unix.Stderr), uintptr(pair[1]), listening.Fd(),
			uintptr(pipe[0]), uintptr(pipe[1])},
	})
	if err != nil {
		unix.Close(pair[0])
		return err
	}
	p.fd, p.pipe, p.seats = pair[0], pipe[0], seats
	settings, err := json.Marshal(p.Settings)
	if err != nil {
		return err
	}
	return unix.Send(p.fd, settings, unix.MSG_NOSIGNAL)
}

// Tell tells the page of an event, unless it is behind. It never waits.
func (p *Page) Tell(e classroom.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lost {
		p.lost = !p.send(classroom.Event{Time: e.Time, Kind: classroom.Seated, Seats: p.seats()})
	}
	if !p.lost {
		p.lost = !p.send(e)
	}
}

func (p *Page) send(e classroom.Event) (taken bool) {
	data, err := json.Marshal(e)
	return err == nil && unix.Send(p.fd, data, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL) == nil
}

// Orders hands on what the instructor orders, until the page has ended.
func (p *Page) Orders(obey func(order classroom.Order)) {
	buf := make([]byte, 64)
	for {
		n, _, err := unix.Recvfrom(p.fd, buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return
		}
		obey(classroom.Order(buf[:n]))
	}
}

// What the instructor is told.
var (
	badAddress = protocol.Message{
		EN: "-page %s: give HOST:PORT or :PORT, or off for no page",
		ES: "-page %s: usa HOST:PUERTO o :PUERTO, u off para no tener página"}
	noListen = protocol.Message{
		EN: "-page %s: %v: choose another port, as -page :5081, or -page off",
		ES: "-page %s: %v: elige otro puerto, como -page :5081, o -page off"}
)
