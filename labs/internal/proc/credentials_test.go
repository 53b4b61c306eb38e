package proc

import (
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestCredentials compares what the kernel shows of this process with what it says of itself.
func TestCredentials(t *testing.T) {
	got, err := ReadCredentials(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	uid, gid := unix.Geteuid(), unix.Getegid()
	groups, err := unix.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(groups)
	slices.Sort(got.Groups)
	noNewPrivs, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		t.Fatal(err)
	}
	want := Credentials{UID: [4]int{uid, uid, uid, uid}, GID: [4]int{gid, gid, gid, gid}, NoNewPrivs: noNewPrivs == 1,
		Capabilities: uint64(sets[1].Effective)<<32 | uint64(sets[0].Effective)}
	want.Groups = append(want.Groups, groups...)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := ReadCredentials(1 << 30); err != ErrGone {
		t.Error(err)
	}
}

// TestLimits compares the limits that the kernel shows with those that prlimit(2) gives, of a process that
// has been limited; and a zombie has none.
func TestLimits(t *testing.T) {
	pid := start(t, "cat")
	for which, limit := range map[int]unix.Rlimit{
		unix.RLIMIT_CPU: {Cur: 20, Max: 30}, unix.RLIMIT_AS: {Cur: 1 << 30, Max: unix.RLIM_INFINITY},
	} {
		var had unix.Rlimit
		if err := unix.Prlimit(pid, which, nil, &had); err != nil {
			t.Fatal(err)
		}
		limit.Cur, limit.Max = min(limit.Cur, had.Max), min(limit.Max, had.Max)
		if err := unix.Prlimit(pid, which, &limit, nil); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadLimits(pid)
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[string]Limit)
	for name, which := range map[string]int{"Max cpu time": unix.RLIMIT_CPU, "Max file size": unix.RLIMIT_FSIZE,
		"Max address space": unix.RLIMIT_AS, "Max open files": unix.RLIMIT_NOFILE} {
		var is unix.Rlimit
		if err := unix.Prlimit(pid, which, nil, &is); err != nil {
			t.Fatal(err)
		}
		want[name] = Limit{is.Cur, is.Max}
	}
	for name := range got {
		if _, asked := want[name]; !asked {
			delete(got, name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := ReadLimits(1 << 30); err != ErrGone {
		t.Error(err)
	}
	dead := exec.Command("true")
	if err := dead.Start(); err != nil {
		t.Fatal(err)
	}
	defer dead.Wait()
	await(t, "a zombie", func() bool {
		st, err := ReadStat(dead.Process.Pid)
		return err == nil && st.State == "Z"
	})
	if limits, err := ReadLimits(dead.Process.Pid); err != nil && err != ErrGone {
		t.Errorf("%v, %v", limits, err)
	}
}
