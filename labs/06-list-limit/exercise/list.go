//go:build exercise

// Exercise 6: the 64 KB of LIST.
//
// LIST sends all that ps wrote, however much it is, and holds all of it in memory first.
// A reply has room for protocol.Limit bytes, and for whole lines only; what is left out,
// the server's log says. You write readTable, and the end of list. The rest is given,
// readFull too.
//
//	type first      make check-6
//	by hand         make exercise-6, then ./server/server
//	judged by       boundary, thousands, bounded; segments must go on passing
//	read            pipe(7), read(2), memrchr(3)
//	and its Go      go doc bytes | grep Index
//	good to know    table[:n] is the first n bytes of table
//
// Do the TODOs in the order of their numbers, and type the command again after each.
//
// Ejercicio 6: los 64 KB de LIST.
//
// LIST envía todo lo que escribió ps, sea cuanto sea, y antes lo tiene todo en memoria.
// En una respuesta caben protocol.Limit bytes, y solo líneas completas; lo que queda
// fuera, lo dice la bitácora del servidor. Escribes readTable, y el final de list. Lo
// demás, también readFull, ya está hecho.
//
//	primero escribe make check-6
//	a mano          make exercise-6, y luego ./server/server
//	lo evalúan      boundary, thousands, bounded; segments debe seguir pasando
//	consulta        pipe(7), read(2), memrchr(3)
//	y en Go         go doc bytes | grep Index
//	conviene saber  table[:n] son los primeros n bytes de table
//
// Haz los TODO en el orden de sus números, y después de cada uno repite el comando.

package main

import (
	"bytes"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// list returns the process table: what ps wrote, up to the lecture's 64 KB. ps is a child
// whose standard output is a pipe that we read: the lecture's popen, in its parts.
//
// POSIX: FILE *f = popen("ps -e -o pid,comm", "r");
func (s *server) list(c *client) (string, error) {
	// POSIX: int p[2]; pipe(p);
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return "", protocol.Refuse(protocol.CannotList, "pipe", err)
	}
	ps, err := s.spawn([]string{"ps", "-e", "-o", "pid,comm"}, p[1])
	unix.Close(p[1]) // our copy of the write end: while one is open, read waits for more
	if err != nil {
		unix.Close(p[0]) // the read end: nobody will write
		return "", err
	}
	table, _ := readTable(p[0])
	unix.Close(p[0]) // the read end: all has been read

	// POSIX: pclose(f);
	if <-ps.ended; ps.status != 0 {
		why := protocol.WaitStatus(s.lang, ps.status)
		return "", protocol.Refuse(protocol.ListFailed, why)
	}

	// TODO 4: the client is not told that its table was cut; the log is. Take
	// readTable's second result, too, and say it with logCut and listCut, which want
	// the client's number, what it got, what ps wrote, and the rows lost (see
	// say.go). By hand, with a ps that writes 108,894 bytes: what does the log say of
	// them?
	//
	//	mkdir /tmp/big; printf '#!/bin/sh\nseq 20000\n' >/tmp/big/ps; chmod +x /tmp/big/ps
	//	PATH=/tmp/big:$PATH ./server/server
	//
	// ES 4: al cliente no se le dice que su tabla se cortó; a la bitácora, sí. Toma
	// también el segundo resultado de readTable, y dilo con logCut y listCut, que
	// piden el número del cliente, lo que recibió, lo que escribió ps, y las filas
	// perdidas (mira say.go). A mano, con el ps de arriba, que escribe 108,894 bytes:
	// ¿qué dice de ellos la bitácora?

	// TODO 5: a ps whose first line is longer than the limit leaves no whole line to
	// send. A client that gets no byte waits for ever: the reply is
	// protocol.ListEmpty. By hand: a ps that has head -c 70000 /dev/zero in the place
	// of seq.
	//
	// ES 5: un ps cuya primera línea es más larga que el límite no deja ni una línea
	// completa que enviar. Quien no recibe ni un byte espera para siempre: la
	// respuesta es protocol.ListEmpty. A mano: un ps que tenga
	// head -c 70000 /dev/zero en lugar de seq.
	return string(table), nil
}

// lost counts what a reply leaves out.
type lost struct{ bytes, rows int }

// readTable reads the pipe up to its end and keeps as many whole lines as fit the limit.
// The rest is read too, to be counted, and so that ps is not left blocked on a full pipe.
func readTable(pipe int) (table []byte, left lost) {
	// So far: all of it is kept.
	buf := make([]byte, 32*1024)
	for n := readFull(pipe, buf); n > 0; n = readFull(pipe, buf) {
		table = append(table, buf[:n]...)
	}
	return table, left

	// TODO 1: keep protocol.Limit bytes of it at most; readFull is good at that. But
	// read the pipe to its end all the same: what happens to ps if you do not?
	// pipe(7) on a reader that goes. Now boundary gets 65,536 bytes in its last step,
	// and wants 65,517.
	//
	// ES 1: quédate a lo más con protocol.Limit bytes; para eso sirve readFull. Pero
	// lee la tubería hasta el final de todos modos: ¿qué le pasa a ps si no lo haces?
	// pipe(7), sobre un lector que se va. Ahora boundary recibe en su último paso
	// 65,536 bytes, y quiere 65,517.

	// TODO 2: if something was left out, the table ends in the middle of a line: end
	// it behind the last LF. If nothing was, it is whole, even with 65,536 bytes.
	// boundary and thousands pass.
	//
	// ES 2: si algo quedó fuera, la tabla termina a media línea: que termine detrás
	// del último LF. Si no quedó nada fuera, está completa, aunque tenga 65,536
	// bytes. Pasan boundary y thousands.

	// TODO 3: keep none of what is left out, so that 20 MB need no more memory than
	// 64 KB: then bounded passes, if it does not yet. But count it in left. bytes:
	// also those that TODO 2 cut off; rows: the line that was cut counts once.
	//
	// ES 3: no guardes nada de lo que queda fuera, para que 20 MB no necesiten más
	// memoria que 64 KB: entonces pasa bounded, si no pasaba ya. Pero cuéntalo en
	// left. bytes: también los que quitó el TODO 2; rows: la línea que se cortó
	// cuenta una vez.
}

// rows counts the lines that end in a piece of a table.
func rows(piece []byte) int { return bytes.Count(piece, []byte("\n")) }

// readFull fills buf from a pipe and returns how many bytes it holds: fewer than len(buf)
// only at the end. One read returns what the pipe holds at that moment, and no more.
func readFull(pipe int, buf []byte) (n int) {
	for n < len(buf) {
		// POSIX: ssize_t got = read(pipe, buf + n, len - n);
		got, err := unix.Read(pipe, buf[n:])
		if err == unix.EINTR {
			continue
		}
		if got <= 0 || err != nil {
			break
		}
		n += got
	}
	return n
}
