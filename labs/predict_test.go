package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPredict answers a story's questions at a terminal: rightly, wrongly, and with Enter alone. Without
// a terminal, nothing is asked.
func TestPredict(t *testing.T) {
	buildKit(t)
	for _, c := range []struct {
		answer, lang string
		want         []string
	}{
		{"no", "en", []string{"? The server will be killed.", "✓ so it is", "predictions that came true: 1 of 1"}},
		{"Yes.", "en", []string{"✗ it is: no", "predictions that came true: 0 of 1"}},
		{"No", "es", []string{"? Van a matar al servidor.", "✓ así es", "predicciones acertadas: 1 de 1"}},
		{"", "en", []string{"stories told: 1"}},
	} {
		t.Run(c.lang+" "+c.answer, func(t *testing.T) {
			said := atTerminal(t, c.answer, "run", "-lang", c.lang, "-no-bugs", "restart")
			for _, want := range c.want {
				if !strings.Contains(said, want) {
					t.Errorf("it does not say %q:\n%s", want, said)
				}
			}
			if c.answer == "" && strings.Contains(said, "came true") {
				t.Errorf("a question that was passed counts:\n%s", said)
			}
		})
	}
	if said := atTerminal(t, "", "run", "-no-questions", "-no-bugs", "restart"); strings.Contains(said, "\n    > ") {
		t.Errorf("-no-questions:\n%s", said)
	}
	cmd := exec.Command(self(t), "run", "-no-bugs", "restart")
	cmd.Stdin = strings.NewReader("no\n")
	if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, []byte("? The server")) {
		t.Errorf("without a terminal: %v\n%s", err, out)
	}
}

// atTerminal runs this program at a terminal of its own (pty(7)), types a line when it is asked
// something, and returns what the terminal showed.
func atTerminal(t *testing.T, answer string, args ...string) string {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self(t), args...)
	cmd.Env = append(os.Environ(), "NO_COLOR=1", "TMPDIR="+t.TempDir())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	var reading sync.WaitGroup
	reading.Go(func() {
		typed := false
		for part := make([]byte, 4096); ; {
			n, err := master.Read(part)
			shown.Write(part[:n])
			if !typed && strings.HasSuffix(shown.String(), "\n    > ") {
				typed = true
				fmt.Fprintln(master, answer)
			}
			if err != nil {
				return // EIO: nobody has the terminal open any more
			}
		}
	})
	err = cmd.Wait()
	terminal.Close()
	reading.Wait()
	if err != nil {
		t.Errorf("%v: %v", args, err)
	}
	return shown.String()
}
