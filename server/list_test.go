package main_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// limit is the lecture's 64 KB.
const limit = 65536

// rows returns a table of exactly so many bytes. Its rows are 22 bytes long, but for the last.
func rows(size int) []byte {
	var table bytes.Buffer
	table.WriteString("    PID COMMAND\n")
	for pid := 1; table.Len() < size; pid++ {
		fmt.Fprintf(&table, "%7d process-name-\n", pid)
	}
	table.Truncate(size - 1)
	table.WriteByte('\n')
	return table.Bytes()
}

// fakePS returns a PATH on which ps prints a table.
func fakePS(t *testing.T, table []byte) string {
	t.Helper()
	path := scriptedPS(t, `exec cat "$0.out"`)
	dir, _, _ := strings.Cut(strings.TrimPrefix(path, "PATH="), ":")
	if err := os.WriteFile(dir+"/ps.out", table, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// scriptedPS returns a PATH on which ps is a script.
func scriptedPS(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	writeScript(t, dir, "ps", text)
	return "PATH=" + dir + ":" + os.Getenv("PATH")
}

// TestListLimit: LIST ends at the last whole line that fits, and the log says what was cut.
func TestListLimit(t *testing.T) {
	for _, size := range []int{1000, limit - 1, limit, limit + 1, limit + 22, 10 << 20} {
		table := rows(size)
		want := table
		if size > limit {
			want = table[:bytes.LastIndexByte(table[:limit], '\n')+1]
		}
		s := start(t, options{env: []string{fakePS(t, table)}})
		c := s.connect()
		for range 2 {
			if got := c.list(); got != string(want) {
				t.Errorf("of %d bytes, LIST gives %d; want %d", size, len(got), len(want))
			}
		}
		c.exit()
		s.awaitLog(`close    client 1$`)
		cut := ""
		if lost := table[len(want):]; len(lost) > 0 {
			cut = fmt.Sprintf("client 1 got %d of %d bytes; rows lost: %d", len(want), size, bytes.Count(lost, []byte("\n")))
		}
		if said := regexp.MustCompile(`(?m)  cut      (.*)$`).FindStringSubmatch(s.log()); cut == "" && said != nil ||
			cut != "" && (said == nil || said[1] != cut) {
			t.Errorf("of %d bytes: the log says %q, want %q", size, said, cut)
		}
	}
}

// TestListLongLine: of a line that alone is past the limit nothing is left, and that is an error.
func TestListLongLine(t *testing.T) {
	s := start(t, options{env: []string{fakePS(t, []byte(strings.Repeat("x", limit+1)+"\n"))}})
	if got := s.connect().list(); !strings.HasPrefix(got, "Error: ") {
		t.Errorf("LIST gives %q", got)
	}
	s.awaitLog(`  cut      client 1 got 0 of 65538 bytes; rows lost: 1$`)
}

// TestListReal: with the machine's own ps, the server itself is in the table.
func TestListReal(t *testing.T) {
	s := start(t, ownProcesses(t))
	table := s.connect().list()
	if !regexp.MustCompile(`(?m)^ *1 server$`).MatchString(table) {
		t.Errorf("the server is not in the table:\n%s", table)
	}
	if !regexp.MustCompile(`(?m)^ *\d+ ps$`).MatchString(table) {
		t.Errorf("ps is not in its own table:\n%s", table)
	}
}

// ownProcesses has a server be process 1 of a pid namespace: whatever else the machine does, such as the
// herds of other tests, the real table fits 64 KB.
func ownProcesses(t *testing.T) options {
	t.Helper()
	attr := &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	mount := "mount -t proc proc /proc || exit"
	try := exec.Command("/bin/sh", "-c", mount)
	try.SysProcAttr = attr
	if out, err := try.CombinedOutput(); err != nil {
		skipOrFail(t, fmt.Sprintf("this machine gives no pid namespace with a /proc: %v %s", err, out))
	}
	return options{shell: mount, change: func(cmd *exec.Cmd) { cmd.SysProcAttr = attr }}
}

// TestListFails: each way to fail is an Error, and leaves no descriptor behind.
func TestListFails(t *testing.T) {
	for _, test := range []struct{ name, path, want string }{
		{"missing", "PATH=" + t.TempDir(), `Error: cannot start "ps": exec: no such file or directory (ENOENT)`},
		{"fails", scriptedPS(t, "echo a table; exit 3"), "Error: cannot list processes: ps exited with status 3"},
		{"killed", scriptedPS(t, "kill -KILL $$"), "Error: cannot list processes: ps was killed by signal 9 (SIGKILL)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, options{env: []string{test.path}})
			c := s.connect()
			c.ask("STOP 0") // the server has accepted it
			before := len(descriptors(s.pid))
			for range 20 {
				if reply := c.ask("LIST"); reply != test.want {
					t.Fatalf("LIST: %q, want %q", reply, test.want)
				}
			}
			if after := len(descriptors(s.pid)); after != before {
				t.Errorf("there were %d descriptors, and are %d", before, after)
			}
		})
	}
}

// TestListInFlight: the server ends in order though a ps does not.
func TestListInFlight(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mkfifo(dir+"/fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, options{env: []string{scriptedPS(t, "exec cat "+dir+"/fifo")}})
	s.connect().send("LIST\n")
	s.awaitLog(`  fork     child \d+: ps -e -o pid,comm$`)
	s.mustServe() // one client's LIST holds up no other
	s.end(unix.SIGTERM)
	s.awaitLog(`  end      children ended: 1$`)
}
