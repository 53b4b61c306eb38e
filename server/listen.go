package main

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// backlog is how many connections the kernel may complete and hold for us before we accept
// them. The kernel lowers it to net.core.somaxconn (listen(2)).
const backlog = 128

// listen makes the socket that clients find: the first three steps in the life of a connection.
// A step that fails ends the server, and says what to do.
func (s *server) listen() (fd int) {
	// START socket OMIT
	// 1. An end point for TCP over IPv4. It has no address yet.
	// POSIX: int fd = socket(AF_INET, SOCK_STREAM, 0);
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		s.cannotStart(protocol.Refuse(callFailed, "socket", err))
	}

	// Connections that we closed stay on the port in TIME_WAIT for a minute (tcp(7)). Without
	// this option, bind would call the address in use until the last of them is gone.
	// POSIX: int on = 1; setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err != nil {
		s.cannotStart(protocol.Refuse(callFailed, "setsockopt SO_REUSEADDR", err))
	}

	// END socket OMIT
	// START bind OMIT
	// 2. The port, on all interfaces: INADDR_ANY is 0.0.0.0.
	// POSIX: struct sockaddr_in addr = { AF_INET, htons(port), { htonl(INADDR_ANY) } };
	// POSIX: bind(fd, (struct sockaddr *)&addr, sizeof addr);
	err = unix.Bind(fd, &unix.SockaddrInet4{Port: s.port})
	if err != nil {
		s.cannotStart(s.explain("bind", err))
	}

	// 3. From here on the kernel completes handshakes, and queues them for accept.
	// POSIX: listen(fd, backlog);
	err = unix.Listen(fd, backlog)
	if err != nil {
		s.cannotStart(s.explain("listen", err))
	}

	// END bind OMIT
	local, _ := unix.Getsockname(fd) // names the port that the kernel chose for -port 0
	s.log.say(logListen, listening, address(local), backlog)
	return fd
}

// acceptClients is the server's main loop, step 4: it takes each connection from the queue and
// delegates it to a thread. It returns when the listening socket has been shut down.
//
// START accept OMIT
func (s *server) acceptClients(fd int) {
	spare := s.openSpare()
	for {
		// POSIX: int conn = accept(fd, (struct sockaddr *)&peer, &len);
		conn, peer, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		switch err {
		case nil:
			s.delegate(conn, peer)
		case unix.EINTR, unix.ECONNABORTED: // a signal; a client that left the queue
			continue
		case unix.EINVAL: // shut down
			unix.Close(fd) // the only copy: no child has one
			return
		default: // no descriptor, or no memory, for one more
			spare = s.acceptWithSpare(spare, fd, err)
		}
	}
}

// END accept OMIT

// openSpare takes a descriptor that has no other use than to be given back when there is none
// left to accept with.
func (s *server) openSpare() int {
	spare, err := unix.FcntlInt(uintptr(s.null), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return -1
	}
	return spare
}

// acceptWithSpare is for accept's EMFILE and its kin. The connection stays in the queue, so calling
// accept again at once would fail again, for ever, at full speed. Giving the spare descriptor
// back makes room to accept one client, and to tell it; without a spare it waits until a client
// leaves. It returns the spare for the next time.
func (s *server) acceptWithSpare(spare, fd int, cause error) int {
	s.log.say(logFailed, callFailed, "accept", cause)
	// START spare OMIT
	if spare >= 0 {
		unix.Close(spare) // makes room for one descriptor
		conn, peer, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		if err == unix.EINVAL { // shut down: leave the room to accept, which is to see it too
			return -1
		}
		if err == nil {
			spare = s.openSpare()
			if spare >= 0 { // while accept waited for this client, another one left
				s.delegate(conn, peer)
				return spare
			}
			s.refuse(conn, protocol.Refuse(protocol.NoDescriptors))
			return s.openSpare()
		}
	}
	// END spare OMIT
	select {
	case <-s.clients.left:
	case <-time.After(time.Second): // ENFILE, ENOMEM: the machine's, not ours to know
	}
	return s.openSpare()
}

// refuse tells a connection that was accepted why it is not served, and closes it.
func (s *server) refuse(conn int, why error) {
	send(conn, protocol.ErrorReply(s.lang, why))
	hangUp(conn)
}

// onThisMachine reports whether a connection's two ends are on one machine: by the loopback
// network, 127.0.0.0/8, or with one and the same address at both ends.
func onThisMachine(local, peer unix.Sockaddr) bool {
	here, isIPv4 := local.(*unix.SockaddrInet4)
	there, isIPv4Too := peer.(*unix.SockaddrInet4)
	return isIPv4 && isIPv4Too && (there.Addr[0] == 127 || there.Addr == here.Addr)
}

// address writes an IPv4 socket address as ADDR:PORT.
func address(sa unix.Sockaddr) string {
	if in, ok := sa.(*unix.SockaddrInet4); ok {
		return fmt.Sprintf("%d.%d.%d.%d:%d", in.Addr[0], in.Addr[1], in.Addr[2], in.Addr[3], in.Port)
	}
	return "?"
}

// explain says why bind or listen failed, and what to do about it. Of two servers that start at
// the same moment both may bind; the second then fails to listen.
func (s *server) explain(call string, err error) error {
	switch {
	case s.port < 0 || s.port > 65535:
		return protocol.Refuse(portRange, s.port)
	case err == unix.EADDRINUSE:
		return protocol.Refuse(portInUse, call, s.port, err)
	case err == unix.EACCES:
		return protocol.Refuse(portPrivileged, call, s.port, err)
	}
	return protocol.Refuse(noBind, call, s.port, err)
}
