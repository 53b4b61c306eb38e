package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"posixlab/server/protocol"
)

const version = "0.1.0"

// options are what the command line says.
type options struct {
	host        string
	port        int
	lang        protocol.Lang
	name, code  string // what a class wants to know first
	discover    bool   // find the class on the LAN
	interactive bool
	requests    *requests // of a batch
}

// parseFlags reads the command line. Wrong use is explained and ends the program with status 2.
func parseFlags(args []string) options {
	opt := options{host: "127.0.0.1", port: protocol.Port, lang: protocol.LangOf(os.Getenv)}
	var given []string
	showVersion := false
	flags := flag.NewFlagSet("client", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the flag package speaks English only
	flags.Func("c", "", func(s string) error { given = append(given, s); return nil })
	flags.StringVar((*string)(&opt.lang), "lang", string(opt.lang), "")
	flags.StringVar(&opt.name, "name", "", "")
	flags.StringVar(&opt.code, "code", "", "")
	flags.BoolVar(&opt.discover, "discover", false, "")
	flags.BoolFunc("version", "", func(string) error { showVersion = true; return nil })

	err := flags.Parse(args)
	if opt.lang != protocol.English && opt.lang != protocol.Spanish {
		bad := protocol.Quote(string(opt.lang))
		opt.lang = protocol.LangOf(os.Getenv)
		opt.wrongUse(say.BadLang, bad)
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Print(say.Usage.In(opt.lang))
		os.Exit(0)
	case err != nil:
		_, culprit, _ := strings.Cut(err.Error(), ": ")
		opt.wrongUse(say.BadOption, protocol.Quote(culprit))
	case showVersion:
		fmt.Println("posixlab client", version)
		os.Exit(0)
	case isRequest(flags.Args()):
		request := strings.Join(flags.Args(), " ")
		if strings.Contains(request, " ") {
			request = protocol.Quote(request)
		}
		opt.wrongUse(say.NoHost, protocol.Quote(flags.Arg(0)), request)
	case flags.NArg() > 1:
		opt.wrongUse(say.ExtraArgument, protocol.Quote(flags.Arg(1)))
	}

	if flags.NArg() == 1 {
		var ok bool
		if opt.host, opt.port, ok = splitAddress(flags.Arg(0)); !ok {
			opt.wrongUse(say.BadAddress, protocol.Quote(flags.Arg(0)))
		}
	}
	for _, request := range given {
		if strings.Contains(request, "\n") {
			opt.wrongUse(say.TwoLines, protocol.Quote(request))
		}
	}

	switch {
	case opt.discover && flags.NArg() > 0:
		opt.wrongUse(say.DiscoverOrHost)
	case opt.discover && opt.name == "" && len(given) > 0:
		opt.wrongUse(say.NameAndCode)
	case (opt.name == "") != (opt.code == ""):
		opt.wrongUse(say.NameAndCode)
	case strings.ContainsAny(opt.name, "\r\n") || strings.ContainsAny(opt.code, " \t\r\n"):
		opt.wrongUse(say.BadHello)
	}

	switch {
	case len(given) > 0:
		opt.requests = requestsGiven(given)
	case term.IsTerminal(0) && term.IsTerminal(1):
		opt.interactive = true
	default:
		opt.requests = requestsFrom(os.Stdin)
	}
	return opt
}

// isRequest reports whether the arguments begin with a verb, where a host should stand. A host
// of such a name can be given with its port.
func isRequest(args []string) bool {
	verb, _, _ := strings.Cut(strings.Join(args, " "), " ")
	return slices.ContainsFunc(protocol.Names[:], func(names []string) bool {
		return slices.Contains(names, strings.ToUpper(verb))
	})
}

func (opt options) wrongUse(complaint protocol.Message, args ...any) {
	said := complaint.In(opt.lang, args...)
	fmt.Fprintf(os.Stderr, "client: %s\n\n%s", said, say.Usage.In(opt.lang))
	os.Exit(statusWrongUse)
}
