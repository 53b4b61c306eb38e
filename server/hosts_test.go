package main_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// hosts is how many machines the class's LAN has, besides the server's.
const hosts = 10

// TestTenHosts holds a small lesson on a LAN: a server and ten other machines, each a network namespace, and a
// switch (a bridge) between them. It runs again as the root of new user and network namespaces.
func TestTenHosts(t *testing.T) {
	if os.Getenv("POSIXLAB_SERVER") != "" {
		testTenHosts(t)
		return
	}
	client := filepath.Join(t.TempDir(), "client")
	if out, err := exec.Command("go", "build", "-o", client, "posixlab/client").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	runInNamespaces(t, "POSIXLAB_CLIENT="+client)
}

// A host is a machine of the LAN: a process that does nothing, and holds a network namespace open.
type host struct {
	name   string
	pid    int
	binary string // of the client
}

// boot starts a machine: one of a new network, which has nothing yet, or one of ours.
func boot(t *testing.T, name string, network uintptr) (*host, error) {
	idle := exec.Command("sleep", "10000")
	idle.SysProcAttr = &syscall.SysProcAttr{Cloneflags: network}
	if err := idle.Start(); err != nil {
		return nil, err
	}
	t.Cleanup(func() { idle.Process.Kill(); idle.Wait() })
	return &host{name, idle.Process.Pid, os.Getenv("POSIXLAB_CLIENT")}, nil
}

// do runs ip commands on the machine.
func (h *host) do(commands ...string) error {
	return onOther(h.pid, func() error {
		for _, command := range commands {
			if err := ip(command); err != nil {
				return err
			}
		}
		return nil
	})
}

// layLAN makes the switch and the machines, and connects them by cables (veth(4)): ours is 10.99.1.1.
func layLAN(t *testing.T) (machines []*host, err error) {
	lan, err := boot(t, "switch", unix.CLONE_NEWNET)
	if err != nil {
		return nil, err
	}
	if err := lan.do("ip link add lan type bridge mcast_snooping 0", "ip link set lan up"); err != nil {
		return nil, err
	}
	plug := func(number int, into *host) error {
		err := lan.do(fmt.Sprintf("ip link add port%d type veth peer name eth0 netns %d", number, into.pid),
			fmt.Sprintf("ip link set port%d master lan up", number))
		return errors.Join(err, into.do("ip link set lo up", fmt.Sprintf("ip addr add 10.99.1.%d/24 dev eth0", number), "ip link set eth0 up"))
	}
	server, err := boot(t, "server", 0)
	if err != nil {
		return nil, err
	}
	if err := plug(1, server); err != nil {
		return nil, err
	}
	for i := range hosts {
		h, err := boot(t, fmt.Sprint("student", i), unix.CLONE_NEWNET)
		if err != nil {
			return nil, err
		}
		if err := plug(10+i, h); err != nil {
			return nil, err
		}
		machines = append(machines, h)
	}
	return machines, nil
}

// client runs the client on a machine, as somebody who found the class by its announcement.
func (h *host) client(t *testing.T, args ...string) (said string, status int) {
	t.Helper()
	cmd := exec.Command(h.binary, append([]string{"-lang", "en", "-discover"}, args...)...)
	var out []byte
	err := onOther(h.pid, func() (err error) { out, err = cmd.CombinedOutput(); return err })
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func testTenHosts(t *testing.T) {
	machines, err := layLAN(t)
	if err != nil {
		fmt.Println("NOT PERMITTED:", err)
		return
	}
	const seats = 3
	s := start(t, options{
		args: []string{"-class", "Q7W3E9", "-page", "off", "-own", "-title", "Redes, grupo 1", "-max-clients", fmt.Sprint(seats),
			"-audit", filepath.Join(t.TempDir(), "class.jsonl")},
		change: func(cmd *exec.Cmd) { // who is not root: nobody else exists in this user namespace
			cmd.SysProcAttr = &syscall.SysProcAttr{
				Cloneflags:  unix.CLONE_NEWUSER,
				UidMappings: []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getuid(), Size: 1}},
				GidMappings: []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getgid(), Size: 1}},
			}
		},
	})

	// One sits down, and her machine is cut off. She asks nothing, so only the kernel's probes can tell.
	lost := s.sitDown(machines[0])
	begun := lost.start("sleep 1000")
	if err := machines[0].do("ip link set eth0 down"); err != nil {
		t.Fatal(err)
	}

	// Meanwhile the others have their lesson, one after the other in the seats that are left.
	pids := make([]int, hosts)
	var lesson sync.WaitGroup
	turn := make(chan bool, seats-1)
	for i, h := range machines[1:] {
		lesson.Go(func() {
			turn <- true
			defer func() { <-turn }()
			switch h.name {
			case "student8":
				said, status := h.client(t, "-name", h.name, "-code", "WRONG1", "-c", "LIST", "-c", "START sleep 1000")
				if status != 1 || strings.Count(said, "Error: ") != 1 || strings.Contains(said, "OK") {
					t.Errorf("%s has a wrong code: %d\n%s", h.name, status, said)
				}
			case "student9":
				if said, status := h.client(t); status != 0 || !strings.Contains(said, fmt.Sprintf("10.99.1.1:%d", s.port)) || !strings.Contains(said, "Redes, grupo 1") {
					t.Errorf("%s looks for classes: %d\n%s", h.name, status, said)
				}
				c := s.dialFrom(h)
				for _, request := range []string{"LIST", "START sleep 1000", fmt.Sprint("STOP ", begun)} {
					if reply := c.ask(request); reply != "Error: "+hello {
						t.Errorf("%s has no code: %s: %q", h.name, request, reply)
					}
				}
				c.exit()
			default:
				said, status := h.client(t, "-name", h.name, "-code", "Q7W3E9", "-c", "START sleep 1000", "-c", "LIST", "-c", fmt.Sprint("STOP ", begun))
				started := regexp.MustCompile(`OK: .* PID (\d+)\n`).FindStringSubmatch(said)
				if status != 1 || started == nil || !strings.Contains(said, started[1]+" sleep\n") ||
					!strings.Contains(said, fmt.Sprintf("Error: process %d is not yours\n", begun)) {
					t.Errorf("%s: %d\n%s", h.name, status, said)
					return
				}
				fmt.Sscan(started[1], &pids[1+i])
			}
		})
	}
	lesson.Wait()
	if t.Failed() {
		return
	}
	if said, status := machines[3].client(t, "-name", "student3", "-code", "Q7W3E9", "-c", fmt.Sprint("STOP ", pids[3])); status != 0 {
		t.Errorf("student3 stops her own: %d\n%s", status, said)
	}

	// Her seat is taken for as long as she may come back, and free afterwards.
	var seated []*client
	for range seats - 1 {
		seated = append(seated, s.sitDown(machines[4]))
	}
	late := s.dialFrom(machines[5])
	full := fmt.Sprintf("refused %s: the server is full", late.LocalAddr())
	s.await("the server to take a client or to refuse it", func() bool {
		return strings.Contains(s.log(), full) || strings.Contains(s.log(), fmt.Sprintf("from %s, ", late.LocalAddr()))
	})
	if strings.Contains(s.log(), full) {
		if reply := late.line(); reply != fmt.Sprintf("Error: the server is full (%d clients): try again later", seats) {
			t.Errorf("all seats are taken: %q", reply)
		}
	} else if strings.Contains(s.log(), "close    client 1\n") { // this machine is slow: it has come to that already
		late.exit()
	} else {
		t.Error("there was one seat more")
	}
	s.awaitLog(`  close    client 1$`)
	seated = append(seated, s.sitDown(machines[5]))
	if reply := seated[0].ask(fmt.Sprint("STOP ", begun)); reply != fmt.Sprintf("Error: process %d is not yours", begun) {
		t.Errorf("what she began goes on: %q", reply)
	}

	// Her cable is mended: she is who she was.
	if err := machines[0].do("ip link set eth0 up"); err != nil {
		t.Fatal(err)
	}
	seated[0].exit()
	if said, status := machines[0].client(t, "-name", "student0", "-code", "Q7W3E9", "-c", fmt.Sprint("STOP ", begun)); status != 0 {
		t.Errorf("student0 is back: %d\n%s", status, said)
	}

	s.end(unix.SIGINT)
	for _, pid := range append(pids, begun) {
		if pid > 0 && status(pid, "State") != "" {
			t.Errorf("process %d outlives the class: %s", pid, status(pid, "State"))
		}
	}
}

// sitDown has somebody of a machine join the class, and stay.
func (s *server) sitDown(h *host) *client {
	s.t.Helper()
	c := s.dialFrom(h)
	if reply := c.ask("HELLO " + h.name + " Q7W3E9"); !strings.HasPrefix(reply, "OK: welcome, "+h.name) {
		s.t.Fatalf("%s: %s", h.name, reply)
	}
	return c
}

func (s *server) dialFrom(h *host) *client {
	s.t.Helper()
	var conn net.Conn
	err := onOther(h.pid, func() (err error) {
		conn, err = net.Dial("tcp", fmt.Sprintf("10.99.1.1:%d", s.port))
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return newClient(s.t, conn)
}
