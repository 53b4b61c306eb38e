package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// inNamespaces runs a test again, as root of new user and network namespaces, in which nothing is but a
// loopback. It reports whether this is that second run.
func inNamespaces(t *testing.T) bool {
	t.Helper()
	const inside = "POSIXLAB_TEST_INSIDE"
	skip := func(reason string) {
		if os.Getenv("CI") == "true" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	if os.Getenv(inside) != "" {
		if out, err := exec.Command("ip", "link", "set", "lo", "up", "multicast", "on").CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		return true
	}
	if _, err := exec.LookPath("ip"); err != nil {
		skip("there is no ip(8): install iproute2")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if _, ran := errors.AsType[*exec.ExitError](err); err != nil && !ran {
		skip("this machine gives no user and network namespaces: " + err.Error())
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// shout sends datagrams to the group from an address, again and again, until the test ends.
func shout(t *testing.T, from string, datagrams ...[]byte) {
	t.Helper()
	conn, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.ParseIP(from)}, &net.UDPAddr{IP: protocol.Group[:], Port: protocol.AnnouncePort})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		lo, _ := net.InterfaceByName("lo")
		if err := unix.SetsockoptIPMreqn(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(lo.Index)}); err != nil {
			t.Error(err)
		}
	})
	stop := make(chan struct{})
	var shouting sync.WaitGroup
	shouting.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			for _, datagram := range datagrams {
				conn.Write(datagram)
			}
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	})
	t.Cleanup(func() { close(stop); shouting.Wait(); conn.Close() })
}

func announcement(id, title string, port int) []byte {
	return protocol.Announcement{ID: strings.Repeat(id, 16), Title: title, Port: port}.Bytes()
}

// TestDiscover has the client find classes, one or several, among datagrams that are none.
func TestDiscover(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	begin := time.Now()
	none := run(t, "", "-discover", "-name", "ana", "-code", "Q7W3E9", "-c", "LIST")
	if took := time.Since(begin); none.Status != statusLost || none.Stdout != "" || !strings.Contains(none.Stderr, "UDP port 5002") || took > 2*time.Second {
		t.Errorf("no class: %+v, after %v; it should be said within 2 s", none, took)
	}

	address := serve(t, obey)
	_, port, _ := net.SplitHostPort(address)
	var n int
	fmt.Sscan(port, &n)
	shout(t, "127.0.0.1", announcement("a", "Sistemas, grupo 3", n), []byte("HELLO"), []byte(`{"posixlab":1}`),
		announcement("b", "\x1b[2J", n), announcement("c", "none", 0), []byte(strings.Repeat("x", 2000)),
		[]byte(fmt.Sprintf(`{"posixlab":1,"id":"dddddddddddddddd","title":"elsewhere","port":%d,"host":"192.0.2.1"}`, n)))
	list := run(t, "", "-discover")
	if want := fmt.Sprintf("%-21s  Sistemas, grupo 3\n", address); list.Status != 0 || list.Stdout != want || !strings.Contains(list.Stderr, "client -name NAME -code CODE "+address) {
		t.Errorf("the list: %+v; want %q", list, want)
	}
	joined := run(t, "", "-discover", "-name", "ana", "-code", "Q7W3E9", "-c", "LIST")
	if want := "OK HELLO ana Q7W3E9\nOK LIST\nGoodbye.\n"; joined.Status != 0 || joined.Stdout != want {
		t.Errorf("joined: %+v; want %q", joined, want)
	}

	shout(t, "127.0.0.2", announcement("e", "Redes", 5002))
	both := run(t, "", "-discover", "-name", "ana", "-code", "Q7W3E9", "-c", "LIST")
	want := fmt.Sprintf("%-21s  Redes\n%-21s  Sistemas, grupo 3\n", "127.0.0.2:5002", address)
	if both.Status != statusWrongUse || both.Stdout != want || !strings.Contains(both.Stderr, "more than one class") {
		t.Errorf("two classes: %+v; want %q", both, want)
	}
	if misuse := run(t, "", "-discover", "somewhere"); misuse.Status != statusWrongUse || !strings.Contains(misuse.Stderr, "choose one of the two") {
		t.Errorf("%+v", misuse)
	}
}
