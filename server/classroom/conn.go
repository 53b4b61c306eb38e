package classroom

import (
	"errors"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// A Conn is the connection of a guest, who cannot keep its thread for ever: she has some time to say HELLO, and
// to read each reply, and her machine has to be there.
type Conn struct {
	fd     int
	limits Limits
	hello  time.Time // when she has to have said HELLO; zero: she has
}

// tcp are options of each connection (tcp(7)). A machine that is cut off, or switched off, sends nothing, not even
// a FIN. So when nothing has come from it for a while, the kernel asks it whether it is there.
var tcp = map[int]int{
	unix.TCP_NODELAY:      1,      // or a second small reply waits until the first is acknowledged
	unix.TCP_KEEPIDLE:     10,     // s of silence until the kernel asks
	unix.TCP_KEEPINTVL:    5,      // s from question to question
	unix.TCP_USER_TIMEOUT: 30_000, // ms of silence, or of a reply that is not acknowledged, until recv and send fail
}

// NewConn takes a connection that was just accepted.
func NewConn(fd int, limits Limits) *Conn {
	// A reply is no longer than that, and what nobody reads is the kernel's memory (times 2: socket(7)).
	// POSIX: int size = LIMIT; setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, protocol.Limit)
	for option, value := range tcp {
		// POSIX: setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof seconds); …
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, option, value)
	}
	// POSIX: int on = 1; setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	return &Conn{fd, limits, time.Now().Add(limits.Hello)}
}

// Joined says that the guest has said HELLO: now she may think.
func (c *Conn) Joined() {
	if !c.hello.IsZero() {
		c.hello = time.Time{}
		// POSIX: struct timeval none = { 0 }; setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof none);
		unix.SetsockoptTimeval(c.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{})
	}
}

// Read waits for bytes, until it is too late for HELLO: however many came, and one by one, before.
func (c *Conn) Read(buf []byte) (int, error) {
	for {
		if !c.hello.IsZero() {
			if err := c.waitUntil(c.hello, unix.SO_RCVTIMEO); err != nil {
				return 0, err
			}
		}
		// POSIX: ssize_t n = recv(fd, buf, sizeof buf, 0);
		n, _, err := unix.Recvfrom(c.fd, buf, 0)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// ErrUnread says that a guest did not read her reply in time.
var ErrUnread = errors.New("the reply was not read")

// Send writes a whole reply, or as much of it as is read in time.
func (c *Conn) Send(reply string) error {
	late := time.Now().Add(c.limits.Reply)
	for rest := []byte(reply); len(rest) > 0; {
		if c.waitUntil(late, unix.SO_SNDTIMEO) != nil {
			return ErrUnread
		}
		// POSIX: ssize_t n = send(fd, rest, len, MSG_NOSIGNAL);
		n, err := unix.SendmsgN(c.fd, rest, nil, nil, unix.MSG_NOSIGNAL)
		switch err {
		case nil:
			rest = rest[n:]
		case unix.EINTR, unix.EAGAIN: // waitUntil knows whether it is too late
		default:
			return err
		}
	}
	return nil
}

// waitUntil has the next recv, or send, wait no longer than until then: it fails with EAGAIN. It is too late
// already if that is past.
func (c *Conn) waitUntil(then time.Time, option int) error {
	left := time.Until(then)
	if left <= 0 {
		return unix.ETIMEDOUT
	}
	limit := unix.NsecToTimeval(max(left, time.Microsecond).Nanoseconds()) // 0 would be no limit
	// POSIX: setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	return unix.SetsockoptTimeval(c.fd, unix.SOL_SOCKET, option, &limit)
}

// Unread writes down that a guest's connection is closed since she does not read.
func (g *Guest) Unread() {
	c := g.class
	e := entry{Time: c.now(), Event: "unread", Peer: g.peer.String(), Reply: unread.In(c.opt.Lang, c.opt.Limits.Reply)}
	if g.student != nil {
		e.Student = g.student.name
	}
	c.log.write(e)
}
