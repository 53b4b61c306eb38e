package classroom

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// family starts a shell that runs a script, in which $S is a sleep that await knows.
func (s *stage) family(g *Guest, script string) (root int) {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "script")
	if err := os.WriteFile(path, []byte("S='sleep "+s.mark()+"'\n"+script), 0o644); err != nil {
		s.t.Fatal(err)
	}
	for dir := filepath.Dir(path); dir != "/"; dir = filepath.Dir(dir) { // for nobody to read it
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&1 == 0 {
			os.Chmod(dir, info.Mode().Perm()|0o11)
		}
	}
	return s.start(g, "START sh "+path)
}

// mark is a number of seconds that no other test sleeps.
func (s *stage) mark() string { return fmt.Sprintf("1000.%d", os.Getpid()) }

// sleeping are the sleeps of families that have not ended.
func (s *stage) sleeping() (pids []int, now *tree) {
	s.t.Helper()
	now, err := s.processes()
	if err != nil {
		s.t.Fatal(err)
	}
	for pid, st := range now.of {
		argv, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if !st.dead && string(argv) == "sleep\x00"+s.mark()+"\x00" {
			pids = append(pids, pid)
		}
	}
	return pids, now
}

// await waits until so many sleep.
func (s *stage) await(n int) (pids []int) {
	s.t.Helper()
	for limit := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if pids, _ = s.sleeping(); len(pids) == n {
			return pids
		}
		if time.Now().After(limit) {
			s.t.Fatalf("%d sleep, want %d", len(pids), n)
		}
	}
}

func shells(o *Options) { o.Allow = []string{"sh", "setsid", "sleep"} }

// TestFamily has STOP of what START made end all that it started, also in sessions of their own.
func TestFamily(t *testing.T) {
	s := open(t, shells)
	g := s.join("ana", "10.0.0.1")
	root := s.family(g, "$S & setsid $S & sh -c \"$S & $S\" & wait")
	s.await(4)
	s.ask(g, fmt.Sprint("STOP ", root), "OK")
	s.await(0)
}

// TestDaemon has what outlives its starter be ended at once: it would be in nobody's count.
func TestDaemon(t *testing.T) {
	s := open(t, shells)
	root := s.start(s.join("ana", "10.0.0.1"), "START setsid -f sleep "+s.mark()) // forks, and its parent exits
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		if err == unix.EINTR || err == nil && pid == root {
			continue
		}
		if err != nil || status.Signal() != unix.SIGKILL {
			t.Errorf("the daemon %d: %v, %v", pid, status, err)
		}
		break
	}
	s.await(0)
}

// TestDisowned has an orphan whose family lives on be ended no later than at the next START.
func TestDisowned(t *testing.T) {
	s := open(t, func(o *Options) { shells(o); o.Limits.Processes = 2 })
	signal.Stop(s.reaper) // no late SIGCHLD of an earlier test ends the orphan before it is seen
	g := s.join("ana", "10.0.0.1")
	root := s.family(g, "($S &); exec $S")
	for limit := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) { // until the one is an orphan
		if pids, now := s.sleeping(); len(pids) == 2 && now.of[pids[0]].parent == now.of[pids[1]].parent {
			break
		}
		if time.Now().After(limit) {
			t.Fatal("no orphan")
		}
	}
	s.start(g, "START sleep 1000")
	if pids := s.await(1); pids[0] != root {
		t.Errorf("%d was left, and not %d", pids[0], root)
	}
	s.ask(g, "START sleep 1000", "Error…2 processes already")
}

// TestBefore has a child that the server had before the class be none of the class's.
func TestBefore(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	tee, err := os.StartProcess("/bin/sleep", []string{"sleep", "1000"}, &os.ProcAttr{Files: []*os.File{null, null, null}})
	if err != nil {
		t.Fatal(err)
	}
	defer tee.Wait()
	defer tee.Kill()
	s := open(t, shells)
	g := s.join("ana", "10.0.0.1")
	root := s.start(g, "START sleep 1000")
	s.ask(g, fmt.Sprint("STOP ", root), "OK")
	s.ask(g, fmt.Sprint("STOP ", tee.Pid), "Error…not one of this class")
	s.close()
	if st, err := readStat(tee.Pid); err != nil || st.dead {
		t.Errorf("%+v, %v", st, err)
	}
}

// TestWall has a process of the class end when its time is up, and all that it started.
func TestWall(t *testing.T) {
	s := open(t, func(o *Options) { shells(o); o.Limits.Wall = 300 * time.Millisecond })
	g := s.join("ana", "10.0.0.1")
	for range 3 {
		root := s.family(g, "setsid $S & sh -c \"$S & $S & $S\" & wait")
		var status unix.WaitStatus
		if _, err := unix.Wait4(root, &status, 0, nil); err != nil || status.Signal() != unix.SIGKILL {
			t.Errorf("%v, %v", status, err)
		}
		s.await(0)
	}
}

// TestBreeders has processes that fork as fast as they can end with the class: if the server then has no child,
// and if it has one that is none of the class's, a page.
func TestBreeders(t *testing.T) {
	for _, others := range []bool{false, true} {
		s := open(t, func(o *Options) { shells(o); o.Limits.Processes, o.Others = 10000, others })
		if others {
			page := s.run("sleep", "1000")
			t.Cleanup(func() { page.Process.Kill(); page.Wait() })
		}
		g := s.join("ana", "10.0.0.1")
		for range 3 {
			s.family(g, "while :; do /bin/true & setsid -f /bin/true; (:); done")
		}
		if err := s.close(); err != nil {
			t.Errorf("others %v: %v", others, err)
		}
		for range 5 { // looks around: one could miss what is left
			if now, err := s.processes(); err != nil || len(now.living(nil)) > 0 {
				t.Errorf("others %v: %v, %v", others, now.living(nil), err)
			}
		}
	}
}
