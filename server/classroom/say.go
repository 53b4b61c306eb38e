package classroom

import (
	"errors"

	"posixlab/server/protocol"
)

// A refusal is the policy's own, and not the request's fault.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

func refuse(why protocol.Message, args ...any) error {
	return refusal{protocol.Refuse(why, args...)}
}

func isRefusal(err error) bool {
	_, is := errors.AsType[refusal](err)
	return is
}

// What a student is told.
var (
	welcome = protocol.Message{
		EN: "OK: welcome, %s; START runs: %s",
		ES: "OK: te damos la bienvenida, %s; START ejecuta: %s"}
	helloFirst = protocol.Message{
		EN: "this is a class: first say HELLO, your name and its code: HELLO ana ABC123",
		ES: "esto es una clase: primero di HELLO, tu nombre y su código: HELLO ana ABC123"}
	helloHow = protocol.Message{
		EN: "HELLO needs your name and the class's code: HELLO ana ABC123",
		ES: "HELLO necesita tu nombre y el código de la clase: HELLO ana ABC123"}
	helloTwice = protocol.Message{
		EN: "you are %s already",
		ES: "ya eres %s"}
	BadName = protocol.Message{
		EN: "that is not a name: use letters, digits, spaces and - _ . ', at most %d of them",
		ES: "ese no es un nombre: usa letras, dígitos, espacios y - _ . ', a lo más %d"}
	WrongCode = protocol.Message{
		EN: "that is not the class's code: look at the projector",
		ES: "ese no es el código de la clase: mira el proyector"}
	NameTaken = protocol.Message{
		EN: "%s is here already, on the machine %s: choose another name",
		ES: "%s ya está aquí, en la máquina %s: elige otro nombre"}
	tooManyConnections = protocol.Message{
		EN: "you have %d connections already: close one",
		ES: "ya tienes %d conexiones: cierra una"}
	TooManyNames = protocol.Message{
		EN: "on the machine %s there are %d names already: use one of them; server -names allows more",
		ES: "en la máquina %s ya hay %d nombres: usa uno de ellos; server -names permite más"}
	tooFast = protocol.Message{
		EN: "too fast: at most %d requests a second",
		ES: "vas muy rápido: a lo más %d peticiones por segundo"}
	notAllowed = protocol.Message{
		EN: "START %s is not allowed in this class; what is: %s",
		ES: "START %s no se permite en esta clase; se permite: %s"}
	tooManyProcesses = protocol.Message{
		EN: "you have %d processes already: STOP one",
		ES: "ya tienes %d procesos: detén uno con STOP"}
	notOfTheClass = protocol.Message{
		EN: "process %d is not one of this class",
		ES: "el proceso %d no es de esta clase"}
	notYours = protocol.Message{
		EN: "process %d is not yours",
		ES: "el proceso %d no es tuyo"}
	unread = protocol.Message{
		EN: "the connection was closed: she did not read her reply within %v",
		ES: "se cerró la conexión: no leyó su respuesta en %v"}
	auditFailed = protocol.Message{
		EN: "the server cannot write its log, so it runs nothing: tell your instructor",
		ES: "el servidor no puede escribir su bitácora, así que no ejecuta nada: avisa a tu docente"}
)

// What the instructor is told.
var (
	badProgram = protocol.Message{
		EN: "-allow: %s is not the name of a program: give names, without a folder",
		ES: "-allow: %s no es el nombre de un programa: usa nombres, sin carpeta"}
	noProgram = protocol.Message{
		EN: "-allow: there is no %s in %s",
		ES: "-allow: no hay ningún %s en %s"}
	setuidProgram = protocol.Message{
		EN: "-allow: %s is set-user-ID or set-group-ID: it would run as another user",
		ES: "-allow: %s tiene set-user-ID o set-group-ID: se ejecutaría como otro usuario"}
	noUser = protocol.Message{
		EN: "-user %s: there is no such user",
		ES: "-user %s: no existe ese usuario"}
	rootUser = protocol.Message{
		EN: "-user %s: that is root: choose a user who can do nothing",
		ES: "-user %s: ese es root: elige un usuario que no pueda hacer nada"}
	noAudit = protocol.Message{
		EN: "-audit %s: %v",
		ES: "-audit %s: %v"}
	processesLeft = protocol.Message{
		EN: "processes of the class that cannot be ended: %d",
		ES: "procesos de la clase que no se pueden terminar: %d"}
)
