// Client talks to the lecture's remote process manager: it sends requests, a line each, and
// prints the replies.
//
//	client [-name NAME -code CODE] [-c REQUEST]… [-lang en|es] [-version] [HOST[:PORT]]
//
//	$ client -c 'START sleep 60' -c LIST
//
// To read it in the lecture's order: connect.go (socket, connect), exchange.go (send, recv,
// shutdown, close), then the two ways to use them: batch.go and interactive.go.
package main

import (
	"fmt"
	"os"
)

// How the client ends.
const (
	statusFailed   = 1 // a reply began with "Error"
	statusWrongUse = 2
	statusLost     = 3 // no connection, or it was lost
)

func main() {
	opt := parseFlags(os.Args[1:])
	out := &replies{screen: newScreen(os.Stdout)}

	if opt.discover {
		opt.findClass()
	}
	fd, peer, err := dial(opt.host, opt.port)
	if err == nil && opt.name != "" {
		err = sayHello(fd, opt.name, opt.code, out)
	}
	if err == nil && !out.failed {
		if opt.interactive {
			err = interactive(fd, peer, opt.lang, out)
		} else {
			err = batch(fd, opt.requests, opt.lang, out)
		}
		hangUp(fd)
	}

	os.Exit(status(out, peer, err, opt))
}

// findClass finds the one class of the LAN, for the connection that follows. If there is none, or more than
// one, or nobody to join it, it says what there is and ends.
func (opt *options) findClass() {
	classes, err := discover()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, say.CannotListen.In(opt.lang, err))
		os.Exit(statusLost)
	case len(classes) == 0:
		fmt.Fprintln(os.Stderr, say.NoClass.In(opt.lang))
		os.Exit(statusLost)
	case len(classes) == 1 && opt.name != "":
		opt.host, opt.port = classes[0].at.Addr().String(), int(classes[0].at.Port())
		return
	}
	for _, c := range classes {
		fmt.Printf("%-21s  %s\n", c.at, c.title)
	}
	if opt.name == "" {
		fmt.Fprintln(os.Stderr, say.JoinSo.In(opt.lang, classes[0].at))
		os.Exit(0)
	}
	fmt.Fprintln(os.Stderr, say.WhichClass.In(opt.lang))
	os.Exit(statusWrongUse)
}

// status is what the shell is told. A reply that began with "Error" outweighs a lost
// connection: a server that refuses a client says so and closes, and whether that close is
// then seen as an end, a reset or a failed send is a matter of luck. In a dialogue only the
// last line can be such a refusal: an Error of long before was a slip of the user's.
func status(out *replies, peer string, err error, opt options) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, explain(err, peer, opt.lang))
	}
	switch {
	case err != nil && opt.interactive && !out.refused:
		return statusLost
	case out.failed:
		return statusFailed
	case err != nil:
		return statusLost
	}
	return 0
}
