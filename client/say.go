package main

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// say is all that the client says to its user. What the server says is in package protocol.
var say = struct {
	Usage, Help                                                     protocol.Message
	BadLang, BadOption, ExtraArgument, NoHost, BadAddress, TwoLines protocol.Message
	NoName, Refused, NoConnection, Lost, Closed                     protocol.Message
	LeftOut, LocalFailure, NameAndCode, BadHello                    protocol.Message
	DiscoverOrHost, CannotListen, NoClass, JoinSo, WhichClass       protocol.Message
}{
	Usage: protocol.Message{
		EN: `usage: client [-name NAME -code CODE] [-c REQUEST]… [-lang en|es] [-version]
              [-discover | HOST[:PORT]]

Talks to the server at HOST, 127.0.0.1 unless given, on TCP port 5002 unless
given.

  -c REQUEST    send this request; repeat -c for more. Without -c, requests are
                typed at a prompt, or read from standard input when it is not a
                terminal
  -name NAME    join a class: the name that it will show,
  -code CODE    and the code that its projector shows
  -discover     find the class on this network, instead of HOST; without a name,
                list those that there are
  -lang en|es   the language; else that of the environment
  -version      print the version and end

Requests: LIST, START cmd arg…, STOP pid, EXIT. With none left, EXIT is sent.
Exit status: 0; 1 a reply began with "Error"; 2 wrong use; 3 no connection, or
it was lost.
`,
		ES: `uso: client [-name NOMBRE -code CÓDIGO] [-c PETICIÓN]… [-lang en|es] [-version]
            [-discover | HOST[:PUERTO]]

Habla con el servidor en HOST, 127.0.0.1 si no se indica, por el puerto TCP
5002 si no se indica.

  -c PETICIÓN   envía esta petición; repite -c para enviar más. Sin -c, las
                peticiones se escriben en el prompt, o se leen de la entrada
                estándar si no es una terminal
  -name NOMBRE  entra a una clase: el nombre que mostrará,
  -code CÓDIGO  y el código que muestra su proyector
  -discover     busca la clase en esta red, en vez de HOST; sin nombre, enumera
                las que hay
  -lang en|es   el idioma; si no, el del entorno
  -version      muestra la versión y termina

Peticiones: LIST, START cmd arg…, STOP pid, EXIT. Al final se envía EXIT.
Estado de salida: 0; 1 si una respuesta empezó con "Error"; 2 uso incorrecto;
3 si no hubo conexión o se perdió.
`},
	Help: protocol.Message{
		EN: `  LIST              the server's process table
  START cmd arg…    run a program on the server
  STOP pid          end a process by force
  EXIT, Ctrl-D      close the session
  help, ?           this help; it is not sent
`,
		ES: `  LIST              la tabla de procesos del servidor
  START cmd arg…    ejecuta un programa en el servidor
  STOP pid          termina un proceso a la fuerza
  EXIT, Ctrl-D      cierra la sesión
  ayuda, help, ?    esta ayuda; no se envía
`},

	BadLang: protocol.Message{
		EN: "-lang %s: say en or es",
		ES: "-lang %s: los idiomas son en y es"},
	BadOption: protocol.Message{
		EN: "%s: there is no such option, or its value is missing",
		ES: "%s: no existe esa opción, o falta su valor"},
	ExtraArgument: protocol.Message{
		EN: "%s: one HOST[:PORT] at most, after the options",
		ES: "%s: a lo más un HOST[:PUERTO], después de las opciones"},
	NoHost: protocol.Message{
		EN: "%s is a request and not a host: did you mean -c %s?",
		ES: "%s es una petición y no un host: ¿quisiste decir -c %s?"},
	BadAddress: protocol.Message{
		EN: "%s: give HOST or HOST:PORT, a name or an IPv4 address and a port from 1 to 65535",
		ES: "%s: usa HOST o HOST:PUERTO, un nombre o dirección IPv4 y un puerto de 1 a 65535"},
	TwoLines: protocol.Message{
		EN: "-c %s: a request is one line: give each its own -c",
		ES: "-c %s: una petición es una sola línea: usa un -c para cada una"},
	DiscoverOrHost: protocol.Message{
		EN: "-discover and a host: choose one of the two",
		ES: "-discover y un host: elige uno de los dos"},
	CannotListen: protocol.Message{
		EN: "cannot listen for classes: %v: give the host that the projector shows",
		ES: "no se puede escuchar si hay clases: %v: da el host que muestra el proyector"},
	NoClass: protocol.Message{
		EN: "no class announces itself here: are you on the class's network, and not on a guests' one? " +
			"a firewall may drop UDP port 5002: give the host that the projector shows",
		ES: "aquí no se anuncia ninguna clase: ¿estás en la red de la clase, y no en la de invitados? " +
			"un firewall puede descartar el puerto UDP 5002: da el host que muestra el proyector"},
	JoinSo: protocol.Message{
		EN: "join one: client -name NAME -code CODE %s",
		ES: "entra a una: client -name NOMBRE -code CÓDIGO %s"},
	WhichClass: protocol.Message{
		EN: "more than one class: say which, by its address instead of -discover",
		ES: "hay más de una clase: di cuál, con su dirección en vez de -discover"},
	NameAndCode: protocol.Message{
		EN: "-name and -code go together: a class wants both",
		ES: "-name y -code van juntos: una clase pide los dos"},
	BadHello: protocol.Message{
		EN: "-name and -code: a name is one line, and a code one word",
		ES: "-name y -code: el nombre es una sola línea, y el código una sola palabra"},

	NoName: protocol.Message{
		EN: "getaddrinfo %s: no IPv4 address found: check the name, or give the address",
		ES: "getaddrinfo %s: no se halló una dirección IPv4: revisa el nombre o da la dirección"},
	Refused: protocol.Message{
		EN: "%s %s: %s: is the server running? start it: make server, then ./server/server",
		ES: "%s %s: %s: ¿está corriendo el servidor? arráncalo: make server, luego ./server/server"},
	NoConnection: protocol.Message{
		EN: "%s %s: %s: check the server's address, and that this machine can reach it",
		ES: "%s %s: %s: revisa la dirección del servidor, y que esta máquina pueda llegar a él"},
	Lost: protocol.Message{
		EN: "%s %s: %s: the connection was lost: see what the server's log says",
		ES: "%s %s: %s: se perdió la conexión: mira qué dice la bitácora del servidor"},
	Closed: protocol.Message{
		EN: "recv %s: 0 bytes: the server closed the connection: see what its log says",
		ES: "recv %s: 0 bytes: el servidor cerró la conexión: mira qué dice su bitácora"},

	LeftOut: protocol.Message{
		EN: "requests after EXIT, not sent: %d",
		ES: "peticiones después de EXIT, no enviadas: %d"},
	LocalFailure: protocol.Message{
		EN: "%s %s: %s: the session was cut short: check that file",
		ES: "%s %s: %s: la sesión quedó incompleta: revisa ese archivo"},
}

// explain says why there is no connection, or no longer: the call, the server's address, the
// errno, and what to do.
func explain(err error, peer string, lang protocol.Lang) string {
	if err == io.EOF {
		return say.Closed.In(lang, peer)
	}
	if file, ok := errors.AsType[*os.PathError](err); ok {
		return say.LocalFailure.In(lang, file.Op, file.Path, file.Err)
	}
	call, ok := errors.AsType[*os.SyscallError](err)
	switch {
	case !ok:
		return err.Error()
	case call.Syscall == "getaddrinfo":
		return say.NoName.In(lang, protocol.Quote(peer))
	case call.Err == unix.ECONNREFUSED:
		return say.Refused.In(lang, call.Syscall, peer, call.Err)
	case call.Syscall == "socket", call.Syscall == "connect":
		return say.NoConnection.In(lang, call.Syscall, peer, call.Err)
	}
	return say.Lost.In(lang, call.Syscall, peer, call.Err)
}
