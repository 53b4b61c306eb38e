package main

import (
	"cmp"
	"fmt"
	"os"

	"posixlab/server/protocol"
)

// batch sends every request and then EXIT, and prints all that comes, up to EOF. It returns why
// the connection was lost, if it was.
//
// One thread sends while another receives. If one did both, all of the sending first, then a
// server that waits for room to reply would read no more, and both would wait for ever.
func batch(fd int, requests *requests, lang protocol.Lang, out *replies) error {
	leaving := make(chan struct{}) // closed when only EXIT is left to send
	sent := make(chan error, 1)
	go func() {
		exit, err := requests.sendTo(fd)
		close(leaving)
		if n := requests.left(); err == nil && n > 0 {
			fmt.Fprintln(os.Stderr, say.LeftOut.In(lang, n))
		}
		sent <- cmp.Or(err, sayExit(fd, exit))
	}()

	lost := out.from(fd)

	select {
	case <-leaving:
		err := <-sent
		lost = out.lost(lost, err, requests.sent)
	default: // the server closed while there were requests to come
	}
	if out.refused {
		return nil // its last line was an Error, which says more than any errno
	}
	return lost
}
