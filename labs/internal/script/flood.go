package script

import (
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/proc"
	"posixlab/labs/internal/show"
	"posixlab/labs/internal/target"
)

// A flood asks for LIST again and again on behalf of a client that does not read: each time when all of
// the reply before is with the kernel. So there is always a reply that the server is about to send, or
// in the middle of sending: however much room the kernel still finds, it is soon full.
type flood struct {
	conn    *conn
	server  int // its pid
	request []byte
	size    int // of a reply
	over    chan struct{}
	done    chan struct{}

	mu    sync.Mutex
	asked int
	err   error
}

// run asks until stop.
func (f *flood) run() {
	defer close(f.done)
	for next, late := 0, 0; ; {
		// In the middle of a send the kernel's counts can be ahead of it: see delivered. A server that is
		// never seen asleep is asked all the same.
		busy := working(f.server) && late < patience
		late++
		if !busy && delivered(f.conn) >= next {
			late = 0
			_, err := f.conn.tcp.Write(f.request)
			f.mu.Lock()
			f.err = err
			if err == nil {
				f.asked++
			}
			next = f.asked * f.size
			f.mu.Unlock()
			if err != nil {
				return
			}
		}
		select {
		case <-f.over:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// patience is how many looks a server is given to be asleep.
const patience = 20

// working reports whether a server runs, or sends.
func working(pid int) bool {
	threads, _ := proc.Threads(pid)
	return slices.ContainsFunc(threads, func(th proc.Thread) bool {
		return th.State != "S" || slices.Contains(sending, th.Call)
	})
}

// stop ends the flood, and returns how often it has asked.
func (f *flood) stop() int {
	if f == nil {
		return 0
	}
	select {
	case <-f.over:
	default:
		close(f.over)
	}
	<-f.done
	return f.asked
}

// stalled is how long nothing more has been delivered by a thread that is in a sending call: it waits
// for the client. A segment that the client's kernel dropped for want of room is sent anew after 200 ms
// (RFC 6298, and Linux's minimum), which may be progress once more.
const stalled = 500 * time.Millisecond

// cmdFlood starts a flood, and waits until the server is in the middle of sending: in a sending call or,
// if it is built another way, standing still with a reply that is not whole.
func (s *Story) cmdFlood(c *call) error {
	if len(c.args) != 2 || s.table == nil {
		return misuse("flood NAME LIST, after a table")
	}
	conn, err := s.need(c.args[0])
	if err != nil {
		return err
	}
	if !conn.deaf || conn.flood != nil {
		return misuse(conn.name + " is not deaf, or is asking already")
	}
	f := &flood{conn: conn, server: s.server.PID, request: []byte(c.args[1] + "\n"), size: len(fits(s.table)),
		over: make(chan struct{}), done: make(chan struct{})}
	conn.flood = f
	go f.run()

	last, since := -1, time.Now()
	err = s.run.AwaitStill(s.quiet(), nil, func() (bool, error) {
		f.mu.Lock()
		asked, err := f.asked, f.err
		f.mu.Unlock()
		if err != nil {
			return false, &failure{
				s.say(show.Text{EN: "a connection that takes requests", ES: "una conexión que acepta peticiones"}), err.Error()}
		}
		if got := delivered(conn); got != last {
			last, since = got, time.Now()
		}
		threads, err := proc.Threads(s.server.PID)
		if err != nil {
			return false, err
		}
		waits := slices.ContainsFunc(threads, func(th proc.Thread) bool {
			return th.State == "S" && slices.Contains(sending, th.Call)
		})
		return waits && last > 0 && last < asked*f.size && time.Since(since) > stalled, nil
	})
	threads, _ := proc.Threads(s.server.PID)
	if hang, ok := errors.AsType[*target.Hang](err); ok && (!hang.Quiet || last <= 0 || !anyIn(threads, selecting...)) {
		return &failure{
			s.say(show.Text{
				EN: "a server that is in the middle of sending to %s",
				ES: "un servidor que está a la mitad de enviarle a %s"}, conn.name),
			s.say(show.Text{EN: "%s bytes on their way (%s)", ES: "%s bytes en camino (%s)"}, show.Thousands(max(last, 0)), s.sayHang(hang))}
	} else if err != nil && !ok {
		return err
	}
	s.Out.Sends(conn.name, s.say(show.Text{EN: "%s   (again and again)", ES: "%s   (una y otra vez)"}, c.args[1]))
	s.Out.Note(show.Text{
		EN: "%s reads nothing; %s bytes are with the kernel, and the rest with the server",
		ES: "%s no lee nada; el kernel tiene %s bytes, y el servidor el resto"}, conn.name, show.Thousands(last))
	return nil
}

// delivered is how many bytes for a client that does not read are with the kernel: those that wait in
// its own socket, and those that wait at the server's end until they are acknowledged. What is in the client's
// socket and not acknowledged yet would count twice; so acknowledgements that are held back are sent first
// (TCP_QUICKACK, tcp(7)). While the server's thread is in send, the kernel cannot take them in.
func delivered(conn *conn) (bytes int) {
	raw, err := conn.tcp.SyscallConn()
	if err != nil {
		return 0
	}
	raw.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
		bytes, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ)
	})
	table, err := proc.TCPTable()
	if err != nil {
		return 0
	}
	for _, t := range table {
		if (end{conn, true}).matches(t, 0) {
			bytes += t.SendQueue
		}
	}
	return bytes
}
