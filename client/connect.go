package main

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// splitAddress reads HOST or HOST:PORT, with a port from 1 to 65535. IPv6 addresses are not
// the lecture's: their colons make them bad here.
func splitAddress(s string) (host string, port int, ok bool) {
	host, digits, hasPort := strings.Cut(s, ":")
	if !hasPort {
		return host, protocol.Port, host != ""
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	return host, int(n), err == nil && n > 0 && host != ""
}

// resolve finds the IPv4 address that a host's name, or the address itself, stands for.
func resolve(host string) (addr [4]byte, err error) {
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
		return ip.As4(), nil
	}
	// POSIX: getaddrinfo(host, NULL, &(struct addrinfo){ .ai_family = AF_INET }, &found);
	found, err := net.DefaultResolver.LookupNetIP(context.Background(), "ip4", host)
	if err != nil {
		return addr, os.NewSyscallError("getaddrinfo", err)
	}
	return found[0].Unmap().As4(), nil
}

// dial connects to a server: socket and connect are all that a client needs, since the kernel
// gives its end an address by itself. It returns the server's ADDR:PORT also when it fails.
func dial(host string, port int) (fd int, peer string, err error) {
	addr, err := resolve(host)
	if err != nil {
		return -1, host, err
	}
	peer = netip.AddrPortFrom(netip.AddrFrom4(addr), uint16(port)).String()

	// START connect OMIT
	// 1. An end point for TCP over IPv4, like the server's.
	// POSIX: int fd = socket(AF_INET, SOCK_STREAM, 0);
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return -1, peer, os.NewSyscallError("socket", err)
	}

	// 2. The handshake with the server's kernel: done before the server calls accept.
	server := &unix.SockaddrInet4{Port: port, Addr: addr}
	for {
		// POSIX: connect(fd, (struct sockaddr *)&server, sizeof server);
		err = unix.Connect(fd, server)
		if err != unix.EINTR { // a signal; the next call waits for the same handshake
			break
		}
	}
	// END connect OMIT
	if err != nil {
		hangUp(fd)
		return -1, peer, os.NewSyscallError("connect", err)
	}
	return fd, peer, nil
}
