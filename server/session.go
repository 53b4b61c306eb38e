package main

import (
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// A client is one connection and the thread that serves it.
type client struct {
	number int    // 1, 2, …: how the log names it
	conn   int    // the descriptor of its socket
	peer   string // ADDR:PORT of its other end
}

// clients are those that are connected.
type clients struct {
	mu     sync.Mutex
	joined map[*client]bool
	count  int           // of all that ever joined
	left   chan struct{} // told when one has left
}

// delegate gives a new connection to a thread of its own, so that the caller can go on
// accepting. The thread is detached: nobody joins it.
func (s *server) delegate(conn int, peer unix.Sockaddr) {
	local, _ := unix.Getsockname(conn)
	if !s.open && !onThisMachine(local, peer) {
		s.log.say(logFailed, refusedPeer, address(peer))
		s.refuse(conn, protocol.Refuse(protocol.NotThisMachine))
		return
	}
	c := s.clients.join(conn, address(peer), s.maxClients)
	if c == nil {
		s.log.say(logFailed, refusedFull, address(peer))
		s.refuse(conn, protocol.Refuse(protocol.TooManyClients, s.maxClients))
		return
	}
	// START delegate OMIT
	s.log.say(logAccept, accepted, c.number, c.peer, conn)

	// Two small replies in a row: without this, the second waits until the first has been
	// acknowledged, up to 40 ms (Nagle's algorithm, tcp(7)).
	// POSIX: setsockopt(conn, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	unix.SetsockoptInt(conn, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)

	// POSIX: pthread_create(&thread, &detached, serve, client);
	go s.serve(c)
	// END delegate OMIT
}

// serve is the thread: it reads a request, runs its verb, sends the reply, and so on until the
// client or the server closes. A goroutine that is blocked in a raw recv holds a thread of the
// kernel's; the lock makes it the same one all along. Then Go keeps the thread for a next client.
//
// START serve OMIT
func (s *server) serve(c *client) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread() // else it would end here, and the next cost a clone
	defer s.clients.leave(c)
	defer s.log.say(logClosed, closing, c.number)

	requests := requests{conn: c.conn}
	for {
		line, err := requests.next()
		if err == errClosed {
			return
		}
		reply, exit := s.answer(c, line, err)
		if send(c.conn, reply) != nil || exit {
			return // the client went, or the session is over
		}
	}
}

// END serve OMIT

// answer runs one request, or says why not.
func (s *server) answer(c *client, line string, err error) (reply string, exit bool) {
	var req protocol.Request
	if err == nil {
		s.log.say(logRequest, requested, c.number, printable(line))
		req, err = protocol.Parse(line)
	}
	if err == nil {
		switch req.Verb {
		case protocol.List:
			reply, err = s.list(c)
		case protocol.Start:
			reply, err = s.start(req.Args)
		case protocol.Stop:
			reply, err = s.stop(req.Args[0])
		case protocol.Exit:
			return protocol.Goodbye.In(s.lang) + "\n", true
		}
	}
	if err != nil {
		reply = protocol.ErrorReply(s.lang, err)
		s.log.say(logFailed, answered, c.number, reply)
	}
	return reply, false
}

// send writes a whole reply, however many calls it takes: one send may take less than it was
// given. MSG_NOSIGNAL: a client that has gone is the error EPIPE, not the signal SIGPIPE. (SendmsgN,
// since x/sys's Send does not tell how much was taken.)
//
// START send OMIT
func send(conn int, reply string) error {
	for rest := []byte(reply); len(rest) > 0; {
		// POSIX: ssize_t n = send(conn, rest, len, MSG_NOSIGNAL);
		n, err := unix.SendmsgN(conn, rest, nil, nil, unix.MSG_NOSIGNAL)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// END send OMIT

// hangUp closes a connection. What has arrived and was not read is read first: closing a socket
// that holds unread bytes resets the connection, and a reset could overtake our last reply.
func hangUp(conn int) {
	var rest [4096]byte
	for range protocol.Limit / len(rest) { // no more: a client may send for ever
		n, _, err := unix.Recvfrom(conn, rest[:], unix.MSG_DONTWAIT)
		if n <= 0 || err != nil {
			break
		}
	}
	// POSIX: close(conn);
	unix.Close(conn) // the only copy: no child has one, so the client sees the end at once
}

// join records a client, or returns nil if there are most already.
func (cs *clients) join(conn int, peer string, most int) *client {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if len(cs.joined) >= most {
		return nil
	}
	cs.count++
	c := &client{cs.count, conn, peer}
	cs.joined[c] = true
	return c
}

// leave forgets a client and closes its connection, in this order: once it is closed, the kernel
// may give the descriptor's number to the next connection.
func (cs *clients) leave(c *client) {
	cs.mu.Lock()
	delete(cs.joined, c)
	cs.mu.Unlock()
	hangUp(c.conn)
	select {
	case cs.left <- struct{}{}:
	default: // told already
	}
}

// hangUp wakes every thread that is blocked on its client: recv sees the end of the stream, and
// send fails.
func (cs *clients) hangUp() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for c := range cs.joined {
		unix.Shutdown(c.conn, unix.SHUT_RDWR)
	}
}
