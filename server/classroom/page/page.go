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
	"fmt"
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
	Host   string        `json:"host"`  // the machine's address on the LAN
	Port   int           `json:"port"`  // of the class, TCP
	Page   int           `json:"page"`  // of the page, TCP
	Shown  string        `json:"shown"` // the address at which others see the page
	Names  int           `json:"names"` // how many students one machine may be
	Code   string        `json:"code"`  // of the class: for the projector only
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
	ended bool
	seats func() []classroom.Seat
}

// Open takes the page's address: HOST:PORT, of which the host may be left out.
func Open(addr string, settings Settings) (*Page, error) {
	where, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil || addr == "" {
		return nil, protocol.Refuse(badAddress, protocol.Quote(addr))
	}
	listener, err := net.ListenTCP("tcp4", where)
	if err != nil {
		if refused, ok := err.(*net.OpError); ok {
			err = refused.Err
		}
		return nil, protocol.Refuse(noListen, addr, err)
	}
	settings.Page, settings.Shown = listener.Addr().(*net.TCPAddr).Port, settings.Host
	if !where.IP.IsUnspecified() && where.IP != nil {
		settings.Shown = where.IP.String()
	}
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
	defer p.listener.Close() // our copy: the page has its own
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
	p.fd, p.pipe, p.seats = pair[0], pipe[0], seats
	if err := p.begin(fork, pair[1], pipe[1]); err != nil {
		p.close()
		return err
	}
	return nil
}

func (p *Page) begin(fork func(argv []string, attr *syscall.ProcAttr) (pid int, err error), pair, exit int) error {
	// The page's copy of the end to read, which never waits, is not the children's: it is opened anew.
	wait, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", p.pipe), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("open", err)
	}
	defer unix.Close(wait) // our copy
	listening, err := p.listener.File()
	if err != nil {
		return err
	}
	defer listening.Close() // our copy
	_, err = fork([]string{Name}, &syscall.ProcAttr{
		Env: []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8"},
		Dir: "/",
		Files: []uintptr{uintptr(unix.Stdin), uintptr(unix.Stdout), uintptr(unix.Stderr), uintptr(pair), listening.Fd(),
			uintptr(wait), uintptr(exit)},
	})
	if err != nil {
		return err
	}
	settings, err := json.Marshal(p.Settings)
	if err != nil {
		return err
	}
	return os.NewSyscallError("send", unix.Send(p.fd, settings, unix.MSG_NOSIGNAL))
}

// close ends the page, if it lives: it reads that nobody is there.
func (p *Page) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.ended = true
		unix.Close(p.fd)   // the only copy
		unix.Close(p.pipe) // the children's are theirs
	}
}

// Tell tells the page of an event, unless it is behind. It never waits.
func (p *Page) Tell(e classroom.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
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
	defer p.close()
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
