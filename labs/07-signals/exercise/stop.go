//go:build exercise

// Exercise 7: STOP, a forced end.
//
// This STOP asks nicely, says OK whatever came of it, and reads its argument as atoi(3)
// does. You write stop, and parsePID, which says what a pid is. (protocol.ParsePID says
// it too: write your own first, then compare.) You also write isUs. The rest of server/
// is given and works.
//
//	type first      make check-7
//	by hand         make exercise-7, then ./server/server
//	judged by       forced, stopped, errors, pids (masks, orderly-end pass already)
//	read            kill(2), signal(7), atoi(3), strtol(3), tgkill(2)
//	and its Go      go doc unix.Kill, go doc strconv.ParseInt, go doc unix.Tgkill
//
// Until you have done them all, type no STOP with a pid that you do not know. Do the
// TODOs in the order of their numbers, and type the command again after each.
//
// Ejercicio 7: STOP, terminación forzada.
//
// Este STOP lo pide por las buenas, dice OK pase lo que pase, y lee su argumento como
// atoi(3). Escribes stop, y parsePID, que dice qué es un pid. (También lo dice
// protocol.ParsePID: escribe primero la tuya, y luego compara.) También escribes isUs. Lo
// demás de server/ ya está hecho y funciona.
//
//	primero escribe make check-7
//	a mano          make exercise-7, y luego ./server/server
//	lo evalúan      forced, stopped, errors, pids (masks y orderly-end ya pasan)
//	consulta        kill(2), signal(7), atoi(3), strtol(3), tgkill(2)
//	y en Go         go doc unix.Kill, go doc strconv.ParseInt, go doc unix.Tgkill
//
// Mientras no estén todos hechos, no escribas ningún STOP con un pid que no conozcas. Haz
// los TODO en el orden de sus números, y después de cada uno repite el comando.

package main

import (
	"strconv"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// stop ends a process by force: SIGKILL can be neither caught, blocked nor ignored
// (signal(7)). The kernel decides who may: EPERM if the process is another user's, ESRCH
// if there is none.
func (s *server) stop(arg string) (string, error) {
	pid, err := parsePID(arg)
	if err != nil {
		return "", err
	}
	if isUs(pid) {
		return "", protocol.Refuse(protocol.ProtectedPID, pid)
	}

	// TODO 1: the reply below says SIGKILL; what is sent? forced and stopped pass.
	//
	// ES 1: la respuesta de abajo dice SIGKILL; ¿qué se envía? Pasan forced y
	// stopped.

	// TODO 2: kill may fail, and its error says why: ESRCH is not EPERM (kill(2)).
	// Then the reply is protocol.CannotStop, with both the pid and the error. errors
	// passes.
	//
	// ES 2: kill puede fallar, y su error dice por qué: ESRCH no es EPERM (kill(2)).
	// Entonces la respuesta es protocol.CannotStop, con el pid y el error. Pasa
	// errors.
	unix.Kill(pid, unix.SIGTERM)

	return protocol.Stopped.In(s.lang, pid) + "\n", nil
}

// parsePID reads the argument of STOP: decimal digits only, from 2 to protocol.MaxPID.
// Whatever else it is given is an error, so that nobody is signalled by mistake.
func parsePID(arg string) (int, error) {
	// TODO 3: 12abc is not 12, and neither are 0x12, 12.0 and +12: anything but the
	// digits 0 to 9 is protocol.NotAPID, which quotes it (protocol.Quote). pids gets
	// as far as its large numbers.
	//
	// ES 3: 12abc no es 12, ni lo son 0x12, 12.0 y +12: todo lo que no sean los
	// dígitos 0 a 9 es protocol.NotAPID, que lo muestra (protocol.Quote). pids llega
	// hasta los números grandes.

	// TODO 4: a pid is 32 bits wide, and 4294967298 cut to 32 bits is 2. Read the
	// number with a function that does not cut it, but tells you.
	// protocol.PIDTooLarge. pids gets as far as its last numbers: 0, 1, and the
	// server itself.
	//
	// ES 4: un pid mide 32 bits, y 4294967298 cortado a 32 bits es 2. Lee el número
	// con una función que no lo corte, sino que avise. protocol.PIDTooLarge. pids
	// llega hasta los últimos números: 0, 1 y el propio servidor.
	pid := atoi(arg)

	// kill takes 0 and less for groups and for everybody (kill(2)), and 1 is init.
	// This line stands between a wrong parsePID and all of your processes: leave it
	// where it is.
	if pid < 2 {
		return 0, protocol.Refuse(protocol.ProtectedPID, pid)
	}
	return pid, nil
}

// atoi reads a number as atoi(3) does: from the front, for as long as there are digits.
// What is too large for 64 bits becomes the largest that is not, and then 32 bits of it
// are kept. Nobody is told.
func atoi(arg string) int {
	end := 0
	if arg[0] == '-' {
		end = 1
	}
	for end < len(arg) && arg[end] >= '0' && arg[end] <= '9' {
		end++
	}
	n, _ := strconv.ParseInt(arg[:end], 10, 64) // strtol(3)
	return int(int32(n))
}

// isUs reports whether pid is the server's own, or one of its threads': on Linux kill
// takes a thread's id for that of its process.
func isUs(pid int) bool {
	// TODO 5: unix.Getpid knows the first. For the second, look at tgkill(2): it
	// takes a process and a thread, and signal 0 is none: only the check is made
	// (kill(2)). pids passes. By hand: ls /proc/PID/task, and STOP with one of the
	// numbers that are not PID.
	//
	// ES 5: unix.Getpid conoce el primero. Para lo segundo, mira tgkill(2): pide un
	// proceso y un hilo, y la señal 0 no es ninguna: solo se hace la revisión
	// (kill(2)). Pasa pids. A mano: ls /proc/PID/task, y STOP con uno de los números
	// que no son PID.
	return false
}
