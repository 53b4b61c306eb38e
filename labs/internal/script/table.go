package script

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/proc"
	"posixlab/labs/internal/show"
)

// limit is the lecture's 64 KB: how many bytes a LIST reply may have.
const limit = 65536

// smallTable is what a ps that was held says, unless the script wants more.
const smallTable = "    PID COMMAND\n      1 init\n"

func (s *Story) cmdTable(c *call) error {
	var hold, held, release, missing bool
	size, status := -1, ""
	err := c.flags(func(f *flag.FlagSet) {
		f.BoolVar(&hold, "hold", false, "")
		f.BoolVar(&held, "held", false, "")
		f.BoolVar(&release, "release", false, "")
		f.BoolVar(&missing, "missing", false, "")
		f.IntVar(&size, "bytes", -1, "")
		f.StringVar(&status, "status", "0", "")
	}, 0, 0)
	if err != nil {
		return err
	}
	if missing {
		return s.tableMissing()
	}
	ps, err := s.cast("ps")
	if err != nil {
		return err
	}
	if held {
		return s.tableHeld(c, ps)
	}
	if hold {
		s.Out.Note(show.Text{EN: "from now on ps does not answer", ES: "desde ahora ps no responde"})
		return ps.script("")
	}
	table := []byte(smallTable)
	if size >= 0 {
		table = tableOf(size)
	} else if !release {
		return misuse("which table?")
	}
	file := filepath.Join(s.work, fmt.Sprintf("table%d", s.tables))
	s.tables++
	if err := os.WriteFile(file, table, 0o644); err != nil {
		return err
	}
	s.table = table
	lines := fmt.Sprintf("cat %s\nexit %s\n", file, status)
	if unix.SignalNum("SIG"+status) != 0 {
		lines = fmt.Sprintf("cat %s\nkill %s\n", file, status)
	}
	if release {
		// If it is stopped when its server ends, the kernel may send it SIGHUP (_exit(2)): it is to go on.
		lines = "ignore HUP\n" + lines
		s.Out.Note(show.Text{EN: "ps answers: %s bytes", ES: "ps responde: %s bytes"}, show.Thousands(len(table)))
		_, err := ps.fifo.WriteString(lines)
		return err
	}
	if status == "0" {
		s.Out.Note(show.Text{EN: "ps writes %s bytes from now on", ES: "desde ahora ps escribe %s bytes"}, show.Thousands(size))
	} else {
		s.Out.Note(show.Text{
			EN: "ps writes %s bytes from now on, and ends badly: %s",
			ES: "desde ahora ps escribe %s bytes y termina mal: %s"}, show.Thousands(size), status)
	}
	return ps.script(lines)
}

// tableOf makes a process table of exactly so many bytes, of whole lines: 20 bytes each but for the
// first and the second, which is what is left.
func tableOf(size int) []byte {
	const head, line = "    PID COMMAND\n", 20
	if size < len(head)+line {
		return bytes.Repeat([]byte("\n"), size)[:size]
	}
	table := append(make([]byte, 0, size), head...)
	for pid := 2; len(table) < size; pid++ {
		end := len(table) + line - 1
		if pid == 2 {
			end += (size - len(head)) % line
		}
		table = fmt.Appendf(table, "%7d a%d", pid, pid)
		for len(table) < end {
			table = append(table, 'x')
		}
		table = append(table, '\n')
	}
	return table
}

// fits is what LIST has to make of a table: as many whole lines as fit the limit.
func fits(table []byte) []byte {
	if len(table) <= limit {
		return table
	}
	return table[:bytes.LastIndexByte(table[:limit], '\n')+1]
}

// checkTable compares a reply with what LIST has to make of the table, so many times over.
func (s *Story) checkTable(reply []byte, times int) error {
	if s.table == nil {
		return misuse("there is no table to compare with")
	}
	one := fits(s.table)
	want := bytes.Repeat(one, times)
	if bytes.Equal(reply, want) {
		return nil
	}
	expected := s.say(show.Text{
		EN: "%s bytes: of the %s that ps wrote, the whole lines that fit 65,536",
		ES: "%s bytes: de los %s que escribió ps, las líneas completas que caben en 65,536"},
		show.Thousands(len(one)), show.Thousands(len(s.table)))
	if times > 1 {
		expected = s.say(show.Text{EN: "%[2]d times %[1]s", ES: "%[2]d veces %[1]s"}, expected, times)
	}
	same := 0
	for same < min(len(reply), len(want)) && reply[same] == want[same] {
		same++
	}
	seen := s.say(show.Text{EN: "%s bytes", ES: "%s bytes"}, show.Thousands(len(reply)))
	if len(reply) == 0 {
		seen = s.say(show.Text{EN: "no byte", ES: "ni un byte"})
	} else if same < len(reply) {
		seen += s.say(show.Text{EN: "; from byte %s on it is another text: %s", ES: "; desde el byte %s es otro texto: %s"},
			show.Thousands(same+1), excerpt(reply[same:]))
	} else if reply[len(reply)-1] != '\n' {
		seen += s.say(show.Text{EN: ", the last line cut: %s", ES: ", la última línea cortada: %s"},
			excerpt(reply[bytes.LastIndexByte(reply, '\n')+1:]))
	}
	return &failure{expected, seen}
}

// checkLimit looks at a LIST of real processes that do not all fit: it has nearly 65,536 bytes, its
// last line is whole, and a process that lives is not in it.
func (s *Story) checkLimit(reply []byte, without string) error {
	lines := strings.Split(strings.TrimSuffix(string(reply), "\n"), "\n")
	last := lines[len(lines)-1]
	expected := s.say(show.Text{
		EN: "at most 65,536 bytes, and hardly fewer",
		ES: "a lo más 65,536 bytes, y casi tantos"})
	if len(reply) > limit || len(reply) < limit-200 {
		return &failure{expected, s.say(show.Text{EN: "%s bytes", ES: "%s bytes"}, show.Thousands(len(reply)))}
	}
	expected = s.say(show.Text{EN: "a last line that is whole", ES: "una última línea completa"})
	pid, comm, _ := strings.Cut(strings.TrimSpace(last), " ")
	number, err := strconv.Atoi(pid)
	st, statErr := proc.ReadStat(number)
	whole := comm == st.Comm || comm == st.Comm+" <defunct>" && st.Ending
	if reply[len(reply)-1] != '\n' || err != nil || statErr != nil || !whole {
		return &failure{expected, s.say(show.Text{EN: "it ends in: %s", ES: "termina en: %s"}, excerpt(reply[max(0, len(reply)-40):]))}
	}
	for _, line := range lines {
		if listed, _, _ := strings.Cut(strings.TrimSpace(line), " "); listed == without {
			return &failure{
				s.say(show.Text{EN: "process %s does not fit", ES: "el proceso %s no cabe"}, without),
				s.say(show.Text{EN: "it is in the reply: %s", ES: "está en la respuesta: %s"}, line)}
		}
	}
	s.Out.Note(show.Text{
		EN: "%s bytes; the last line is of process %d, and %s, which lives, is not there",
		ES: "%s bytes; la última línea es del proceso %d; %s, que vive, no está"},
		show.Thousands(len(reply)), number, without)
	return nil
}

// tableHeld waits until the server has started our ps, which becomes $PS.
func (s *Story) tableHeld(c *call, ps *actor) error {
	var held []proc.Stat
	err := s.await(nil,
		s.say(show.Text{EN: "the server runs the ps that is first on its PATH", ES: "el servidor ejecuta el ps que está primero en su PATH"}),
		func() string { return s.say(show.Text{EN: "it does not", ES: "no lo hace"}) },
		func() (bool, error) {
			tree, err := s.run.Tree()
			if err != nil {
				return false, err
			}
			held = slices.DeleteFunc(tree, func(st proc.Stat) bool {
				exe, err := proc.Exe(st.PID)
				return err != nil || exe != ps.path
			})
			return len(held) > 0, nil
		})
	if err != nil {
		return err
	}
	c.ts.Setenv("PS", fmt.Sprint(held[0].PID))
	s.shellBetween = held[0].Parent != s.server.PID
	s.Out.Evidence(s.processTable(held))
	return nil
}

// tableMissing gives the servers that are started from now on a PATH on which there is no ps: it is
// without the directories that have one. A server that is a script may need an interpreter from there:
// for it each of those is a folder of links to all the rest.
func (s *Story) tableMissing() error {
	i := slices.IndexFunc(s.env, func(kv string) bool { return strings.HasPrefix(kv, "PATH=") })
	var path, done []string
	for _, dir := range filepath.SplitList(strings.TrimPrefix(s.env[i], "PATH=")) {
		dir, err := filepath.Abs(cmp.Or(dir, "."))
		if err != nil {
			return err
		}
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			dir = real // /bin is often a link to /usr/bin
		}
		if slices.Contains(done, dir) {
			continue
		}
		done = append(done, dir)
		if _, err := os.Stat(filepath.Join(dir, "ps")); err == nil {
			if !slices.ContainsFunc(s.Server.Argv, isScript) {
				os.Symlink("/bin/sh", filepath.Join(s.work, "bin", "sh")) // popen may look for it
				continue
			}
			if dir, err = s.linksWithoutPS(dir); err != nil {
				return err
			}
		}
		path = append(path, dir)
	}
	s.env[i] = "PATH=" + strings.Join(path, ":")
	s.Out.Note(show.Text{EN: "no directory on the server's PATH has a ps", ES: "ningún directorio del PATH del servidor tiene un ps"})
	return nil
}

// isScript reports whether a word of a command is a file that is not a program of the machine's own
// format (elf(5)), so that something has to interpret it.
func isScript(word string) bool {
	file, err := os.Open(word)
	if err != nil {
		return false
	}
	defer file.Close()
	var magic [4]byte
	_, err = io.ReadFull(file, magic[:])
	return err == nil && string(magic[:]) != "\x7fELF"
}

// linksWithoutPS makes a folder of links to all that a directory has but ps.
func (s *Story) linksWithoutPS(dir string) (links string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	if links, err = os.MkdirTemp(s.work, "path"); err != nil {
		return "", err
	}
	for _, entry := range entries {
		if entry.Name() == "ps" {
			continue
		}
		if err := os.Symlink(filepath.Join(dir, entry.Name()), filepath.Join(links, entry.Name())); err != nil {
			return "", err
		}
	}
	return links, os.Chmod(links, 0o755)
}
