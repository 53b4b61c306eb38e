package script

import (
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

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
		Args:    "[-limit nofile=N|fork=0] [OPTION…]",
		Not:     true,
		Summary: show.Text{EN: "starts the server under test", ES: "arranca el servidor en prueba"},
		Detail: show.Text{
			EN: "Returns when a socket that the server, or a process that it started, owns is in " +
				"LISTEN, and sets $SERVER to that process and $PORT to its port. Once there was a " +
				"server, the next one gets the same port. With -limit nofile=N it may have N descriptors, with " +
				"-limit fork=0 the kernel makes no process for it. The server gets the options. With -class CODE among " +
				"them it gets -quiet, -page off and -audit FILE too, for the command audit, and a reply is a line. `! server` " +
				"starts one more, which must end by itself with a status other than 0.",
			ES: "Regresa cuando un socket del servidor, o de un proceso que este inició, está en " +
				"LISTEN; deja ese proceso en $SERVER y su puerto en $PORT. Si ya hubo un servidor, el " +
				"siguiente recibe el mismo puerto. Con -limit nofile=N puede tener N descriptores; con -limit " +
				"fork=0 el kernel no le crea ningún proceso. El servidor recibe las opciones. Si entre ellas está -class " +
				"CÓDIGO, recibe además -quiet, -page off y -audit ARCHIVO, para el comando audit, y una respuesta es una línea. " +
				"`! server` inicia uno más, que debe terminar solo y con un estado distinto de 0."},
		run: (*Story).cmdServer,
	}, {
		Name:    "connect",
		Args:    "[-n N] [-deaf] [-recv N] NAME…",
		Summary: show.Text{EN: "opens a TCP connection for each name", ES: "abre una conexión TCP para cada nombre"},
		Detail: show.Text{
			EN: "Succeeds when the kernel has completed the handshake, which it does without the " +
				"server's help. With -n, N connections for each name: c1, c2, … With -deaf the client reads nothing " +
				"until a reply is wanted. With -recv it reads at most N bytes a call, and the calls are counted.",
			ES: "Termina cuando el kernel completó el handshake, cosa que hace sin ayuda del servidor. " +
				"Con -n, N conexiones por cada nombre: c1, c2, … Con -deaf el cliente no lee nada hasta que se " +
				"pida una respuesta. Con -recv lee a lo más N bytes por llamada, y se cuentan las llamadas."},
		run: (*Story).cmdConnect,
	}, {
		Name:    "send",
		Args:    "[-raw] [-pad N [-tail TEXT]] [-words N] [-word N] [-times N] [-bytewise] NAME TEXT | -random N NAME",
		Summary: show.Text{EN: "sends a request line", ES: "envía una línea de petición"},
		Detail: show.Text{
			EN: "In one segment, LF added. With -raw exactly these bytes, with Go's escapes: " +
				"'LIST\\r\\n', '\\x00'. With -pad the line is filled with spaces up to N bytes, and -tail comes " +
				"after them. -words adds N arguments (1 2 3 …), -word one of N bytes. With -times the line is sent " +
				"N times over. With -bytewise a byte at a time, each only after the kernel shows that the server " +
				"has read the one before. -random sends N random bytes, always the same ones.",
			ES: "En un segmento, con LF al final. Con -raw, exactamente esos bytes, con los escapes de " +
				"Go: 'LIST\\r\\n', '\\x00'. Con -pad la línea se rellena con espacios hasta N bytes, y -tail va " +
				"después de ellos. -words agrega N argumentos (1 2 3 …); -word, uno de N bytes. Con -times la " +
				"línea se envía N veces. Con -bytewise, byte por byte: cada uno solo después de que el kernel " +
				"muestra que el servidor leyó el anterior. -random envía N bytes al azar, siempre los mismos."},
		run: (*Story).cmdSend,
	}, {
		Name:    "reply",
		Args:    "[-eof] [-after TIME] [-table [-times N]] [-without PID] [-count N [-first A] [-last B]] [-not REGEXP] [-unlike TEXT] NAME [REGEXP]",
		Not:     true,
		Summary: show.Text{EN: "reads one reply", ES: "lee una respuesta"},
		Detail: show.Text{
			EN: "Where a reply ends is not on the wire. So, once its first bytes are there, this sends " +
				"STOP 2147483647, which must fail, and takes what comes before that answer. With -eof it " +
				"reads up to the end of the connection instead; a server that closes ends its reply by that. In a class it " +
				"sends nothing, and reads a line, which with -after must not come before that time is over. The reply must match REGEXP (with -count, " +
				"exactly N times); with ! it must not; -unlike TEXT: it must differ from TEXT by more than numbers. " +
				"-table: it must be what ps wrote, the whole lines that fit 65,536 bytes. -without: it is cut there, " +
				"and that process is not in it. Named groups become variables: 'PID (?P<A>\\d+)' sets $A.",
			ES: "Dónde acaba una respuesta no se ve en la conexión. Por eso, cuando llegan sus primeros " +
				"bytes, envía STOP 2147483647, que debe fallar, y toma lo que venga antes de esa respuesta. " +
				"Con -eof lee hasta el fin de la conexión; un servidor que cierra termina así su respuesta. En una clase no " +
				"envía nada y lee una línea, que con -after no debe llegar antes de que pase ese tiempo. La respuesta debe coincidir con REGEXP (con " +
				"-count, exactamente N veces); con ! no debe coincidir; con -unlike TEXTO debe diferir de TEXTO en " +
				"algo más que números. -table: debe ser lo que escribió ps, las líneas completas que caben en 65,536 " +
				"bytes. -without: está cortada ahí, y ese proceso no aparece. Los grupos con nombre se vuelven " +
				"variables: 'PID (?P<A>\\d+)' define $A."},
		run: (*Story).cmdReply,
	}, {
		Name:    "ask",
		Args:    "[OPTION…] NAME TEXT [REGEXP]",
		Not:     true,
		Summary: show.Text{EN: "sends a request and reads its reply", ES: "envía una petición y lee su respuesta"},
		Detail: show.Text{
			EN: "As send and then reply, with the options of both. With -times, N times over.",
			ES: "Como send y luego reply, con las opciones de ambos. Con -times, N veces."},
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
		Args:    "NAME… | [-times N] NAME exit STATUS|print TEXT|ignore SIGNAL|fork NAME|wait|alive [PID]",
		Summary: show.Text{EN: "a program that the script commands", ES: "un programa al que el guion da órdenes"},
		Detail: show.Text{
			EN: "Puts programs of these names on the server's PATH, for START. Such a process waits until the " +
				"script tells it what to do: to end with this status, to print a line, to ignore a signal, to " +
				"start another actor as its own child, to wait for a child that has ended, to show that it is " +
				"alive, by a lock whose holder the kernel names: the process PID, if one is given. Its " +
				"arguments mean nothing to it.",
			ES: "Pone en el PATH del servidor programas con esos nombres, para START. Un proceso así espera " +
				"hasta que el guion le diga qué hacer: terminar con ese estado, imprimir una línea, ignorar una " +
				"señal, iniciar a otro actor como hijo suyo, hacer wait por un hijo que ya terminó, mostrar que " +
				"está vivo, con un candado cuyo dueño lo dice el kernel: el proceso PID, si se indica. Sus " +
				"argumentos no significan nada para él."},
		run: (*Story).cmdActor,
	}, {
		Name:    "witness",
		Args:    "NAME",
		Summary: show.Text{EN: "an actor that the server did not start", ES: "un actor que no inició el servidor"},
		Detail: show.Text{
			EN: "Sets the variable of that name to its pid.",
			ES: "Define la variable de ese nombre con su pid."},
		run: (*Story).cmdWitness,
	}, {
		Name:    "stranger",
		Args:    "",
		Summary: show.Text{EN: "a process that the server may not signal", ES: "un proceso al que el servidor no puede enviarle señales"},
		Detail: show.Text{
			EN: "Sets $STRANGER to its pid, and stands before server. If the runner is root, it is the user " +
				"nobody's, and servers are started without CAP_KILL; else the kernel refuses their signals by " +
				"a filter (seccomp(2)). Where neither is possible, the scenario is skipped.",
			ES: "Define $STRANGER con su pid, y va antes de server. Si el evaluador es root, el proceso es del " +
				"usuario nobody y los servidores arrancan sin CAP_KILL; si no, el kernel niega sus señales con un " +
				"filtro (seccomp(2)). Donde no se puede ninguna de las dos cosas, el escenario se omite."},
		run: (*Story).cmdStranger,
	}, {
		Name:    "herd",
		Args:    "N",
		Summary: show.Text{EN: "N real processes", ES: "N procesos reales"},
		Detail: show.Text{
			EN: "Zombies: the children of a helper that does not collect them. They take no memory, and " +
				"whatever is started later has a larger pid.",
			ES: "Zombis: los hijos de un ayudante que no los recolecta. No ocupan memoria, y lo que se inicie " +
				"después tiene un pid mayor."},
		run: (*Story).cmdHerd,
	}, {
		Name:    "proc",
		Args:    "[-diff] [-now] PID " + looksUsage(),
		Summary: show.Text{EN: "waits until the kernel shows it, and prints the evidence", ES: "espera a que el kernel lo muestre, e imprime la evidencia"},
		Detail: show.Text{
			EN: "From /proc/PID. state: R, S, D, T or Z (of all its threads, for T). gone: not even a " +
				"zombie. dead: a zombie, or gone. ended: with this exit status, or by this signal. argv: exactly " +
				"these arguments. exe: runs this program, or with -not another one. parent: this process, or one other than the server. " +
				"group: its process group. children: exactly N, of this name if one is given; the first becomes " +
				"$CHILD. zombies: exactly N children that nobody has collected. descriptors: exactly these, but " +
				"for the FIFO of an actor. signals: all sets, once this signal is in that one (handles is caught " +
				"or blocked), or once nothing is blocked, ignored or caught (clean). threads: at least N. calls: at least N threads " +
				"blocked in this system call. idle: next to no CPU time. memory: remembers the peak, and later " +
				"checks by how much it has grown. holds: counts descriptors, threads and children, and later " +
				"checks that they are no more. user: all its ids are this user's, and it has no other group; if the " +
				"server is not root, its own. powerless: no capability, and exec gives it none. limits: it may use at " +
				"most so much of cpu (seconds), memory, file (bytes), descriptors, and not raise that. With -diff it shows what has changed since the last look; with -now it waits for nothing. The " +
				"condition [handles:SIGNAL] asks whether the server handles a signal.",
			ES: "De /proc/PID. state: R, S, D, T o Z (de todos sus hilos, si es T). gone: ni siquiera un " +
				"zombi. dead: un zombi, o ya no existe. ended: con ese estado de salida, o por esa señal. argv: " +
				"exactamente esos argumentos. exe: ejecuta ese programa, o con -not, otro. parent: ese proceso, o uno distinto del " +
				"servidor (other). group: su grupo de procesos. children: exactamente N hijos, con ese nombre si " +
				"se da uno; el primero queda en $CHILD. zombies: exactamente N hijos que nadie ha recolectado. " +
				"descriptors: exactamente esos, salvo el FIFO de un actor. signals: todos los conjuntos, cuando " +
				"esa señal esté en ese (handles es capturada o bloqueada), o cuando nada esté bloqueado, ignorado " +
				"ni capturado (clean). threads: " +
				"al menos N hilos. calls: al menos N hilos bloqueados en esa llamada. idle: casi nada de CPU. " +
				"memory: recuerda el máximo, y después revisa cuánto creció. holds: cuenta descriptores, hilos e " +
				"hijos, y después revisa que no sean más. user: todos sus identificadores son de ese usuario, y no tiene " +
				"otro grupo; si el servidor no es root, los del servidor. powerless: ninguna capacidad, y exec no le da " +
				"ninguna. limits: puede usar a lo más eso de cpu (segundos), memory, file (bytes), descriptors, sin poder " +
				"subirlo. Con -diff muestra lo que cambió desde la última vez; con -now no espera nada. La " +
				"condición [handles:SEÑAL] pregunta si el servidor maneja una señal."},
		run: (*Story).cmdProc,
	}, {
		Name:    "socket",
		Args:    "listener|NAME|NAME@server STATE|gone [held|closed] [address ADDR] [unread N] [inode N]",
		Summary: show.Text{EN: "waits until the kernel's table shows a socket so", ES: "espera a que la tabla del kernel muestre así un socket"},
		Detail: show.Text{
			EN: "From /proc/net/tcp: the listening socket, a client's end of a connection, or the " +
				"server's end of it, in a TCP state, with N bytes unread (of the listener: connections " +
				"not yet accepted), or with this inode. held: a descriptor of the server refers to it; until " +
				"accept, none does. Sets $INODE. gone: the table has no such line. A reset takes the line " +
				"away before the server has noticed; gone closed, of an end that was held: nor has it the " +
				"descriptor any more.",
			ES: "De /proc/net/tcp: el socket de escucha, el extremo del cliente o el del servidor, en un " +
				"estado de TCP, con N bytes sin leer (en listener: conexiones aún no aceptadas), o con ese " +
				"inodo. held: un descriptor del servidor se refiere a él; antes de accept, ninguno. Define " +
				"$INODE. gone: la tabla no tiene esa línea. Un RST quita la línea antes de que el servidor lo " +
				"note; gone closed, de un extremo que tuvo held: tampoco tiene ya el descriptor."},
		run: (*Story).cmdSocket,
	}, {
		Name:    "signal",
		Args:    "PID NAME",
		Summary: show.Text{EN: "sends a signal", ES: "envía una señal"},
		Detail: show.Text{
			EN: "To a process of this scenario only: signal $SERVER STOP freezes the server, and CONT " +
				"thaws it. With STOP it returns once every thread has stopped. Of another process than the server, CONT " +
				"asks nothing if it is gone.",
			ES: "Solo a un proceso de este escenario: signal $SERVER STOP congela el servidor y CONT lo " +
				"descongela. Con STOP regresa cuando todos los hilos se detuvieron. De un proceso que no sea el servidor, CONT " +
				"no pide nada si ya no existe."},
		run: (*Story).cmdSignal,
	}, {
		Name:    "table",
		Args:    "-bytes N [-status STATUS|SIGNAL] | -hold | -held | -release [-bytes N] | -missing",
		Summary: show.Text{EN: "a ps of the script's own", ES: "un ps propio del guion"},
		Detail: show.Text{
			EN: "-bytes puts a ps on the server's PATH that writes a table of exactly N bytes, in whole lines, " +
				"and ends with this status, or by this signal. -hold puts one there that blocks; -held waits " +
				"until the server has started it, and sets $PS; -release lets it write a table and end. " +
				"-missing gives the server a PATH without any ps.",
			ES: "-bytes pone en el PATH del servidor un ps que escribe una tabla de exactamente N bytes, en " +
				"líneas completas, y termina con ese estado o por esa señal. -hold pone uno que se bloquea; -held " +
				"espera a que el servidor lo inicie, y define $PS; -release lo deja escribir una tabla y " +
				"terminar. -missing le da al servidor un PATH sin ningún ps."},
		run: (*Story).cmdTable,
	}, {
		Name:    "pipe",
		Args:    "PID FD [readers PID…] [writers PID…] [full] | gone",
		Summary: show.Text{EN: "waits until the ends of a pipe are so", ES: "espera a que los extremos de una tubería estén así"},
		Detail: show.Text{
			EN: "The pipe is the one to which that descriptor of that process refers. readers, writers: exactly " +
				"these processes have its read end, or its write end; a shell in between may have it too. " +
				"full: it holds as many bytes as it can. gone: of the pipe that was looked at last, nobody has " +
				"an end.",
			ES: "La tubería es aquella a la que se refiere ese descriptor de ese proceso. readers, writers: " +
				"exactamente esos procesos tienen su extremo de lectura, o de escritura; un shell intermedio " +
				"también puede tenerlo. full: tiene tantos bytes como le caben. gone: nadie tiene un extremo de " +
				"la última tubería que se miró."},
		run: (*Story).cmdPipe,
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
	}, {
		Name:    "flood",
		Args:    "NAME LIST",
		Summary: show.Text{EN: "asks until the server's send is blocked", ES: "pregunta hasta que el send del servidor se bloquea"},
		Detail: show.Text{
			EN: "For a client that is -deaf: sends the request again and again, each when the reply to the one " +
				"before is with the kernel, until the server waits for room. `reply -table` then wants them all.",
			ES: "Para un cliente -deaf: envía la petición una y otra vez, cada una cuando el kernel ya tiene la " +
				"respuesta a la anterior, hasta que el servidor espera lugar. Después, `reply -table` las espera todas."},
		run: (*Story).cmdFlood,
	}, {
		Name:    "sessions",
		Args:    "N TEXT…",
		Summary: show.Text{EN: "many short sessions, one after the other", ES: "muchas sesiones cortas, una tras otra"},
		Detail: show.Text{
			EN: "Each client sends these requests and goes, in one of four ways in turn: EXIT; close, with its " +
				"replies unread; a reset; half a close, and reading up to the end.",
			ES: "Cada cliente envía esas peticiones y se va, de una de cuatro maneras por turno: EXIT; close, sin " +
				"leer sus respuestas; un corte (RST); medio cierre, y leer hasta el final."},
		run: (*Story).cmdSessions,
	}, {
		Name:    "audit",
		Args:    "[-pid PID] intent|request STUDENT REQUEST [OUTCOME] | -never TEXT | -pipe | -full | -blocked NAME | -read",
		Summary: show.Text{EN: "looks for an entry in a class's log", ES: "busca un registro en la bitácora de una clase"},
		Detail: show.Text{
			EN: "In the file that the server got with -audit, whose lines are JSON objects. -never: that text is not " +
				"in it. -pipe, before server, makes a pipe of the file; -full leaves no room in it, so that the next " +
				"write waits; -blocked waits until the server's thread does, while NAME has no reply; -read reads it.",
			ES: "En el archivo que el servidor recibió con -audit, cuyas líneas son objetos JSON. -never: ese texto no " +
				"está ahí. -pipe, antes de server, hace del archivo una tubería; -full no deja lugar en ella, y el " +
				"siguiente write espera; -blocked aguarda a que ahí esté el hilo del servidor, mientras NAME sigue sin " +
				"respuesta; -read la lee."},
		run: (*Story).cmdAudit,
	}, {
		Name:    "sum",
		Args:    "NAME A B",
		Summary: show.Text{EN: "sets a variable to A + B", ES: "define una variable con A + B"},
		Detail: show.Text{
			EN: "In 64 bits: a pid and 4294967296, say, which is cut to the pid again in 32 bits.",
			ES: "En 64 bits: un pid y 4294967296, por ejemplo, que en 32 bits se corta y vuelve a ser el pid."},
		run: (*Story).cmdSum,
	}, {
		Name:    "predict",
		Args:    "ENGLISH SPANISH ANSWER",
		Summary: show.Text{EN: "asks a student before the story reveals it", ES: "le pregunta al estudiante antes de que la historia lo revele"},
		Detail: show.Text{
			EN: "At a terminal; elsewhere it is silent. ANSWER lists what is right: 'yes|y;sí|si', English before " +
				"the semicolon, Spanish after it. Enter alone passes. Nothing depends on the answer but the score.",
			ES: "En una terminal; en otra parte no dice nada. ANSWER lista lo que es correcto: 'yes|y;sí|si', en " +
				"inglés antes del punto y coma, en español después. Enter sin más pasa. De la respuesta no " +
				"depende nada más que el puntaje."},
		run: (*Story).cmdPredict,
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

// number reads a word that has to be a whole number: a pid, a descriptor, a count.
func number(word string) (int, error) {
	n, err := strconv.Atoi(word)
	if err != nil {
		return 0, misuse("not a number: " + word)
	}
	return n, nil
}

// signalNamed finds a signal by its name without SIG.
func signalNamed(name string) (unix.Signal, error) {
	sig := unix.SignalNum("SIG" + name)
	if sig == 0 {
		return 0, misuse("no signal is called " + name)
	}
	return sig, nil
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
