package classroom

import (
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
)

// An orphan is a process whose parent has ended. The server is a subreaper (prctl(2)), so it becomes the
// server's own child, and nobody can tell any more who started it: it would be in no student's count, nobody's
// own, and live on when its starter's time is up. Therefore a class has none: an orphan is ended, and with it
// what descends from it. So STOP of the process that START made ends its whole family; no daemon is left.

// watchForOrphans has the orphans ended from now on. Whoever was the parent of one was our child, and its end
// sends us SIGCHLD, when the orphan has become our child already (exit_notify in Linux's kernel/exit.c). Where
// the family lives on we hear nothing: of such a one we learn when the process that START made ends, or when we
// look for the next START.
func (c *Class) watchForOrphans() error {
	now, err := c.processes()
	if err != nil {
		return err
	}
	for pid, st := range now.of { // not ours: left by a program that became the server by exec
		if st.parent == c.server {
			c.before[process{pid, st.began}] = true
		}
	}
	c.reaper = make(chan os.Signal, 1) // like the kernel's pending bit: many may have ended
	signal.Notify(c.reaper, unix.SIGCHLD)
	go func() {
		for range c.reaper {
			c.endOrphans()
		}
	}()
	return nil
}

func (c *Class) noMoreOrphans() {
	signal.Stop(c.reaper) // from here on nothing is sent
	close(c.reaper)
}

// endOrphans ends every orphan that there is, and returns the look around at which it saw them. One pass is
// enough: what an orphan forks meanwhile is an orphan when the first one has ended, and its end is our next
// SIGCHLD.
func (c *Class) endOrphans() (*tree, error) {
	now, err := c.processes()
	if err != nil {
		return nil, err
	}
	for pid, st := range now.of {
		if owner, ours := now.owner(pid); ours && owner == nil && !st.dead {
			process{pid, st.began}.kill()
		}
	}
	return now, nil
}

// endAll ends every process of the class, time and again until none is left: one may fork meanwhile, and be
// missed. That none is left is the kernel's word, and not that of a look around: a server that has no child,
// living or dead, has no descendants, since an orphan would be its child. Of a server that has other children, a
// look has to tell, during which no process ended: pids grow, so what forks is then seen, or what it forked.
func (c *Class) endAll() error {
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for tooLong := time.Now().Add(10 * time.Second); ; <-look.C {
		if childless() {
			return nil
		}
		now, err := c.processes()
		if err != nil {
			return err
		}
		living := now.living(nil)
		switch {
		case len(living) == 0 && !now.torn && (c.opt.Others || len(c.before) > 0):
			return nil
		case time.Now().After(tooLong):
			return refuse(processesLeft, max(1, len(living)))
		}
		for _, pid := range living {
			process{pid, now.of[pid].began}.kill()
		}
	}
}

// childless reports whether this process has no children at all, not even one that has ended and waits to be
// collected. It collects none.
func childless() bool {
	// POSIX: waitid(P_ALL, 0, NULL, WEXITED | WNOHANG | WNOWAIT) == -1 && errno == ECHILD
	return unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT|unix.WALL, nil) == unix.ECHILD
}
