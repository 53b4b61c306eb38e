package classroom

import (
	"crypto/rand"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// every is how often a class announces itself: often enough that a student who waits for two seconds
// hears it, even if one datagram is lost.
const every = 500 * time.Millisecond

// Announce tells the LAN of a class, on each of the machine's networks, until stop is closed. Who cannot be
// told is left out: a class works without.
func Announce(title string, port int, stop <-chan struct{}) error {
	// POSIX: int fd = socket(AF_INET, SOCK_DGRAM, 0);
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	// POSIX: unsigned char ttl = 1; setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof ttl);
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, protocol.AnnounceTTL); err != nil {
		unix.Close(fd) // the only copy
		return err
	}
	id := make([]byte, 8)
	rand.Read(id) // never fails
	datagram := protocol.Announcement{ID: fmt.Sprintf("%x", id), Title: title, Port: port}.Bytes()
	go func() {
		defer unix.Close(fd) // the only copy
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			for _, network := range networks() {
				// POSIX: struct ip_mreqn m = { .imr_ifindex = i }; setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &m, sizeof m);
				if unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(network)}) == nil {
					// POSIX: sendto(fd, datagram, len, 0, (struct sockaddr *)&group, sizeof group);
					unix.Sendto(fd, datagram, 0, &unix.SockaddrInet4{Port: protocol.AnnouncePort, Addr: protocol.Group})
				}
			}
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	return nil
}

// networks are the interfaces that are up and can multicast, and the loopback, by index. They are looked up
// each time: a laptop joins a network when it pleases.
func networks() (indexes []int) {
	all, err := net.Interfaces()
	if err != nil {
		return nil
	}
	for _, network := range all {
		if network.Flags&net.FlagUp != 0 && network.Flags&(net.FlagMulticast|net.FlagLoopback) != 0 {
			indexes = append(indexes, network.Index)
		}
	}
	return indexes
}
