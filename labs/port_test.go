package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/course"
	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/show"
	"posixlab/labs/internal/target"
)

// netnsVariable tells a test that it runs in a network namespace of its own.
const netnsVariable = "POSIXLAB_TEST_NETNS"

// inNetns runs the calling test anew in a network namespace of its own, so that it does not matter
// who has port 5002 on this machine, and reports whether the caller is that new run.
func inNetns(t *testing.T) bool {
	t.Helper()
	if os.Getenv(netnsVariable) == t.Name() {
		t.Setenv("POSIXLAB_PROBE", fmt.Sprint(int(grade.OwnNetwork)))
		if grade.Worker([]string{"-probe"}) != grade.ExitPass { // brings the loopback up
			t.Fatal("no loopback")
		}
		return true
	}
	buildKit(t)
	args := []string{"-test.run=^" + t.Name() + "$", "-test.v", fmt.Sprintf("-test.short=%v", testing.Short())}
	cmd := exec.Command(self(t), args...)
	cmd.Env = append(os.Environ(), netnsVariable+"="+t.Name(), "TMPDIR="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	if uid, gid := os.Geteuid(), os.Getegid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
		cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_NET_ADMIN}
	}
	out, err := cmd.CombinedOutput()
	if cmd.Process == nil {
		t.Skipf("this machine allows no network namespace: %v", err)
	}
	if err != nil {
		t.Errorf("in a network namespace: %v", err)
	}
	if err != nil || testing.Verbose() {
		t.Logf("%s", out)
	}
	return false
}

// eachWay judges a server with each isolation, and with none.
func eachWay(t *testing.T, judge func(t *testing.T, r *grade.Runner)) {
	for level, name := range []string{grade.Alone: "alone", grade.OwnNetwork: "own network", grade.Contained: "contained"} {
		t.Run(name, func(t *testing.T) {
			r := newRunner(t, show.English)
			if r.Isolation < grade.Isolation(level) {
				t.Skip(r.WhyNot)
			}
			r.Isolation = grade.Isolation(level)
			judge(t, r)
		})
	}
}

func stubServer(t *testing.T, fault string) target.Command {
	return target.Command{Argv: []string{self(t), stubArg, fault}}
}

func scenario(t *testing.T, id string) *course.Scenario {
	t.Helper()
	sc := loadKit(t).course.Scenario(id)
	if sc == nil {
		t.Fatalf("there is no scenario %s", id)
	}
	return sc
}

// TestBuiltInPort judges servers that can have no other port than 5002.
func TestBuiltInPort(t *testing.T) {
	if !inNetns(t) {
		return
	}
	eachWay(t, func(t *testing.T, r *grade.Runner) {
		for _, id := range []string{"01-sockets/address-in-use", "02-protocol/persistence"} {
			result := r.Run(t.Context(), scenario(t, id), stubServer(t, "good"), grade.Told{})
			if result.Verdict != grade.Pass {
				t.Error(why(result))
			}
		}
	})
}

// TestPortTaken has a stranger hold the port: no fault of the server's.
func TestPortTaken(t *testing.T) {
	if !inNetns(t) {
		return
	}
	stranger, err := net.Listen("tcp4", ":"+builtInPort)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	eachWay(t, func(t *testing.T, r *grade.Runner) {
		result := r.Run(t.Context(), scenario(t, "01-sockets/address-in-use"), stubServer(t, "good"), grade.Told{})
		if r.Isolation > grade.Alone && result.Verdict != grade.Pass {
			t.Errorf("in a namespace of its own the port is free: %s", why(result))
		}
		if r.Isolation == grade.Alone && (result.Verdict != grade.Infra || !strings.Contains(result.Reason, builtInPort)) {
			t.Errorf("want infra, and a reason that names port %s: %s", builtInPort, why(result))
		}
	})
}

// TestBrokenServers judges servers that do what no server should. Whatever they do, the verdict
// is theirs and not the machine's, and nothing of them is left.
func TestBrokenServers(t *testing.T) {
	if !inNetns(t) {
		return
	}
	const inUse, persistence = "01-sockets/address-in-use", "02-protocol/persistence"
	cases := []struct {
		fault, scenario string
		want            grade.Verdict
		seen            string // what Seen must say
	}{ // first those that leave no TIME_WAIT on the port: a server that ends early is given a second chance
		{"never-listens", inUse, grade.Fail, "listens on no port"},
		{"exits", inUse, grade.Fail, "exited with status 7 before that: I am not in the mood"},
		{"talks", inUse, grade.Fail, "exited with status 1 before that: bla"},
		{"talks-on", inUse, grade.Fail, `\x1b[2J \x1b[2J`},
		{"ipv6", inUse, grade.Fail, "refused"},
		{"crashes", inUse, grade.Fail, "exited with status 2"},
		{"ignores-term", inUse, grade.Pass, ""},
		{"daemon", persistence, grade.Pass, ""},
		{"daemon", inUse, grade.Fail, "exited with status 0"}, // its first process does not know of the second's end
	}
	eachWay(t, func(t *testing.T, r *grade.Runner) {
		for _, c := range cases {
			t.Run(c.fault+" "+path.Base(c.scenario), func(t *testing.T) {
				if c.fault == "ipv6" {
					if l, err := net.Listen("tcp6", "[::]:0"); err != nil {
						t.Skip(err)
					} else {
						l.Close()
					}
				}
				result := r.Run(t.Context(), scenario(t, c.scenario), stubServer(t, c.fault), grade.Told{})
				if result.Verdict != c.want || !strings.Contains(result.Seen, c.seen) {
					t.Errorf("want %s, saw …%s…: %.2000s", c.want, c.seen, why(result))
				}
				for _, line := range append(result.Evidence, result.Seen, result.Expected, result.Reason) {
					if len(line) > 500 || show.Printable(line) != line {
						t.Errorf("a line of %d bytes: %.200q…", len(line), line)
					}
				}
				if left := descendants(); len(left) > 0 {
					t.Errorf("processes are left: %v", left)
				}
			})
		}
	})
}

// TestDeck judges the lecture's server in C, as a submission, with each isolation: what it fails, it
// fails by its own faults. (TestCDeck judges it by all labs.)
func TestDeck(t *testing.T) {
	needs(t, "cc", "make")
	if !inNetns(t) {
		return
	}
	server := target.Command{Argv: []string{buildC(t, "deck")}}
	eachWay(t, func(t *testing.T, r *grade.Runner) {
		judge := func(sc *course.Scenario) {
			result := r.Run(t.Context(), sc, server, grade.Told{})
			failed := result.Verdict == grade.Fail
			if failed {
				tellsWhy(t, trial{"deck", server.Argv[0], sc}, result)
			}
			if result.Verdict == grade.Infra || failed != slices.Contains(deckFails, sc.ID()) {
				t.Error(why(result))
			}
		}
		scenarios := slices.Concat(loadKit(t).course.Find("1"), loadKit(t).course.Find("2"))
		if r.Isolation > grade.Alone {
			sideBySide(scenarios, judge)
			return
		}
		for _, sc := range scenarios { // one after another: they share the port
			judge(sc)
		}
	})
}
