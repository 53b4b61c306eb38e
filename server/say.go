package main

import "posixlab/server/protocol"

// What the server says to whoever started it. What it says to clients is in package protocol.

var usage = protocol.Message{
	EN: `usage: server [-port N] [-lang en|es] [-max-clients N] [-open] [-version]
       server -class CODE [-allow LIST] [-user NAME] [-names N] [-own] [-all]
              [-for DURATION] [-audit FILE] [-title TITLE] [-quiet] [-page ADDR]

  -port N         the TCP port, 5002 unless given; 0 lets the kernel choose
  -lang en|es     the language of replies and log; else that of the environment
  -max-clients N  how many clients at once, 512 unless given; more are refused
  -open           serve other machines too: any of them can then run any
                  program here
  -version        print the version and end

a class on a LAN:
  -class CODE     serve whoever says HELLO name CODE, and nobody else, by the
                  class's rules; -class new makes up a code, and -class @FILE
                  reads it from a file: other users here see our arguments
  -allow LIST     the programs that START runs: sleep,yes,…
  -user NAME      whom they run as if the server is root: nobody unless given
  -names N        how many names one machine may use, 8 unless given; behind
                  NAT a whole class is one machine
  -own            STOP ends only a student's own processes, not the class's
  -all            LIST shows every process of this machine
  -title TITLE    what client -discover calls it; else this machine's name
  -quiet          do not announce the class on the LAN
  -page ADDR      where browsers see the class: HOST:PORT or :PORT, :5080 unless
                  given; off: nowhere
  -for DURATION   how long the class lasts: 90m; else until Ctrl-C
  -audit FILE     where every request and its outcome is written; class.jsonl
                  unless given; labs audit FILE reads it
`,
	ES: `uso: server [-port N] [-lang en|es] [-max-clients N] [-open] [-version]
     server -class CÓDIGO [-allow LISTA] [-user NOMBRE] [-names N] [-own]
            [-all] [-for DURACIÓN] [-audit ARCHIVO] [-title TÍTULO] [-quiet]
            [-page DIRECCIÓN]

  -port N         el puerto TCP, 5002 si no se indica; con 0 lo elige el kernel
  -lang en|es     el idioma de respuestas y bitácora; si no, el del entorno
  -max-clients N  cuántos clientes a la vez, 512 si no se indica; al siguiente
                  se le rechaza
  -open           atiende también a otras máquinas: cualquiera de ellas podrá
                  ejecutar aquí cualquier programa
  -version        muestra la versión y termina

una clase en una LAN:
  -class CÓDIGO   atiende a quien diga HELLO nombre CÓDIGO, y a nadie más, con
                  las reglas de la clase; -class new inventa un código, y
                  -class @ARCHIVO lo lee de un archivo: los demás usuarios de
                  esta máquina ven nuestros argumentos
  -allow LISTA    los programas que START ejecuta: sleep,yes,…
  -user NOMBRE    como quién se ejecutan si el servidor es root: nobody si no
                  se indica
  -names N        cuántos nombres puede usar una máquina, 8 si no se indica;
                  detrás de un NAT, todo un grupo es una sola máquina
  -own            STOP solo termina los procesos propios, no los de la clase
  -all            LIST muestra todos los procesos de esta máquina
  -title TÍTULO   cómo la llama client -discover; si no, como esta máquina
  -quiet          no anuncia la clase en la LAN
  -page DIRECCIÓN dónde se ve la clase en un navegador: HOST:PUERTO o :PUERTO,
                  :5080 si no se indica; off: en ningún lado
  -for DURACIÓN   cuánto dura la clase: 90m; si no, hasta Ctrl-C
  -audit ARCHIVO  dónde se escribe cada petición y su resultado; class.jsonl si
                  no se indica; labs audit ARCHIVO lo lee
`}

// Wrong use.
var (
	badOption = protocol.Message{
		EN: "%v",
		ES: "opción incorrecta: %v"}
	noArguments = protocol.Message{
		EN: "there is nothing to do with %s: the server takes only options",
		ES: "%s sobra: el servidor solo acepta opciones"}
	badLang = protocol.Message{
		EN: "-lang %s: say en or es",
		ES: "-lang %s: los idiomas son en y es"}
	badMaxClients = protocol.Message{
		EN: "-max-clients %d: give a number from 1 to %d",
		ES: "-max-clients %d: usa un número de 1 a %d"}
)

// What keeps the server from starting.
var (
	callFailed = protocol.Message{
		EN: "%s: %s",
		ES: "%s: %s"}
	portRange = protocol.Message{
		EN: "bind 0.0.0.0:%d: a port is a number from 0 to 65535: choose one with -port",
		ES: "bind 0.0.0.0:%d: un puerto es un número de 0 a 65535: elige uno con -port"}
	portInUse = protocol.Message{
		EN: "%s 0.0.0.0:%d: %s: is another server running? look with `ss -ltnp`, or try -port 0",
		ES: "%s 0.0.0.0:%d: %s: ¿hay otro servidor corriendo? búscalo con `ss -ltnp`, o prueba -port 0"}
	portPrivileged = protocol.Message{
		EN: "%s 0.0.0.0:%d: %s: ports under 1024 are root's: choose a larger one with -port",
		ES: "%s 0.0.0.0:%d: %s: los puertos menores a 1024 son de root: elige uno mayor con -port"}
	noBind = protocol.Message{
		EN: "%s 0.0.0.0:%d: %s: try another port with -port",
		ES: "%s 0.0.0.0:%d: %s: prueba otro puerto con -port"}
)

// The log.
var (
	listening = protocol.Message{
		EN: "%s, with a queue of %d",
		ES: "%s, con una cola de espera de %d"}
	openToAll = protocol.Message{
		EN: "-open: every machine that reaches this one can run any program here",
		ES: "-open: cualquier máquina que llegue a esta puede ejecutar aquí cualquier programa"}
	accepted = protocol.Message{
		EN: "client %d from %s, descriptor %d",
		ES: "cliente %d desde %s, descriptor %d"}
	refusedPeer = protocol.Message{
		EN: "refused %s: it is on another machine",
		ES: "se rechazó a %s: está en otra máquina"}
	refusedFull = protocol.Message{
		EN: "refused %s: the server is full",
		ES: "se rechazó a %s: el servidor está lleno"}
	requested = protocol.Message{
		EN: "client %d: %s",
		ES: "cliente %d: %s"}
	answered = protocol.Message{
		EN: "client %d was told: %s",
		ES: "respuesta al cliente %d: %s"}
	closing = protocol.Message{
		EN: "client %d",
		ES: "cliente %d"}
	born = protocol.Message{
		EN: "child %d: %s",
		ES: "hijo %d: %s"}
	reaped = protocol.Message{
		EN: "child %d (%s) %s",
		ES: "el hijo %d (%s) %s"}
	reapedStranger = protocol.Message{
		EN: "process %d, which this server did not start, %s",
		ES: "el proceso %d, que este servidor no inició, %s"}
	listCut = protocol.Message{
		EN: "client %d got %d of %d bytes; rows lost: %d",
		ES: "el cliente %d recibió %d de %d bytes; filas perdidas: %d"}
	endsOn = protocol.Message{
		EN: "%s: accepting no more clients",
		ES: "%s: ya no se aceptan clientes"}
	endedNot = protocol.Message{
		EN: "children that cannot be killed: %d",
		ES: "hijos que no se pueden matar: %d"}
	endedAll = protocol.Message{
		EN: "children ended: %d",
		ES: "hijos terminados: %d"}
)

// A class.
var (
	classAndOpen = protocol.Message{
		EN: "-class and -open: a class has rules, and -open has none: choose one of the two",
		ES: "-class y -open: una clase tiene reglas, y -open ninguna: elige una de las dos"}
	badCode = protocol.Message{
		EN: "-class %s: a code is 4 to 64 letters and digits, without spaces",
		ES: "-class %s: un código tiene de 4 a 64 letras y dígitos, sin espacios"}
	noCode = protocol.Message{
		EN: "-class %s: the code is to be read from that file: %v",
		ES: "-class %s: el código se lee de ese archivo: %v"}
	badNames = protocol.Message{
		EN: "-names %d: at least one student has to fit a machine",
		ES: "-names %d: en una máquina debe caber al menos un estudiante"}
	badTitle = protocol.Message{
		EN: "-title %s: a title is 1 to 60 printable characters",
		ES: "-title %s: un título tiene de 1 a 60 caracteres imprimibles"}
	notAnnounced = protocol.Message{
		EN: "the class is not announced on the LAN: %v; students give the address",
		ES: "la clase no se anuncia en la LAN: %v; tu grupo usa la dirección"}
	classOpens = protocol.Message{
		EN: "the code is %s; students say: client -name NAME -code %s %s",
		ES: "el código es %s; tu grupo escribe: client -name NOMBRE -code %s %s"}
	classRuns = protocol.Message{
		EN: "START runs %s, as %s",
		ES: "START ejecuta %s, como %s"}
	classEnds = protocol.Message{
		EN: "students: %d; connections: %d; requests: %d; started: %d; stopped: %d; refused: %d; wrong codes: %d",
		ES: "estudiantes: %d; conexiones: %d; peticiones: %d; iniciados: %d; detenidos: %d; rechazadas: %d; códigos incorrectos: %d"}
	classIsOver = protocol.Message{
		EN: "the class is over",
		ES: "terminó la clase"}
	timeIsUp = protocol.Message{
		EN: "the class has lasted %v, as -for says",
		ES: "la clase duró %v, como dice -for"}
	sameUser = protocol.Message{
		EN: "the server's own user, since it is not root",
		ES: "el usuario del propio servidor, que no es root"}
	pageOpens = protocol.Message{
		EN: "for everybody to see: http://%s:%d/",
		ES: "para que todos la vean: http://%s:%d/"}
	projectorOpens = protocol.Message{
		EN: "the projector, for you alone: %s",
		ES: "el proyector, solo para ti: %s"}
	noPage = protocol.Message{
		EN: "the class has no page: %v",
		ES: "la clase no tiene página: %v"}
	ordered = protocol.Message{
		EN: "the instructor orders: %s",
		ES: "orden de quien da la clase: %s"}
)
