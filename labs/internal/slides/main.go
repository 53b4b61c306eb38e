// Slides makes what the decks under slides/ take from elsewhere: recorded runs of the labs, drawings, the
// map of the lecture's concepts, and the decks as PDF. The decks themselves are shown by present.
//
//	slides record [NAME…]  slides/LANG/recorded: each scenario that a deck quotes, or these, run anew
//	slides draw            slides/LANG/drawings
//	slides map             slides/MAP.md, MAP.es.md
//	slides pdf DIR         DIR/LANG/DECK.pdf, by present and Chromium
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/course"
)

// A verb makes one thing. It is given the arguments that follow it.
type verb struct {
	takes int // how many; -1: any number
	run   func(ctx context.Context, c *course.Course, args []string) error
}

var verbs = map[string]verb{
	"record": {-1, record},
	"draw":   {0, draw},
	"map":    {0, writeMap},
	"pdf":    {1, printAll},
}

func main() {
	var v verb
	if len(os.Args) > 1 {
		v = verbs[os.Args[1]]
	}
	if v.run == nil || v.takes >= 0 && len(os.Args) != 2+v.takes {
		fmt.Fprintln(os.Stderr, "slides record [NAME…] | draw | map | pdf DIR")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	if err := do(ctx, v, os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "slides:", err)
		os.Exit(1)
	}
}

func do(ctx context.Context, v verb, args []string) error {
	root, err := course.FindRoot(".")
	if err != nil {
		return err
	}
	c, err := course.Load(root)
	if err != nil {
		return err
	}
	return v.run(ctx, c, args)
}
