package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// interactive sends what the user types until EXIT or Ctrl-D, and shows replies as they arrive.
// It returns why the connection was lost, if it was.
//
// Three threads: one waits for the user, one for the server, and this one for both.
func interactive(fd int, peer string, lang protocol.Lang, out *replies) error {
	tty, err := openTerminal(peer + "> ")
	if err != nil {
		return err
	}
	defer tty.close()
	out.screen.to(tty)

	lines := make(chan string)
	go tty.readLines(lines)

	received := make(chan error, 1)
	go func() {
		defer tty.restore()
		received <- out.from(fd)
	}()

	for asked := 0; ; {
		select {
		case line := <-lines:
			switch strings.TrimSpace(line) {
			case "":
				continue
			case "help", "ayuda", "?":
				io.WriteString(tty, say.Help.In(lang))
				continue
			}
			if isExit(line) {
				tty.close()
				out.screen.to(os.Stdout)
				err := sayExit(fd, line+"\n")
				return out.lost(<-received, err, asked)
			}
			if err := send(fd, line+"\n"); err != nil {
				return out.lost(<-received, err, asked)
			}
			asked++
		case err := <-received:
			tty.close()
			fmt.Println() // leave the prompt's line
			return err
		case <-tty.resized:
			tty.fit()
		case sig := <-tty.ending:
			tty.close()
			raise(sig.(unix.Signal))
		}
	}
}

// raise ends this process by a signal, as if it had never been caught.
func raise(sig unix.Signal) {
	// POSIX: raise(sig);
	unix.Kill(unix.Getpid(), sig)
	select {}
}
