//go:build exercise

// Exercise 9: a server that survives its clients.
//
// Polite clients are served well here. One that vanishes ends the server for everybody,
// one that does not read holds everybody up, and each that goes leaves a descriptor
// behind. You mend send, serve and hangUp. The rest of this file, and of server/, is
// given and works.
//
//	type first      make check-9
//	by hand         make exercise-9, then ./server/server
//	judged by       vanish, half-close, junk, slow-reader, descriptors, no-leak
//	read            send(2), signal(7): SIGPIPE; shutdown(2), close(2), recv(2)
//	and its Go      go doc unix.SendmsgN
//
// Do the TODOs in the order of their numbers, and type the command again after each.
//
// Ejercicio 9: un servidor que sobrevive a sus clientes.
//
// Aquí se atiende bien a los clientes educados. Uno que desaparece termina el servidor
// para todos, uno que no lee detiene a todos, y cada uno que se va deja atrás un
// descriptor. Corriges send, serve y hangUp. Lo demás de este archivo, y de server/, ya
// está hecho y funciona.
//
//	primero escribe make check-9
//	a mano          make exercise-9, y luego ./server/server
//	lo evalúan      vanish, half-close, junk, slow-reader, descriptors, no-leak
//	consulta        send(2), signal(7): SIGPIPE; shutdown(2), close(2), recv(2)
//	y en Go         go doc unix.SendmsgN
//
// Haz los TODO en el orden de sus números, y después de cada uno repite el comando.

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
	s.log.say(logAccept, accepted, c.number, c.peer, conn)

	// Two small replies in a row: without this, the second waits for the first to be
	// acknowledged, up to 40 ms (Nagle's algorithm, tcp(7)).
	// POSIX: setsockopt(conn, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	unix.SetsockoptInt(conn, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)

	// POSIX: pthread_create(&thread, &detached, serve, client);
	go s.serve(c)
}

// serve is the thread: it reads a request, runs its verb, sends the reply, and so on
// until the client or the server closes. A goroutine that is blocked in a raw recv holds
// a thread of the kernel's; the lock makes it the same one all along. Then Go keeps the
// thread for a next client.
func (s *server) serve(c *client) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread() // else the thread would end, and the next cost a clone
	defer s.clients.leave(c)
	defer s.log.say(logClosed, closing, c.number)

	requests := requests{conn: c.conn}
	for {
		line, err := requests.next()
		if err == errClosed {
			return
		}
		reply, exit := s.answer(c, line, err)

		// TODO 2: the FIN says that the client will send no more. It may still
		// read, and wait for this reply (shutdown(2)); or it may be gone. The two
		// look the same. Which call tells them apart? Then half-close and junk
		// pass.
		//
		// ES 2: el FIN dice que el cliente ya no enviará nada. Quizá todavía lea,
		// y espere esta respuesta (shutdown(2)); o quizá ya no esté. Los dos se
		// ven igual. ¿Qué llamada los distingue? Entonces pasan half-close y
		// junk.
		if hasClosed(c.conn) {
			return
		}

		// TODO 3: one thread sends at a time, so that no two replies get mixed.
		// But the lock is the client table's, and send waits for as long as its
		// client does not read. Who else sends to this client? Then slow-reader
		// passes.
		//
		// ES 3: un solo hilo envía a la vez, para que no se mezclen dos
		// respuestas. Pero el candado es el de la tabla de clientes, y send
		// espera mientras su cliente no lea. ¿Quién más le envía a este cliente?
		// Entonces pasa slow-reader.
		s.clients.mu.Lock()
		err = send(c.conn, reply)
		s.clients.mu.Unlock()
		if err != nil || exit {
			return // the client went, or the session is over
		}
	}
}

// hasClosed reports whether our end of a connection is in CLOSE_WAIT: the client's FIN is
// here.
func hasClosed(conn int) bool {
	const closeWait = 8 // as in /proc/net/tcp
	info, err := unix.GetsockoptTCPInfo(conn, unix.IPPROTO_TCP, unix.TCP_INFO)
	return err == nil && info.State == closeWait
}

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

// send writes a whole reply, however many calls it takes. An error says that the client
// has gone. (SendmsgN, since x/sys's Send does not tell how much was taken.)
func send(conn int, reply string) error {
	// TODO 5: a call may take less than it was given, and says how much: the rest is
	// yours to send. EINTR: a signal came before anything was taken. By hand, with a
	// ps that writes much, and a second terminal for the last line:
	//
	//	mkdir /tmp/big; printf '#!/bin/sh\nseq 11000\n' >/tmp/big/ps; chmod +x /tmp/big/ps
	//	PATH=/tmp/big:$PATH ./server/server
	//	(yes LIST | head -n 100; echo EXIT) | nc 127.0.0.1 5002 | (sleep 9; wc -c)
	//
	// One send is now blocked. Before the 9 s are over, stop the server with Ctrl-Z
	// and go on with fg. Of 5,489,400 bytes and a goodbye, how many arrive?
	//
	// ES 5: una llamada puede tomar menos de lo que se le dio, y dice cuánto: el
	// resto te toca enviarlo a ti. EINTR: llegó una señal antes de que tomara algo. A
	// mano, con el ps de arriba, que escribe mucho, y otra terminal para la última
	// línea: un send queda bloqueado. Antes de que pasen los 9 s, detén el servidor
	// con Ctrl-Z y reanúdalo con fg. De 5,489,400 bytes y una despedida, ¿cuántos
	// llegan?
	_, err := unix.SendmsgN(conn, []byte(reply), nil, nil, 0)

	// TODO 1: the client has gone, and we go with it. In C this takes no line of
	// yours: send raises SIGPIPE, whose default is death; Go ignores it for sockets,
	// so these two lines stand for it. Which flag of send(2) keeps the signal away?
	// And whose business is the error? Read the contract above. Then vanish passes.
	//
	// ES 1: el cliente se fue, y nosotros con él. En C no hace falta ni una línea
	// tuya: send provoca SIGPIPE, cuya acción por omisión es la muerte; Go la ignora
	// en los sockets, así que estas dos líneas hacen sus veces. ¿Qué bandera de
	// send(2) evita la señal? ¿Y a quién le toca el error? Lee el contrato de arriba.
	// Entonces pasa vanish.
	if err != nil {
		println("send:", err.Error())
		unix.Exit(1)
	}
	return nil
}

// hangUp closes a connection. What has arrived and was not read is read first: closing a
// socket that holds unread bytes resets the connection, and a reset could overtake our
// last reply.
func hangUp(conn int) {
	// TODO 6: read what has arrived, and wait for nothing: recv(2), MSG_DONTWAIT. No
	// more than protocol.Limit bytes, since a client may send for ever. By hand,
	// before and after:
	//
	//	(echo EXIT; head -c 60000 /dev/zero) | nc -N 127.0.0.1 5002
	//
	// ES 6: lee lo que ya llegó, sin esperar nada: recv(2), MSG_DONTWAIT. No más de
	// protocol.Limit bytes, porque un cliente puede enviar sin parar. A mano, antes y
	// después, con la línea de arriba: ¿llega la despedida?

	// TODO 4: the client sees the end, and all is well? ls -l /proc/PID/fd after ten
	// clients have gone. shutdown(2) ends the connection; which call gives back the
	// descriptor? Then descriptors and no-leak pass.
	//
	// ES 4: el cliente ve el fin, ¿y todo bien? ls -l /proc/PID/fd cuando ya se
	// fueron diez clientes. shutdown(2) termina la conexión; ¿qué llamada devuelve el
	// descriptor? Entonces pasan descriptors y no-leak.
	unix.Shutdown(conn, unix.SHUT_RDWR)
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

// leave forgets a client and closes its connection, in this order: once it is closed, the
// kernel may give the descriptor's number to the next connection.
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

// hangUp wakes every thread that is blocked on its client: recv sees the end of the
// stream, and send fails.
func (cs *clients) hangUp() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for c := range cs.joined {
		unix.Shutdown(c.conn, unix.SHUT_RDWR)
	}
}
