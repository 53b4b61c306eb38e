package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"posixlab/server/protocol"
)

// terminal is the user's, in raw mode: keys arrive one by one, and line editing is ours. What
// is written to it appears above the prompt and what is being typed.
type terminal struct {
	*term.Terminal
	cooked  *term.State    // how it was found, and is left
	resized chan os.Signal // SIGWINCH
	ending  chan os.Signal // signals that end the program, which must not leave it raw
}

// keysAndScreen are the two ends of a terminal.
type keysAndScreen struct {
	io.Reader
	io.Writer
}

func openTerminal(prompt string) (*terminal, error) {
	t := &terminal{
		resized: make(chan os.Signal, 1),
		ending:  make(chan os.Signal, 1),
	}
	signal.Notify(t.resized, unix.SIGWINCH)
	signal.Notify(t.ending, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)

	var err error
	// POSIX: tcgetattr(0, &cooked); cfmakeraw(&raw); tcsetattr(0, TCSANOW, &raw);
	if t.cooked, err = term.MakeRaw(0); err != nil {
		return nil, os.NewSyscallError("tcsetattr", err)
	}
	t.Terminal = term.NewTerminal(keysAndScreen{os.Stdin, os.Stdout}, prompt)
	t.fit()
	return t, nil
}

// fit tells the line editor the size of the window.
func (t *terminal) fit() {
	// POSIX: struct winsize size; ioctl(1, TIOCGWINSZ, &size);
	if width, height, err := term.GetSize(1); err == nil && width > 0 {
		t.SetSize(width, height)
	}
}

// readLines hands on each line that the user types, up to one that says EXIT. Ctrl-D and Ctrl-C
// say EXIT too.
func (t *terminal) readLines(lines chan<- string) {
	defer t.restore()
	for {
		line, err := t.ReadLine()
		if err != nil && err != term.ErrPasteIndicator {
			t.SetPrompt("")
			fmt.Print("\r\n")
			line = protocol.Exit.String()
		}
		lines <- line
		if isExit(line) {
			return
		}
	}
}

// restore leaves the terminal as it was found. Every thread that could end the program by a
// panic defers it.
func (t *terminal) restore() {
	// POSIX: tcsetattr(0, TCSANOW, &cooked);
	term.Restore(0, t.cooked)
}

// close ends the use of the terminal, and lets signals end the program again.
func (t *terminal) close() {
	t.SetPrompt("") // a prompt that is not yet drawn stays so
	t.restore()
	signal.Stop(t.resized)
	signal.Stop(t.ending)
}
