package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"posixlab/server/classroom"
	"posixlab/server/protocol"
)

const version = "0.1.0"

// mostClients bounds -max-clients: each client is a thread, and Go stops at 10,000 threads.
const mostClients = 8000

// options are what the command line says.
type options struct {
	port       int // 0: the kernel chooses
	lang       protocol.Lang
	maxClients int
	open       bool // serve peers on other machines too
	class      classroom.Options
	page       string // where the class's page listens, or off
}

// parseFlags reads the command line. Wrong use is explained and ends the program with status 2.
func parseFlags(args []string) options {
	opt := options{lang: protocol.LangOf(os.Getenv)}
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the flag package speaks English only
	flags.IntVar(&opt.port, "port", protocol.Port, "")
	flags.StringVar((*string)(&opt.lang), "lang", string(opt.lang), "")
	flags.IntVar(&opt.maxClients, "max-clients", 512, "")
	flags.BoolVar(&opt.open, "open", false, "")
	showVersion := flags.Bool("version", false, "")
	opt.class.Limits = classroom.Usual
	allow := classFlags(flags, &opt.class)
	flags.StringVar(&opt.page, "page", ":5080", "")

	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Print(usage.In(opt.lang))
		os.Exit(0)
	case err != nil:
		wrongUse(opt.lang, badOption.In(opt.lang, err))
	case *showVersion:
		fmt.Println("posixlab server", version)
		os.Exit(0)
	case flags.NArg() > 0:
		wrongUse(opt.lang, noArguments.In(opt.lang, protocol.Quote(flags.Arg(0))))
	case opt.lang != protocol.English && opt.lang != protocol.Spanish:
		wrongUse(opt.lang, badLang.In(opt.lang, protocol.Quote(string(opt.lang))))
	case opt.class.Code != "" && opt.open:
		wrongUse(opt.lang, classAndOpen.In(opt.lang))
	case opt.class.Code != "" && !protocol.GoodTitle(opt.class.Title):
		wrongUse(opt.lang, badTitle.In(opt.lang, protocol.Quote(opt.class.Title)))
	case opt.class.Names < 1:
		wrongUse(opt.lang, badNames.In(opt.lang, opt.class.Names))
	case opt.maxClients < 1 || opt.maxClients > mostClients:
		wrongUse(opt.lang, badMaxClients.In(opt.lang, opt.maxClients, mostClients))
	}
	complaint := ""
	if opt.class.Code, complaint = readCode(opt.class.Code, opt.lang); complaint != "" {
		wrongUse(opt.lang, complaint)
	}
	opt.class.Allow = strings.Split(*allow, ",")
	opt.class.Lang = opt.lang
	return opt
}

func wrongUse(lang protocol.Lang, complaint string) {
	fmt.Fprintf(os.Stderr, "server: %s\n\n%s", complaint, usage.In(lang))
	os.Exit(2)
}
