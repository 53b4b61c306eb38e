package bench

import (
	"bytes"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long anything here may take before it counts as hung.
const patience = 20 * time.Second

// cheap is a request that costs a server next to nothing: no process has this pid.
const cheap = "STOP 2147483647"

// A client is one end of a connection, in blocking calls like those of the server.
type client struct {
	fd  int
	buf []byte
}

func dial(port int) (*client, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	hung := unix.NsecToTimeval(patience.Nanoseconds())
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &hung)
	err = unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	if err != nil {
		unix.Close(fd) // the only copy
		return nil, fmt.Errorf("connect to port %d: %w", port, err)
	}
	return &client{fd: fd}, nil
}

func (c *client) send(text string) error {
	_, err := unix.SendmsgN(c.fd, []byte(text), nil, nil, unix.MSG_NOSIGNAL)
	return err
}

// receive reads until what came satisfies enough, or until the server closes if enough is nil.
func (c *client) receive(enough func([]byte) bool) (got []byte, err error) {
	if c.buf == nil {
		c.buf = make([]byte, 128)
	}
	for length := 0; ; {
		n, _, err := unix.Recvfrom(c.fd, c.buf[length:], 0)
		switch length += max(n, 0); {
		case err == unix.EINTR:
		case err != nil:
			return nil, fmt.Errorf("recv: %w", err)
		case enough == nil && n == 0, enough != nil && enough(c.buf[:length]):
			return c.buf[:length], nil
		case n == 0:
			return nil, fmt.Errorf("the server closed after %q", c.buf[:length])
		case length == len(c.buf):
			c.buf = append(c.buf, make([]byte, length)...)
		}
	}
}

// ask sends a request and reads the reply, one line, which has to hold want.
func (c *client) ask(request, want string) error {
	if err := c.send(request + "\n"); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	line, err := c.receive(func(got []byte) bool { return bytes.HasSuffix(got, []byte("\n")) })
	if err == nil && !bytes.Contains(line, []byte(want)) {
		err = fmt.Errorf("%s was answered by %q", request, line)
	}
	return err
}

// list asks for the process table and reads all of it. Where it ends is not on the wire: the
// reply to a second request, sent once the first bytes have come, marks the place.
func (c *client) list() error {
	if err := c.send("LIST\n"); err != nil {
		return err
	}
	marked := false
	_, err := c.receive(func(got []byte) bool {
		if len(got) > 0 && !marked {
			marked = c.send(cheap+"\n") == nil
		}
		return bytes.Contains(got, []byte("\nError"))
	})
	return err
}

// session connects, makes one request, says EXIT, and reads up to the end that the server makes.
func session(port int) error {
	c, err := dial(port)
	if err != nil {
		return err
	}
	defer unix.Close(c.fd)
	if err := c.ask(cheap, "Error"); err != nil {
		return err
	}
	if err := c.send("EXIT\n"); err != nil {
		return err
	}
	_, err = c.receive(nil)
	return err
}
