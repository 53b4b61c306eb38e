//go:build exercise

// Exercise 8: collect the dead.
//
// Nobody waits for children here: each one that ends stays a zombie, and LIST, which
// waits for its ps, never answers. You write reapOnSIGCHLD, which learns that a child has
// ended, and reap, which collects. The rest of this file, and of server/, is given and
// works.
//
//	type first      make check-8
//	by hand         make exercise-8, then ./server/server
//	judged by       before-after, coalesced, storm, nonblocking, no-trace, grandchild
//	read            wait(2), signal(7), sigaction(2), pthread_mutex_lock(3)
//	and its Go      go doc os/signal.Notify, go doc unix.Wait4
//
// Do the TODOs in the order of their numbers, and type the command again after each.
// (Until you have done the second, Ctrl-C takes 10 s: the server waits for its children
// in vain.)
//
// Ejercicio 8: recolectar a los muertos.
//
// Aquí nadie espera a los hijos: el que termina se queda zombi, y LIST, que espera a su
// ps, nunca responde. Escribes reapOnSIGCHLD, que se entera de que terminó un hijo, y
// reap, que recolecta. Lo demás de este archivo, y de server/, ya está hecho y funciona.
//
//	primero escribe make check-8
//	a mano          make exercise-8, y luego ./server/server
//	lo evalúan      before-after, coalesced, storm, nonblocking, no-trace, grandchild
//	consulta        wait(2), signal(7), sigaction(2), pthread_mutex_lock(3)
//	y en Go         go doc os/signal.Notify, go doc unix.Wait4
//
// Haz los TODO en el orden de sus números, y después de cada uno repite el comando.
// (Hasta que hagas el segundo, Ctrl-C tarda 10 s: el servidor espera en vano a sus
// hijos.)

package main

import (
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// A child is a process that the server started and has not yet collected.
type child struct {
	pid    int
	name   string
	status unix.WaitStatus // valid once ended is closed
	ended  chan struct{}
}

// children are those that live, or are zombies. The lock is held from fork until the
// child is recorded, and from wait until it is looked up: else a child that ends at once
// could be collected before anybody knows of it.
type children struct {
	mu     sync.Mutex
	living map[int]*child // by pid
	ending bool           // no more are to be started

	hangupIgnored bool // SIGHUP was ignored when the server was started
}

// reapOnSIGCHLD starts the one thread that collects children. In Go a signal arrives on a
// channel and not in a handler, so reaping is ordinary code, which may lock and log. A
// channel of one is like the kernel's pending bit: ten children that end together may be
// one SIGCHLD.
func (s *server) reapOnSIGCHLD() {
	// TODO 1: have SIGCHLD delivered to this channel, and start a thread (go) that
	// calls s.reap each time that one arrives. To see that it does, let reap say
	// something: println("SIGCHLD").
	//
	// ES 1: haz que SIGCHLD llegue a este canal, e inicia un hilo (go) que llame a
	// s.reap cada vez que llegue una. Para ver que lo hace, que reap diga algo:
	// println("SIGCHLD").
	sigchld := make(chan os.Signal, 1)
	signal.Stop(sigchld) // so far: nothing is delivered to it
}

// reap collects every child that has ended, and returns when none is left to collect. It
// is the only place that waits: a second one would take statuses away from it. (ForkExec
// itself waits for a child whose exec failed; the lock keeps the two apart.)
func (s *server) reap() {
	// TODO 2: collect one child, any one, and its status; then bury it. If none has
	// ended, do not wait for one: waitpid returns 0 for that, if you ask it not to
	// wait. wait(2). LIST answers, and before-after passes.
	//
	// ES 2: recolecta un hijo, cualquiera, y su estado; luego entiérralo (bury). Si
	// ninguno ha terminado, no esperes: para eso waitpid devuelve 0, si le pides que
	// no espere. wait(2). LIST responde, y pasa before-after.

	// TODO 3: ten children that end together may be one SIGCHLD: go on until none is
	// left. How does waitpid say that there are children, and all of them alive? And
	// that there are none at all? EINTR says neither. Then coalesced passes.
	//
	// ES 3: diez hijos que terminan juntos pueden ser una sola SIGCHLD: sigue hasta
	// que no quede ninguno. ¿Cómo dice waitpid que hay hijos, y que todos viven? ¿Y
	// que no hay ninguno? EINTR no dice ni lo uno ni lo otro. Entonces pasa
	// coalesced.

	// TODO 4: spawn (start.go) holds a lock from fork until the child is recorded. If
	// you do not hold it from wait until bury, a child may end and be collected
	// before anybody knows of it. By hand: a program that fork makes and exec cannot
	// run ends at once.
	//
	//	printf garbage >/tmp/garbage; chmod +x /tmp/garbage
	//	yes 'START /tmp/garbage' | head -n 2000 | nc -N 127.0.0.1 5002 >/dev/null
	//
	// Does the log speak of processes that this server did not start? Then storm
	// passes, too, each time that it is told.
	//
	// ES 4: spawn (start.go) retiene un candado desde el fork hasta que el hijo queda
	// registrado. Si no lo retienes desde wait hasta bury, un hijo puede terminar y
	// ser recolectado antes de que alguien sepa de él. A mano, con las líneas de
	// arriba: un programa que fork crea y exec no puede ejecutar termina de
	// inmediato. ¿Habla la bitácora de procesos que este servidor no inició? Entonces
	// también pasa storm, todas las veces.
}

// bury forgets a child that has been collected, and tells who waits for its status. The
// caller must hold the children's lock.
func (s *server) bury(pid int, status unix.WaitStatus) {
	how := protocol.WaitStatus(s.lang, status)
	c, known := s.children.living[pid]
	if !known { // left to us by the program that became this server by exec
		s.log.say(logReap, reapedStranger, pid, how)
		return
	}
	delete(s.children.living, pid)
	// First, since the last to end ends the server.
	s.log.say(logReap, reaped, pid, printable(c.name), how)
	c.status = status
	close(c.ended)
}

// signal sends a signal to the process group of every child, refuses new ones from now
// on, and returns those that it found.
func (cs *children) signal(sig unix.Signal) (found []*child) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.ending = true
	for pid, c := range cs.living {
		if unix.Kill(-pid, sig) == unix.ESRCH { // it moved to another group
			unix.Kill(pid, sig)
		}
		found = append(found, c)
	}
	return found
}

// count returns how many are not collected yet.
func (cs *children) count() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.living)
}
