//go:build exercise

// Exercise 1: the life of a connection.
//
// This server has a socket, and nobody can find it: it has no port and no queue. (Its log
// says that it listens. A log says what a program believes; the kernel's table says what
// is so.) You write what is missing in two functions, listen and acceptClients. The rest
// of this file, and of server/, is given and works.
//
//	type first      make check-1
//	by hand         make exercise-1, then ./server/server
//	judged by       lifecycle, backlog, address-in-use, restart
//	read            bind(2), listen(2), accept(2), ip(7), socket(7)
//	and its Go      go doc unix.Bind
//
// Do the TODOs in the order of their numbers, and type the command again after each.
//
// Ejercicio 1: la vida de una conexión.
//
// Este servidor tiene un socket, y nadie lo puede encontrar: le faltan un puerto y una
// cola. (Su bitácora dice que escucha. Una bitácora dice lo que cree un programa; la
// tabla del kernel, lo que es.) Escribes lo que falta en dos funciones, listen y
// acceptClients. Lo demás de este archivo, y de server/, ya está hecho y funciona.
//
//	primero escribe make check-1
//	a mano          make exercise-1, y luego ./server/server
//	lo evalúan      lifecycle, backlog, address-in-use, restart
//	consulta        bind(2), listen(2), accept(2), ip(7), socket(7)
//	y en Go         go doc unix.Bind
//
// Haz los TODO en el orden de sus números, y después de cada uno repite el comando.

package main

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// backlog is how many connections the kernel may complete and hold for us before we
// accept them. The kernel lowers it to net.core.somaxconn (listen(2)).
const backlog = 128

// listen makes the socket that clients find: the first three steps in the life of a
// connection. A step that fails ends the server, and says what to do.
func (s *server) listen() (fd int) {
	// 1. An end point for TCP over IPv4. It has no address yet.
	// POSIX: int fd = socket(AF_INET, SOCK_STREAM, 0);
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		s.cannotStart(protocol.Refuse(callFailed, "socket", err))
	}

	// TODO 5: have the server close a connection (echo EXIT | nc 127.0.0.1 5002),
	// stop it, and start it again: for a minute bind fails, since that connection
	// stands on the port in TIME_WAIT. Before bind, set the option of socket(7) that
	// allows the address to be used again. setsockopt(2), go doc unix.SetsockoptInt.
	// Then restart passes.
	//
	// ES 5: haz que el servidor cierre una conexión (echo EXIT | nc 127.0.0.1 5002),
	// detenlo y arráncalo otra vez: durante un minuto bind falla, porque esa conexión
	// sigue en el puerto, en TIME_WAIT. Antes de bind, activa la opción de socket(7)
	// que permite volver a usar la dirección. setsockopt(2),
	// go doc unix.SetsockoptInt. Entonces pasa restart.

	// TODO 1: bind the socket to s.port, on all interfaces. bind(2), ip(7):
	// INADDR_ANY; go doc unix.SockaddrInet4. If bind fails, the server cannot start:
	// s.explain, below, says why. The check still fails in the same place; by hand
	// you see more: ./server/server -port 70000, a port that there is not.
	//
	// ES 1: enlaza el socket a s.port, en todas las interfaces. bind(2), ip(7):
	// INADDR_ANY; go doc unix.SockaddrInet4. Si bind falla, el servidor no puede
	// arrancar: s.explain, más abajo, dice por qué. La evaluación falla todavía en el
	// mismo lugar; a mano se ve más: ./server/server -port 70000, un puerto que no
	// existe.

	// TODO 2: from here on the kernel is to complete handshakes, and to queue as many
	// connections as backlog says. listen(2). Now `ss -ltn` shows a LISTEN line; but the
	// server ends when its first client comes, the judge's own too: that is TODO 3.
	//
	// ES 2: de aquí en adelante, que el kernel complete los handshakes y forme en la
	// cola tantas conexiones como diga backlog. listen(2). Ahora `ss -ltn` muestra
	// una línea LISTEN; pero el servidor termina cuando llega su primer cliente, también
	// el del evaluador: eso es el TODO 3.

	local, _ := unix.Getsockname(fd) // names the port that the kernel chose for -port 0
	s.log.say(logListen, listening, address(local), backlog)
	return fd
}

// acceptClients is the server's main loop, step 4: it takes each connection from the
// queue and delegates it to a thread. It returns when the listening socket has been shut
// down.
func (s *server) acceptClients(fd int) {
	// So far: one client, and then the server ends. Any error ends it, too.
	conn, peer, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
	if err != nil {
		s.cannotStart(protocol.Refuse(callFailed, "accept", err))
	}
	s.delegate(conn, peer)

	// TODO 3: a server accepts one client after another, for as long as it runs.
	// delegate does not wait for its client: it gives it a thread. Then all but
	// restart pass.
	//
	// ES 3: un servidor acepta a un cliente tras otro, mientras siga en marcha.
	// delegate no espera a su cliente: le da un hilo. Entonces pasan todos, menos
	// restart.

	// TODO 4: not every error of accept is the end. In accept(2), look for EINTR, and
	// for ECONNABORTED: what is there to do after each? EINVAL means here that Ctrl-C
	// has shut the socket down: close fd, which is the only copy, and return. Until
	// then Ctrl-C ends the server with an error; afterwards its last line is
	// "children ended: 0". All other errors are acceptWithSpare's, below: read what
	// it wants and what it returns.
	//
	// ES 4: no todo error de accept es el fin. En accept(2), busca EINTR y
	// ECONNABORTED: ¿qué hay que hacer después de cada uno? EINVAL quiere decir aquí
	// que un Ctrl-C cerró el paso con shutdown(2): cierra fd, que es la única copia,
	// y regresa. Hasta entonces, Ctrl-C termina el servidor con un error; después, su
	// última línea es "hijos terminados: 0". Los demás errores le tocan a
	// acceptWithSpare, más abajo: lee qué pide y qué devuelve.
}

// openSpare takes a descriptor that has no other use than to be given back when there is
// none left to accept with.
func (s *server) openSpare() int {
	spare, err := unix.FcntlInt(uintptr(s.null), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return -1
	}
	return spare
}

// acceptWithSpare is for accept's EMFILE and its kin. The connection stays in the queue,
// so calling accept again at once would fail again, for ever, at full speed. Giving the
// spare descriptor back makes room to accept one client, and to tell it; without a spare
// it waits until a client leaves. It returns the spare for the next time.
func (s *server) acceptWithSpare(spare, fd int, cause error) int {
	s.log.say(logFailed, callFailed, "accept", cause)
	if spare >= 0 {
		unix.Close(spare) // makes room for one descriptor
		conn, peer, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		// Shut down: leave the room to accept, which is to see it too.
		if err == unix.EINVAL {
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

// onThisMachine reports whether a connection's two ends are on one machine: by the
// loopback network, 127.0.0.0/8, or with one and the same address at both ends.
func onThisMachine(local, peer unix.Sockaddr) bool {
	here, isIPv4 := local.(*unix.SockaddrInet4)
	there, isIPv4Too := peer.(*unix.SockaddrInet4)
	return isIPv4 && isIPv4Too && (there.Addr[0] == 127 || there.Addr == here.Addr)
}

// address writes an IPv4 socket address as ADDR:PORT.
func address(sa unix.Sockaddr) string {
	if in, ok := sa.(*unix.SockaddrInet4); ok {
		a := in.Addr
		return fmt.Sprintf("%d.%d.%d.%d:%d", a[0], a[1], a[2], a[3], in.Port)
	}
	return "?"
}

// explain says why bind or listen failed, and what to do about it. Of two servers that
// start at the same moment both may bind; the second then fails to listen.
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
