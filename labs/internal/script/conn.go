package script

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/proc"
	"posixlab/labs/internal/show"
	"posixlab/labs/internal/target"
)

// A conn is a client's end of a connection. A goroutine keeps reading, so that the server is
// never blocked by us unless a script wants it.
type conn struct {
	name          string
	tcp           *net.TCPConn
	local, remote netip.AddrPort
	captured      map[string]string // named groups of the last reply's pattern
	wake          chan struct{}     // told when something arrived
	hearing
	listen func()    // begins to read, if it has not
	flood  *flood    // asks while the client does not read; nil if nothing does
	asked  int       // how many replies that flood wants; known once the client reads
	inode  uint64    // of the server's end, once it was seen to be held
	sent   time.Time // when the last bytes were

	mu    sync.Mutex
	buf   []byte // arrived, and not yet part of a reply
	over  error  // io.EOF, ECONNRESET, …: nothing more will arrive
	calls int    // how often recv returned since a script asked last
}

// A hearing is how a client reads.
type hearing struct {
	deaf bool // not before a script wants a reply
	recv int  // so many bytes with each call, which are counted; 0: as it likes
}

// dial opens a connection. With the server frozen and its queue full, the kernel drops the
// handshake, and the hang says so.
func (s *Story) dial(name string, how hearing) error {
	if s.server == nil {
		return misuse("no server was started")
	}
	if s.conn(name) != nil {
		return misuse("there is a connection " + name + " already")
	}
	type result struct {
		tcp net.Conn
		err error
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dialled := make(chan result, 1)
	wake := make(chan struct{}, 1)
	to := fmt.Sprintf("127.0.0.1:%d", s.server.Port)
	go func() {
		var dialer net.Dialer
		if how.deaf {
			dialer.Control = asOnEthernet
		}
		tcp, err := dialer.DialContext(ctx, "tcp4", to)
		dialled <- result{tcp, err}
		wake <- struct{}{}
	}()
	var got result
	expected := s.say(show.Text{
		EN: "the kernel completes the handshake of %s with %s",
		ES: "el kernel completa el handshake de %s con %s"}, name, to)
	quiet := max(target.QuietSYN, s.Patience)
	if st, err := proc.ReadStat(s.server.PID); err == nil && st.State == "T" {
		quiet = target.Quiet // frozen: however often the SYN is sent, nobody makes room for it
	}
	err := s.awaitStill(quiet, wake, expected,
		func() string {
			cancel()
			if late := <-dialled; late.tcp != nil {
				late.tcp.Close()
			}
			return s.say(show.Text{EN: "no answer to the SYN", ES: "nadie respondió al SYN"})
		},
		func() (bool, error) {
			select {
			case got = <-dialled:
				return true, nil
			default:
				return false, nil
			}
		})
	if err != nil {
		return err
	}
	if errors.Is(got.err, unix.ECONNREFUSED) {
		return &failure{expected, s.say(show.Text{
			EN: "connection refused (ECONNREFUSED): nobody listens there",
			ES: "conexión rechazada (ECONNREFUSED): nadie escucha ahí"})}
	}
	if errors.Is(got.err, unix.ECONNRESET) {
		return &failure{expected, s.sayEnd(got.err)}
	}
	if got.err != nil {
		return got.err
	}
	c := &conn{
		name:    name,
		tcp:     got.tcp.(*net.TCPConn),
		local:   got.tcp.LocalAddr().(*net.TCPAddr).AddrPort(),
		remote:  got.tcp.RemoteAddr().(*net.TCPAddr).AddrPort(),
		wake:    make(chan struct{}, 1),
		hearing: how,
	}
	c.listen = sync.OnceFunc(func() {
		c.asked = c.flood.stop()
		go c.receive()
	})
	s.conns = append(s.conns, c)
	if !how.deaf {
		c.listen()
	}
	return nil
}

// asOnEthernet lowers the size of a new connection's segments from the loopback network's 64 KB to
// what fits an Ethernet frame. The kernel gives a sender room for some tens of segments, which is 4 MB
// or, so, less than 1 MB.
func asOnEthernet(_, _ string, raw syscall.RawConn) error {
	const segment = 1460
	return raw.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, segment)
	})
}

// tooMuch is how many bytes of replies, not yet taken, are too many: a flood has a few MB.
const tooMuch = 16 << 20

var errFlood = errors.New("it sends without end")

// receive keeps what arrives until the connection is over.
func (c *conn) receive() {
	part := make([]byte, cmp.Or(c.recv, 64*1024))
	for {
		n, err := c.tcp.Read(part)
		c.mu.Lock()
		c.calls++
		c.buf = append(c.buf, part[:n]...)
		if err == nil && len(c.buf) > tooMuch {
			err = errFlood
		}
		c.over = err
		c.mu.Unlock()
		select {
		case c.wake <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// arrived is what waits to be taken, and how the connection ended, if it did.
func (c *conn) arrived() ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf, c.over
}

// take removes the first n bytes that arrived, and returns them.
func (c *conn) take(n int) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := bytes.Clone(c.buf[:n])
	c.buf = append([]byte(nil), c.buf[n:]...)
	return taken
}

// countCalls is how many calls of recv it took since this was asked last; 0 if they are not counted.
func (c *conn) countCalls() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = 0
	if c.recv == 0 {
		return 0
	}
	return calls
}

// write sends bytes in one call.
func (s *Story) write(c *conn, data []byte) error {
	var err error
	if _, over := c.arrived(); over != nil && over != errFlood {
		err = unix.EPIPE // the kernel would take the bytes all the same, and learn it later
	} else {
		c.sent = time.Now()
		_, err = c.tcp.Write(data)
	}
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		return &failure{
			s.say(show.Text{EN: "a connection that takes a request", ES: "una conexión que acepta una petición"}),
			s.sayEnd(io.EOF)}
	}
	return err
}

// conn finds a connection by name; nil if there is none.
func (s *Story) conn(name string) *conn {
	for _, c := range s.conns {
		if c.name == name {
			return c
		}
	}
	return nil
}

// need finds a connection by name.
func (s *Story) need(name string) (*conn, error) {
	if c := s.conn(name); c != nil {
		s.focus = c
		return c, nil
	}
	return nil, misuse("no connection is called " + name)
}

// forget drops a connection that has been closed.
func (s *Story) forget(c *conn) {
	for i := range s.conns {
		if s.conns[i] == c {
			s.conns = append(s.conns[:i], s.conns[i+1:]...)
			return
		}
	}
}

// sayEnd tells how a connection ended: most often the server closed it, but a server that ends
// leaves that to its kernel.
func (s *Story) sayEnd(err error) string {
	if how := s.serverEnded(); how != "" && err != errFlood {
		return how
	}
	switch {
	case err == io.EOF:
		return s.say(show.Text{
			EN: "the server closed the connection",
			ES: "el servidor cerró la conexión"})
	case err == errFlood:
		return s.say(show.Text{
			EN: "more than %s bytes: the server sends without end",
			ES: "más de %s bytes: el servidor envía sin fin"}, show.Thousands(tooMuch))
	case errors.Is(err, unix.ECONNRESET):
		return s.say(show.Text{
			EN: "the server's end was reset (ECONNRESET)",
			ES: "el extremo del servidor cortó la conexión (ECONNRESET)"})
	}
	return err.Error()
}

// An end is one of a connection's two ends, or the listening socket, as scripts name it.
type end struct {
	conn   *conn
	server bool // the server's end
}

// findEnd reads "listener", "NAME" for a client's own end, or "NAME@server" for the other. A
// connection that was hung up can still be named: its other end may outlive it.
func (s *Story) findEnd(name string) (end, error) {
	if name == "listener" {
		return end{}, nil
	}
	name, server := strings.CutSuffix(name, "@server")
	for _, c := range slices.Concat(s.conns, s.past) {
		if c.name == name {
			return end{c, server}, nil
		}
	}
	return end{}, misuse("no connection is called " + name)
}

// matches reports whether a line of the kernel's table is this end.
func (e end) matches(t proc.TCP, port int) bool {
	switch {
	case e.conn == nil:
		return t.State == proc.Listen && int(t.Local.Port()) == port
	case e.server:
		return t.Local == e.conn.remote && t.Remote == e.conn.local
	}
	return t.Local == e.conn.local && t.Remote == e.conn.remote
}
