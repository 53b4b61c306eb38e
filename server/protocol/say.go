package protocol

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Lang is a language that the pair speaks.
type Lang string

const (
	English Lang = "en"
	Spanish Lang = "es"
)

// LangOf finds the reader's language in the environment: the first of LC_ALL, LC_MESSAGES and
// LANG that is set decides (setlocale(3)), and what is not Spanish is English.
func LangOf(getenv func(string) string) Lang {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if value := getenv(name); value != "" {
			if strings.HasPrefix(value, string(Spanish)) {
				return Spanish
			}
			return English
		}
	}
	return English
}

// A Message is one thing to say, in each language: two formats with the same verbs.
type Message struct{ EN, ES string }

// In formats the message in a language. An argument that is a unix.Errno is said in it too.
func (m Message) In(lang Lang, args ...any) string {
	args = slices.Clone(args)
	for i, arg := range args {
		if errno, ok := arg.(unix.Errno); ok {
			args[i] = Errno(lang, errno)
		}
	}
	if lang == Spanish {
		return fmt.Sprintf(m.ES, args...)
	}
	return fmt.Sprintf(m.EN, args...)
}

// A Refusal says why a request was not carried out.
type Refusal struct {
	Why  Message
	Args []any
}

// Refuse makes a Refusal.
func Refuse(why Message, args ...any) error { return &Refusal{why, args} }

// Error says why, in English.
func (r *Refusal) Error() string { return r.Why.In(English, r.Args...) }

// ErrorReply is the reply to a request that failed: one line, which begins with "Error".
func ErrorReply(lang Lang, err error) string {
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return "Error: " + refusal.Why.In(lang, refusal.Args...) + "\n"
	}
	return "Error: " + err.Error() + "\n"
}

// What a server replies.
var (
	Started = Message{
		EN: "OK: started %s with PID %d",
		ES: "OK: se inició %s con PID %d"}
	Stopped = Message{
		EN: "OK: sent SIGKILL to process %d (forced end)",
		ES: "OK: se envió SIGKILL al proceso %d (terminación forzada)"}
	Goodbye = Message{
		EN: "Goodbye.",
		ES: "Adiós."}

	EmptyLine = Message{
		EN: "empty line: say LIST, START cmd, STOP pid or EXIT",
		ES: "línea vacía: escribe LIST, START cmd, STOP pid o EXIT"}
	UnknownVerb = Message{
		EN: "unknown verb %s: say LIST, START cmd, STOP pid or EXIT",
		ES: "verbo desconocido %s: escribe LIST, START cmd, STOP pid o EXIT"}
	NeedsProgram = Message{
		EN: "START needs a program: START sleep 60",
		ES: "START necesita un programa: START sleep 60"}
	NeedsPID = Message{
		EN: "STOP needs one pid: STOP 1234",
		ES: "STOP necesita un pid: STOP 1234"}
	NeedsNothing = Message{
		EN: "%s takes no arguments",
		ES: "%s no lleva argumentos"}
	TooLong = Message{
		EN: "the line is longer than %d bytes and was skipped",
		ES: "la línea tiene más de %d bytes y se descartó"}
	NotUTF8 = Message{
		EN: "the line is not valid UTF-8",
		ES: "la línea no es UTF-8 válido"}
	ControlByte = Message{
		EN: "the line holds a control byte: send text, one request a line",
		ES: "la línea contiene un byte de control: envía texto, una petición por línea"}

	NotAPID = Message{
		EN: "%s is not a pid: give decimal digits only",
		ES: "%s no es un pid: usa solo dígitos decimales"}
	PIDTooLarge = Message{
		EN: "%s is not a pid: the largest is %d",
		ES: "%s no es un pid: el máximo es %d"}
	ProtectedPID = Message{
		EN: "process %d is protected",
		ES: "el proceso %d está protegido"}
	CannotStop = Message{
		EN: "cannot stop process %d: kill: %s",
		ES: "no se puede detener el proceso %d: kill: %s"}

	CannotStart = Message{
		EN: "cannot start %s: %s: %s",
		ES: "no se puede iniciar %s: %s: %s"}
	CannotList = Message{
		EN: "cannot list processes: %s: %s",
		ES: "no se pueden listar los procesos: %s: %s"}
	ListEmpty = Message{
		EN: "cannot list processes: ps wrote no whole line within %d bytes",
		ES: "no se pueden listar los procesos: ps no escribió ni una línea completa en %d bytes"}
	ListFailed = Message{
		EN: "cannot list processes: ps %s",
		ES: "no se pueden listar los procesos: ps %s"}

	TooManyClients = Message{
		EN: "the server is full (%d clients): try again later",
		ES: "el servidor está lleno (%d clientes): intenta más tarde"}
	NoDescriptors = Message{
		EN: "the server has no descriptor left for you: try again later",
		ES: "al servidor no le quedan descriptores para ti: intenta más tarde"}
	NotThisMachine = Message{
		EN: "START runs any program, so this server serves only its own machine; see -open",
		ES: "START ejecuta cualquier programa, así que este servidor solo atiende a su propia máquina; consulta -open"}
	ShuttingDown = Message{
		EN: "the server is shutting down",
		ES: "el servidor se está cerrando"}
)

// How a child ended (wait(2)): the four things that a wait status can say.
var (
	exited    = Message{EN: "exited with status %d", ES: "terminó con estado de salida %d"}
	signaled  = Message{EN: "was killed by signal %d (%s)", ES: "murió por la señal %d (%s)"}
	dumped    = Message{EN: "was killed by signal %d (%s), core dumped", ES: "murió por la señal %d (%s), con volcado de memoria"}
	otherwise = Message{EN: "changed state: %#x", ES: "cambió de estado: %#x"}
)

// WaitStatus decodes a wait status as the macros of wait(2) do.
func WaitStatus(lang Lang, status unix.WaitStatus) string {
	switch {
	case status.Exited():
		return exited.In(lang, status.ExitStatus())
	case status.CoreDump():
		return dumped.In(lang, int(status.Signal()), unix.SignalName(status.Signal()))
	case status.Signaled():
		return signaled.In(lang, int(status.Signal()), unix.SignalName(status.Signal()))
	}
	return otherwise.In(lang, uint32(status))
}

// Errno says an errno as strerror(3) does, in a language, with its name: "no such process
// (ESRCH)". One that is not in the table is said in the C library's English.
func Errno(lang Lang, errno unix.Errno) string {
	text := errno.Error()
	if said, known := errnos[errno]; known {
		text = said.In(lang)
	}
	return fmt.Sprintf("%s (%s)", text, unix.ErrnoName(errno))
}

// errnos are those that a student meets here.
var errnos = map[unix.Errno]Message{
	unix.E2BIG:         {"argument list too long", "la lista de argumentos es demasiado larga"},
	unix.EACCES:        {"permission denied", "permiso denegado"},
	unix.EADDRINUSE:    {"address already in use", "la dirección ya está en uso"},
	unix.EADDRNOTAVAIL: {"cannot assign requested address", "no se puede asignar esa dirección"},
	unix.EAGAIN:        {"resource temporarily unavailable", "recurso no disponible por ahora"},
	unix.ECHILD:        {"no child processes", "no hay procesos hijos"},
	unix.ECONNREFUSED:  {"connection refused", "conexión rechazada"},
	unix.ECONNRESET:    {"connection reset by peer", "el otro extremo cortó la conexión"},
	unix.EHOSTUNREACH:  {"no route to host", "no hay ruta a ese host"},
	unix.EISDIR:        {"is a directory", "es un directorio"},
	unix.EMFILE:        {"too many open files", "demasiados archivos abiertos"},
	unix.ENAMETOOLONG:  {"file name too long", "el nombre de archivo es demasiado largo"},
	unix.ENETUNREACH:   {"network is unreachable", "no se puede llegar a esa red"},
	unix.ENFILE:        {"too many open files in system", "demasiados archivos abiertos en el sistema"},
	unix.ENOENT:        {"no such file or directory", "no existe el archivo o directorio"},
	unix.ENOEXEC:       {"exec format error", "formato de ejecutable no válido"},
	unix.ENOMEM:        {"cannot allocate memory", "no se puede asignar memoria"},
	unix.ENOTDIR:       {"not a directory", "no es un directorio"},
	unix.EPERM:         {"operation not permitted", "operación no permitida"},
	unix.EPIPE:         {"broken pipe", "tubería rota"},
	unix.ESRCH:         {"no such process", "no existe ese proceso"},
	unix.ETIMEDOUT:     {"connection timed out", "se agotó el tiempo de conexión"},
}
