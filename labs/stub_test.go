package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// stubArg makes the test binary a server on port 5002, the lecture's, which it has built in. The
// argument after it says what is wrong with it.
const stubArg = "stub"

const builtInPort = "5002"

// stub is a server in a few lines of package net. It knows as much of the protocol as
// 01-sockets/address-in-use and 02-protocol/errors ask for.
func stub(args []string) int {
	address, network := ":"+builtInPort, "tcp4"
	switch args[0] {
	case "good":
	case "strict":
		if len(args) > 1 {
			fmt.Println("no such option:", args[1])
			return 2
		}
	case "exits":
		fmt.Println("I am not in the mood")
		return 7
	case "never-listens":
		select {}
	case "crashes":
	case "ignores-term":
		signal.Ignore(unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
		startSleeper()
	case "daemon", "daemon-again": // twice: a session of its own, and again
		next := map[string]string{"daemon": "daemon-again", "daemon-again": "good"}[args[0]]
		cmd := exec.Command("/proc/self/exe", stubArg, next)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			fmt.Println(err)
			return 1
		}
		return 0
	case "ipv6":
		network = "tcp6"
		if l, err := net.Listen("tcp6", "[::]:0"); err != nil {
			fmt.Println(err)
			return 1
		} else {
			l.Close()
		}
	case "talks": // 100 MB in lines, and goes on to serve no one
		line := append(bytes.Repeat([]byte("bla "), 250), '\n')
		for range 100_000 {
			os.Stdout.Write(line)
		}
		return 1
	case "talks-on": // 100 MB in one line, with a terminal's escape sequences
		part := bytes.Repeat([]byte("\x1b[2J "), 200)
		for range 100_000 {
			os.Stdout.Write(part)
		}
		return 1
	}
	config := net.ListenConfig{}
	if network == "tcp6" {
		config.Control = func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1) })
		}
	}
	l, err := config.Listen(context.Background(), network, address)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return 1
		}
		go stubSession(conn, args[0])
	}
}

// startSleeper leaves a grandchild in a session of its own.
func startSleeper() {
	cmd := exec.Command("sleep", "100000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Start()
}

func stubSession(conn net.Conn, fault string) {
	defer conn.Close()
	for lines := bufio.NewReader(conn); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		if fault == "crashes" {
			panic("a null pointer, say")
		}
		if strings.TrimSpace(line) == "LIST" {
			io.WriteString(conn, "    PID COMMAND\n      1 init\n")
		} else {
			io.WriteString(conn, "Error: no\n")
		}
	}
}
