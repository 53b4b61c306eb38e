package script

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"posixlab/labs/internal/proc"
	"posixlab/labs/internal/show"
)

func (s *Story) cmdSocket(c *call) error {
	if len(c.args) < 2 || s.server == nil {
		return misuse("wrong number of arguments")
	}
	which, err := s.findEnd(c.args[0])
	if err != nil {
		return err
	}
	want, gone := c.args[1], c.args[1] == "gone"
	var state proc.TCPState
	if !gone {
		if state, err = proc.ParseTCPState(want); err != nil {
			return misuse(err.Error())
		}
	}
	wanted, err := s.socketWanted(which, want, c.args[2:])
	if err != nil {
		return err
	}
	if wanted.closed && (!gone || !which.server || which.conn.inode == 0) {
		return misuse("closed goes with gone, and after held: socket NAME@server")
	}
	var got *proc.TCP
	var open []proc.Holder // descriptors of what has no line any more
	mine := func(t proc.TCP) bool { return which.matches(t, s.port) }
	seen := func() string {
		if got == nil && len(open) > 0 {
			return s.say(show.Text{
				EN: "no such line in /proc/net/tcp, but descriptor %d of process %d is still that socket",
				ES: "ninguna línea así en /proc/net/tcp, pero el descriptor %d del proceso %d todavía es ese socket"}, open[0].FD, open[0].PID)
		}
		if got == nil {
			return s.say(show.Text{EN: "no such line in /proc/net/tcp", ES: "ninguna línea así en /proc/net/tcp"})
		}
		return s.say(show.Text{
			EN: "%s at %s, %d unread, inode %d",
			ES: "%s en %s, %d sin leer, inodo %d"}, got.State, got.Local, got.RecvQueue, got.Inode)
	}
	err = s.await(nil, wanted.text, seen, func() (bool, error) {
		table, err := proc.TCPTable()
		if err != nil {
			return false, err
		}
		got = nil
		if i := slices.IndexFunc(table, mine); i >= 0 {
			got = &table[i]
		}
		if wanted.closed && got == nil {
			tree, err := s.run.Tree()
			open = proc.Holders(tree)[which.conn.inode]
			return len(open) == 0, err
		}
		if gone || got == nil {
			return gone && got == nil, nil
		}
		if wanted.address != nil && which.conn == nil && s.port == swapped {
			return false, &failure{wanted.text, s.say(show.Text{
				EN: "port %d, which is %d with its two bytes swapped: htons(3) is missing",
				ES: "el puerto %d, que es %d con sus dos bytes invertidos: falta htons(3)"}, swapped, protocolPort)}
		}
		if got.State == state && wanted.address != nil && !wanted.address(*got) {
			return false, &failure{wanted.text, seen()} // it will not change any more
		}
		ok := got.State == state && (wanted.unread < 0 || got.RecvQueue == wanted.unread) &&
			(wanted.inode < 0 || got.Inode == uint64(wanted.inode))
		if ok && wanted.held {
			tree, err := s.run.Tree()
			held := len(proc.Holders(tree)[got.Inode]) > 0
			if held && which.server {
				which.conn.inode = got.Inode
			}
			return held, err
		}
		return ok, nil
	})
	if err != nil {
		return err
	}
	if got != nil {
		c.ts.Setenv("INODE", fmt.Sprint(got.Inode))
	}
	s.pending.ends = append(s.pending.ends, which)
	evidence, err := s.sockets(func(t proc.TCP) bool {
		return slices.ContainsFunc(s.pending.ends, func(e end) bool { return e.matches(t, s.port) })
	})
	s.pending.by, s.pending.table = "socket", &evidence
	return err
}

// swapped is what becomes of the protocol's port without htons on most machines: 0x138a, 0x8a13.
const swapped = protocolPort>>8 | protocolPort&0xff<<8

// A wanted is what a socket must look like.
type wanted struct {
	address       func(proc.TCP) bool // nil: any
	unread, inode int                 // -1: any
	held          bool
	closed        bool   // with gone: nor a descriptor of it
	text          string // all of it in words
}

// socketWanted reads the conditions of a socket command, after its end and its state.
func (s *Story) socketWanted(which end, state string, args []string) (w wanted, err error) {
	w.unread, w.inode = -1, -1
	words := []string{s.sayEndOf(which) + ": " + state}
	if state == "gone" {
		words[0] = s.say(show.Text{
			EN: "no line in /proc/net/tcp for %s",
			ES: "ninguna línea en /proc/net/tcp para %s"}, s.sayEndOf(which))
	}
	for len(args) > 0 {
		name := args[0]
		if name == "held" {
			w.held = true
			words = append(words, s.say(show.Text{EN: "held by the server", ES: "con un descriptor del servidor"}))
			args = args[1:]
			continue
		}
		if name == "closed" {
			w.closed = true
			words = append(words, s.say(show.Text{EN: "and no descriptor of it", ES: "y ningún descriptor suyo"}))
			args = args[1:]
			continue
		}
		if len(args) == 1 {
			return w, misuse(name + " needs a value")
		}
		value := args[1]
		args = args[2:]
		switch name {
		case "address":
			addr, err := netip.ParseAddr(value)
			if err != nil {
				return w, misuse(err.Error())
			}
			// A server for IPv6 on :: accepts IPv4 too: it is on all interfaces.
			w.address = func(t proc.TCP) bool {
				return t.Local.Addr() == addr || addr.IsUnspecified() && t.Local.Addr().IsUnspecified()
			}
			words = append(words, s.say(show.Text{EN: "on address %s", ES: "en la dirección %s"}, value))
		case "unread":
			w.unread, err = strconv.Atoi(value)
			words = append(words, s.say(show.Text{EN: "%s unread", ES: "%s sin leer"}, value))
		case "inode":
			w.inode, err = strconv.Atoi(value)
			words = append(words, s.say(show.Text{EN: "inode %s", ES: "inodo %s"}, value))
		default:
			return w, misuse("unknown condition " + name)
		}
		if err != nil {
			return w, misuse(name + " needs a number")
		}
	}
	w.text = strings.Join(words, ", ")
	return w, nil
}

// sayEndOf names an end of a connection.
func (s *Story) sayEndOf(e end) string {
	switch {
	case e.conn == nil:
		return s.say(show.Text{EN: "the listening socket", ES: "el socket de escucha"})
	case e.server:
		return s.say(show.Text{
			EN: "the server's end of %s's connection",
			ES: "el extremo del servidor en la conexión de %s"}, e.conn.name)
	}
	return s.say(show.Text{EN: "%s's end", ES: "el extremo de %s"}, e.conn.name)
}
