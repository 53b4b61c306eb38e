package proc

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/prometheus/procfs"
)

// A State of a TCP connection (tcp(7), RFC 9293), numbered as in /proc/net/tcp.
type TCPState uint64

const (
	Established TCPState = iota + 1
	SynSent
	SynRecv
	FinWait1
	FinWait2
	TimeWait
	Close
	CloseWait
	LastAck
	Listen
	Closing
)

var tcpStates = [...]string{"?", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",
	"TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING"}

func (s TCPState) String() string {
	if int(s) < len(tcpStates) {
		return tcpStates[s]
	}
	return fmt.Sprintf("state %d", uint64(s))
}

// ParseTCPState reads a state's name, in capitals, as netstat and ss have it.
func ParseTCPState(name string) (TCPState, error) {
	if i := slices.Index(tcpStates[:], name); i > 0 {
		return TCPState(i), nil
	}
	return 0, fmt.Errorf("no TCP state is called %q", name)
}

// A TCP is one end of a connection, or a listening socket: a line of /proc/net/tcp or tcp6.
type TCP struct {
	Local, Remote netip.AddrPort // IPv4 in IPv6 is given as IPv4
	State         TCPState
	RecvQueue     int    // bytes that wait to be read; of a listening socket, connections to accept
	SendQueue     int    // bytes that the other end has not acknowledged
	UID           int    // the user who made it
	Inode         uint64 // 0 if no process has it: not yet accepted, or closed
}

// TCPTable returns the TCP sockets of this process's network namespace, listening ones first.
func TCPTable() ([]TCP, error) {
	kernel, err := procfs.NewDefaultFS()
	if err != nil {
		return nil, err
	}
	// The library recommends netlink, and rightly; but a lab is about this very table.
	entries, err := kernel.NetTCP() //lint:ignore SA1019 the table is what we show
	if err != nil {
		return nil, err
	}
	entries6, err := kernel.NetTCP6()      //lint:ignore SA1019 the same, for servers on [::]
	if err != nil && !os.IsNotExist(err) { // a kernel without IPv6 has no such file
		return nil, err
	}
	var table []TCP
	for _, e := range append(entries, entries6...) {
		local, _ := netip.AddrFromSlice(e.LocalAddr)
		remote, _ := netip.AddrFromSlice(e.RemAddr)
		table = append(table, TCP{
			Local:     netip.AddrPortFrom(local.Unmap(), uint16(e.LocalPort)),
			Remote:    netip.AddrPortFrom(remote.Unmap(), uint16(e.RemPort)),
			State:     TCPState(e.St),
			RecvQueue: int(e.RxQueue),
			SendQueue: int(e.TxQueue),
			UID:       int(e.UID),
			Inode:     e.Inode,
		})
	}
	slices.SortStableFunc(table, func(a, b TCP) int {
		return cmp.Or(cmp.Compare(b2i(b.State == Listen), b2i(a.State == Listen)),
			a.Local.Compare(b.Local), a.Remote.Compare(b.Remote))
	})
	return table, nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A Holder is a descriptor of a process.
type Holder struct{ PID, FD int }

// Holders finds which descriptors of these processes refer to which socket, by inode.
func Holders(processes []Stat) map[uint64][]Holder {
	holders := make(map[uint64][]Holder)
	for _, p := range processes {
		fds, err := Descriptors(p.PID)
		if err != nil {
			continue // gone, or not ours to read: it then holds nothing that we can show
		}
		for fd, to := range fds {
			var inode uint64
			if n, _ := fmt.Sscanf(to, "socket:[%d]", &inode); n == 1 {
				holders[inode] = append(holders[inode], Holder{p.PID, fd})
			}
		}
	}
	for _, h := range holders {
		slices.SortFunc(h, func(a, b Holder) int {
			return cmp.Or(cmp.Compare(a.PID, b.PID), cmp.Compare(a.FD, b.FD))
		})
	}
	return holders
}
