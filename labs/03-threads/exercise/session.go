//go:build exercise

// Exercise 3: a thread for each client.
//
// This server serves a client in the very thread that accepts: nobody else gets in until
// that client has gone, and it goes after one request. You write the thread, its session,
// and what threads share, in delegate, serve, answer, join and leave. The rest is given
// and works.
//
//	type first      make check-3
//	by hand         make exercise-3, then ./server/server
//	judged by       dedicated, crowd, slow, in this order
//	read            pthread_create(3), pthread_detach(3), pthread_mutex_lock(3)
//	and its Go      go f(x) calls f in a thread that nobody joins; go doc sync.Mutex
//
// Do the TODOs in the order of their numbers, and type the command again after each.
//
// Ejercicio 3: un hilo para cada cliente.
//
// Este servidor atiende al cliente en el mismo hilo que acepta: nadie más entra hasta que
// ese cliente se va, y se va después de una petición. Escribes el hilo, su sesión y lo
// que comparten los hilos, en delegate, serve, answer, join y leave. Lo demás ya está
// hecho y funciona.
//
//	primero escribe make check-3
//	a mano          make exercise-3, y luego ./server/server
//	lo evalúan      dedicated, crowd, slow, en este orden
//	consulta        pthread_create(3), pthread_detach(3), pthread_mutex_lock(3)
//	y en Go         go f(x) llama a f en un hilo que nadie espera; go doc sync.Mutex
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
	seat   client        // so far the only one: see join
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

	// TODO 1: while we serve this client, nobody calls accept. Let a thread of its
	// own serve it, detached, so that we return at once. Now two hundred can connect,
	// and in dedicated each has a thread that waits in recv.
	//
	// ES 1: mientras atendemos a este cliente, nadie llama a accept. Que lo atienda
	// su propio hilo, detached (separado), para regresar de inmediato. Ahora se
	// pueden conectar doscientos, y en dedicated cada uno tiene un hilo que espera en
	// recv.
	s.serve(c)
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
	line, err := requests.next()
	if err == errClosed {
		return
	}
	reply, _ := s.answer(c, line, err)
	send(c.conn, reply)

	// TODO 3: a session is many requests. It ends when next says that the client has
	// closed, when send fails, or when answer says that it was EXIT; no other error
	// ends it. Then crowd passes.
	//
	// ES 3: una sesión son muchas peticiones. Termina cuando next dice que el cliente
	// cerró, cuando send falla, o cuando answer dice que fue EXIT; ningún otro error
	// la termina. Entonces pasa crowd.
}

// answer runs one request, or says why not.
func (s *server) answer(c *client, line string, err error) (reply string, exit bool) {
	// TODO 4: cs.mu, the lock of the client table, is held here while a request runs.
	// LIST waits for ps, and everybody waits for LIST, even those who are yet to come
	// in. What of the table does a request touch? Then slow passes.
	//
	// ES 4: aquí se retiene cs.mu, el candado de la tabla de clientes, mientras corre
	// una petición. LIST espera a ps, y todos esperan a LIST, hasta quien apenas va a
	// entrar. ¿Qué toca de la tabla una petición? Entonces pasa slow.
	s.clients.mu.Lock()
	defer s.clients.mu.Unlock()

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

// send writes a whole reply, however many calls it takes: one send may take less than it
// was given. MSG_NOSIGNAL: a client that has gone is the error EPIPE, not the signal
// SIGPIPE. (SendmsgN, since x/sys's Send does not tell how much was taken.)
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

// hangUp closes a connection. What has arrived and was not read is read first: closing a
// socket that holds unread bytes resets the connection, and a reset could overtake our
// last reply.
func hangUp(conn int) {
	var rest [4096]byte
	for range protocol.Limit / len(rest) { // no more: a client may send for ever
		n, _, err := unix.Recvfrom(conn, rest[:], unix.MSG_DONTWAIT)
		if n <= 0 || err != nil {
			break
		}
	}
	// POSIX: close(conn);
	unix.Close(conn) // the only copy: no child has one, so the client sees the end
}

// join records a client, or returns nil if there are most already.
func (cs *clients) join(conn int, peer string, most int) *client {
	// TODO 2: there is one seat, and whoever comes sits down in it. All threads then
	// use the descriptor that was accepted last: c1 asks, and c200 gets the reply.
	// Make each client a record of its own, put it into cs.joined, and return its
	// address. joined and count are shared with other threads: hold cs.mu while you
	// touch them, as hangUp does, at the end of this file. Then dedicated passes.
	//
	// ES 2: hay un solo lugar, y en él se sienta quien llegue. Así todos los hilos
	// usan el descriptor que se aceptó al último: pregunta c1, y la respuesta le
	// llega a c200. Haz para cada cliente su propio registro, ponlo en cs.joined, y
	// devuelve su dirección. joined y count se comparten con otros hilos: retén cs.mu
	// mientras los tocas, como hace hangUp, al final de este archivo. Entonces pasa
	// dedicated.
	cs.count++
	cs.seat = client{cs.count, conn, peer}
	return &cs.seat

	// TODO 5: if most clients have joined already, return nil; delegate then refuses
	// this one. By hand: ./server/server -max-clients 2, and three times nc. The
	// third is told so.
	//
	// ES 5: si ya hay most clientes, devuelve nil; entonces delegate rechaza a este.
	// A mano: ./server/server -max-clients 2, y tres veces nc. Al tercero se le dice.
}

// leave forgets a client and closes its connection, in this order: once it is closed, the
// kernel may give the descriptor's number to the next connection.
func (cs *clients) leave(c *client) {
	// TODO 6: forget the client first, under the lock; see the contract for why
	// first. By hand: when one of the two has gone, the third gets in.
	//
	// ES 6: primero olvida al cliente, con el candado; el contrato dice por qué
	// primero. A mano: cuando se va uno de los dos, el tercero entra.
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
