//go:build exercise

// Exercise 5: how LIST hears what ps writes.
//
// ps runs here, and what it writes goes to /dev/null: nobody hears it. You write the
// pipe, in list, and read it to its end, in readFull. readTable, which cuts the table at
// 64 KB, is given; it is lab 6's. So is the rest of server/.
//
//	type first      make check-5
//	by hand         make exercise-5, then ./server/server
//	judged by       popen, capacity, eof, ps-fails; sigpipe and ps-missing too
//	read            popen(3) does all of it; pipe(7), pipe2(2), read(2), close(2)
//	and its Go      go doc unix.Pipe2, go doc unix.Read
//
// Do the TODOs in the order of their numbers, and type the command again after each.
//
// Ejercicio 5: cómo LIST escucha lo que escribe ps.
//
// Aquí corre ps, y lo que escribe va a /dev/null: nadie lo escucha. Escribes la tubería,
// en list, y la lees hasta su final, en readFull. readTable, que corta la tabla en 64 KB,
// ya está hecha; es del laboratorio 6. También lo demás de server/.
//
//	primero escribe make check-5
//	a mano          make exercise-5, y luego ./server/server
//	lo evalúan      popen, capacity, eof, ps-fails; también sigpipe y ps-missing
//	consulta        popen(3) lo hace todo; pipe(7), pipe2(2), read(2), close(2)
//	y en Go         go doc unix.Pipe2, go doc unix.Read
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
	// TODO 1: make a pipe, both of its ends close-on-exec, and use it in the two
	// places below where s.null stands: one end is for ps, as its standard output,
	// and one for us to read. If there is no pipe, the reply is protocol.CannotList.
	// LIST now has an answer.
	//
	// ES 1: haz una tubería, con los dos extremos close-on-exec, y úsala en los dos
	// lugares de abajo donde está s.null: un extremo es para ps, como su salida
	// estándar, y el otro para que leamos. Si no hay tubería, la respuesta es
	// protocol.CannotList. LIST ya tiene respuesta.
	ps, err := s.spawn([]string{"ps", "-e", "-o", "pid,comm"}, s.null)

	// TODO 2: ps has a copy of the write end, and so have we. A reader sees the end
	// of the file only when every copy is closed: pipe(7). Close ours, whether ps has
	// started or not; and if it has not, which end is still open? ls -l /proc/PID/fd
	// shows what is left after LIST. capacity passes.
	//
	// ES 2: ps tiene una copia del extremo de escritura, y nosotros también. Quien
	// lee ve el fin de archivo solo cuando se cerraron todas las copias: pipe(7).
	// Cierra la nuestra, haya iniciado ps o no; y si no, ¿qué extremo sigue abierto?
	// ls -l /proc/PID/fd muestra lo que queda después de LIST. Pasa capacity.
	if err != nil {
		return "", err
	}
	table, lost := readTable(s.null)

	// TODO 3: all has been read. Which end is still open? Then popen passes.
	//
	// ES 3: ya se leyó todo. ¿Qué extremo sigue abierto? Entonces pasa popen.

	// The reaper collects ps and closes the channel: this waits for it, as pclose
	// does.
	<-ps.ended

	// TODO 5: half a table from a ps that failed is not to be trusted. ps.status says
	// how it ended: the reply to any status but 0 is protocol.ListFailed, with
	// protocol.WaitStatus to say why. Then ps-fails passes.
	//
	// ES 5: media tabla de un ps que falló no es de fiar. ps.status dice cómo
	// terminó: la respuesta a cualquier estado distinto de 0 es protocol.ListFailed,
	// y protocol.WaitStatus dice por qué. Entonces pasa ps-fails.
	if lost.bytes > 0 {
		s.log.say(logCut, listCut, c.number, len(table), len(table)+lost.bytes, lost.rows)
	}
	if len(table) == 0 { // no reply at all would leave the client waiting
		return "", protocol.Refuse(protocol.ListEmpty, protocol.Limit)
	}
	return string(table), nil
}

// lost counts what a reply leaves out.
type lost struct{ bytes, rows int }

// readTable reads the pipe up to its end and keeps as many whole lines as fit the limit.
// The rest is read too, to be counted, and so that ps is not left blocked on a full pipe.
func readTable(pipe int) (table []byte, left lost) {
	buf := make([]byte, protocol.Limit)
	kept := readFull(pipe, buf)
	table = buf[:kept]
	if kept < len(buf) {
		return table, left
	}
	rest := make([]byte, 32*1024)
	for n := readFull(pipe, rest); n > 0; n = readFull(pipe, rest) {
		left.bytes += n
		left.rows += bytes.Count(rest[:n], []byte("\n"))
	}
	if left.bytes > 0 {
		end := bytes.LastIndexByte(table, '\n') + 1
		left.bytes += len(table) - end
		table = table[:end]
	}
	return table, left
}

// readFull fills buf from a pipe and returns how many bytes it holds: fewer than len(buf)
// only at the end. One read returns what the pipe holds at that moment, and no more.
func readFull(pipe int, buf []byte) (n int) {
	// TODO 4: keep the promise above: one read is not enough. Where in buf does the
	// next one go? How does read(2) tell the end of the file? And which of its errors
	// only means: try again? Then eof passes.
	//
	// ES 4: cumple lo que se promete arriba: un read no basta. ¿En qué parte de buf
	// va el siguiente? ¿Cómo indica read(2) el fin de archivo? ¿Y cuál de sus errores
	// solo quiere decir: intenta otra vez? Entonces pasa eof.
	n, err := unix.Read(pipe, buf)
	if err != nil {
		return 0
	}
	return n
}
