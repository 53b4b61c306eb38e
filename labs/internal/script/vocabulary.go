package script

import (
	"flag"
	"fmt"
	"io"
	"strings"

	"posixlab/labs/internal/show"
)

// A Command is a word that scripts can use, beside testscript's own.
type Command struct {
	Name    string
	Args    string // its usage
	Summary show.Text
	Detail  show.Text
	Not     bool // whether it may be negated: ! name

	run func(s *Story, c *call) error
}

// Vocabulary lists the commands, in the order in which a story needs them.
func Vocabulary() []Command {
	return []Command{{
		Name:    "server",
		Args:    "",
		Not:     true,
		Summary: show.Text{EN: "starts the server under test", ES: "arranca el servidor en prueba"},
		Detail: show.Text{
			EN: "Returns when a socket that the server, or a process that it started, owns is in " +
				"LISTEN, and sets $SERVER to that process and $PORT to its port. Once there was a " +
				"server, the next one gets the same port. `! server` starts one more, which must end " +
				"by itself with a status other than 0.",
			ES: "Regresa cuando un socket del servidor, o de un proceso que este inició, está en " +
				"LISTEN; deja ese proceso en $SERVER y su puerto en $PORT. Si ya hubo un servidor, el " +
				"siguiente recibe el mismo puerto. `! server` inicia uno más, que debe terminar solo y " +
				"con un estado distinto de 0."},
		run: (*Story).cmdServer,
	}, {
		Name:    "connect",
		Args:    "[-n N] NAME…",
		Summary: show.Text{EN: "opens a TCP connection for each name", ES: "abre una conexión TCP para cada nombre"},
		Detail: show.Text{
			EN: "Succeeds when the kernel has completed the handshake, which it does without the " +
				"server's help. With -n, N connections for each name: c1, c2, …",
			ES: "Termina cuando el kernel completó el handshake, cosa que hace sin ayuda del servidor. " +
				"Con -n, N conexiones por cada nombre: c1, c2, …"},
		run: (*Story).cmdConnect,
	}, {
		Name:    "send",
		Args:    "[-raw] [-pad N [-tail TEXT]] [-bytewise] NAME TEXT",
		Summary: show.Text{EN: "sends a request line", ES: "envía una línea de petición"},
		Detail: show.Text{
			EN: "In one segment, LF added. With -raw exactly these bytes, with Go's escapes: " +
				"'LIST\\r\\n', '\\x00'. With -pad the line is filled with spaces up to N bytes, and -tail comes after them. With -bytewise " +
				"a byte at a time, each only after the kernel shows that the server has read the one before.",
			ES: "En un segmento, con LF al final. Con -raw, exactamente esos bytes, con los escapes de " +
				"Go: 'LIST\\r\\n', '\\x00'. Con -pad la línea se rellena con espacios hasta N bytes. Con " +
				"-bytewise, byte por byte: cada uno solo después de que el kernel muestra que el servidor " +
				"leyó el anterior."},
		run: (*Story).cmdSend,
	}, {
		Name:    "reply",
		Args:    "[-eof] [-count N [-first A] [-last B]] [-not REGEXP] NAME [REGEXP]",
		Not:     true,
		Summary: show.Text{EN: "reads one reply", ES: "lee una respuesta"},
		Detail: show.Text{
			EN: "Where a reply ends is not on the wire. So, once its first bytes are there, this sends " +
				"STOP 2147483647, which must fail, and takes what comes before that answer. With -eof it " +
				"reads up to the end of the connection instead; a server that closes ends its reply by that. The reply must match REGEXP (with -count, " +
				"exactly N times); with ! it must not. Named groups become variables: 'PID (?P<A>\\d+)' sets $A.",
			ES: "Dónde acaba una respuesta no se ve en la conexión. Por eso, cuando llegan sus primeros " +
				"bytes, envía STOP 2147483647, que debe fallar, y toma lo que venga antes de esa respuesta. " +
				"Con -eof lee hasta el fin de la conexión; un servidor que cierra termina así su respuesta. La respuesta debe coincidir con REGEXP (con " +
				"-count, exactamente N veces); con ! no debe coincidir. Los grupos con nombre se vuelven " +
				"variables: 'PID (?P<A>\\d+)' define $A."},
		run: (*Story).cmdReply,
	}, {
		Name:    "ask",
		Args:    "[-raw] [-pad N] [-times N] NAME TEXT [REGEXP]",
		Not:     true,
		Summary: show.Text{EN: "sends a request and reads its reply", ES: "envía una petición y lee su respuesta"},
		Detail: show.Text{
			EN: "As send and then reply. With -times, N times over.",
			ES: "Como send y luego reply. Con -times, N veces."},
		run: (*Story).cmdAsk,
	}, {
		Name:    "eof",
		Args:    "NAME",
		Summary: show.Text{EN: "waits until the server closes a connection", ES: "espera a que el servidor cierre una conexión"},
		Detail: show.Text{
			EN: "By an orderly close: the client's recv returns 0. What came before it is shown.",
			ES: "Con un cierre ordenado: el recv del cliente devuelve 0. Muestra lo que llegó antes."},
		run: (*Story).cmdEOF,
	}, {
		Name:    "hangup",
		Args:    "[-half|-reset] NAME",
		Summary: show.Text{EN: "the client goes, in one of TCP's ways", ES: "el cliente se va, de una de las formas de TCP"},
		Detail: show.Text{
			EN: "By close. With -half only its sending direction is shut down (SHUT_WR), so that it can " +
				"still read. With -reset by RST (SO_LINGER with time 0).",
			ES: "Con close. Con -half solo cierra su dirección de envío (SHUT_WR), y aún puede leer. Con " +
				"-reset, con RST (SO_LINGER con tiempo 0)."},
		run: (*Story).cmdHangup,
	}, {
		Name:    "actor",
		Args:    "NAME [exit N]",
		Summary: show.Text{EN: "a program that the script commands", ES: "un programa al que el guion da órdenes"},
		Detail: show.Text{
			EN: "Puts a program of this name on the server's PATH, for START. It waits until the script " +
				"tells it to end: `actor NAME exit N` ends one such process with status N. Its arguments mean " +
				"nothing to it.",
			ES: "Pone un programa con ese nombre en el PATH del servidor, para START. Espera hasta que el " +
				"guion le diga que termine: `actor NAME exit N` termina uno de esos procesos con estado N. " +
				"Sus argumentos no significan nada para él."},
		run: (*Story).cmdActor,
	}, {
		Name:    "proc",
		Args:    "PID state LETTER | gone | argv ARG… | children N [NAME] | threads N | calls CALL N",
		Summary: show.Text{EN: "waits until the kernel shows it, and prints the evidence", ES: "espera a que el kernel lo muestre, e imprime la evidencia"},
		Detail: show.Text{
			EN: "From /proc/PID. state: R, S, D, T or Z (of all its threads, for T). gone: not even a " +
				"zombie. argv: exactly these arguments. children: exactly N, of this name if one is given. " +
				"threads: at least N. calls: at least N threads blocked in this system call.",
			ES: "De /proc/PID. state: R, S, D, T o Z (de todos sus hilos, si es T). gone: ni siquiera un " +
				"zombi. argv: exactamente esos argumentos. children: exactamente N hijos, con ese nombre si " +
				"se da uno. threads: al menos N hilos. calls: al menos N hilos bloqueados en esa llamada."},
		run: (*Story).cmdProc,
	}, {
		Name:    "socket",
		Args:    "listener|NAME|NAME@server STATE|gone [held] [address ADDR] [unread N] [inode N]",
		Summary: show.Text{EN: "waits until the kernel's table shows a socket so", ES: "espera a que la tabla del kernel muestre así un socket"},
		Detail: show.Text{
			EN: "From /proc/net/tcp: the listening socket, a client's end of a connection, or the " +
				"server's end of it, in a TCP state, with N bytes unread (of the listener: connections " +
				"not yet accepted), or with this inode. held: a descriptor of the server refers to it; until " +
				"accept, none does. Sets $INODE. gone: the table has no such line.",
			ES: "De /proc/net/tcp: el socket de escucha, el extremo del cliente o el del servidor, en un " +
				"estado de TCP, con N bytes sin leer (en listener: conexiones aún no aceptadas), o con ese " +
				"inodo. held: un descriptor del servidor se refiere a él; antes de accept, ninguno. Define " +
				"$INODE. gone: la tabla no tiene esa línea."},
		run: (*Story).cmdSocket,
	}, {
		Name:    "signal",
		Args:    "PID NAME",
		Summary: show.Text{EN: "sends a signal", ES: "envía una señal"},
		Detail: show.Text{
			EN: "To a process of this scenario only: signal $SERVER STOP freezes the server, and CONT " +
				"thaws it. With STOP it returns once every thread has stopped.",
			ES: "Solo a un proceso de este escenario: signal $SERVER STOP congela el servidor y CONT lo " +
				"descongela. Con STOP regresa cuando todos los hilos se detuvieron."},
		run: (*Story).cmdSignal,
	}, {
		Name:    "table",
		Args:    "-hold | -held | -release",
		Summary: show.Text{EN: "a ps that the script holds", ES: "un ps que el guion detiene"},
		Detail: show.Text{
			EN: "-hold puts a ps on the server's PATH that blocks. -held waits until the server has " +
				"started it. -release lets one write its table and end.",
			ES: "-hold pone en el PATH del servidor un ps que se bloquea. -held espera a que el servidor lo " +
				"inicie. -release deja que uno escriba su tabla y termine."},
		run: (*Story).cmdTable,
	}, {
		Name:    "each",
		Args:    "PREFIX COMMAND ARG…",
		Summary: show.Text{EN: "a command for each of many connections", ES: "un comando para cada una de muchas conexiones"},
		Detail: show.Text{
			EN: "Runs the command for every connection whose name begins with PREFIX, in order. In its " +
				"arguments {} stands for the name, and {A} for what the group A of the connection's last " +
				"reply matched.",
			ES: "Ejecuta el comando para cada conexión cuyo nombre empieza con PREFIX, en orden. En los " +
				"argumentos, {} es el nombre, y {A} lo que capturó el grupo A en la última respuesta de " +
				"esa conexión."},
		run: (*Story).cmdEach,
	}}
}

// flags parses a command's options and checks how many arguments are left: most -1 is any.
func (c *call) flags(set func(*flag.FlagSet), least, most int) error {
	f := flag.NewFlagSet("", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	set(f)
	if err := f.Parse(c.args); err != nil {
		return misuse(err.Error())
	}
	c.args = f.Args()
	if len(c.args) < least || most >= 0 && len(c.args) > most {
		return misuse("wrong number of arguments")
	}
	return nil
}

// Usage is how a command is written in a script.
func (c Command) Usage() string {
	usage := strings.TrimSpace(c.Name + " " + c.Args)
	if c.Not {
		return "[!] " + usage
	}
	return usage
}

// Markdown returns the vocabulary as a document: labs/VOCABULARY.md, or VOCABULARY.es.md.
func Markdown(lang show.Lang) string {
	var b strings.Builder
	b.WriteString(vocabularyHead.In(lang))
	for _, c := range Vocabulary() {
		fmt.Fprintf(&b, "\n## `%s`\n\n%s.\n\n", c.Usage(), capital(c.Summary.In(lang)))
		b.WriteString(show.Wrap(c.Detail.In(lang), "", 95) + "\n")
	}
	return b.String()
}

var vocabularyHead = show.Text{
	EN: `# The commands of lab scripts

Generated from labs/internal/script: ` + "`make vocabulary`" + ` writes this file anew. Scripts also have
[testscript's own commands](https://pkg.go.dev/github.com/rogpeppe/go-internal/testscript).
`,
	ES: `# Los comandos de los guiones

Generado a partir de labs/internal/script: ` + "`make vocabulary`" + ` vuelve a escribir este archivo. Los
guiones tienen además
[los comandos de testscript](https://pkg.go.dev/github.com/rogpeppe/go-internal/testscript).
`}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
