// Package protocol is what the server and the client agree on: the port, the limits, the verbs
// with their aliases, how a line becomes a request, and what is said in English and in Spanish.
//
// A request is one line of text: a verb and its arguments, split at runs of spaces and tabs.
//
//	LIST             the process table
//	START cmd arg…   run a program
//	STOP pid         end a process by force
//	EXIT             close the session
//
// A reply is text. The reply to a request that failed begins with "Error".
package protocol

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// Port is the TCP port of the lecture.
	Port = 5002

	// Limit is the lecture's 64 KB, in bytes: of a request line without its line ending,
	// and of a LIST reply.
	Limit = 65536

	// MaxPID is the largest value of a pid_t, a signed 32-bit integer. Linux itself stops at
	// 4,194,304 (proc(5), pid_max), so no process ever has it.
	MaxPID = 1<<31 - 1
)

// Verb is what a request asks for.
type Verb int

const (
	List Verb = iota
	Start
	Stop
	Exit
)

// Names are each verb's own name and then its aliases, in capitals: those that existing
// clients of this protocol send, in English and in Spanish.
var Names = [...][]string{
	List:  {"LIST", "LISTAR", "LS", "PS", "LISTA", "VER", "SHOW", "MOSTRAR", "PROCESOS", "PROCESSES"},
	Start: {"START", "INICIAR", "RUN", "EJECUTAR", "LAUNCH", "LANZAR", "EXEC", "CORRER", "BEGIN", "EMPEZAR", "CREATE", "CREAR"},
	Stop:  {"STOP", "DETENER", "KILL", "MATAR", "END", "TERMINAR", "FINISH", "FINALIZAR", "CANCEL", "CANCELAR", "HALT", "PARAR"},
	Exit:  {"EXIT", "SALIR", "QUIT", "BYE", "ADIOS", "ADIÓS", "CLOSE", "CERRAR", "DISCONNECT", "DESCONECTAR"},
}

// String returns the verb's own name.
func (v Verb) String() string { return Names[v][0] }

// verbs finds a verb by any of its names.
var verbs = func() map[string]Verb {
	m := make(map[string]Verb)
	for verb, names := range Names {
		for _, name := range names {
			m[name] = Verb(verb)
		}
	}
	return m
}()

// A Request is a line that makes sense: a verb and the arguments that it takes.
type Request struct {
	Verb Verb
	Args []string // START: argv, at least one. STOP: one pid, not yet checked. Else none.
}

// Parse reads one line, given without its line ending, as a request. Its error is always a
// Refusal, which says what to do in the language of the class.
func Parse(line string) (Request, error) {
	if !utf8.ValidString(line) {
		return Request{}, Refuse(NotUTF8)
	}
	if strings.ContainsFunc(line, func(r rune) bool { return r != '\t' && unicode.IsControl(r) }) {
		return Request{}, Refuse(ControlByte)
	}
	// START tokens OMIT
	tokens := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' })
	if len(tokens) == 0 {
		return Request{}, Refuse(EmptyLine)
	}
	verb, known := verbs[strings.ToUpper(tokens[0])]
	if !known {
		return Request{}, Refuse(UnknownVerb, Quote(tokens[0]))
	}
	// END tokens OMIT
	args := tokens[1:]
	switch {
	case verb == Start && len(args) == 0:
		return Request{}, Refuse(NeedsProgram)
	case verb == Stop && len(args) != 1:
		return Request{}, Refuse(NeedsPID)
	case verb == List && len(args) > 0, verb == Exit && len(args) > 0:
		return Request{}, Refuse(NeedsNothing, verb)
	}
	return Request{verb, args}, nil
}

// ParsePID reads the argument of STOP: decimal digits only, from 2 to MaxPID. A sign, a letter
// or a larger number is refused here, since atoi(3) would turn it into another process's pid:
// 4294967298 wraps around to 2, and −1 means every process there is (kill(2)).
//
// START pid OMIT
func ParsePID(arg string) (int, error) {
	if strings.Trim(arg, "0123456789") != "" {
		return 0, Refuse(NotAPID, Quote(arg))
	}
	pid, err := strconv.ParseInt(arg, 10, 32)
	if err != nil {
		return 0, Refuse(PIDTooLarge, Quote(arg), MaxPID)
	}
	if pid < 2 {
		return 0, Refuse(ProtectedPID, pid)
	}
	return int(pid), nil
}

// END pid OMIT

// Quote shows a piece of a request within a reply or a log line: in double quotes, with
// control bytes and bad UTF-8 escaped, and cut after 40 runes.
func Quote(s string) string {
	runes := 0
	for i := range s {
		if runes++; runes > 40 {
			return strconv.Quote(s[:i]) + "…"
		}
	}
	return strconv.Quote(s)
}
