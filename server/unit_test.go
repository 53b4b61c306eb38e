package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// unit is the service of systemd, with the test's own server in it.
func unit(t *testing.T) (path, text string) {
	t.Helper()
	data, err := os.ReadFile("posixlab.service")
	if err != nil {
		t.Fatal(err)
	}
	text = strings.ReplaceAll(string(data), "/usr/local/bin/posixlab-server", binary)
	path = filepath.Join(t.TempDir(), "posixlab.service")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path, text
}

// setting is what the unit sets.
func setting(t *testing.T, text, name string) []string {
	t.Helper()
	found := regexp.MustCompile("(?m)^" + name + "=(.*)$").FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("the unit has no %s", name)
	}
	return strings.Fields(found[1])
}

// TestUnit has systemd find nothing wrong in the unit, and call what it leaves open little: an exposure of 2.5
// at most, where 10 is a service without any restriction.
func TestUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		skipOrFail(t, "there is no systemd-analyze(1): install systemd")
	}
	path, _ := unit(t)
	if out, err := exec.Command("systemd-analyze", "verify", path).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("verify: %v\n%s", err, out)
	}
	security := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=25", path)
	if out, err := security.CombinedOutput(); err != nil {
		t.Errorf("security: %v\n%s", err, out)
	}
}

// TestUnitPowers has a class work as the unit starts it: by its command line, and with no more of root's powers
// than its CapabilityBoundingSet.
func TestUnitPowers(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root has powers to give up")
	}
	if _, err := exec.LookPath("setpriv"); err != nil {
		skipOrFail(t, "there is no setpriv(1): install util-linux")
	}
	dir := t.TempDir()
	os.MkdirAll(filepath.Join(dir, "posixlab"), 0o700)
	if err := os.WriteFile(filepath.Join(dir, "code"), []byte("Q7W3E9\n"), 0o400); err != nil {
		t.Fatal(err)
	}
	_, text := unit(t)
	command := strings.Join(setting(t, text, "ExecStart"), " ")
	for was, is := range map[string]string{"%d": dir, "%L": dir, "-user posixlab": "-user nobody"} {
		if !strings.Contains(command, was) {
			t.Errorf("no %s in %s", was, command)
		}
		command = strings.ReplaceAll(command, was, is)
	}
	powers := "-all"
	for _, power := range setting(t, text, "CapabilityBoundingSet") {
		powers += ",+" + strings.ToLower(strings.TrimPrefix(power, "CAP_"))
	}
	s := start(t, options{
		args: append(strings.Fields(command)[1:], "-quiet", "-page", "127.0.0.1:0"), // 5080 may be taken here
		change: func(cmd *exec.Cmd) {
			setpriv, _ := exec.LookPath("setpriv")
			cmd.Path = setpriv
			cmd.Args = append([]string{"setpriv", "--bounding-set=" + powers, "--inh-caps=-all", "--no-new-privs"}, cmd.Args...)
		},
	})
	if caps := status(s.pid, "CapEff"); caps != fmt.Sprintf("%016x", 1<<unix.CAP_KILL|1<<unix.CAP_SETUID|1<<unix.CAP_SETGID) {
		t.Errorf("the server's capabilities are %s", caps)
	}
	c := s.join("ana")
	stopped, left := c.start("sleep 1000"), c.start("yes")
	if uid := status(left, "Uid"); !strings.HasPrefix(uid, fmt.Sprint(nobody, "\t")) {
		t.Errorf("it runs as %s", uid)
	}
	if caps := status(left, "CapEff") + status(left, "CapBnd"); !strings.HasPrefix(caps, "0000000000000000") {
		t.Errorf("its capabilities are %s", caps)
	}
	if reply := c.ask(fmt.Sprint("STOP ", stopped)); !strings.HasPrefix(reply, "OK") {
		t.Error(reply)
	}
	s.await("its end", func() bool { return status(stopped, "State") == "" })
	s.end(unix.SIGTERM)
	if state := status(left, "State"); state != "" {
		t.Errorf("it outlives the class: %s", state)
	}
}
