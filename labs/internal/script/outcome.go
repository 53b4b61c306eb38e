package script

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"posixlab/labs/internal/proc"
	"posixlab/labs/internal/show"
	"posixlab/labs/internal/target"
)

// An Outcome says why a story ended early.
type Outcome struct {
	Infra    bool   // the kit or the machine failed, and not the server
	Expected string // in the reader's language, as are all of these
	Seen     string
	Evidence []string // lines, from the kernel and from the server's own output
	Hint     string   // that fits better than the step's; "" is none
}

// A failure ends a story: what a command expected, and what it saw instead.
type failure struct {
	expected, seen string
}

// A hinted failure knows better than the step what may be wrong.
type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

func (f *failure) Error() string { return "expected " + f.expected + "; saw " + f.seen }

// skipped ends a story that cannot be told here, and says why.
type skipped string

func (s skipped) Error() string { return string(s) }

// misuse is a script's own mistake.
type misuse string

func (m misuse) Error() string { return string(m) }

// explain turns a command's error into an outcome. Whatever is neither the server's failure nor
// its hang is the machine's, or the kit's.
func (s *Story) explain(err error) *Outcome {
	if f, ok := errors.AsType[*failure](err); ok {
		outcome := &Outcome{Expected: f.expected, Seen: f.seen, Evidence: s.evidence()}
		if h, ok := errors.AsType[*hinted](err); ok {
			outcome.Hint = h.hint
		}
		return outcome
	}
	if errors.Is(err, proc.ErrGone) {
		return &Outcome{
			Expected: s.say(show.Text{EN: "a process that is there to be looked at", ES: "un proceso que siga ahí para mirarlo"}),
			Seen:     s.sayGone() + s.andServerEnded(),
			Evidence: s.evidence(),
		}
	}
	return &Outcome{Infra: true, Seen: err.Error(), Evidence: s.evidence()}
}

// andServerEnded tells how the server ended, if it has, after something else.
func (s *Story) andServerEnded() string {
	if s.server != nil {
		if how := s.howServerEnded(); how != "" {
			return "; " + how
		}
	}
	return ""
}

func (s *Story) sayHang(h *target.Hang) string {
	if h.Quiet {
		return s.say(show.Text{
			EN: "all of the server's threads sleep, nothing is on its way",
			ES: "todos los hilos del servidor duermen, no hay nada en camino"})
	}
	return s.say(show.Text{
		EN: "after %s",
		ES: "después de %s"}, show.Duration(h.After))
}

// fails makes a failure out of two texts without arguments.
func (s *Story) fails(expected, seen show.Text) error {
	return &failure{s.say(expected), s.say(seen)}
}

// evidence is what the kernel and the server's own output say at this moment, for a report.
func (s *Story) evidence() (lines []string) {
	if s.server == nil {
		return nil
	}
	tree, err := s.run.Tree()
	tree = slices.DeleteFunc(tree, func(st proc.Stat) bool { // the sandbox's own
		return st.PID == s.server.Root && s.Server.Sandbox.Wraps()
	})
	if err == nil && len(tree) > 0 {
		lines = append(lines, s.processTable(tree).Lines(s.Out.Lang)...)
	}
	if table, err := s.sockets(s.focused); err == nil && len(table.Rows) > 0 {
		lines = append(lines, table.Lines(s.Out.Lang)...)
	}
	if said := lastLines(s.server.Log, 6); len(said) > 0 {
		lines = append(lines, s.say(show.Text{EN: "the server's own output", ES: "lo que escribió el servidor"}))
		for _, line := range said {
			lines = append(lines, "  "+line)
		}
	}
	return lines
}

// focused reports whether a line of the kernel's table is an end of the connection that the failing
// command was about.
func (s *Story) focused(t proc.TCP) bool {
	return s.focus != nil && ours(s.focus, t)
}

// lastLines returns the last lines of a server's output, at most so many, fit for a report however
// much it wrote: of a long line only the beginning, and nothing that a terminal acts on.
func lastLines(log string, most int) []string {
	const tail, longest = 16 * 1024, 200
	file, err := os.Open(log)
	if err != nil {
		return nil
	}
	defer file.Close()
	info, err := file.Stat()
	cut := err == nil && info.Size() > tail
	if cut {
		file.Seek(-tail, io.SeekEnd)
	}
	data, _ := io.ReadAll(file)
	text := string(data)
	if _, rest, found := strings.Cut(text, "\n"); cut && found {
		text = rest // the first line is only the end of one
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	lines := slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool {
		return strings.Contains(line, markPID) // what it says of our own marks
	})
	first := max(0, len(lines)-most)
	if panicked := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "panic: ") }); panicked >= 0 {
		first = panicked // in Go, the reason stands above the stack
	}
	lines = lines[first:min(len(lines), first+most)]
	for i, line := range lines {
		if runes := []rune(show.Printable(line)); len(runes) > longest {
			lines[i] = string(runes[:longest-1]) + "…"
		} else {
			lines[i] = string(runes)
		}
	}
	return lines
}
