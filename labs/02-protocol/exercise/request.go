//go:build exercise

// Exercise 2: where a request ends.
//
// This server takes what one recv brings for one request. TCP never promised that. You
// write next, which gives out one line at a time however the bytes came, and a line of
// whole. The rest of this file, and of server/, is given and works.
//
//	type first      make check-2
//	by hand         make exercise-2, then ./server/server
//	judged by       stream, step after step; the other scenarios must go on passing
//	read            recv(2), tcp(7), memchr(3)
//	and its Go      go doc bytes.Cut, go doc bytes.TrimSuffix
//	good to know    append(a, b...) copies b behind a; a[:0] and nil are empty
//
// Do the TODOs in the order of their numbers, and type the command again after each.
//
// Ejercicio 2: dónde termina una petición.
//
// Este servidor toma lo que trae un recv por una petición. TCP nunca prometió eso.
// Escribes next, que entrega una línea a la vez sin importar cómo llegaron los bytes, y
// una línea de whole. Lo demás de este archivo, y de server/, ya está hecho y funciona.
//
//	primero escribe make check-2
//	a mano          make exercise-2, y luego ./server/server
//	lo evalúa       stream, paso a paso; los demás escenarios deben seguir pasando
//	consulta        recv(2), tcp(7), memchr(3)
//	y en Go         go doc bytes.Cut, go doc bytes.TrimSuffix
//	conviene saber  append(a, b...) copia b detrás de a; a[:0] y nil están vacíos
//
// Haz los TODO en el orden de sus números, y después de cada uno repite el comando.

package main

import (
	"bytes"
	"errors"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// errClosed says that a client has no more requests: it closed its end, or the connection
// broke.
var errClosed = errors.New("connection closed")

// requests cuts what a client sends into lines. TCP is a stream of bytes: one recv may
// bring half a request, or three and a half, so only the line ending says where a request
// ends.
type requests struct {
	conn    int
	held    []byte // received, and not yet part of a request that was returned
	skip    bool   // within a line that was too long: drop bytes up to its end
	arrived [4096]byte
}

// next returns the next line without its ending, which is LF or CR LF. A last line that
// the client did not end counts. A line of more than protocol.Limit bytes is an error,
// once, and the rest of it is skipped. errClosed is the end.
func (r *requests) next() (string, error) {
	// So far: whatever one recv brings is a request.
	n, err := recv(r.conn, r.arrived[:])
	if err != nil || n == 0 {
		return "", errClosed
	}
	return whole(bytes.TrimSuffix(r.arrived[:n], []byte("\n")))

	// TODO 1: a line may come byte by byte. Gather what arrives in r.held, and call
	// recv again and again until r.held has a LF; only then is there a line to
	// return. Step 1 passes.
	//
	// ES 1: una línea puede llegar byte por byte. Junta en r.held lo que va llegando,
	// y llama a recv una y otra vez hasta que r.held tenga un LF; solo entonces hay
	// una línea que devolver. Pasa el paso 1.

	// TODO 2: one recv may bring ten lines. Return the first, and keep in r.held what
	// stands behind its LF. The next call finds the second line there: it must look
	// before it calls recv, which would wait for a client that has said all. Step 2
	// passes.
	//
	// ES 2: un recv puede traer diez líneas. Devuelve la primera, y guarda en r.held
	// lo que hay detrás de su LF. La siguiente llamada encuentra ahí la segunda
	// línea: debe mirar antes de llamar a recv, que esperaría a un cliente que ya
	// dijo todo. Pasa el paso 2.

	// TODO 3 is in whole, below.
	// ES 3 está en whole, más abajo.

	// TODO 4: recv has returned 0: the client will send no more, but can still read.
	// If r.held has a line without its LF, that is the last request; errClosed comes
	// after it. Steps 4 to 6 pass: whole knows the limit.
	//
	// ES 4: recv devolvió 0: el cliente ya no enviará nada, pero todavía puede leer.
	// Si en r.held hay una línea sin LF, es la última petición; errClosed viene
	// después. Pasan los pasos 4 a 6: whole conoce el límite.

	// TODO 5: all passes. But a client may send for ever and never end its line. Once
	// r.held is longer than a line and its CR can be (protocol.Limit), the reply is
	// the error of whole, at once, and r.held is dropped. By hand, before and after:
	// the memory of the server.
	//
	//	head -c 50000000 /dev/zero | nc -N 127.0.0.1 5002 | wc -l
	//	grep VmHWM /proc/$(pgrep -nx server)/status
	//
	// ES 5: todo pasa. Pero un cliente puede enviar sin parar y no terminar nunca su
	// línea. En cuanto r.held sea más larga de lo que puede ser una línea con su CR
	// (protocol.Limit), la respuesta es el error de whole, de inmediato, y r.held se
	// descarta. A mano, antes y después, con las líneas de arriba: la memoria del
	// servidor.

	// TODO 6: now one long line gets hundreds of errors (wc -l), since what is left
	// of it is taken for requests. While r.skip is true, drop what arrives, up to the
	// LF and not one byte more. There is one error for the line; what stands behind
	// its LF is the next request.
	//
	// ES 6: ahora una sola línea larga recibe cientos de errores (wc -l), porque lo
	// que resta de ella se toma por peticiones. Mientras r.skip sea verdadero,
	// descarta lo que llegue, hasta el LF y ni un byte más. Hay un solo error por
	// línea; lo que sigue a su LF es la siguiente petición.
}

// whole takes the CR off a line's end and checks the length of what is left.
func whole(line []byte) (string, error) {
	// TODO 3: a line may end in CR LF. The LF is gone already. Step 3 passes.
	//
	// ES 3: una línea puede terminar en CR LF. El LF ya no está. Pasa el paso 3.

	if len(line) > protocol.Limit {
		return "", protocol.Refuse(protocol.TooLong, protocol.Limit)
	}
	return string(line), nil
}

// recv waits for bytes from the client and returns how many came: 0 when the client has
// closed.
func recv(conn int, buf []byte) (int, error) {
	for {
		// POSIX: ssize_t n = recv(conn, buf, sizeof buf, 0);
		n, _, err := unix.Recvfrom(conn, buf, 0)
		if err != unix.EINTR {
			return n, err
		}
	}
}
