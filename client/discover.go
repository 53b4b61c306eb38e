package main

import (
	"cmp"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// A class is a server that announced itself on the LAN.
type class struct {
	title string
	at    netip.AddrPort
}

// listening is how long we listen for classes. Each announces itself twice a second.
const listening = 1500 * time.Millisecond

// discover listens to the group that classes announce themselves to, and returns those that it hears, by
// title. A server's address is that from which its datagram came, and not what somebody writes into one.
func discover() ([]class, error) {
	// POSIX: int fd = socket(AF_INET, SOCK_DGRAM, 0);
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	defer hangUp(fd)
	// Others on this machine may listen too.
	// POSIX: int on = 1; setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return nil, os.NewSyscallError("setsockopt", err)
	}
	// POSIX: bind(fd, (struct sockaddr *)&group, sizeof group);
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: protocol.AnnouncePort, Addr: protocol.Group}); err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	if err := join(fd); err != nil {
		return nil, err
	}

	heard := make(map[string]class) // by id: a server on two of our networks is one class
	datagram := make([]byte, 2048)
	for end := time.Now().Add(listening); ; {
		left := unix.NsecToTimeval(max(1, int64(time.Until(end))))
		left.Usec = max(1, left.Usec) // 0 would be no limit
		if time.Now().After(end) {
			break
		}
		// POSIX: setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &left, sizeof left);
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &left)
		// POSIX: ssize_t n = recvfrom(fd, datagram, sizeof datagram, 0, (struct sockaddr *)&from, &len);
		n, from, err := unix.Recvfrom(fd, datagram, 0)
		if err != nil { // EAGAIN: the time is up; EINTR: perhaps not yet
			continue
		}
		sender, isIPv4 := from.(*unix.SockaddrInet4)
		a, err := protocol.ParseAnnouncement(datagram[:n])
		if err != nil || !isIPv4 {
			continue // whoever it is, it is no class
		}
		here := netip.AddrPortFrom(netip.AddrFrom4(sender.Addr), uint16(a.Port))
		if known, twice := heard[a.ID]; !twice || known.at.Addr().IsLoopback() {
			heard[a.ID] = class{a.Title, here}
		}
	}
	var classes []class
	for _, c := range heard {
		classes = append(classes, c)
	}
	slices.SortFunc(classes, func(a, b class) int { return cmp.Or(cmp.Compare(a.title, b.title), a.at.Compare(b.at)) })
	return classes, nil
}

// join asks the kernel for the group's datagrams on each network of this machine. One is enough.
func join(fd int) error {
	networks, err := net.Interfaces()
	if err != nil {
		return err
	}
	joined := 0
	for _, network := range networks {
		// POSIX: struct ip_mreqn m = { group, .imr_ifindex = i }; setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m);
		err = unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP,
			&unix.IPMreqn{Multiaddr: protocol.Group, Ifindex: int32(network.Index)})
		if err == nil {
			joined++
		}
	}
	if joined == 0 {
		return os.NewSyscallError("setsockopt IP_ADD_MEMBERSHIP", cmp.Or(err, error(unix.ENODEV)))
	}
	return nil
}
