package proc

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// start starts a program that waits until the test ends.
func start(t *testing.T, name string, args ...string) int {
	t.Helper()
	cmd := exec.Command(name, args...)
	end, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		end.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd.Process.Pid
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for limit := time.Now().Add(time.Minute); !holds(); <-look.C {
		if time.Now().After(limit) {
			t.Fatalf("waited a minute in vain for %s", what)
		}
	}
}

// awaitExec waits until a child has become another program.
func awaitExec(t *testing.T, pid int, comm string) {
	t.Helper()
	await(t, comm, func() bool {
		st, err := ReadStat(pid)
		return err == nil && st.Comm == comm
	})
}

func TestZombieAndGone(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	await(t, "a zombie", func() bool {
		st, err := ReadStat(pid)
		return err == nil && st.State == "Z"
	})
	if argv, err := Argv(pid); len(argv) != 0 || err != nil {
		t.Errorf("a zombie's argv: %q, %v", argv, err)
	}
	if HasEnv(pid, "PATH", os.Getenv("PATH")) {
		t.Error("a zombie has an environment")
	}
	if fds, err := Descriptors(pid); len(fds) != 0 || err != nil && os.Geteuid() == 0 {
		t.Errorf("a zombie's descriptors: %v, %v", fds, err)
	}
	children, err := Children(os.Getpid())
	if err != nil || !slices.ContainsFunc(children, func(st Stat) bool { return st.PID == pid && st.State == "Z" }) {
		t.Errorf("a zombie is no child: %v, %v", children, err)
	}
	cmd.Wait()

	_, statErr := ReadStat(pid)
	_, argvErr := Argv(pid)
	_, threadsErr := Threads(pid)
	_, fdErr := Descriptors(pid)
	for what, err := range map[string]error{"ReadStat": statErr, "Argv": argvErr, "Threads": threadsErr, "Descriptors": fdErr} {
		if err != ErrGone {
			t.Errorf("%s of a process that was collected: %v; want ErrGone", what, err)
		}
	}
	if HasEnv(pid, "PATH", os.Getenv("PATH")) {
		t.Error("a process that is gone has an environment")
	}
	if tree, err := Tree(pid); len(tree) != 0 || err != nil {
		t.Errorf("the tree of a process that is gone: %v, %v", tree, err)
	}
}

// TestGoneWhileRead reads processes that come and go all the time: that is never an error.
func TestGoneWhileRead(t *testing.T) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				exec.Command("true").Run()
			}
		}
	}()
	for range 50 {
		all, err := All()
		if err != nil {
			t.Error(err)
		}
		if !slices.IsSortedFunc(all, func(a, b Stat) int { return a.PID - b.PID }) {
			t.Error("not by pid")
		}
		for _, st := range all {
			for what, read := range map[string]func() error{
				"Argv":    func() error { _, err := Argv(st.PID); return err },
				"Threads": func() error { _, err := Threads(st.PID); return err },
			} {
				if err := read(); err != nil && err != ErrGone {
					t.Errorf("%s of %d %s: %v", what, st.PID, st.Comm, err)
				}
			}
		}
	}
	close(stop)
	<-stopped
}

// TestOddName reads a program whose name looks like the end of the name and a state.
func TestOddName(t *testing.T) {
	const odd = "a ) R 1 (b) ("
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Fatal(err)
	}
	cat, err = filepath.EvalSymlinks(cat)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), odd)
	// By another process: one that is being written cannot be run (ETXTBSY).
	if out, err := exec.Command("cp", cat, path).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	pid := start(t, path)
	awaitExec(t, pid, odd)
	st, err := ReadStat(pid)
	if err != nil {
		t.Fatal(err)
	}
	if st.PID != pid || st.Parent != os.Getpid() || st.Group != unix.Getpgrp() || st.Start == 0 || len(st.State) != 1 {
		t.Errorf("%+v", st)
	}
	argv, err := Argv(pid)
	if diff := cmp.Diff([]string{path}, argv); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

func TestArgvAndEnv(t *testing.T) {
	t.Setenv("POSIXLAB_TEST_A", "one=two")
	pid := start(t, "sh", "-c", "read line", "", "two words", "ñ")
	awaitExec(t, pid, "sh")
	argv, err := Argv(pid)
	if diff := cmp.Diff([]string{"sh", "-c", "read line", "", "two words", "ñ"}, argv); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if !HasEnv(pid, "POSIXLAB_TEST_A", "one=two") || HasEnv(pid, "POSIXLAB_TEST_A", "one") || HasEnv(pid, "TEST_A", "one=two") {
		t.Error("HasEnv does not compare the whole variable")
	}
}

func TestTree(t *testing.T) {
	root := start(t, "sh", "-c", "sh -c 'read line; true'; true")
	await(t, "a grandchild", func() bool {
		tree, err := Tree(root)
		return err == nil && len(tree) == 2 && tree[0].PID == root && tree[1].Parent == root
	})
}

// TestTreeOfSmallerPids has pids that began anew below the parent's, as they do past pid_max.
func TestTreeOfSmallerPids(t *testing.T) {
	all := []Stat{{PID: 1}, {PID: 2, Parent: 30}, {PID: 4, Parent: 20}, {PID: 20, Parent: 2}, {PID: 25, Parent: 1}, {PID: 30, Parent: 1}, {PID: 40, Parent: 30}}
	want := []Stat{{PID: 30, Parent: 1}, {PID: 2, Parent: 30}, {PID: 40, Parent: 30}, {PID: 20, Parent: 2}, {PID: 4, Parent: 20}}
	if diff := cmp.Diff(want, tree(all, 30)); diff != "" {
		t.Error(diff)
	}
	if got := tree(all, 31); got != nil {
		t.Errorf("nothing descends from a process that is not there: %v", got)
	}
}

func TestThreads(t *testing.T) {
	const n = 20
	var blocked []int
	for range n {
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		blocked = append(blocked, p[1])
		go func() { // a raw read holds a thread
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			unix.Read(p[0], make([]byte, 1))
			unix.Close(p[0])
		}()
	}
	reading := 0
	await(t, "threads blocked in read", func() bool {
		threads, err := Threads(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		reading = 0
		for _, th := range threads {
			if th.Call == "read" && th.State == "S" && th.TID > 0 && th.Switches > 0 {
				reading++
			}
		}
		return reading >= n
	})
	for _, fd := range blocked {
		unix.Close(fd)
	}
}

func TestDescriptors(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "a file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	path, err := filepath.EvalSymlinks(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	fds, err := Descriptors(os.Getpid())
	if err != nil || fds[int(file.Fd())] != path {
		t.Errorf("%v, %v", fds, err)
	}
}

func TestHolders(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var want []Holder
	raw.Control(func(fd uintptr) {
		dup, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		want = []Holder{{os.Getpid(), int(fd)}, {os.Getpid(), dup}}
		t.Cleanup(func() { unix.Close(dup) })
	})
	slices.SortFunc(want, func(a, b Holder) int { return a.FD - b.FD })
	holders := Holders([]Stat{{PID: os.Getpid()}, {PID: 1 << 30}}) // there is no such second process
	sock := find(t, l.Addr().(*net.TCPAddr).AddrPort(), Listen)
	if diff := cmp.Diff(want, holders[sock.Inode]); diff != "" {
		t.Error(diff)
	}
}

// find returns the line of the kernel's table with this local address and state.
func find(t *testing.T, local netip.AddrPort, state TCPState) TCP {
	t.Helper()
	table, err := TCPTable()
	if err != nil {
		t.Fatal(err)
	}
	for _, sock := range table {
		if sock.Local == local && sock.State == state {
			return sock
		}
	}
	t.Fatalf("no line with %v %v", local, state)
	return TCP{}
}

func TestTCPTable(t *testing.T) {
	// Listen on all addresses of both kinds, and connect over IPv4.
	for _, network := range []string{"tcp4", "tcp"} {
		t.Run(network, func(t *testing.T) {
			l, err := net.Listen(network, ":0")
			if err != nil {
				t.Skip(err)
			}
			defer l.Close()
			port := l.Addr().(*net.TCPAddr).Port
			client, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()

			any := netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(port))
			if ip := l.Addr().(*net.TCPAddr).IP; ip.To4() == nil {
				any = netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(port))
			}
			if sock := find(t, any, Listen); sock.RecvQueue != 1 || sock.Inode == 0 {
				t.Errorf("the listening socket should have one connection to accept: %+v", sock)
			}
			here := netip.MustParseAddrPort(fmt.Sprintf("127.0.0.1:%d", port))
			there := client.LocalAddr().(*net.TCPAddr).AddrPort()
			if sock := find(t, here, Established); sock.Remote != there || sock.Inode != 0 {
				t.Errorf("the server's end, not yet accepted: %+v; want the remote end %v as IPv4, and inode 0", sock, there)
			}

			conn, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.Write([]byte("12345")); err != nil {
				t.Fatal(err)
			}
			await(t, "5 unread bytes", func() bool { return find(t, here, Established).RecvQueue == 5 })
			if sock := find(t, here, Established); sock.Inode == 0 || len(Holders([]Stat{{PID: os.Getpid()}})[sock.Inode]) != 1 {
				t.Errorf("the server's end, accepted: %+v", sock)
			}
			conn.(*net.TCPConn).CloseWrite()
			conn.(*net.TCPConn).SetReadBuffer(1)
			await(t, "CLOSE_WAIT", func() bool { return has(t, there, CloseWait) && has(t, here, FinWait2) })
			client.Close()
			conn.Close()

			table, err := TCPTable()
			if err != nil {
				t.Fatal(err)
			}
			if !slices.IsSortedFunc(table, func(a, b TCP) int { return b2i(b.State == Listen) - b2i(a.State == Listen) }) {
				t.Error("listening sockets do not come first")
			}
		})
	}
}

func has(t *testing.T, local netip.AddrPort, state TCPState) bool {
	t.Helper()
	table, err := TCPTable()
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(table, func(sock TCP) bool { return sock.Local == local && sock.State == state })
}

func TestTCPStates(t *testing.T) {
	for state := Established; state <= Closing; state++ {
		if parsed, err := ParseTCPState(state.String()); parsed != state || err != nil {
			t.Errorf("%v: %v, %v", state, parsed, err)
		}
	}
	for _, name := range []string{"", "?", "listen", "TIME-WAIT"} {
		if state, err := ParseTCPState(name); err == nil {
			t.Errorf("%q is %v", name, state)
		}
	}
	if said := TCPState(99).String(); !strings.Contains(said, "99") {
		t.Error(said)
	}
}
