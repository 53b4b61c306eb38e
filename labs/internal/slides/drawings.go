package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"posixlab/labs/internal/course"
	"posixlab/labs/internal/show"
)

// drawings are all of them, by the name of their file.
var drawings = map[string]struct {
	title  string
	height int
	draw   func(d *drawing, told recorded) error
}{
	"architecture": {"The pair, its processes, and who looks at them | El par, sus procesos, y quién los observa", 500, drawArchitecture},
	"tcp":          {"The life of a connection | La vida de una conexión", 580, drawTCP},
	"stream":       {"What is sent, and what recv returns | Lo que se envía, y lo que devuelve recv", 430, drawStream},
	"threads":      {"A thread for each client | Un hilo por cliente", 500, drawThreads},
	"fork":         {"The descriptors before and after fork and exec | Los descriptores antes y después de fork y exec", 540, drawFork},
	"pipe":         {"A pipe that nobody reads | Una tubería que nadie lee", 430, drawPipe},
	"limit":        {"What ps wrote and what LIST sent | Lo que escribió ps y lo que envió LIST", 400, drawLimit},
	"signal":       {"From kill to the process | De kill al proceso", 500, drawSignal},
	"coalesced":    {"Ten deaths, one bit | Diez muertes, un bit", 500, drawCoalesced},
	"states":       {"The states of a process | Los estados de un proceso", 540, drawStates},
	"vanish":       {"A client that vanishes | Un cliente que desaparece", 470, drawVanish},
}

// draw makes each drawing in each language.
func draw(_ context.Context, c *course.Course, _ []string) error {
	for _, lang := range languages {
		dir := filepath.Join(folder(c, lang), "drawings")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		for name := range drawings {
			svg, err := drawn(name, c, lang)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if err := os.WriteFile(filepath.Join(dir, name+".svg"), []byte(svg), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

func drawn(name string, c *course.Course, lang show.Lang) (string, error) {
	d := &drawing{name: name, height: drawings[name].height, lang: lang}
	if err := drawings[name].draw(d, recorded(filepath.Join(folder(c, lang), "recorded"))); err != nil {
		return "", err
	}
	return d.svg(drawings[name].title), nil
}

// recorded is the folder of a language's recorded runs: where a drawing's numbers are from.
type recorded string

// numbers finds a pattern in the recorded run of a scenario, and returns the numbers in its groups.
func (r recorded) numbers(scenario, pattern string) (found []int, err error) {
	data, err := os.ReadFile(filepath.Join(string(r), scenario+".txt"))
	if err != nil {
		return nil, err
	}
	match := regexp.MustCompile(pattern).FindSubmatch(data)
	if match == nil {
		return nil, fmt.Errorf("the recorded run of %s has no %s", scenario, pattern)
	}
	for _, group := range match[1:] {
		n, err := strconv.Atoi(strings.ReplaceAll(string(group), ",", ""))
		if err != nil {
			return nil, err
		}
		found = append(found, n)
	}
	return found, nil
}

func drawArchitecture(d *drawing, _ recorded) error {
	d.label(0, 60, 190, 70, "ours", "client | cliente")
	d.label(0, 160, 190, 70, "ours", "client | cliente")
	d.label(0, 260, 190, 70, "ours", "nc")
	for _, y := range []int{95, 195, 295} {
		d.arrow("line", 190, y, 440, y)
	}
	d.say(315, 80, "middle call", "TCP :5002")
	d.box(440, 40, 240, 310, "ours")
	d.say(560, 80, "middle strong", "server | servidor")
	d.label(460, 100, 200, 46, "paper", "accept")
	for _, y := range []int{156, 206, 256} {
		d.label(460, y, 200, 42, "paper", "thread | hilo")
	}
	d.say(560, 335, "middle quiet", "LIST START STOP")
	d.label(890, 50, 230, 66, "good", "ps")
	d.label(890, 150, 230, 66, "good", "sleep 1000")
	d.label(890, 250, 230, 66, "bad", "Z  (defunct)")
	d.arrow("line", 680, 83, 890, 83)
	d.arrow("line", 680, 183, 890, 183)
	d.arrow("line", 680, 283, 890, 283)
	d.say(785, 70, "middle call", "pipe")
	d.say(785, 170, "middle call", "fork+exec")
	d.say(785, 270, "middle call", "wait")
	d.box(0, 390, 1120, 100, "kernel")
	d.say(24, 432, "strong", "kernel: /proc | kernel: /proc")
	d.say(24, 468, "quiet call", "/proc/net/tcp   /proc/PID/stat   /proc/PID/fd   /proc/PID/task   /proc/PID/status")
	return nil
}

func drawTCP(d *drawing, _ recorded) error {
	const client, server = 330, 830
	d.label(client-130, 0, 260, 50, "ours", "client | cliente")
	d.label(server-130, 0, 260, 50, "ours", "server | servidor")
	d.line("faint", client, 50, client, 576)
	d.line("faint", server, 50, server, 576)
	call := func(y int, atServer bool, text string) {
		if atServer {
			d.say(server+24, y, "call blue", text)
		} else {
			d.say(client-24, y, "end call blue", text)
		}
	}
	call(84, true, "socket  bind")
	call(114, true, "listen")
	d.say(server+150, 114, "green strong", "LISTEN")
	call(150, false, "socket")
	call(184, false, "connect")
	segment := func(y int, right bool, text string) {
		from, to := client+6, server-6
		if !right {
			from, to = to, from
		}
		d.arrow("line", from, y, to, y+26)
		d.say((client+server)/2, y-2, "middle", text)
	}
	segment(168, true, "SYN")
	segment(210, false, "SYN + ACK")
	segment(252, true, "ACK")
	d.say(client-24, 262, "end green strong", "ESTABLISHED")
	d.say(server+24, 290, "green strong", "ESTABLISHED")
	d.say(server+24, 322, "quiet", "in the queue | en la cola")
	call(356, true, "accept → conn")
	d.say((client+server)/2, 334, "middle quiet", "bytes, both ways | bytes, en ambos sentidos")
	d.arrow("line", client+10, 350, server-10, 350)
	d.arrow("line", server-10, 366, client+10, 366)
	call(416, false, "close")
	segment(404, true, "FIN")
	d.say(server+24, 440, "orange strong", "CLOSE_WAIT")
	segment(446, false, "ACK")
	d.say(client-24, 480, "end orange strong", "FIN_WAIT2")
	call(500, true, "close(conn)")
	segment(488, false, "FIN")
	d.say(client-24, 522, "end orange strong", "TIME_WAIT")
	d.say(client-24, 552, "end quiet", "60 s, nobody's | 60 s, de nadie")
	segment(530, true, "ACK")
	return nil
}

func drawStream(d *drawing, _ recorded) error {
	d.say(0, 34, "strong", "the client sends | el cliente envía")
	requests := []struct {
		text  string
		width int
	}{{`LIST\n`, 220}, {`STOP abc\n`, 420}, {`STOP def\n`, 420}}
	x := 40
	for _, r := range requests {
		d.box(x, 50, r.width, 66, "ours")
		d.say(x+r.width/2, 92, "middle call", r.text)
		x += r.width
	}
	d.say(0, 176, "strong", "recv returns | recv devuelve")
	pieces := []struct {
		text  string
		width int
	}{{`LI`, 80}, {`ST\nSTOP abc\nSTO`, 620}, {`P def\n`, 360}}
	x = 40
	for _, p := range pieces {
		d.box(x, 192, p.width, 66, "waits")
		d.say(x+p.width/2, 234, "middle call", p.text)
		x += p.width
	}
	d.say(0, 318, "strong", "the server answers | el servidor responde")
	x = 40
	for i, r := range requests {
		d.label(x, 334, r.width-12, 66, "good", []string{"1", "2", "3"}[i])
		x += r.width
	}
	return nil
}

func drawThreads(d *drawing, _ recorded) error {
	d.box(330, 10, 460, 480, "ours")
	d.say(560, 50, "middle strong", "one process, one memory | un proceso, una memoria")
	d.label(360, 74, 400, 64, "paper", "main thread: accept | hilo principal: accept")
	for i, y := range []int{170, 266, 362} {
		d.label(0, y, 190, 70, "ours", "client %d | cliente %d", i+1)
		d.label(400, y, 320, 70, []string{"waits", "good", "waits"}[i], []string{"S: recv", "R: ps → reply | R: ps → respuesta", "S: recv"}[i])
		d.arrow("line", 190, y+35, 400, y+35)
		d.arrow("line", 376, 138, 376, y+20)
	}
	d.say(295, 192, "middle quiet", "fd 11")
	d.say(295, 288, "middle quiet", "fd 12")
	d.say(295, 384, "middle quiet", "fd 13")
	d.say(560, 472, "middle quiet", "shared: code, data, heap, descriptors | compartido: código, datos, heap, descriptores")
	d.say(820, 110, "quiet", "never waits for a client | nunca espera a un cliente")
	d.say(820, 214, "call", "/proc/PID/task/11")
	d.say(820, 310, "call", "/proc/PID/task/12")
	d.say(820, 406, "call", "/proc/PID/task/13")
	return nil
}

func drawFork(d *drawing, _ recorded) error {
	table := func(x int, title, class string, rows [][2]string) {
		d.box(x, 60, 340, 330, class)
		d.say(x+170, 44, "middle strong", title)
		for i, row := range rows {
			y := 104 + i*50
			d.say(x+20, y, "call", row[0])
			colour := "call"
			if strings.HasPrefix(row[1], "!") {
				colour, row[1] = "call red", row[1][1:]
			}
			d.say(x+74, y, colour, row[1])
		}
	}
	table(0, "the server | el servidor", "ours", [][2]string{
		{"0", "terminal"}, {"1", "terminal"}, {"2", "server.log"}, {"7", "/dev/null"}, {"8", "LISTEN :5002"}, {"11", "client 1 | cliente 1"}})
	table(410, "after fork | después de fork", "waits", [][2]string{
		{"0", "terminal"}, {"1", "terminal"}, {"2", "server.log"}, {"7", "/dev/null"}, {"8", "!LISTEN :5002"}, {"11", "!client 1 | cliente 1"}})
	table(820, "dup2 ×3, exec", "good", [][2]string{
		{"0", "/dev/null"}, {"1", "/dev/null"}, {"2", "/dev/null"}})
	d.say(990, 300, "middle quiet", "7, 8, 11: close-on-exec")
	d.say(990, 332, "middle quiet", "exec closed them | exec los cerró")
	d.arrow("line", 340, 225, 410, 225)
	d.arrow("line", 750, 225, 820, 225)
	d.say(0, 440, "", "fork copies every descriptor under its number: two processes hold the port | fork copia cada descriptor con su número: dos procesos tienen el puerto")
	d.say(0, 478, "", "exec keeps them all, but for those marked FD_CLOEXEC | exec los conserva todos, salvo los marcados FD_CLOEXEC")
	d.say(0, 516, "quiet", "same pid, same parent, same group; another program | el mismo pid, padre y grupo; otro programa")
	return nil
}

func drawPipe(d *drawing, told recorded) error {
	n, err := told.numbers("capacity", `\] \S+ ([\d,]+) bytes \(FIONREAD\), \S+ ([\d,]+) \(F_GETPIPE_SZ\)`)
	if err != nil {
		return err
	}
	asked, err := told.numbers("capacity", `ps \S+: ([\d,]+) bytes`)
	if err != nil {
		return err
	}
	d.label(0, 120, 210, 110, "waits", "ps")
	d.say(105, 265, "middle orange strong", "S: write")
	d.say(105, 300, "middle quiet", "wants %s | quiere %s", show.Thousands(asked[0]))
	d.label(950, 120, 210, 110, "bad", "server | servidor")
	d.say(1055, 265, "middle red strong", "T")
	d.say(1055, 300, "middle quiet", "reads nothing | no lee nada")
	const x, width = 290, 580
	d.box(x, 120, width, 110, "kernel")
	d.box(x+8, 128, (width-16)*n[0]/n[1], 94, "full")
	d.say(x+width/2, 184, "middle strong inverse", "%s bytes of %s | %s bytes de %s", show.Thousands(n[0]), show.Thousands(n[1]))
	d.arrow("line", 210, 175, 290, 175)
	d.arrow("line", 870, 175, 950, 175)
	d.say(x+width/2, 96, "middle strong", "the pipe, in the kernel | la tubería, en el kernel")
	d.say(250, 110, "middle call", "1")
	d.say(910, 110, "middle call", "12")
	d.say(0, 370, "", "The writer sleeps until somebody reads. With no reader left, it dies: SIGPIPE. | Quien escribe duerme hasta que alguien lea. Si ya no hay lector, muere: SIGPIPE.")
	d.say(0, 408, "", "The reader sees the end only when no write end is open, whoever has it. | Quien lee ve el fin solo cuando no queda abierto ningún extremo de escritura.")
	return nil
}

func drawLimit(d *drawing, told recorded) error {
	n, err := told.numbers("thousands", `… ([\d,]+) \S+ \S+, ([\d,]+) bytes`)
	if err != nil {
		return err
	}
	zombies, err := told.numbers("thousands", `([\d,]+) zombi`)
	if err != nil {
		return err
	}
	rows, sent := n[0]+2, n[1]              // the reply's first and last row are shown
	wrote := zombies[0] * sent / (rows + 1) // every row is as wide as the next; one is the heading
	const width = 1100
	end, limit := width*sent/wrote, width*65536/wrote
	d.say(0, 34, "strong", "ps wrote, of %s zombies and those who live | ps escribió, de %s zombis y los que viven", show.Thousands(zombies[0]))
	d.box(0, 50, width, 64, "full")
	d.say(24, 92, "strong inverse", "more than %s bytes | más de %s bytes", show.Thousands(wrote))
	d.say(0, 170, "strong", "LIST sent | LIST envió")
	d.box(0, 186, end, 64, "fullgood")
	d.say(24, 228, "strong inverse", "%s bytes: %s rows, the last one whole | %s bytes: %s renglones, el último entero",
		show.Thousands(sent), show.Thousands(rows))
	d.box(end+6, 186, width-end-6, 64, "bad")
	d.say((end+width)/2, 228, "middle red strong", "silence | silencio")
	d.line("wrong", limit, 44, limit, 270)
	d.say(limit, 302, "middle red strong", "65,536")
	d.say(0, 350, "", "Nothing in the reply says that there is more. | Nada en la respuesta dice que hay más.")
	d.say(0, 388, "", "Who is missing? The youngest: ps writes by pid. | ¿Quiénes faltan? Los más jóvenes: ps escribe por pid.")
	return nil
}

func drawSignal(d *drawing, _ recorded) error {
	d.label(0, 60, 230, 90, "ours", "kill(pid, sig)")
	d.arrow("line", 230, 105, 320, 105)
	d.box(320, 20, 420, 180, "kernel")
	d.say(530, 60, "middle strong", "pending: one bit each | pendientes: un bit por señal")
	for i := range 8 {
		class, bit := "paper", "0"
		if i == 3 {
			class, bit = "waits", "1"
		}
		d.label(344+i*47, 84, 42, 54, class, bit)
	}
	d.say(530, 180, "middle call quiet", "ShdPnd 0000000000004000")
	d.arrow("line", 530, 200, 530, 250)
	d.label(400, 250, 260, 64, "paper", "blocked? | ¿bloqueada?")
	d.say(690, 290, "quiet", "yes: it stays pending | sí: se queda pendiente")
	d.arrow("line", 530, 314, 530, 360)
	d.label(60, 400, 250, 70, "bad", "SIG_DFL: ends | SIG_DFL: termina")
	d.label(340, 400, 250, 70, "paper", "SIG_IGN: dropped | SIG_IGN: se tira")
	d.label(620, 400, 250, 70, "good", "handler | manejador")
	d.line("line", 185, 360, 745, 360)
	d.arrow("line", 185, 360, 185, 400)
	d.arrow("line", 465, 360, 465, 400)
	d.arrow("line", 745, 360, 745, 400)
	d.box(860, 50, 300, 150, "bad")
	d.say(1010, 96, "middle strong red", "SIGKILL SIGSTOP")
	d.say(1010, 136, "middle", "no mask, no handler | sin máscara")
	d.say(1010, 172, "middle", "no choice | ni manejador")
	d.say(890, 442, "quiet call", "SigCgt")
	return nil
}

func drawCoalesced(d *drawing, told recorded) error {
	n, err := told.numbers("coalesced", `SigPnd\|ShdPnd +0*(1)0{4} +SIGCHLD`)
	if err != nil {
		return err
	}
	const children = 10
	for i := range children {
		d.label(i*74, 50, 64, 60, "bad", "Z")
		d.line("faint", i*74+32, 110, 370, 190)
	}
	d.say(0, 34, "strong", "ten children exit while the server is stopped | diez hijos terminan con el servidor detenido")
	d.label(330, 190, 80, 66, "waits", strconv.Itoa(n[0]))
	d.say(430, 218, "strong", "one bit: SIGCHLD is pending, or it is not | un bit: SIGCHLD está pendiente o no")
	d.say(430, 248, "quiet call", "ShdPnd 0000000000010000")
	d.arrow("line", 370, 256, 370, 300)
	d.say(430, 290, "call", "SIGCONT")
	d.label(40, 300, 500, 66, "good", "loop: waitpid(-1, …, WNOHANG) | ciclo: waitpid(-1, …, WNOHANG)")
	d.say(570, 342, "", "10 pids, then 0 or ECHILD: all gone | 10 pids, y luego 0 o ECHILD: ninguno queda")
	d.label(40, 400, 500, 66, "bad", "one waitpid for each signal | un waitpid por señal")
	d.say(570, 442, "red strong", "1 pid: nine zombies stay | 1 pid: quedan nueve zombis")
	return nil
}

func drawStates(d *drawing, _ recorded) error {
	d.label(0, 200, 150, 80, "ours", "fork")
	d.label(230, 190, 260, 100, "good", "")
	d.say(360, 240, "middle state", "R")
	d.say(360, 276, "middle quiet", "running, ready | en ejecución, listo")
	d.label(250, 10, 220, 90, "waits", "")
	d.say(360, 69, "middle state", "S")
	d.say(490, 48, "quiet", "asleep in a call: recv, read, wait | dormido en una llamada: recv, read, wait")
	d.say(490, 80, "quiet", "D: the same, and no signal wakes it | D: igual, y ninguna señal lo despierta")
	d.label(250, 420, 220, 90, "waits", "")
	d.say(360, 479, "middle state", "T")
	d.say(490, 460, "quiet", "stopped: SIGSTOP, then SIGCONT | detenido: SIGSTOP, y luego SIGCONT")
	d.label(620, 190, 220, 100, "bad", "")
	d.say(730, 254, "middle state red", "Z")
	d.say(730, 330, "middle red strong", "dead, not collected | muerto, sin recolectar")
	d.say(730, 362, "middle quiet", "a pid and a status | un pid y un estado")
	d.label(980, 200, 180, 80, "paper", "gone | ya no está")
	d.arrow("line", 150, 240, 230, 240)
	d.arrow("line", 320, 190, 320, 100)
	d.arrow("line", 400, 100, 400, 190)
	d.arrow("line", 280, 290, 280, 420)
	d.arrow("line", 440, 420, 440, 290)
	d.arrow("line", 490, 240, 620, 240)
	d.say(555, 222, "middle call", "exit, 9")
	d.arrow("line", 840, 240, 980, 240)
	d.say(910, 222, "middle call blue", "wait")
	d.say(910, 272, "middle quiet", "parent | el padre")
	return nil
}

func drawVanish(d *drawing, _ recorded) error {
	const client, server = 250, 830
	d.label(client-130, 0, 260, 50, "ours", "client | cliente")
	d.label(server-130, 0, 260, 50, "ours", "server | servidor")
	d.line("faint", client, 50, client, 250)
	d.line("faint", server, 50, server, 466)
	d.arrow("line", client+6, 80, server-6, 100)
	d.say((client+server)/2, 78, "middle call", "LIST\\nLIST\\n")
	d.say(server+24, 130, "call blue", "send(reply 1) | send(respuesta 1)")
	d.arrow("line", server-6, 140, client+6, 160)
	d.say(client-24, 226, "end red strong", "gone | se fue")
	d.line("wrong", client-16, 190, client+16, 222)
	d.line("wrong", client+16, 190, client-16, 222)
	d.arrow("wrong", client+20, 214, server-6, 240)
	d.say((client+server)/2, 210, "middle red strong", "RST")
	d.say(server+24, 290, "call blue", "send(reply 2) | send(respuesta 2)")
	d.label(540, 320, 612, 60, "bad", "SIGPIPE: the process ends, for everybody | SIGPIPE: el proceso termina, para todos")
	d.label(540, 400, 612, 60, "good", "MSG_NOSIGNAL: −1, EPIPE; one session ends | MSG_NOSIGNAL: −1, EPIPE; acaba una sesión")
	d.arrow("line", server, 296, server, 320)
	d.say(520, 358, "end", "the default | por omisión")
	d.say(520, 438, "end", "asked for an errno | si se pide un errno")
	return nil
}
