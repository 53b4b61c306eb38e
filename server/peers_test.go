package main_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Two machines, as far as TCP can tell: two network namespaces joined by a cable (veth(4)).
const (
	here  = "10.99.0.1"
	there = "10.99.0.2"
)

// TestOtherMachine: a peer on another machine is refused with a line, and served with -open. It
// runs this test again as the root of new user and network namespaces, which any user may make
// where the machine allows it.
func TestOtherMachine(t *testing.T) {
	if os.Getenv("POSIXLAB_SERVER") != "" {
		testOtherMachine(t)
		return
	}
	runInNamespaces(t)
}

// runInNamespaces runs a test again, as the root of new user and network namespaces, in which POSIXLAB_SERVER is
// set. It prints NOT PERMITTED and why if the machine does not let it do what it needs.
func runInNamespaces(t *testing.T, env ...string) {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil {
		skipOrFail(t, "there is no ip(8): install iproute2")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")
	cmd.Env = append(append(os.Environ(), env...), "POSIXLAB_SERVER="+binary)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if _, ran := errors.AsType[*exec.ExitError](err); err != nil && !ran {
		skipOrFail(t, "this machine gives no user and network namespaces: "+err.Error())
	}
	if reason, found := strings.CutPrefix(lineWith(string(out), "NOT PERMITTED: "), "NOT PERMITTED: "); found {
		skipOrFail(t, reason)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()+" ") {
		t.Errorf("%v\n%s", err, out)
	}
}

// skipOrFail says what is missing. Where the tests must be complete, that is a failure.
func skipOrFail(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

func lineWith(text, start string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, start) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// testOtherMachine runs within the first of the two namespaces.
func testOtherMachine(t *testing.T) {
	// Whoever holds a namespace open keeps it: here a process that does nothing.
	other := exec.Command("sleep", "1000")
	other.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	if err := other.Start(); err != nil {
		fmt.Println("NOT PERMITTED: a second network namespace:", err)
		return
	}
	defer other.Wait()
	defer other.Process.Kill()
	for _, command := range []string{
		"ip link set lo up",
		"ip link add here type veth peer name there",
		fmt.Sprintf("ip link set there netns %d", other.Process.Pid),
		"ip addr add " + here + "/24 dev here",
		"ip link set here up",
	} {
		if err := ip(command); err != nil {
			fmt.Println("NOT PERMITTED:", err)
			return
		}
	}
	err := onOther(other.Process.Pid, func() error {
		return errors.Join(ip("ip addr add "+there+"/24 dev there"), ip("ip link set there up"))
	})
	if err != nil {
		t.Fatal(err)
	}

	s := start(t, options{})
	for range 3 {
		c := s.connectFrom(other.Process.Pid)
		want := "Error: START runs any program, so this server serves only its own machine; see -open"
		if reply := c.line(); reply != want {
			t.Errorf("a peer on another machine was told %q, want %q", reply, want)
		}
		c.eof()
	}
	s.awaitLog(`  error    refused ` + there + `:\d+: it is on another machine$`)
	for _, address := range []string{"127.0.0.1", "127.0.0.2", here} {
		conn, err := net.Dial("tcp", net.JoinHostPort(address, fmt.Sprint(s.port)))
		if err != nil {
			t.Fatal(err)
		}
		if reply := newClient(t, conn).ask("STOP 0"); reply != protected {
			t.Errorf("a peer on this machine, by %s, was told %q", address, reply)
		}
	}

	s = start(t, options{args: []string{"-open"}})
	s.awaitLog(`  warning  -open: every machine that reaches this one can run any program here$`)
	c := s.connectFrom(other.Process.Pid)
	if reply := c.ask("STOP 0"); reply != protected {
		t.Errorf("with -open, a peer on another machine was told %q", reply)
	}
	s.awaitLog(`  accept   client 1 from ` + there + `:\d+, `)
	c.exit()

	testClassFrom(t, other.Process.Pid)
}

func ip(command string) error {
	words := strings.Fields(command)
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %v: %s", command, err, out)
	}
	return nil
}

// onOther calls do on a thread that is in another process's network namespace. What it starts is
// there too. The thread ends with it.
func onOther(pid int, do func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		file, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
		if err == nil {
			err = unix.Setns(int(file.Fd()), unix.CLONE_NEWNET)
			file.Close()
		}
		if err == nil {
			err = do()
		}
		result <- err
	}()
	return <-result
}

// connectFrom connects from another network namespace to this one's address.
func (s *server) connectFrom(pid int) *client {
	s.t.Helper()
	var conn net.Conn
	err := onOther(pid, func() (err error) {
		conn, err = net.Dial("tcp", net.JoinHostPort(here, fmt.Sprint(s.port)))
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return newClient(s.t, conn)
}
