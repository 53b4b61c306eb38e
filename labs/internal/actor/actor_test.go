package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// build builds the program under test, once for each test.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "actor")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// TestLaunch runs programs under limits, and looks at what the kernel then refuses.
func TestLaunch(t *testing.T) {
	actor := build(t)
	for name, c := range map[string]struct {
		limits []string
		script string
		want   string
	}{
		"none":       {nil, "echo fine; ls >/dev/null && echo forked", "fine\nforked\n"},
		"nofile":     {[]string{"nofile=20"}, "ulimit -n", "20\n"},
		"fork":       {[]string{"fork=0"}, "echo fine; ls >/dev/null 2>&1; echo forked", "fine\n"},
		"spare":      {[]string{fmt.Sprintf("spare=%d", os.Getppid())}, fmt.Sprintf("kill -0 $$ && echo self; kill -0 %d 2>/dev/null || echo not the other", os.Getppid()), "self\nnot the other\n"},
		"namespaces": {[]string{"namespaces=0"}, "unshare -U true 2>/dev/null || echo refused; ls >/dev/null && echo forked", "refused\nforked\n"},
		"two limits": {[]string{"nofile=30", "fork=0"}, "ulimit -n; ls >/dev/null 2>&1; echo forked", "30\n"},
	} {
		cmd := exec.Command(actor, append(append([]string{"launch"}, c.limits...), "--", "sh", "-c", c.script)...)
		out, err := cmd.Output()
		if string(out) != c.want {
			t.Errorf("%s: %q, %v; want %q", name, out, err, c.want)
		}
	}
	if out, err := exec.Command(actor, "launch", "nofile=20", "fork=0").CombinedOutput(); err != nil {
		t.Errorf("only trying: %v %s", err, out)
	}
	for _, limit := range []string{"nofile", "nofile=x", "colour=1"} {
		if out, err := exec.Command(actor, "launch", limit, "--", "true").CombinedOutput(); err == nil {
			t.Errorf("%s was accepted: %s", limit, out)
		}
	}
}

// TestHerd makes zombies, and counts them.
func TestHerd(t *testing.T) {
	cmd := exec.Command(build(t), "herd", "300")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	told, err := bufio.NewReader(out).ReadString('\n')
	var first, last int
	if n, _ := fmt.Sscan(told, &first, &last); n != 2 || last-first < 299 {
		t.Fatalf("%q, %v", told, err)
	}
	zombies := 0
	for pid := first; pid <= last; pid++ {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err == nil && strings.Contains(string(stat), fmt.Sprintf("(herd-of-zombies) Z %d ", cmd.Process.Pid)) {
			zombies++
		}
	}
	if zombies != 300 {
		t.Errorf("%d zombies", zombies)
	}
}

// TestOrders has an actor carry out what it is told, by a file and then over its FIFO.
func TestOrders(t *testing.T) {
	actor := build(t)
	work := t.TempDir()
	dir, signs := filepath.Join(work, "bin"), filepath.Join(work, "signs")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Mkdir(signs, 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(filepath.Join(signs, "1"), nil, 0o400),
		os.Symlink(actor, filepath.Join(signs, "planted")), os.Symlink(actor, filepath.Join(work, "elsewhere"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if err := os.Link(actor, filepath.Join(dir, name)); err != nil {
			t.Skip(err)
		}
		if err := unix.Mkfifo(filepath.Join(dir, name+".fifo"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("table", "1 init\n")
	for play, want := range map[string]string{
		"cat " + dir + "/table\nprint  2 b\nexit 0\n": "1 init\n 2 b\n <nil>",
		"exit 7\n":                    " exit status 7",
		"kill KILL\n":                 " signal: killed",
		"sign 1\nexit 0\n":            " <nil>",
		"sign ../signs/1\nexit 0\n":   " <nil>",
		"sign ../bin/table\nexit 0\n": " exit status 99", // leads nowhere else
		"sign planted\nexit 0\n":      " exit status 99",
		"fork ../elsewhere\nexit 0\n": " exit status 99",
		"dance\n":                     " exit status 99",
	} {
		write("a.play", play)
		out, err := exec.Command(filepath.Join(dir, "a")).Output()
		if got := fmt.Sprintf("%s %v", out, err); got != want {
			t.Errorf("%q: %q; want %q", play, got, want)
		}
	}
	if err := os.Remove(filepath.Join(dir, "a.play")); err != nil {
		t.Fatal(err)
	}

	fifo, err := os.OpenFile(filepath.Join(dir, "a.fifo"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer fifo.Close()
	write("b.play", "exit 3\n")
	cmd := exec.Command(filepath.Join(dir, "a"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() }) // only if it hangs
	defer ended.Stop()
	fmt.Fprintf(fifo, "fork b\nwait\nexit 4\n")
	if err := cmd.Wait(); err == nil || err.Error() != "exit status 4" {
		t.Errorf("%v", err)
	}
}
